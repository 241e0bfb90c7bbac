//! `template render`, as the operator runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its stage has failed")]

use std::{fs, path::Path, process::Command};

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
