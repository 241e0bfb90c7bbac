//! Slack: an incoming webhook, or a bot that posts to a channel.
//!
//! * Limits: 50 blocks of 3000 characters, one message a second and channel.
//! * Answers: a webhook says `ok` as text; the API says `"ok":true` under 200, and its errors there
//!   too. A webhook without its app (`no_service`) is gone for good; an archived channel, which it
//!   answers with 410, can come back.
//! * Text goes into `plain_text` objects with `& < >` escaped, in which nothing is markup and
//!   nobody is mentioned.
//! * No idempotency: a repeat is a second message.
//! * A bot answers in the thread of the message that told first, or edits it. A webhook cannot: it
//!   never learns where its messages are.

use std::path::PathBuf;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    escape::entities,
    fit::{Shown, View, fit, plain_pair},
    follow::{self, FollowUp, Way},
    http::{
        Answered, Place, Posted, Reach, Redactor, Reply, Request, Service, bearer, read,
        with_fields, yes,
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
    name: "slack",
    summary: "Slack, by an incoming webhook or a bot",
    reader: Reader::People,
    limit: Some("10/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "slack"
url = "http://{endpoint}/services/T0EXAMPLE/B0EXAMPLE/example-webhook-secret"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Most characters of one block.
const BLOCK_CHARS_MAX: usize = 3000;

/// Most blocks of a message.
const BLOCKS_MAX: usize = 50;

/// Most characters in all. Slack takes more and folds it away.
const CHARS_MAX: usize = 16_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The whole webhook URL, which works like a password. Or give `token` and `channel`.
    url: Option<SecretRef>,
    /// The bot's token, `xoxb-…`, with the right `chat:write`.
    token: Option<SecretRef>,
    /// With `token`: the channel's id. The bot must be in it.
    channel: Option<String>,
    /// With `token`: where reminders, and notices of what cleared, appear. Default: `thread`.
    follow_up: Option<FollowUp>,
    /// With `token`: where the API is.
    base_url: Option<String>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let ((key, url), bot) = way(&options)?;
    let redactor = bot.as_ref().map_or_else(Redactor::default, |bot| bot.redactor.clone());
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint((key, &url), build.clients, redactor)?;
    Ok(Box::new(Posted { endpoint, words: build.words, service: Slack { bot } }))
}

/// The address, and the bot that writes there if it is not a webhook.
fn way(options: &Options) -> Result<((&'static str, Secret), Option<Bot>), OptionError> {
    let extra = |key| Err(OptionError::new(key, "goes with token, not with url"));
    match (&options.url, &options.token) {
        (Some(_), Some(_)) => Err(OptionError::new("token", "is not needed with url")),
        (None, None) => Err(OptionError::new("url", "is required, or token and channel")),
        (Some(_), None) if options.channel.is_some() => extra("channel"),
        (Some(_), None) if options.base_url.is_some() => extra("base_url"),
        (Some(_), None) if options.follow_up.is_some() => extra("follow_up"),
        (Some(url), None) => Ok((("url", read("url", url)?), None)),
        (None, Some(token)) => {
            let token = read("token", token)?;
            let Some(channel) = options.channel.clone() else {
                return Err(OptionError::new("channel", "is required with token"));
            };
            let base = options.base_url.as_deref().unwrap_or("https://slack.com");
            let url = format!("{}/api/chat.postMessage", base.trim_end_matches('/'));
            let redactor = Redactor::new(&[token.expose()]);
            let authorization = bearer("token", &token)?;
            let follow_up = options.follow_up.unwrap_or_default();
            let bot = Bot { authorization, channel, follow_up, redactor };
            Ok((("base_url", Secret::new(url)), Some(bot)))
        }
    }
}

#[derive(Debug)]
struct Slack {
    /// `None`: an incoming webhook.
    bot: Option<Bot>,
}

#[derive(Debug)]
struct Bot {
    /// Marked as sensitive, so that it does not show.
    authorization: HeaderValue,
    channel: String,
    follow_up: FollowUp,
    redactor: Redactor,
}

impl Bot {
    /// The channel of a message, as Slack calls it, and the message's time, which names it; unless
    /// we write to another channel by now.
    fn find(&self, message: &MessageRef) -> Option<[String; 2]> {
        let [ours, theirs, ts] = follow::split(message)?;
        (ours == self.channel).then_some([theirs, ts])
    }

    fn request(&self, parcel: &Parcel<'_>) -> Request {
        let (place, fields) = match self.follow_up.way(parcel.original) {
            Way::Answer(message) => match self.find(message) {
                Some([_, ts]) => (Place::Here, vec![("thread_ts", ts)]),
                None => (Place::Here, Vec::new()),
            },
            Way::Instead(message) => match self.find(message) {
                Some([channel, ts]) => {
                    let parse = ("parse", "none".to_owned());
                    (Place::Beside("chat.update"), vec![("channel", channel), ("ts", ts), parse])
                }
                None => (Place::Here, Vec::new()),
            },
            Way::Alone => (Place::Here, Vec::new()),
        };
        let ours = ("channel", self.channel.clone());
        let ours = Some(ours).filter(|_| place == Place::Here);
        let fields: Vec<_> = ours.into_iter().chain(fields).collect();
        let mut request = Request::json(with_fields(parcel.body, &fields));
        request.headers.insert(AUTHORIZATION, self.authorization.clone());
        Request { place, ..request }
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        let text = |key| json.get(key).and_then(Value::as_str).unwrap_or_default();
        let error = text("error");
        match json.get("ok").and_then(Value::as_bool) {
            Some(true) if reply.is_success() => {
                let known = !text("channel").is_empty() && !text("ts").is_empty();
                let parts = [self.channel.as_str(), text("channel"), text("ts")];
                Answered::kept(follow::join(&parts).filter(|_| known))
            }
            Some(_) => match error {
                "ratelimited"
                | "rate_limited"
                | "internal_error"
                | "fatal_error"
                | "service_unavailable"
                | "request_timeout" => Answered::later(reply.after(), error),
                _ => reply.refused(error),
            },
            None => reply.without_a_yes(),
        }
    }
}

impl Service for Slack {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let message = fit(&words.brief(notice), Message::of, Message::fits);
        bytes(&message.json())
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        Ok(match &self.bot {
            Some(bot) => bot.request(parcel),
            None => Request::json(parcel.body.to_vec()),
        })
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        self.bot.as_ref().map_or_else(|| judge_webhook(reply), |bot| bot.judge(reply))
    }
}

/// A message before it is JSON: what has limits of its own, escaped.
struct Message {
    headline: String,
    color: String,
    blocks: Vec<String>,
    foot: String,
}

impl Message {
    fn of(view: &View<'_>) -> Self {
        let mut blocks = vec![view.lead.clone()];
        blocks.push(view.notes.iter().map(plain_pair).collect::<Vec<_>>().join("\n"));
        let is_line = |item: &&Shown| item.facts.is_empty();
        blocks.extend(view.items.iter().filter(|item| !is_line(item)).map(Shown::plain));
        let mut blocks: Vec<String> = blocks.iter().map(|block| entities(block)).collect();
        let lines = view.items.iter().filter(is_line);
        let mut chunk = String::new();
        for line in lines.map(|item| format!("• {}\n", entities(&item.title))) {
            if BLOCK_CHARS_MAX < chars(&chunk) + chars(&line) {
                blocks.push(std::mem::take(&mut chunk));
            }
            chunk.push_str(&line);
        }
        blocks.extend([chunk, entities(&view.more.join("\n"))]);
        blocks.retain(|block| !block.is_empty());
        Self {
            headline: entities(view.headline),
            color: view.tone.hex(),
            blocks,
            foot: entities(&view.foot.join("\n")),
        }
    }

    fn fits(&self) -> bool {
        let parts = || self.blocks.iter().chain([&self.foot]);
        parts().count() <= BLOCKS_MAX
            && parts().all(|part| chars(part) <= BLOCK_CHARS_MAX)
            && parts().map(|part| chars(part)).sum::<usize>() <= CHARS_MAX
    }

    fn json(&self) -> Value {
        let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
        let section = |text: &String| json!({ "type": "section", "text": plain(text.trim_end()) });
        let mut blocks: Vec<Value> = self.blocks.iter().map(section).collect();
        blocks.push(json!({ "type": "context", "elements": [plain(&self.foot)] }));
        json!({
            "text": self.headline,
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
            "attachments": [{ "color": self.color, "fallback": self.headline, "blocks": blocks }],
        })
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn judge_webhook(reply: &Reply<'_>) -> Answered {
    let text = reply.text();
    match (reply.status, text.trim()) {
        (200, "ok") => Answered::Accepted,
        // All its errors are words like this; anything else is somebody else's page.
        (200, word) if word.contains('_') && word.bytes().all(is_of_a_word) => {
            Answered::suspect(word)
        }
        (404, "no_service") => Answered::gone("no_service"),
        (410, "channel_is_archived") => Answered::suspect("channel_is_archived"),
        _ => reply.without_a_yes(),
    }
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

#[cfg(test)]
mod tests;
