//! Templates, and what they are given: bounded in time, memory and output.

#![no_main]

use taskbell::{
    notice::NoticeKind,
    render::{Seen, Style, Target, Template, Words, sample},
};

const TARGETS: [Target; 3] = [Target::Line, Target::Html, Target::Json];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // What kind of notice, and what is made of it: one of each, since a template may use all of
    // its fuel.
    let Some((choice, text)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    let kind = NoticeKind::ALL[choice % NoticeKind::ALL.len()];
    let target = TARGETS[choice / NoticeKind::ALL.len() % TARGETS.len()];
    let text = String::from_utf8_lossy(text);
    let (source, value) = text.split_once('\0').unwrap_or((&text, "value"));
    let mut notice = sample(kind);
    for failure in &mut notice.failures {
        failure.task.text.server_name = Some(value.to_owned());
        failure.task.text.error_message = Some(value.to_owned());
    }
    let style = Style::default();
    let words = Words::new(style.clone());
    if let Ok(template) = Template::compile("file", source.to_owned(), target, &style) {
        drop(template.render(&Seen::of(&notice, &words)));
    }
    drop((words.plain(&notice), words.html(&notice), words.headline(&notice)));
});
