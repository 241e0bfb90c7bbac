//! The operator's language, zone, hints and templates, in every kind of sink.

use serde_json::Value;
use taskbell::render::{Language, Style, Target, Template, Templates, Words, Zone};

use super::{
    ANYWHERE, KINDS, Kind, build_in, example, examples,
    hostile::{measure, texts},
    services::SERVICES,
};

fn chinese() -> Style {
    let zone = Zone::parse("Asia/Shanghai").unwrap();
    Style { language: Language::Chinese, zone, ..Style::default() }
}

fn own(title: &str, text: &str) -> Words {
    let style = Style::default();
    let compile = |source: &str, target| {
        Some(Template::compile("t", source.to_owned(), target, &style).unwrap())
    };
    let (title, text) = (compile(title, Target::Line), compile(text, Target::Plain));
    Words::with(style.clone(), Templates { title, text, html: None })
}

/// Kinds whose payload is the notice field by field.
fn carries_data(kind: &Kind) -> bool {
    matches!(kind.name, "webhook" | "file" | "exec")
}

#[test]
fn every_kind_speaks_the_operators_language_in_his_zone() {
    let words = Words::new(chinese());
    let (test, one) = (examples::named("test"), examples::one());
    // Of a mail, both parts are encoded.
    for kind in KINDS.iter().filter(|kind| kind.name != "email") {
        let sink = build_in(&example(kind, ANYWHERE), &words);
        let rendered = |notice| String::from_utf8(sink.render(notice)).unwrap();
        if carries_data(kind) {
            let hint = words.hint(&one.failures[0]).unwrap().text;
            assert!(rendered(&one).contains(hint), "{}", kind.name);
            continue;
        }
        let headline = words.headline(&test);
        assert!(rendered(&test).contains(&headline), "{}: {}", kind.name, rendered(&test));
        // 09:59:30 UTC.
        let logs = matches!(kind.name, "syslog" | "journald");
        assert!(logs || rendered(&one).contains("17:59:30"), "{}", kind.name);
    }
}

#[test]
fn what_people_read_may_be_in_words_of_the_operators_own() {
    let words = own("Own title", "Own words\nabout {{ failures | length }}\n\n");
    for service in SERVICES.iter().filter(|service| service.kind != "webhook") {
        let kind = super::kind(service.kind);
        let body = build_in(&example(kind, ANYWHERE), &words).render(&examples::many(4));
        let value: Value = serde_json::from_slice(&body).unwrap();
        let mut found = Vec::new();
        texts(&value, &mut found);
        for part in ["Own title", "Own words", "about "] {
            assert!(found.iter().any(|text| text.contains(part)), "{} {part}", kind.name);
        }
        if !matches!(service.kind, "alertmanager" | "pagerduty") {
            let (ours, all) = ("Update public key error", found.join("\n"));
            assert!(!all.contains(ours), "{}: {all}", kind.name);
        }
    }
}

#[test]
fn words_of_any_length_fit() {
    for line in ["", "word ", "<b>&@all\n", "服务器"] {
        let source = format!("{{% for n in range(9000) %}}{line}{{% endfor %}}");
        let words = own("t", &source);
        for service in SERVICES {
            let sink = build_in(&example(super::kind(service.kind), ANYWHERE), &words);
            let (size, most) = measure(service.kind, &sink.render(&examples::one()));
            assert!(size <= most, "{}: {size}", service.kind);
        }
    }
}
