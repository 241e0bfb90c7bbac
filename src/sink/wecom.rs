//! `WeCom`: a robot of a group chat.
//!
//! * Limits: 4096 bytes of markdown, 20 messages a minute.
//! * Answers: 200 with an `errcode`, of which only 0 is a yes; sometimes the same under 403. The
//!   words behind it repeat our address, which is left out.
//! * Markdown without escapes, in which `<@id>` mentions: look-alikes take the place of what could
//!   be a tag or a link.
//! * No signature, no idempotency and no threads: a repeat is a second message.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Kind, Reader,
    escape::lookalikes,
    fit::{Markup, View, fit},
    hook,
    http::{Answered, Reply, Service, words},
    payload::bytes,
};
use crate::{notice::Notice, render::Words};

pub(super) const KIND: Kind = Kind {
    name: "wecom",
    summary: "WeCom group chat, by a robot",
    reader: Reader::People,
    limit: Some("18/1m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "wecom"
url = "http://{endpoint}/cgi-bin/webhook/send?key=0a1b2c3d-example-key"
"#,
    schema: || schemars::schema_for!(hook::Options),
    build: |build| hook::build(build, WeCom),
};

/// Longest text. What is around it in the body does not count.
const TEXT_BYTES_MAX: usize = 4096;

/// Least wait after sending too fast. The limit counts by the minute.
const TOO_FAST_WAIT: Duration = Duration::from_secs(60);

const MARKUP: Markup =
    Markup { escape: lookalikes, strong: ("**", "**"), line_end: "\n", with_foot: true };

#[derive(Debug)]
struct WeCom;

impl Service for WeCom {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make =
            |view: &View<'_>| format!("### {}\n\n{}", lookalikes(view.headline), MARKUP.body(view));
        let text = fit(&words.brief(notice), make, |text| text.len() <= TEXT_BYTES_MAX);
        bytes(&json!({ "msgtype": "markdown", "markdown": { "content": text } }))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        judge(reply)
    }
}

fn judge(reply: &Reply<'_>) -> Answered {
    let Some(json) = reply.json() else { return reply.without_a_yes() };
    let message = json.get("errmsg").and_then(Value::as_str).unwrap_or_default();
    let message = message.split(", hint").next().map(Value::from);
    let why = words(json.get("errcode"), message.as_ref());
    match json.get("errcode").and_then(Value::as_i64) {
        Some(0) if reply.is_success() => Answered::Accepted,
        Some(-1) => Answered::later(reply.after(), why),
        Some(45_009 | 45_033) => {
            let after = reply.after().unwrap_or_default().max(TOO_FAST_WAIT);
            Answered::later(Some(after), why)
        }
        Some(93_000) => Answered::suspect(format!("is there such a robot? {why}")),
        Some(_) => reply.refused(why),
        None => reply.without_a_yes(),
    }
}
