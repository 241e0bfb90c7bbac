//! Telegram: a bot that writes to a chat.
//!
//! * Limits: 4096 characters as UTF-16 counts them, 20 messages a minute to a group.
//! * Answers: `"ok":true`. A wait stands in the body, as `parameters.retry_after`.
//! * HTML with `& < >` escaped. Who is named with an `@` would be told, so the name is cut off it.
//! * No idempotency: a repeat is a second message.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Reader, Sink,
    escape::{entities, no_mentions},
    fit::{Markup, View, fit},
    http::{Answered, Posted, Reach, Redactor, Reply, Service, read, seconds, words, yes},
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

pub(super) const KIND: Kind = Kind {
    name: "telegram",
    summary: "Telegram chat, by a bot",
    reader: Reader::People,
    limit: Some("15/1m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "telegram"
token = "123456:example-bot-token"
chat_id = "-1001234567890"
base_url = "http://{endpoint}"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest text. The service counts it without the tags; with them is on the safe side.
const UNITS_MAX: usize = 4096;

const MARKUP: Markup =
    Markup { escape: safe, strong: ("<b>", "</b>"), line_end: "\n", with_foot: true };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The bot's token, `123456:…`.
    token: SecretRef,
    /// The chat: its number, or `@name` of a public one.
    chat_id: String,
    /// The topic in it, by its number, if it has topics.
    thread: Option<i64>,
    /// Where the API is, for a server of your own.
    #[serde(default = "base_url")]
    base_url: String,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn base_url() -> String {
    "https://api.telegram.org".to_owned()
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let token = read("token", &options.token)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
    if !token.expose().bytes().all(plain) {
        return Err(OptionError::new("token", "must be digits, `:`, letters, `_` and `-`"));
    }
    let redactor = Redactor::new(&[token.expose()]);
    let base = options.base_url.trim_end_matches('/');
    let url = Secret::new(format!("{base}/bot{}/sendMessage", token.expose()));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("base_url", &url), build.clients, redactor)?;
    let service = Telegram { chat_id: options.chat_id, thread: options.thread };
    Ok(Box::new(Posted { endpoint, words: build.words, service }))
}

#[derive(Debug)]
struct Telegram {
    chat_id: String,
    thread: Option<i64>,
}

impl Service for Telegram {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make =
            |view: &View<'_>| format!("{}\n\n{}", MARKUP.strong(view.headline), MARKUP.body(view));
        let fits = |text: &String| text.encode_utf16().count() <= UNITS_MAX;
        let text = fit(&words.brief(notice), make, fits);
        let mut message = json!({
            "chat_id": self.chat_id,
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
        });
        if let (Some(thread), Some(fields)) = (self.thread, message.as_object_mut()) {
            fields.insert("message_thread_id".to_owned(), thread.into());
        }
        bytes(&message)
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        let parameters = json.get("parameters");
        let parameter = |name| parameters.and_then(|parameters| parameters.get(name));
        let why = words(json.get("error_code"), json.get("description"));
        match (json.get("ok").and_then(Value::as_bool), reply.status) {
            (Some(true), 200..=299) => Answered::Accepted,
            (Some(_), 429) => {
                Answered::later(seconds(parameter("retry_after")).or(reply.after()), why)
            }
            (Some(_), _) => match parameter("migrate_to_chat_id") {
                Some(id) => Answered::suspect(format!("set chat_id to {id}: {why}")),
                None => reply.refused(why),
            },
            (None, _) => reply.without_a_yes(),
        }
    }
}

fn safe(raw: &str) -> String {
    entities(&no_mentions(raw))
}
