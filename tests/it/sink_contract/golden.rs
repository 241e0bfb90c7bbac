//! The exact bytes of what is sent and shown. `BLESS=1 cargo test` rewrites them; read the
//! difference before you commit it.

use std::{fs, path::PathBuf};

use taskbell::render;

use super::{ANYWHERE, build, example, examples, kind, kinds, occasions, remote};

#[track_caller]
pub(super) fn check(name: &str, actual: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if taskbell::options::env("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_default();
    assert_eq!(
        String::from_utf8_lossy(actual),
        String::from_utf8_lossy(&expected),
        "{name} changed; BLESS=1 rewrites it"
    );
}

#[test]
fn webhook_payloads_are_as_reviewed() {
    let sink = build(&example(kind("webhook"), ANYWHERE));
    for (case, notice) in examples::all() {
        let body = sink.render(&notice);
        check(&format!("webhook/{case}.json"), &body);
    }
}

/// Laid out for reading; that the bytes are always the same is tested elsewhere.
#[test]
fn the_payloads_of_services_are_as_reviewed() {
    for kind in remote().filter(|kind| !matches!(kind.name, "webhook" | "email" | "syslog")) {
        let sink = build(&example(kind, ANYWHERE));
        for (case, notice) in occasions::every() {
            let body: serde_json::Value = serde_json::from_slice(&sink.render(&notice)).unwrap();
            let shown = serde_json::to_string_pretty(&body).unwrap() + "\n";
            check(&format!("{}/{case}.json", kind.name), shown.as_bytes());
        }
    }
}

#[test]
fn webhooks_in_other_formats_are_as_reviewed() {
    for format in ["cloudevents", "alertmanager"] {
        let table = format!("{}\nformat = '{format}'", example(kind("webhook"), ANYWHERE));
        let sink = build(&table);
        let each = examples::all().into_iter().chain(kinds::all()).map(|(case, notice)| {
            format!("== {case}\n{}\n", String::from_utf8(sink.render(&notice)).unwrap())
        });
        check(&format!("webhook/{format}.txt"), each.collect::<String>().as_bytes());
    }
}

#[test]
fn mails_are_as_reviewed() {
    let sink = build(&example(kind("email"), ANYWHERE));
    for (case, notice) in examples::all() {
        if matches!(case, "one" | "cleared" | "hostile") {
            check(&format!("email/{case}.eml"), &sink.render(&notice));
        }
    }
}

#[test]
fn what_people_read_is_as_reviewed() {
    for (case, notice) in examples::all() {
        check(&format!("render/{case}.txt"), render::plain(&notice).as_bytes());
        check(&format!("render/{case}.html"), render::html(&notice).as_bytes());
    }
}

#[test]
fn the_largest_notice_stays_below_what_mail_clients_cut() {
    let notice = examples::many(u64::try_from(taskbell::notice::FAILURES_MAX).unwrap());
    let bytes = render::html(&notice).len();
    assert!(bytes < 100 * 1024, "{bytes}");
}
