//! Discord: a webhook of a channel.
//!
//! * Limits: 256 characters of title, 4096 of text, 6000 in all. Who keeps knocking at a
//!   deleted webhook is shut out.
//! * Answers: asked to wait, it answers 200 with the message that it keeps. A wait stands in the
//!   body, with a fraction, and rounded in the header.
//! * Markdown with everything escaped, and `allowed_mentions` that allow none.
//! * No idempotency: a repeat is a second message, but for an edit.
//! * A webhook cannot answer a message. It can edit its own.

use std::path::PathBuf;

use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    escape::{markdown, no_mentions},
    fit::{Markup, View, fit},
    follow::{self, FollowUp, Way},
    http::{
        Answered, Place, Posted, Reach, Redactor, Reply, Request, Service, read, seconds, words,
        yes,
    },
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    text,
};

pub(super) const KIND: Kind = Kind {
    name: "discord",
    summary: "Discord channel, by a webhook",
    reader: Reader::People,
    limit: Some("25/1m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "discord"
url = "http://{endpoint}/api/webhooks/123456789/example-webhook-token"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest title, counted as UTF-16 to be safe.
const TITLE_UNITS_MAX: usize = 256;

/// Longest text.
const TEXT_UNITS_MAX: usize = 4096;

/// The webhook was deleted.
const UNKNOWN_WEBHOOK: i64 = 10015;

const MARKUP: Markup =
    Markup { escape: safe, strong: ("**", "**"), line_end: "\n", with_foot: false };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The whole webhook URL, which works like a password.
    url: SecretRef,
    /// The thread of the channel, by its number.
    thread: Option<u64>,
    /// Whether a notice of what cleared takes the place of the message that told of it, if that
    /// told of nothing else. Nobody is notified of that.
    #[serde(default)]
    edit: bool,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let url = read("url", &options.url)?;
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, Redactor::default())?;
    let thread = options.thread.map(|thread| format!("thread_id={thread}"));
    let follow_up = if options.edit { FollowUp::Edit } else { FollowUp::Message };
    Ok(Box::new(Posted { endpoint, words: build.words, service: Discord { thread, follow_up } }))
}

#[derive(Debug)]
struct Discord {
    /// Part of the query.
    thread: Option<String>,
    follow_up: FollowUp,
}

impl Service for Discord {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let brief = words.brief(notice);
        let fits = |text: &String| text.encode_utf16().count() <= TEXT_UNITS_MAX;
        let description = fit(&brief, |view: &View<'_>| MARKUP.body(view), fits);
        // Cut before it is escaped, so that no escape is cut in two.
        let titles =
            [brief.headline.len(), 120, 60].map(|most| text::clean(&brief.headline, most.max(8)));
        let titles = titles.map(|title| safe(&title));
        let title = titles.iter().find(|title| title.encode_utf16().count() <= TITLE_UNITS_MAX);
        bytes(&json!({
            "embeds": [{
                "title": title,
                "description": description,
                "color": brief.tone.rgb(),
                "footer": { "text": text::clean(&brief.foot.join(" · "), 1024) },
            }],
            "allowed_mentions": { "parse": [] },
        }))
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let request = Request::json(parcel.body.to_vec());
        if let Way::Instead(message) = self.follow_up.way(parcel.original)
            && let Some([number]) = follow::split(message)
        {
            let place = Place::Below("messages", number);
            let (method, query) = (Method::PATCH, self.thread.clone());
            return Ok(Request { method, place, query, ..request });
        }
        // Without it the answer comes before the message is kept.
        let wait = "wait=true".to_owned();
        let thread = self.thread.as_ref();
        let query = Some(thread.map_or(wait.clone(), |thread| format!("{wait}&{thread}")));
        Ok(Request { query, ..request })
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        if reply.status == 204 {
            return Answered::Accepted;
        }
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        if reply.is_success() {
            let Some(id) = json.get("id") else { return Answered::Unclear };
            return Answered::kept(id.as_str().and_then(|id| follow::join(&[id])));
        }
        let why = words(json.get("code"), json.get("message"));
        match (reply.status, json.get("code").and_then(Value::as_i64)) {
            (429, _) => Answered::later(seconds(json.get("retry_after")).or(reply.after()), why),
            (404, Some(UNKNOWN_WEBHOOK)) => Answered::gone(why),
            _ => reply.refused(why),
        }
    }
}

fn safe(raw: &str) -> String {
    markdown(&no_mentions(raw))
}
