//! Rocket.Chat: an incoming integration.
//!
//! * Limits: 5000 characters, unless the server says otherwise.
//! * Answers: `"success":true`; sometimes `false` under 200.
//! * Markdown with everything escaped; an `@` is cut off what follows it.
//! * No idempotency: a repeat is a second message.

use serde_json::{Value, json};

use super::{
    Kind, Reader,
    escape::{markdown, no_mentions},
    fit::{Markup, View, fit},
    hook,
    http::{Answered, Reply, Service, words},
    payload::bytes,
};
use crate::{notice::Notice, render::Words};

pub(super) const KIND: Kind = Kind {
    name: "rocketchat",
    summary: "Rocket.Chat, by an incoming integration",
    reader: Reader::People,
    limit: Some("10/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "rocketchat"
url = "http://{endpoint}/hooks/0a1b2c3d4e/example-integration-token"
"#,
    schema: || schemars::schema_for!(hook::Options),
    build: |build| hook::build(build, RocketChat),
};

/// Longest text of a server with the usual settings.
const CHARS_MAX: usize = 5000;

const MARKUP: Markup = Markup { escape: safe, strong: ("*", "*"), line_end: "\n", with_foot: true };

#[derive(Debug)]
struct RocketChat;

impl Service for RocketChat {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make =
            |view: &View<'_>| format!("{}\n\n{}", MARKUP.strong(view.headline), MARKUP.body(view));
        let text = fit(&words.brief(notice), make, |text| text.chars().count() <= CHARS_MAX);
        bytes(&json!({ "text": text }))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        match json.get("success").and_then(Value::as_bool) {
            Some(true) if reply.is_success() => Answered::Accepted,
            Some(_) => reply.refused(words(json.get("error"), json.get("message"))),
            None => reply.without_a_yes(),
        }
    }
}

fn safe(raw: &str) -> String {
    markdown(&no_mentions(raw))
}
