//! Simple Message Notification of Huawei Cloud: mails, short messages and more to who subscribed
//! to a topic.
//!
//! * Limits: 512 bytes of subject, 256 KB of message, 490 characters of a short message.
//! * Answers: 200 with a `message_id` means that it is stored; who gets it when cannot be heard.
//! * The subject becomes the header of a mail: one line. The message is plain text.
//! * Requests are signed like those to the rest of this cloud. No idempotency: a repeat is a second
//!   message.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    fit::{Markup, View, fit},
    http::{Answered, Posted, Reach, Redactor, Reply, Request, Service, read, words, yes},
    payload::bytes,
};
use crate::{
    delivery::Verdict,
    huawei::sign::{self, DATE_HEADER},
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
    text,
};

pub(super) const KIND: Kind = Kind {
    name: "smn",
    summary: "Huawei Cloud SMN: mail, short messages and more by a topic",
    reader: Reader::People,
    limit: Some("30/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "smn"
endpoint = "http://{endpoint}"
project_id = "0123456789abcdef0123456789abcdef"
topic_urn = "urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:oncall"
access_key = "EXAMPLEACCESSKEY0001"
secret_key = "example-secret-key"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest subject, by the service's limit of 512 bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// Longest message. The service takes 256 KB; a mail of that length is not read.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Longest short message.
const SMS_CHARS_MAX: usize = 490;

const MARKUP: Markup =
    Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: true };

/// Short messages must not hold brackets, which are kept for the sender's name.
const SMS: Markup = Markup { escape: without_brackets, with_foot: false, ..MARKUP };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// For instance `cn-north-4`. Not needed with `endpoint`.
    region: Option<String>,
    /// Scheme and host. Default: `https://smn.{region}.myhuaweicloud.com`.
    endpoint: Option<String>,
    /// The cloud project that the topic is in.
    project_id: String,
    /// The topic: `urn:smn:{region}:{project}:{name}`.
    topic_urn: String,
    /// The access key id, which needs the right `smn:topic:publish`.
    access_key: SecretRef,
    /// The secret access key.
    secret_key: SecretRef,
    /// The token of temporary keys.
    security_token: Option<SecretRef>,
    /// Writes a short text of its own for who subscribed by telephone.
    #[serde(default)]
    sms: bool,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let (key, url) = url(&options)?;
    let keys = Keys {
        access_key: read("access_key", &options.access_key)?,
        secret_key: read("secret_key", &options.secret_key)?,
        security_token: options
            .security_token
            .as_ref()
            .map(|token| read("security_token", token))
            .transpose()?,
    };
    let secrets = [Some(&keys.access_key), Some(&keys.secret_key), keys.security_token.as_ref()];
    let secrets: Vec<&str> = secrets.into_iter().flatten().map(Secret::expose).collect();
    let redactor = Redactor::new(&secrets);
    let (host, path) = (host(&url), url.path().to_owned());
    let url = Secret::new(url.into());
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint((key, &url), build.clients, redactor)?;
    let service = Smn { host, path, project_id: options.project_id, keys, sms: options.sms };
    Ok(Box::new(Posted { endpoint, words: build.words, service }))
}

/// Where to publish, and the key that says so.
fn url(options: &Options) -> Result<(&'static str, Url), OptionError> {
    let (key, base) = match (&options.endpoint, &options.region) {
        (Some(endpoint), _) => ("endpoint", endpoint.trim_end_matches('/').to_owned()),
        (None, Some(region)) => ("region", format!("https://smn.{region}.myhuaweicloud.com")),
        (None, None) => return Err(OptionError::new("region", "is required, or endpoint")),
    };
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !plain(&options.project_id) {
        return Err(OptionError::new("project_id", "must be letters, digits and `-`"));
    }
    if !options.topic_urn.starts_with("urn:smn:") {
        return Err(OptionError::new("topic_urn", "must begin with urn:smn:"));
    }
    // The official client sends the colons encoded.
    let topic = utf8_percent_encode(&options.topic_urn, NON_ALPHANUMERIC).to_string();
    let topic = topic.replace("%2D", "-").replace("%5F", "_");
    let project = &options.project_id;
    let url = format!("{base}/v2/{project}/notifications/topics/{topic}/publish");
    let url = Url::parse(&url)
        .map_err(|error| OptionError::new(key, format!("is not a URL: {error}")))?;
    Ok((key, url))
}

/// As it stands in the `Host` header: with the port unless it is the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[derive(Debug)]
struct Keys {
    access_key: Secret,
    secret_key: Secret,
    security_token: Option<Secret>,
}

#[derive(Debug)]
struct Smn {
    host: String,
    path: String,
    project_id: String,
    keys: Keys,
    sms: bool,
}

impl Service for Smn {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let brief = words.brief(notice);
        let subject = text::clean(&brief.headline, SUBJECT_BYTES_MAX);
        let make = |view: &View<'_>| format!("{}\n\n{}", view.headline, MARKUP.body(view));
        let message = fit(&brief, make, |text| text.len() <= MESSAGE_BYTES_MAX);
        if !self.sms {
            return bytes(&json!({ "subject": subject, "message": message }));
        }
        let make =
            |view: &View<'_>| format!("{}\n{}", without_brackets(view.headline), SMS.body(view));
        let sms = fit(&brief, make, |text| text.chars().count() <= SMS_CHARS_MAX);
        let structure = json!({ "default": message, "sms": sms }).to_string();
        bytes(&json!({ "subject": subject, "message_structure": structure }))
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let mut sent = vec![
            ("host", self.host.as_str()),
            ("content-type", "application/json"),
            ("x-project-id", self.project_id.as_str()),
        ];
        if let Some(token) = &self.keys.security_token {
            sent.push(("x-security-token", token.expose()));
        }
        let request = sign::Request {
            method: "POST",
            path: &self.path,
            query: &[],
            headers: &sent,
            body: parcel.body,
        };
        let keys = &self.keys;
        let signed = sign::sign(&request, keys.access_key.expose(), &keys.secret_key, parcel.now);
        sent.push((DATE_HEADER, &signed.date));
        sent.push((AUTHORIZATION.as_str(), &signed.authorization));
        let mut headers = HeaderMap::with_capacity(sent.len());
        for (name, value) in sent {
            let mut value = HeaderValue::from_str(value).map_err(|error| {
                SinkError::new(Verdict::Suspect, format!("{name} does not fit into a header"))
                    .caused_by(error)
            })?;
            value.set_sensitive(name == "x-security-token" || name == AUTHORIZATION.as_str());
            headers.insert(HeaderName::from_bytes(name.as_bytes()).expect("is one of ours"), value);
        }
        Ok(Request::new(headers, parcel.body.to_vec()))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        let id = json.get("message_id").and_then(Value::as_str).unwrap_or_default();
        match (reply.is_success(), id) {
            (true, "") => reply.without_a_yes(),
            (true, _) => Answered::Accepted,
            (false, _) => reply.refused(words(json.get("code"), json.get("message"))),
        }
    }
}

fn without_brackets(raw: &str) -> String {
    let round = |c| match c {
        '[' | '【' => '(',
        ']' | '】' => ')',
        c => c,
    };
    raw.chars().map(round).collect()
}

#[cfg(test)]
mod tests;
