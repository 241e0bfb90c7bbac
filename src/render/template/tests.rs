use super::*;
use crate::render::{Language, Templates, Zone};

fn style(language: Language) -> Style {
    let zone = Zone::parse("Asia/Shanghai").unwrap();
    Style { language, zone, ..Style::default() }
}

fn render(source: &str, target: Target) -> Result<String, String> {
    let style = style(Language::English);
    let template = Template::compile("t.j2", source.to_owned(), target, &style)?;
    let words = Words::new(style);
    template.render(&Seen::of(&sample(NoticeKind::TaskFailed), &words))
}

#[track_caller]
fn check(source: &str, target: Target, expected: &str) {
    assert_eq!(render(source, target).as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn refused(source: &str, target: Target, expected: &str) {
    let error = render(source, target).expect_err(source);
    assert!(error.starts_with(expected), "{source}: {error}");
}

#[test]
fn a_template_sees_the_notice_and_can_shape_it() {
    for (source, expected) in [
        ("{{ type }} from {{ source.name }}", "task.failed from prod-beijing"),
        ("{{ title }}", "prod-beijing: 2 failed tasks (1 reset, 1 bind)"),
        (
            "{% for f in failures %}{{ loop.index }}. {{ f.action }} {{ f.server.name }}; {% endfor %}",
            "1. reset web-01; 2. bind -; ",
        ),
        ("{{ failures[0].failed_at | time }}", "2026-11-23 17:59:30 UTC+8"),
        ("{{ failures[0].failed_at | time('UTC') }}", "2026-11-23 09:59:30 UTC"),
        ("{{ failures[0].failed_at | time('UTC', '%H:%M') }}", "09:59"),
        ("{{ failures[1].failed_at | time }}", "not given"),
        ("{{ failures[0].failed_at | duration }} {{ 4320 | duration }}", "35 s 1 h 12 min"),
        ("{{ 1 if now == timestamp }}", "1"),
        ("{{ failures[0].hint | truncate(10) }}", "Only a st…"),
        ("{{ '<a&b>' | escape('slack') }}", "&lt;a&amp;b&gt;"),
        ("{{ 'a_b*c' | escape('markdown') }}", "a\\_b\\*c"),
        ("\"{{ 'a\"b\\n' | escape('json') }}\"", "\"a\\\"b\\n\""),
    ] {
        check(source, Target::Plain, expected);
    }
}

#[test]
fn values_are_escaped_for_what_is_written() {
    check("<b>{{ '<i>' }}</b>", Target::Html, "<b>&lt;i&gt;</b>");
    check("<b>{{ '<i>' | escape }}</b>", Target::Html, "<b>&lt;i&gt;</b>");
    check(
        "{\"n\": {{ total }}, \"t\": {{ type }}}",
        Target::Json,
        "{\"n\": 2, \"t\": \"task.failed\"}",
    );
    check("a\r\nBcc:  {{ type }}\n", Target::Line, "a Bcc:  task.failed");
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_words() {
    for (source, expected) in [
        ("a\n{{ f.name }}", "t.j2:2: there is no such field in `f"),
        (
            "{% for f in failures %}\n\n{{ f.failed_att }}{% endfor %}",
            "t.j2:3: there is no such field in `f.failed_att`",
        ),
        ("{% if x %}", "t.j2:1: syntax error: "),
        ("\n{{ 1 | tme }}", "t.j2:2: unknown filter: "),
        ("{{ type | time }}", "t.j2:1: invalid operation: task.failed is not a time"),
        ("{{ now | time('Mars') }}", "t.j2:1: invalid operation: `Mars` is not a time zone"),
        ("{{ now | time('UTC', '%!') }}", "t.j2:1: invalid operation: `%!` is not a format"),
        ("{{ type | escape('xml') }}", "t.j2:1: invalid operation: `xml` is not a target"),
        ("{% include 'x' %}", "t.j2:1: "),
    ] {
        refused(source, Target::Plain, expected);
    }
    refused("{\"t\": \"{{ type }}\"}", Target::Json, "t.j2: does not give JSON: ");
}

#[test]
fn a_template_takes_no_more_than_its_share() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    refused(endless, Target::Plain, "t.j2:1: takes more than 500000 steps");
    let endless = "{% for a in range(9999) %}{{ '123456789 123456789 123456789' }}{% endfor %}";
    refused(endless, Target::Plain, "t.j2: writes more than 256 KiB");
}

#[test]
fn a_template_that_works_for_some_notices_only_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.j2");
    std::fs::write(&path, "{{ source.name }}").unwrap();
    let error = Template::read(&path, Target::Plain, &Style::default()).unwrap_err();
    assert!(error.ends_with(", for a notice of type sink.failing"), "{error}");
    std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
    let error = Template::read(&path, Target::Plain, &Style::default()).unwrap_err();
    assert!(error.ends_with("is longer than a template can be (64 KiB)"), "{error}");
}

fn words(title: &str, text: &str) -> Words {
    let style = style(Language::Chinese);
    let compile = |source: &str, target| {
        let source = source.to_owned();
        Some(Template::compile("t.j2", source, target, &style).unwrap())
    };
    let templates = Templates {
        title: compile(title, Target::Line),
        text: compile(text, Target::Plain),
        html: None,
    };
    Words::with(style.clone(), templates)
}

#[test]
fn the_operators_words_stand_for_the_built_in_ones() {
    let notice = sample(NoticeKind::TaskFailed);
    let words = words("[{{ total }}] {{ title }}", "<{{ type }}>\n{{ since }}");
    assert_eq!(words.headline(&notice), "[2] prod-beijing：2 个任务失败（重置 1、绑定 1）");
    assert_eq!(words.thread_headline(&notice), words.headline(&notice));
    assert_eq!(words.plain(&notice), "<task.failed>\n-");
    assert!(words.html(&notice).contains("&lt;task.failed&gt;\n-</td>"));
}

#[test]
fn built_in_words_stand_in_for_a_template_that_fails() {
    let notice = sample(NoticeKind::SinkFailing);
    let own = words("{{ source.name }}", "{{ source.name }}");
    let built_in = Words::new(own.style().clone());
    assert_eq!(own.headline(&notice), built_in.headline(&notice));
    assert_eq!(own.plain(&notice), built_in.plain(&notice));
    assert_eq!(own.html(&notice), built_in.html(&notice));
}
