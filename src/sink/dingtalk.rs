//! `DingTalk`: a custom robot of a group chat.
//!
//! * Limits: a body of 20 000 bytes, 20 messages a minute; who sends more is shut out for about
//!   ten minutes.
//! * Answers: 200 with an `errcode`, of which only 0 is a yes. A gateway in front answers in a form
//!   of its own, `{"status":1111,"wait":5}`.
//! * Markdown without escapes: what could be a link or an image is replaced by look-alikes. Nobody
//!   is mentioned who is not in `at`, and nobody is.
//! * No idempotency and no threads: a repeat is a second message.
//! * Robots may demand a signature (of the time in milliseconds and the secret, under the secret,
//!   in the query), a keyword, or an address.

use std::{path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    escape::lookalikes,
    fit::{Markup, View, fit},
    http::{Answered, Posted, Reach, Redactor, Reply, Request, Service, read, seconds, words, yes},
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

pub(super) const KIND: Kind = Kind {
    name: "dingtalk",
    summary: "DingTalk group chat, by a custom robot",
    reader: Reader::People,
    limit: Some("18/1m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "dingtalk"
url = "http://{endpoint}/robot/send?access_token=0a1b2c3d-example-token"
secret = "SECexample-signing-secret"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Largest body that the service takes.
const BYTES_MAX: usize = 20_000;

/// Least wait after sending too fast. The limit counts by the minute.
const TOO_FAST_WAIT: Duration = Duration::from_secs(60);

/// Lines of a paragraph end in two spaces, or they are joined.
const MARKUP: Markup =
    Markup { escape: lookalikes, strong: ("**", "**"), line_end: "  \n", with_foot: true };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The robot's whole webhook URL, which works like a password.
    url: SecretRef,
    /// The robot's signing secret, `SEC` included, if it demands signatures.
    secret: Option<SecretRef>,
    /// The robot's keyword, if it demands one. It is put behind the title.
    keyword: Option<String>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let url = read("url", &options.url)?;
    let secret = options.secret.as_ref().map(|secret| read("secret", secret)).transpose()?;
    let redactor = Redactor::new(&secret.iter().map(Secret::expose).collect::<Vec<_>>());
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, redactor)?;
    let keyword = options.keyword.unwrap_or_default();
    Ok(Box::new(Posted { endpoint, words: build.words, service: DingTalk { secret, keyword } }))
}

#[derive(Debug)]
struct DingTalk {
    secret: Option<Secret>,
    /// Empty if there is none.
    keyword: String,
}

impl Service for DingTalk {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make = |view: &View<'_>| bytes(&message(view, &self.keyword));
        fit(&words.brief(notice), make, |body| body.len() <= BYTES_MAX)
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let query = self.secret.as_ref().map(|secret| {
            let timestamp = parcel.now.as_millisecond().to_string();
            let sign = sign(secret, &timestamp);
            let sign = utf8_percent_encode(&sign, NON_ALPHANUMERIC);
            format!("timestamp={timestamp}&sign={sign}")
        });
        Ok(Request { query, ..Request::json(parcel.body.to_vec()) })
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        judge(reply)
    }
}

fn message(view: &View<'_>, keyword: &str) -> Value {
    let dot = if keyword.is_empty() { "" } else { " · " };
    let title = format!("{}{dot}{keyword}", lookalikes(view.headline));
    let text = format!("### {title}\n\n{}", MARKUP.body(view));
    json!({
        "msgtype": "markdown",
        // The title is what a phone shows; the chat shows only the text.
        "markdown": { "title": title, "text": text },
        "at": { "isAtAll": false },
    })
}

/// The value of `sign`, not encoded yet, for an attempt at `timestamp`, in milliseconds since 1970.
fn sign(secret: &Secret, timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    for part in [timestamp, "\n", secret.expose()] {
        mac.update(part.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn judge(reply: &Reply<'_>) -> Answered {
    let Some(json) = reply.json() else { return reply.without_a_yes() };
    if json.contains_key("punish") {
        return Answered::later(seconds(json.get("wait")), "the gateway asks to wait");
    }
    let why = words(json.get("errcode"), json.get("errmsg"));
    match json.get("errcode").and_then(Value::as_i64) {
        Some(0) if reply.is_success() => Answered::Accepted,
        Some(-1) => Answered::later(reply.after(), why),
        Some(130_101 | 410_100) => {
            let after = reply.after().unwrap_or_default().max(TOO_FAST_WAIT);
            Answered::later(Some(after), why)
        }
        Some(400_013 | 400_106) => Answered::gone(why),
        Some(310_000) => {
            Answered::suspect(format!("check keyword, secret and allowed addresses: {why}"))
        }
        Some(_) => reply.refused(why),
        None => reply.without_a_yes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!("../../tests/vectors/chat-signing.jsonl");

    #[test]
    fn signatures_are_those_of_the_usual_client() {
        let mut rows = 0;
        for line in VECTORS.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            if row["service"] != "dingtalk" {
                continue;
            }
            let secret = Secret::new(row["secret"].as_str().unwrap().to_owned());
            let actual = sign(&secret, &row["timestamp_ms"].to_string());
            assert_eq!(actual, row["sign_base64"], "{line}");
            let encoded = utf8_percent_encode(&actual, NON_ALPHANUMERIC).to_string();
            assert_eq!(encoded, row["sign_query_encoded"], "{line}");
            rows += 1;
        }
        assert_eq!(rows, 20);
    }
}
