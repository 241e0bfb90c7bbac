//! ntfy: a topic of ntfy.sh or of a server of your own.
//!
//! * Limits: 4096 bytes of message, or it becomes an attachment; 60 at once and then one in 5
//!   seconds, 250 a day without an account.
//! * Answers: 200 with the `id` of the message.
//! * Plain text. The topic works like a password and is put in when a request is made.
//! * No idempotency: a repeat is a second message.

use std::{path::PathBuf, time::Duration};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    fit::{Markup, View, fit},
    http::{
        Answered, Posted, Reach, Redactor, Reply, Request, Service, bearer, read, with_fields,
        words, yes,
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
    name: "ntfy",
    summary: "ntfy topic, for telephones",
    reader: Reader::People,
    limit: Some("30/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "ntfy"
url = "http://{endpoint}"
topic = "example-secret-topic"
token = "tk_example-access-token"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest message that stays one.
const BYTES_MAX: usize = 4096;

/// The same as JSON. The server reads a body of twice its limit, and there is more in the body.
const JSON_BYTES_MAX: usize = 7000;

/// The day's messages are used up. The longest wait that is obeyed is shorter than a day.
const QUOTA_REACHED: i64 = 42908;
const QUOTA_WAIT: Duration = Duration::from_secs(3600);

const MARKUP: Markup =
    Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: false };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where the server is.
    #[serde(default = "url")]
    url: String,
    /// The topic: 1 to 64 letters, digits, `_` and `-`. Who knows it can read it.
    topic: SecretRef,
    /// An access token, `tk_…`, if the topic is protected.
    token: Option<SecretRef>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn url() -> String {
    "https://ntfy.sh".to_owned()
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let topic = read("topic", &options.topic)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !(1..=64).contains(&topic.expose().len()) || !topic.expose().bytes().all(plain) {
        return Err(OptionError::new("topic", "must be 1 to 64 letters, digits, `_` and `-`"));
    }
    let token = options.token.as_ref().map(|token| read("token", token)).transpose()?;
    let authorization = token.as_ref().map(|token| bearer("token", token)).transpose()?;
    let secrets: Vec<&str> = token.iter().chain([&topic]).map(Secret::expose).collect();
    let redactor = Redactor::new(&secrets);
    let url = Secret::new(format!("{}/", options.url.trim_end_matches('/')));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, redactor)?;
    Ok(Box::new(Posted { endpoint, words: build.words, service: Ntfy { topic, authorization } }))
}

#[derive(Debug)]
struct Ntfy {
    topic: Secret,
    /// Marked as sensitive, so that it does not show.
    authorization: Option<HeaderValue>,
}

impl Service for Ntfy {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let brief = words.brief(notice);
        let make = |view: &View<'_>| MARKUP.body(view);
        let fits = |text: &String| text.len() <= BYTES_MAX && bytes(text).len() <= JSON_BYTES_MAX;
        let message = fit(&brief, make, fits);
        let (priority, tag) = match brief.tone {
            Tone::Bad => (4, "rotating_light"),
            Tone::Warning => (3, "warning"),
            Tone::Good => (3, "white_check_mark"),
            Tone::Calm => (2, "bell"),
        };
        bytes(&json!({
            "title": brief.headline,
            "message": message,
            "priority": priority,
            "tags": [tag],
        }))
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let body = with_fields(parcel.body, &[("topic", self.topic.expose())]);
        let mut request = Request::json(body);
        if let Some(value) = &self.authorization {
            request.headers.insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        if reply.is_success() {
            let kept = json.contains_key("id");
            return if kept { Answered::Accepted } else { Answered::Unclear };
        }
        let why = words(json.get("code"), json.get("error"));
        match (reply.status, json.get("code").and_then(Value::as_i64)) {
            (429, Some(QUOTA_REACHED)) => Answered::later(Some(QUOTA_WAIT), why),
            // A topic of a kind that we do not write to; no shortage of room that will pass.
            (507, _) => Answered::suspect(why),
            _ => reply.refused(why),
        }
    }
}
