//! Mattermost: an incoming webhook.
//!
//! * Limits: 16 383 characters; a longer message is split by the server.
//! * Answers: `ok` as text. A deleted webhook is an error of its own under 400.
//! * Markdown with everything escaped. There is no list of allowed mentions, so an `@` is cut off
//!   what follows it.
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
    name: "mattermost",
    summary: "Mattermost, by an incoming webhook",
    reader: Reader::People,
    limit: Some("10/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "mattermost"
url = "http://{endpoint}/hooks/example-webhook-id"
"#,
    schema: || schemars::schema_for!(hook::Options),
    build: |build| hook::build(build, Mattermost),
};

/// Longest text that a server with the usual settings does not split.
const CHARS_MAX: usize = 16_383;

const MARKUP: Markup =
    Markup { escape: safe, strong: ("**", "**"), line_end: "\n", with_foot: true };

#[derive(Debug)]
struct Mattermost;

impl Service for Mattermost {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make =
            |view: &View<'_>| format!("#### {}\n\n{}", safe(view.headline), MARKUP.body(view));
        let text = fit(&words.brief(notice), make, |text| text.chars().count() <= CHARS_MAX);
        bytes(&json!({ "text": text }))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        if reply.is_success() {
            let yes = reply.text().trim() == "ok";
            return if yes { Answered::Accepted } else { Answered::Unclear };
        }
        let json = reply.json().unwrap_or_default();
        let why = words(json.get("id"), json.get("message"));
        match json.get("id").and_then(Value::as_str) {
            Some("web.incoming_webhook.invalid.app_error") => Answered::gone(why),
            Some(_) => reply.refused(why),
            None => reply.by_status(),
        }
    }
}

fn safe(raw: &str) -> String {
    markdown(&no_mentions(raw))
}
