use serde_json::json;

use super::{answers::Answer, form::Spelling, *};
use crate::secret::Secret;

/// What a form asks for, as `path` or `path?` if it may be left out, secrets with a `*`.
fn asked(form: &Form) -> Vec<String> {
    let within = form.choices.iter().flat_map(|choice| &choice.shapes);
    let keys = form.keys.iter().chain(within.flat_map(|shape| &shape.keys));
    keys.filter(|key| key.asked)
        .map(|key| {
            let secret = if key.form == Spelling::Secret { "*" } else { "" };
            let optional = if key.required { "" } else { "?" };
            format!("{}{secret}{optional}", key.path)
        })
        .collect()
}

#[test]
fn a_form_asks_for_what_the_schema_requires_and_for_secrets() {
    let schema = json!({
        "properties": {
            "kind": { "const": "x" },
            "url": { "$ref": "#/$defs/Secret" },
            "to": { "type": "array" },
            "size": { "type": ["integer", "null"] },
            "token": { "anyOf": [{ "$ref": "#/$defs/Secret" }, { "type": "null" }] },
            "keys": { "anyOf": [{ "$ref": "#/$defs/Secret" }, { "type": "array" }] },
            "auth": { "$ref": "#/$defs/Auth" },
        },
        "required": ["kind", "url", "to", "auth"],
        "$defs": {
            "Secret": { "anyOf": [
                { "type": "string" },
                { "type": "object", "properties": { "credential": { "type": "string" } } },
            ] },
            "Auth": { "oneOf": [
                { "properties": { "kind": { "const": "a" }, "user": { "type": "string" } },
                  "required": ["user"] },
                { "properties": { "kind": { "const": "b" }, "key": { "$ref": "#/$defs/Secret" } },
                  "required": ["key"] },
            ] },
        },
    });
    let form = Form::of("sink", "x", "", &schema);
    assert_eq!(asked(&form), ["url*", "to", "keys*?", "token*?", "auth.user", "auth.key*"]);
    assert_eq!(form.known().len(), 7, "the size can be set");
}

#[test]
fn every_kind_can_be_asked_for() {
    for kind in form::source_kinds() {
        let form = Form::source(kind);
        assert_eq!(form.kind, kind);
        // A list of another service may be open to all.
        let open = ["json"];
        let auth = form.choices.iter().any(|choice| choice.path == "auth");
        assert!(auth || open.contains(&kind), "{kind}");
    }
    for kind in form::sink_kinds() {
        let form = Form::sink(kind);
        let silent = ["journald"];
        assert!(!asked(&form).is_empty() || silent.contains(&kind), "{kind} asks nothing");
    }
}

#[test]
fn the_config_names_the_places_of_secrets_and_the_test_has_them_in_memory() {
    let mut answers = Answers::default();
    let plain = |text: &str| Answer::Plain(text.to_owned());
    let secret = |text: &str| Answer::Secret(Secret::new(text.to_owned()));
    for (key, answer) in [
        ("source.kind", plain("kps")),
        ("source.region", plain("cn-north-4")),
        ("source.project_id", plain("0123456789abcdef0123456789abcdef")),
        ("source.auth.kind", plain("aksk")),
        ("source.auth.access_key", secret("AKID")),
        ("source.auth.secret_key", Answer::Env("SK".to_owned())),
        ("sink.kind", plain("email")),
        ("sink.smtp", plain("smtps://mail.example.com")),
        ("sink.from", plain("a \"b\" <a@example.com>")),
        ("sink.to", plain("a@example.com, b@example.com")),
        ("sink.password", secret("p\"w")),
    ] {
        answers.0.insert(key.to_owned(), answer);
    }
    let draft = Draft::new(&answers, &Form::source("kps"), &Form::sink("email"));
    let place = Place::new(Some(Path::new("/etc/x/config.toml")), false, Path::new("/units"));
    let written = draft.for_file(&place);
    for line in [
        r#"path = "/etc/x/taskbell-data""#,
        r#"name = "cn-north-4""#,
        r#"access_key = { file = "/etc/x/credentials/cn-north-4-access-key" }"#,
        r#"secret_key = { env = "SK" }"#,
        r#"to = ["a@example.com", "b@example.com"]"#,
        r#"password = { file = "/etc/x/credentials/email-password" }"#,
        r#"to = ["email"]"#,
    ] {
        assert!(written.contains(line), "{line}\n{written}");
    }
    assert!(!written.contains("AKID"));
    let config = Config::parse(&draft.for_test(&place), &place.config);
    assert!(config.is_ok(), "{config:?}");
    let unit = Place::new(None, true, Path::new("/units"));
    assert!(draft.for_file(&unit).contains(r#"{ credential = "email-password" }"#));
}
