//! Feishu and Lark: a custom robot of a group chat.
//!
//! * Limits: a body of 20 KB, 100 messages a minute and 5 a second.
//! * Answers: 200 with a `code`, of which only 0 is a yes. 11232 asks for patience.
//! * Text goes into `plain_text` elements, in which nothing is markup and nobody can be mentioned.
//! * No idempotency and no threads: a repeat is a second message.
//! * Robots may demand a signature, a keyword, or an address. The signature's key is the time and
//!   the secret, and its message is empty. The other way round, which is what `DingTalk` wants, is a
//!   common mistake.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    fit::{Shown, View, fit, plain_pair},
    http::{
        Answered, Posted, Reach, Redactor, Reply, Request, Service, read, with_fields, words, yes,
    },
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::{Tone, Words},
    secret::Secret,
};

pub(super) const KIND: Kind = Kind {
    name: "feishu",
    summary: "Feishu or Lark group chat, by a custom robot",
    reader: Reader::People,
    limit: Some("90/1m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "feishu"
url = "http://{endpoint}/open-apis/bot/v2/hook/0a1b2c3d-example-hook"
secret = "example-signing-secret"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Largest payload. The service takes 20 KB; the signature comes on top.
const BYTES_MAX: usize = 19_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The robot's whole webhook URL, which works like a password. Or give its `token`.
    url: Option<SecretRef>,
    /// The last part of the robot's URL, instead of all of it.
    token: Option<SecretRef>,
    /// With `token`: which of the two services it is.
    #[serde(default)]
    region: Region,
    /// The robot's signing secret, if it demands signatures.
    secret: Option<SecretRef>,
    /// The robot's keyword, if it demands one. It is put behind the title.
    keyword: Option<String>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

/// Feishu in China, Lark elsewhere: the same robot at two addresses.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Region {
    #[default]
    Feishu,
    Lark,
}

impl Options {
    fn url(&self) -> Result<(&'static str, Secret), OptionError> {
        match (&self.url, &self.token) {
            (Some(url), None) => Ok(("url", read("url", url)?)),
            (None, Some(token)) => {
                let token = read("token", token)?;
                let host = match self.region {
                    Region::Feishu => "open.feishu.cn",
                    Region::Lark => "open.larksuite.com",
                };
                let url = format!("https://{host}/open-apis/bot/v2/hook/{}", token.expose());
                Ok(("token", Secret::new(url)))
            }
            (None, None) => Err(OptionError::new("url", "is required, or token")),
            (Some(_), Some(_)) => Err(OptionError::new("token", "stands in the url already")),
        }
    }
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let (key, url) = options.url()?;
    let secret = options.secret.as_ref().map(|secret| read("secret", secret)).transpose()?;
    let redactor = Redactor::new(&secret.iter().map(Secret::expose).collect::<Vec<_>>());
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint((key, &url), build.clients, redactor)?;
    let keyword = options.keyword.unwrap_or_default();
    Ok(Box::new(Posted { endpoint, words: build.words, service: Feishu { secret, keyword } }))
}

#[derive(Debug)]
struct Feishu {
    secret: Option<Secret>,
    /// Empty if there is none.
    keyword: String,
}

impl Service for Feishu {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make = |view: &View<'_>| bytes(&card(view, &self.keyword));
        fit(&words.brief(notice), make, |body| body.len() <= BYTES_MAX)
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let Some(secret) = &self.secret else { return Ok(Request::json(parcel.body.to_vec())) };
        let timestamp = parcel.now.as_second().to_string();
        let sign = sign(secret, &timestamp);
        let fields = [("timestamp", timestamp.as_str()), ("sign", sign.as_str())];
        Ok(Request::json(with_fields(parcel.body, &fields)))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        judge(reply)
    }
}

fn card(view: &View<'_>, keyword: &str) -> Value {
    let dot = if keyword.is_empty() { "" } else { " · " };
    let mut elements = vec![text(&view.lead)];
    let notes = view.notes.iter().map(plain_pair).collect::<Vec<_>>().join("\n");
    let items: Vec<String> = view.items.iter().map(Shown::plain).collect();
    for block in [vec![notes], items, vec![view.more.join("\n")], vec![view.foot.join("\n")]] {
        let texts: Vec<Value> =
            block.iter().filter(|shown| !shown.is_empty()).map(|shown| text(shown)).collect();
        if !texts.is_empty() {
            elements.push(json!({ "tag": "hr" }));
            elements.extend(texts);
        }
    }
    json!({
        "msg_type": "interactive",
        "card": {
            "schema": "2.0",
            "header": {
                "title": { "tag": "plain_text", "content": format!("{}{dot}{keyword}", view.headline) },
                "template": template(view.tone),
            },
            "body": { "elements": elements },
        },
    })
}

fn text(shown: &str) -> Value {
    json!({ "tag": "div", "text": { "tag": "plain_text", "content": shown } })
}

fn template(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "red",
        Tone::Warning => "orange",
        Tone::Good => "green",
        Tone::Calm => "blue",
    }
}

/// The value of `sign` for an attempt at `timestamp`, in seconds since 1970.
fn sign(secret: &Secret, timestamp: &str) -> String {
    let key = Secret::new(format!("{timestamp}\n{}", secret.expose()));
    let mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    STANDARD.encode(mac.finalize().into_bytes())
}

fn judge(reply: &Reply<'_>) -> Answered {
    let Some(json) = reply.json() else { return reply.without_a_yes() };
    let code = json.get("code").or_else(|| json.get("StatusCode"));
    let why = words(code, json.get("msg").or_else(|| json.get("StatusMessage")));
    match code.and_then(Value::as_i64) {
        Some(0) if reply.is_success() => Answered::Accepted,
        Some(11232) => Answered::later(reply.after(), why),
        Some(19021) => Answered::suspect(format!("check secret and this host's clock: {why}")),
        Some(19022) => Answered::suspect(format!("the robot does not take this address: {why}")),
        Some(19024) => Answered::suspect(format!("set keyword to the robot's own: {why}")),
        Some(_) => reply.refused(why),
        None => reply.without_a_yes(),
    }
}

#[cfg(test)]
mod tests;
