//! Telegram: a bot that writes to a chat.
//!
//! * Limits: 4096 characters as UTF-16 counts them, 20 messages a minute to a group.
//! * Answers: `"ok":true`. A wait stands in the body, as `parameters.retry_after`.
//! * HTML with `& < >` escaped. Who is named with an `@` would be told, so the name is cut off it.
//! * No idempotency: a repeat is a second message, but for an edit.
//! * It answers the message that told first, or edits it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    escape::{entities, no_mentions},
    fit::{Markup, View, fit},
    follow::{self, FollowUp, Way},
    http::{
        Answered, Place, Posted, Reach, Redactor, Reply, Request, Service, read, seconds,
        with_fields, words, yes,
    },
    payload::bytes,
};
use crate::{
    message::MessageRef,
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
    /// Where reminders, and notices of what cleared, appear.
    #[serde(default)]
    follow_up: FollowUp,
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
    let Options { chat_id, thread, follow_up, .. } = options;
    let service = Telegram { chat_id, thread, follow_up };
    Ok(Box::new(Posted { endpoint, words: build.words, service }))
}

#[derive(Debug)]
struct Telegram {
    chat_id: String,
    thread: Option<i64>,
    follow_up: FollowUp,
}

/// How Telegram says, in lower case, that a message was edited so before.
const SAME: &str = "message is not modified";

impl Telegram {
    /// The number of a message in the chat that we write to now.
    fn find(&self, message: &MessageRef) -> Option<i64> {
        let [chat, number] = follow::split(message)?;
        number.parse().ok().filter(|_| chat == self.chat_id)
    }
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

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let (place, field) = match self.follow_up.way(parcel.original) {
            Way::Alone => (Place::Here, None),
            Way::Answer(message) => {
                let to =
                    |number| json!({ "message_id": number, "allow_sending_without_reply": true });
                let number = self.find(message);
                (Place::Here, number.map(|number| ("reply_parameters", to(number))))
            }
            Way::Instead(message) => match self.find(message) {
                Some(number) => {
                    (Place::Beside("editMessageText"), Some(("message_id", number.into())))
                }
                None => (Place::Here, None),
            },
        };
        let body = match field {
            Some(field) => with_fields(parcel.body, &[field]),
            None => parcel.body.to_vec(),
        };
        Ok(Request { place, ..Request::json(body) })
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        let parameters = json.get("parameters");
        let parameter = |name| parameters.and_then(|parameters| parameters.get(name));
        let why = words(json.get("error_code"), json.get("description"));
        match (json.get("ok").and_then(Value::as_bool), reply.status) {
            (Some(true), 200..=299) => {
                let number = json.get("result").and_then(|result| result.get("message_id"));
                let number = number.and_then(Value::as_i64).map(|number| number.to_string());
                Answered::kept(number.and_then(|number| follow::join(&[&self.chat_id, &number])))
            }
            (Some(false), 400) if why.to_ascii_lowercase().contains(SAME) => Answered::Accepted,
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
