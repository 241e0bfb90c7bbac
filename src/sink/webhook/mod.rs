//! A POST of JSON to any HTTP endpoint, signed after Standard Webhooks.
//!
//! `webhook-id` is the notice's id and the same at every attempt, so a receiver that remembers
//! ids drops repeats. `webhook-timestamp` and the signature renew. Any 2xx is a yes, whatever
//! its body says.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    http::{Answered, Posted, Reach, Redactor, Reply, Request, Service, read, yes},
    identity::Identity,
    payload::{self, Payload},
};
use crate::{
    delivery::Verdict,
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

mod alertmanager;
mod body;
mod cloudevents;
mod request;
mod secrets;
pub mod signature;

use alertmanager::Message;
use body::Body;
use cloudevents::Event;
use request::{Added, Auth};
use secrets::SecretList;
use signature::{Key, signature};

pub(super) const KIND: Kind = Kind {
    name: "webhook",
    summary: "JSON by HTTP POST, signed after Standard Webhooks",
    reader: Reader::Programs,
    limit: None,
    cleared: false,
    example: r#"
name = "oncall"
kind = "webhook"
url = "http://{endpoint}/hooks/taskbell"
secret = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE="
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where to post: `https://…` or `http://…`. The path may be a secret.
    url: SecretRef,
    /// Signs each request: `whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64 of an
    /// Ed25519 key. A list, newest first, while a secret is being replaced. Without it requests
    /// are not signed.
    #[serde(default)]
    secret: SecretList,
    /// What the body is: `standard`, `cloudevents` or `alertmanager`. Default: `standard`.
    format: Option<Format>,
    /// More headers, by name. Their values are secrets.
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    /// Who we are to the receiver, beside the signature.
    auth: Option<Auth>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, for receivers that want one.
    client_cert: Option<PathBuf>,
    /// PEM file of its key.
    client_key: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
    /// A template of the body, for receivers that want another one. It must give JSON if the
    /// content type is one of JSON.
    body: Option<PathBuf>,
    /// What the body is, with `body`. Default "application/json".
    content_type: Option<String>,
}

/// What the body is.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// `{"type", "timestamp", "data"}`, as Standard Webhooks recommends.
    #[default]
    Standard,
    /// A `CloudEvents` 1.0 event in structured mode.
    CloudEvents,
    /// What Alertmanager posts to its webhooks.
    Alertmanager,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Standard | Self::Alertmanager => "application/json",
            Self::CloudEvents => cloudevents::CONTENT_TYPE,
        }
    }
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let wrong = |key: &'static str| move |problem| OptionError::new(key, problem);
    let url = read("url", &options.url)?;
    let secrets = options.secret.read().map_err(wrong("secret"))?;
    let keys = secrets
        .iter()
        .map(|secret| Key::parse(secret.expose()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| OptionError::new("secret", error.to_string()))?;
    if options.body.is_some() && options.format.is_some() {
        return Err(OptionError::new("format", "is of no use with body"));
    }
    let format = options.format.unwrap_or_default();
    let (path, content_type) = (options.body.as_deref(), options.content_type.as_deref());
    let body = Body::read(path, content_type, format.content_type(), &build.words)?;
    let Added { headers, secrets: more } = request::added(&options.headers, options.auth.as_ref())?;
    let identity = Identity::read(options.client_cert.as_deref(), options.client_key.as_deref())?;
    let hidden: Vec<Secret> = secrets.into_iter().chain(more).collect();
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let reach = reach.showing(identity.as_ref());
    let endpoint = reach.endpoint(("url", &url), build.clients, redactor(&hidden))?;
    let service = Webhook { keys, format, body, headers };
    Ok(Box::new(Posted { endpoint, words: build.words, service }))
}

/// Hides each secret with its mark and without.
fn redactor(secrets: &[Secret]) -> Redactor {
    let both =
        secrets.iter().map(Secret::expose).flat_map(|secret| [secret, signature::unmarked(secret)]);
    Redactor::new(&both.collect::<Vec<_>>())
}

#[derive(Debug)]
struct Webhook {
    /// Empty: requests are not signed.
    keys: Vec<Key>,
    format: Format,
    body: Body,
    /// Of the operator's, with `authorization`.
    headers: HeaderMap,
}

impl Webhook {
    fn headers(&self, parcel: &Parcel<'_>) -> Result<HeaderMap, SinkError> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| {
                SinkError::new(Verdict::Suspect, "the id cannot stand in a header").caused_by(error)
            })
        };
        let timestamp = parcel.now.as_second().to_string();
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, self.body.content_type.clone());
        headers.insert(WEBHOOK_ID, value(parcel.id.as_str())?);
        headers.insert(WEBHOOK_TIMESTAMP, value(&timestamp)?);
        if !self.keys.is_empty() {
            let signed = signature(&self.keys, parcel.id.as_str(), &timestamp, parcel.body);
            headers.insert(WEBHOOK_SIGNATURE, value(&signed)?);
        }
        Ok(headers)
    }
}

impl Service for Webhook {
    const VERDICT_IN_BODY: bool = false;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        self.body.render(notice, words, || match self.format {
            Format::Standard => payload::bytes(&Payload::of(notice, words)),
            Format::CloudEvents => payload::bytes(&Event::of(notice, words)),
            Format::Alertmanager => payload::bytes(&Message::of(notice, words)),
        })
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        Ok(Request::new(self.headers(parcel)?, parcel.body.to_vec()))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        reply.by_status()
    }
}
