//! Gotify: an application on a server of your own.
//!
//! * Limits: none that are written down.
//! * Answers: 200 with the `id` of the message.
//! * Plain text. No idempotency: a repeat is a second message.

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    fit::{Markup, View, fit},
    http::{
        Answered, Posted, Reach, Redactor, Reply, Request, Service, read, sensitive, words, yes,
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
    name: "gotify",
    summary: "Gotify application, for telephones",
    reader: Reader::People,
    limit: Some("30/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "gotify"
url = "http://{endpoint}"
token = "example-application-token"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

const KEY_HEADER: HeaderName = HeaderName::from_static("x-gotify-key");

/// Longest message: some screens of a telephone.
const BYTES_MAX: usize = 16 * 1024;

const MARKUP: Markup =
    Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: true };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where the server is, without `/message`.
    url: String,
    /// The application's token.
    token: SecretRef,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let token = read("token", &options.token)?;
    let key = sensitive("token", token.expose())?;
    let redactor = Redactor::new(&[token.expose()]);
    let url = Secret::new(format!("{}/message", options.url.trim_end_matches('/')));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, redactor)?;
    Ok(Box::new(Posted { endpoint, words: build.words, service: Gotify { key } }))
}

#[derive(Debug)]
struct Gotify {
    /// Marked as sensitive, so that it does not show.
    key: HeaderValue,
}

impl Service for Gotify {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let brief = words.brief(notice);
        let make = |view: &View<'_>| MARKUP.body(view);
        let message = fit(&brief, make, |text| text.len() <= BYTES_MAX);
        let priority = match brief.tone {
            Tone::Bad => 8,
            Tone::Warning => 5,
            Tone::Good => 4,
            Tone::Calm => 2,
        };
        bytes(&json!({ "title": brief.headline, "message": message, "priority": priority }))
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let mut request = Request::json(parcel.body.to_vec());
        request.headers.insert(KEY_HEADER, self.key.clone());
        Ok(request)
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        match (reply.is_success(), json.contains_key("id")) {
            (true, true) => Answered::Accepted,
            (true, false) => Answered::Unclear,
            (false, _) => reply.refused(words(json.get("error"), json.get("errorDescription"))),
        }
    }
}
