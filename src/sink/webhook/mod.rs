//! A POST of JSON to any HTTP endpoint, signed after Standard Webhooks.
//!
//! `webhook-id` is the notice's id and the same at every attempt, so a receiver that remembers
//! ids drops repeats. `webhook-timestamp` and the signature renew. Any 2xx is a yes, whatever
//! its body says.

use std::path::PathBuf;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError, ca,
    http::{Endpoint, Redactor},
};
use crate::{
    delivery::Verdict,
    http::Clients,
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

mod body;
mod payload;
mod secrets;
pub mod signature;

use body::Body;
use payload::Payload;
use secrets::SecretList;
use signature::{Key, signature};

pub(super) const KIND: Kind = Kind {
    name: "webhook",
    summary: "JSON by HTTP POST, signed after Standard Webhooks",
    reader: Reader::Programs,
    limit: None,
    example: r#"
name = "oncall"
kind = "webhook"
url = "http://{endpoint}/hooks/taskbell"
secret = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE="
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Room for the payload of one failure, so that the usual notice is written without growing.
const PAYLOAD_BYTES: usize = 1024;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where to post: `https://…` or `http://…`. The path may be a secret.
    url: SecretRef,
    /// Signs each request: `whsec_` and base64 of 24 to 64 bytes. A list, newest first, while a
    /// secret is being replaced. Without it requests are not signed.
    #[serde(default)]
    secret: SecretList,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// A template of the body, for receivers that want another one. It must give JSON if the
    /// content type is one of JSON.
    body: Option<PathBuf>,
    /// What the body is, with `body`. Default "application/json".
    content_type: Option<String>,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let wrong = |key: &'static str| move |problem| OptionError::new(key, problem);
    let url = options.url.read().map_err(wrong("url"))?;
    let secrets = options.secret.read().map_err(wrong("secret"))?;
    let keys = secrets
        .iter()
        .map(|secret| Key::parse(secret.expose()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| OptionError::new("secret", error.to_string()))?;
    let clients = match options.ca_file {
        None => build.clients,
        Some(path) => clients_trusting(&path).map_err(wrong("ca_file"))?,
    };
    let endpoint = Endpoint::new(&url, clients, redactor(&secrets)).map_err(wrong("url"))?;
    let words = build.words;
    let body = Body::read(options.body.as_deref(), options.content_type.as_deref(), &words)?;
    Ok(Box::new(Webhook { endpoint, keys, words, body }))
}

fn clients_trusting(path: &std::path::Path) -> Result<Clients, String> {
    let roots = ca::read(path)?;
    let roots = roots.iter().map(|root| reqwest::Certificate::from_der(root));
    roots.collect::<Result<_, _>>().map(Clients::trusting).map_err(|error| error.to_string())
}

/// Hides each secret with its mark and without.
fn redactor(secrets: &[Secret]) -> Redactor {
    let both = secrets
        .iter()
        .map(Secret::expose)
        .flat_map(|secret| [secret, secret.strip_prefix("whsec_").unwrap_or(secret)]);
    Redactor::new(&both.collect::<Vec<_>>())
}

#[derive(Debug)]
struct Webhook {
    endpoint: Endpoint,
    /// Empty: requests are not signed.
    keys: Vec<Key>,
    words: Words,
    body: Body,
}

impl Webhook {
    fn headers(&self, parcel: &Parcel<'_>) -> Result<HeaderMap, SinkError> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| {
                SinkError::new(Verdict::Suspect, "the id cannot stand in a header").caused_by(error)
            })
        };
        let timestamp = parcel.now.as_second().to_string();
        let mut headers = HeaderMap::with_capacity(4);
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

#[async_trait]
impl Sink for Webhook {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        self.body.render(notice, &self.words, || {
            let mut body = Vec::with_capacity(PAYLOAD_BYTES);
            serde_json::to_writer(&mut body, &Payload::of(notice, &self.words))
                .expect("a Vec takes everything and the payload has text keys only");
            body
        })
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let headers = self.headers(&parcel)?;
        let answer = self.endpoint.post(headers, parcel.body.to_vec()).await?;
        answer.into_verdict(parcel.now).await.map(|()| Receipt::Whole)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.endpoint.probe().await
    }
}
