//! The exact bytes of what is sent and shown. `BLESS=1 cargo test` rewrites them; read the
//! difference before you commit it.

use std::{fs, path::PathBuf, sync::Arc};

use taskbell::render::{self, Hints, Language, Style, Target, Template, Templates, Words, Zone};

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

/// Examples that differ from others in their words only, which are reviewed as people read them.
const SAID_ALIKE: &[&str] = &[
    "cleared_mass",
    "digest_outage",
    "digest_schedule",
    "digest_silence",
    "late_few",
    "recurring",
    "reminders",
    "stucks",
];

/// Laid out for reading; that the bytes are always the same is tested elsewhere.
#[test]
fn the_payloads_of_services_are_as_reviewed() {
    for kind in remote().filter(|kind| !matches!(kind.name, "webhook" | "email" | "syslog")) {
        let sink = build(&example(kind, ANYWHERE));
        for (case, notice) in occasions::every() {
            if SAID_ALIKE.contains(&case) {
                continue;
            }
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
fn what_people_read_in_chinese_is_as_reviewed() {
    let zone = Zone::parse("Asia/Shanghai").unwrap();
    let words = Words::new(Style { language: Language::Chinese, zone, ..Style::default() });
    for (case, notice) in examples::all() {
        check(&format!("render/zh/{case}.txt"), words.plain(&notice).as_bytes());
        check(&format!("render/zh/{case}.html"), words.html(&notice).as_bytes());
    }
}

#[test]
fn words_of_the_operators_own_are_as_reviewed() {
    let mut hints = Hints::default();
    let link = Some("https://wiki.example.com/runbooks/kps?code=6009&lang=en".to_owned());
    hints.add("KPS.6009", "Page the owner of the server.".to_owned(), link).unwrap();
    let style = Style { hints: Arc::new(hints), ..Style::default() };
    let words = Words::new(style.clone());
    check("render/own/hint.txt", words.plain(&examples::one()).as_bytes());
    check("render/own/hint.html", words.html(&examples::one()).as_bytes());
    let source =
        "{{ title }}\n{% for f in failures %}\n* {{ f.server.name }}: {{ f.hint }}{% endfor %}";
    let text = Template::compile("t", source.to_owned(), Target::Plain, &style).unwrap();
    let words = Words::with(style, Templates { text: Some(text), ..Templates::default() });
    check("render/own/text.html", words.html(&examples::many(4)).as_bytes());
}

/// For whoever wants to look at all kinds side by side. Nothing is compared.
#[test]
fn a_gallery_shows_every_kind() {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let gallery = target.parent().unwrap().join("gallery");
    let shown = ["one", "digest_schedule", "storm_opened", "cleared", "blind"];
    let folder = tempfile::tempdir().unwrap();
    for kind in taskbell::sink::KINDS {
        let example = example(kind, ANYWHERE).replace("{folder}", folder.path().to_str().unwrap());
        let sink = build(&example);
        let place = gallery.join(kind.name);
        fs::create_dir_all(&place).unwrap();
        for (case, notice) in examples::all() {
            if !shown.contains(&case) {
                continue;
            }
            let body = sink.render(&notice);
            assert!(!body.is_empty(), "{} {case}", kind.name);
            let (body, ending) = match serde_json::from_slice::<serde_json::Value>(&body) {
                Ok(json) => (serde_json::to_vec_pretty(&json).unwrap(), "json"),
                Err(_) if kind.name == "email" => (body, "eml"),
                Err(_) => (body, "txt"),
            };
            fs::write(place.join(format!("{case}.{ending}")), body).unwrap();
        }
    }
}

#[test]
fn the_largest_notice_stays_below_what_mail_clients_cut() {
    let notice = examples::many(u64::try_from(taskbell::notice::FAILURES_MAX).unwrap());
    let bytes = render::html(&notice).len();
    assert!(bytes < 100 * 1024, "{bytes}");
}
