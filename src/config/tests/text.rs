//! `[text]`, `[template.<kind>]` and `[hints]`.

use super::*;
use crate::{
    render::{Language, sample},
    task::TaskText,
};

#[test]
fn a_sink_inherits_and_may_differ() {
    let own = "language = \"en\"\ntemplate = { title = \"own.j2\" }\n";
    let text = edited(SINK_KIND, &format!("{SINK_KIND}{own}"));
    let text = format!(
        "{text}[[sink]]\nname = \"b\"\nkind = \"fake\"\n[text]\nlanguage = \"zh\"\n\
         time_zone = \"Asia/Shanghai\"\n[template.fake]\ntitle = \"kind.j2\"\ntext = \"text.j2\"\n"
    );
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let [a, b] = config.sinks.as_slice() else { panic!("two sinks") };
    assert_eq!((a.text.language, b.text.language), (Language::English, Language::Chinese));
    assert_eq!((a.text.zone.name(), b.text.zone.name()), ("Asia/Shanghai", "Asia/Shanghai"));
    let titles = [a, b].map(|sink| sink.text.templates.title.clone().unwrap());
    assert_eq!(titles, ["own.j2", "kind.j2"].map(PathBuf::from));
    assert_eq!(a.text.templates.text, b.text.templates.text);
    let error = config.build_sinks(&Clients::default()).unwrap_err();
    let cannot = "cannot be read: No such file or directory (os error 2)";
    assert_eq!(
        lines(error.problems()),
        [
            format!("c.toml:9: sink.ops.template.title: own.j2: {cannot}"),
            format!("c.toml:13: sink.b.template.title: kind.j2: {cannot}"),
        ]
    );
}

#[test]
fn words_that_cannot_be_meant_are_refused() {
    let zone = "is not a time zone; write its IANA name, such as `Asia/Shanghai` or `UTC`";
    for (to, expected) in [
        (
            "[text]\nlanguage = \"fr\"",
            "c.toml:12: text.language: unknown variant `fr`, expected `en` or `zh`",
        ),
        ("[text]\ntime_zone = \"Mars\"", &format!("c.toml:12: text.time_zone: `Mars` {zone}")),
        (
            "[template.fak]\ntext = \"x\"",
            "c.toml:11: template.fak: `fak` is not a kind of sink; did you mean `fake`?",
        ),
        (
            "[template.fake]\ntxt = \"x\"",
            "c.toml:12: template.fake.txt: is not a known key; did you mean `text`?",
        ),
        (
            "[hints]\nA = 1",
            "c.toml:12: hints.A: must be a text, or { text = \"…\", link = \"https://…\" }",
        ),
        (
            "[hints]\nA = { text = \"x\", link = \"x\" }",
            "c.toml:12: hints.A: its link must be an https:// or http:// URL",
        ),
    ] {
        check("", to, &[expected]);
    }
    check(
        SINK_KIND,
        &format!("{SINK_KIND}time_zone = \"Mars\"\n"),
        &[&format!("c.toml:8: sink.ops.time_zone: `Mars` {zone}")],
    );
}

#[test]
fn hints_arrive_in_the_order_of_the_file() {
    let text = edited("", "[hints]\n're:b' = 'first'\n're:a' = { text = 'second' }");
    let config = parse(&text).unwrap();
    let text = TaskText { error_message: Some("ab".to_owned()), ..TaskText::default() };
    assert_eq!(config.hints.of(&text, Language::English).unwrap().text, "first");
}

#[test]
fn a_template_is_tried_before_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.j2");
    let table = format!("{SINK_KIND}template = {{ text = '{}' }}\n", file.display());
    let config = parse(&edited(SINK_KIND, &table)).unwrap();
    fs_write(&file, "{{ title }}\n{{ reasn }}");
    let error = config.build_sinks(&Clients::default()).unwrap_err();
    let line = error.to_string().replace(&file.display().to_string(), "t.j2");
    assert_eq!(
        line,
        "c.toml:8: sink.ops.template.text: t.j2:2: there is no such field in `reasn`, for a notice \
         of type task.failed"
    );
    fs_write(&file, "{{ title }}");
    assert!(config.build_sinks(&Clients::default()).is_ok());
    let words = config.words(&config.sinks[0]).unwrap();
    let notice = sample(crate::notice::NoticeKind::Test);
    assert_eq!(words.plain(&notice), words.headline(&notice));
}

fn fs_write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}
