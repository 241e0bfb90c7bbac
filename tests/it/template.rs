//! `template render`, as the operator runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its stage has failed")]

use std::{fs, path::Path, process::Command};

use taskbell::{
    notice::NoticeKind,
    render::{Seen, Style, Target, Template, Words, sample},
};

/// What the command prints, to standard output or else to standard error, and its exit code.
fn render(template: &str, flags: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.j2");
    fs::write(&file, template).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    let output = command.args(["template", "render"]).arg(&file).args(flags).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    let text = String::from_utf8(text).unwrap();
    (text.replace(&file.display().to_string(), "t.j2"), output.status.code())
}

#[test]
fn a_template_is_shown_with_a_made_up_notice_or_with_a_webhooks_body() {
    let body = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/webhook/blind.json");
    let body = body.to_str().unwrap();
    for (template, flags, expected) in [
        ("{{ title }}", &[][..], "prod-beijing: 2 failed tasks (1 reset, 1 bind)\n"),
        (
            "{{ title }} {{ since | time }}",
            &["--notice", "source.sighted", "--language", "zh", "--time-zone", "Asia/Shanghai"],
            "prod-beijing：恢复监控，中断 1 小时 2026-11-23 17:00:05 UTC+8\n",
        ),
        ("{\"text\": {{ type }}}", &["--as", "json"], "{\"text\": \"task.failed\"}\n"),
        ("{{ trouble.class }} {{ since | duration }}\n", &["--data", body], "auth 42 min\n"),
    ] {
        assert_eq!(render(template, flags), (expected.to_owned(), Some(0)), "{template}");
    }
}

#[test]
fn a_slip_is_named_with_its_line() {
    let (text, code) = render("{{ title }}\n{{ titel }}", &[]);
    assert_eq!(text, "error: t.j2:2: there is no such field in `titel`\n");
    assert_eq!(code, Some(1));
    let (text, code) = render("", &["--notice", "storm"]);
    assert!(text.contains("is not a type; known are task.failed,"), "{text}");
    assert_eq!(code, Some(2));
    let (text, code) = render("", &["--data", "Cargo.toml"]);
    assert!(text.starts_with("error: Cargo.toml: is not JSON: "), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_examples_of_the_guide_work_for_every_type_of_notice() {
    let guide = include_str!("../../docs/templates.md");
    let blocks: Vec<_> = guide.split("```jinja").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let (kind, rest) = block.split_once('\n').unwrap();
        let (source, _) = rest.split_once("```").unwrap();
        let target = if kind.trim() == "json" { Target::Json } else { Target::Plain };
        let style = Style::default();
        let template = Template::compile("guide", source.to_owned(), target, &style).unwrap();
        let words = Words::default();
        for kind in NoticeKind::ALL {
            let text = template.render(&Seen::of(&sample(kind), &words)).unwrap();
            assert!(!text.trim().is_empty(), "{source}");
        }
    }
}

#[test]
fn the_guide_knows_every_field() {
    let guide = include_str!("../../docs/templates.md");
    let words = Words::default();
    let mut fields = Vec::new();
    for kind in NoticeKind::ALL {
        let seen = serde_json::to_value(Seen::of(&sample(kind), &words)).unwrap();
        names(&seen, &mut fields);
    }
    fields.retain(|name| name != "schema_version");
    let known = |name: &String| {
        [format!("`{name}`"), format!(".{name}`")].iter().any(|shown| guide.contains(shown))
    };
    let missing: Vec<_> = fields.iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "docs/templates.md does not know {missing:?}");
}

/// The names of all fields.
fn names(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|value| names(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => (),
    }
}

#[test]
fn the_body_in_the_documents_fits_every_notice() {
    let page = include_str!("../../docs/sinks.md");
    let (_, body) = page.split_once("```jinja\n").unwrap();
    let (body, _) = body.split_once("```").unwrap();
    let style = Style::default();
    let template =
        Template::compile("docs/sinks.md", body.to_owned(), Target::Json, &style).unwrap();
    let words = Words::new(style);
    for kind in NoticeKind::ALL {
        let notice = sample(kind);
        let text = template.render(&Seen::of(&notice, &words)).unwrap();
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let over = kind == NoticeKind::TaskCleared;
        assert_eq!(body["state"], if over { "ok" } else { "alerting" }, "{text}");
        let named = notice.failures.first().map(|one| format!("{}/{}", one.source, one.task.id));
        assert_eq!(body["alert_uid"], named.unwrap_or_else(|| notice.id.to_string()), "{text}");
    }
}
