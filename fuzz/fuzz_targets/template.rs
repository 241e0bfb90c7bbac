//! Templates, and what they are given: bounded in time, memory and output.

#![no_main]

use taskbell::{
    notice::NoticeKind,
    render::{Seen, Style, Target, Template, Words, sample},
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (source, value) = text.split_once('\0').unwrap_or((&text, "value"));
    let style = Style::default();
    let words = Words::new(style.clone());
    for kind in NoticeKind::ALL {
        let mut notice = sample(kind);
        for failure in &mut notice.failures {
            failure.task.text.server_name = Some(value.to_owned());
            failure.task.text.error_message = Some(value.to_owned());
        }
        for target in [Target::Line, Target::Html, Target::Json] {
            let template = Template::compile("file", source.to_owned(), target, &style);
            if let Ok(template) = template {
                drop(template.render(&Seen::of(&notice, &words)));
            }
        }
        drop((words.plain(&notice), words.html(&notice), words.headline(&notice)));
    }
});
