//! Pushover: notifications on telephones.
//!
//! * Limits: 1024 characters of message, 250 of title, a number of messages a month.
//! * Answers: `"status":1`. 429 means that the month's messages are used up, which time alone does
//!   not help soon; many refused requests shut us out, so the slow lane is right. After a 5xx
//!   the service wants 5 seconds of peace.
//! * Plain text. Token and user are put in when a request is made.
//! * No idempotency: a repeat is a second message.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    fit::{Markup, View, fit},
    http::{Answered, Posted, Reach, Redactor, Reply, Request, Service, read, with_fields, yes},
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
    text,
};

pub(super) const KIND: Kind = Kind {
    name: "pushover",
    summary: "Pushover, for telephones",
    reader: Reader::People,
    limit: Some("10/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "pushover"
token = "example-application-token"
user_key = "example-user-key"
base_url = "http://{endpoint}"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest message.
const CHARS_MAX: usize = 1024;

/// Longest title.
const TITLE_BYTES_MAX: usize = 250;

/// Least wait after a 5xx.
const BUSY_WAIT: Duration = Duration::from_secs(5);

const MARKUP: Markup =
    Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: false };

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The application's token.
    token: SecretRef,
    /// The key of the user or the group.
    user_key: SecretRef,
    /// One of the user's devices. Default: all of them.
    device: Option<String>,
    /// -2 to 1: from silent to past the quiet hours.
    #[serde(default)]
    #[schemars(range(min = -2, max = 1))]
    priority: i8,
    /// Where the API is.
    #[serde(default = "base_url")]
    base_url: String,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn base_url() -> String {
    "https://api.pushover.net".to_owned()
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    if !(-2..=1).contains(&options.priority) {
        return Err(OptionError::new("priority", "must be between -2 and 1"));
    }
    let token = read("token", &options.token)?;
    let user = read("user_key", &options.user_key)?;
    let redactor = Redactor::new(&[token.expose(), user.expose()]);
    let url = Secret::new(format!("{}/1/messages.json", options.base_url.trim_end_matches('/')));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("base_url", &url), build.clients, redactor)?;
    let (device, priority) = (options.device, options.priority);
    Ok(Box::new(Posted {
        endpoint,
        words: build.words,
        service: Pushover { token, user, device, priority },
    }))
}

#[derive(Debug)]
struct Pushover {
    token: Secret,
    user: Secret,
    device: Option<String>,
    priority: i8,
}

impl Service for Pushover {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let brief = words.brief(notice);
        let make = |view: &View<'_>| MARKUP.body(view);
        let message = fit(&brief, make, |text| text.chars().count() <= CHARS_MAX);
        let mut fields = json!({
            "title": text::clean(&brief.headline, TITLE_BYTES_MAX),
            "message": message,
            "priority": self.priority,
            "timestamp": notice.created_at.as_second(),
        });
        if let (Some(device), Some(fields)) = (&self.device, fields.as_object_mut()) {
            fields.insert("device".to_owned(), device.as_str().into());
        }
        bytes(&fields)
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let secrets = [("token", self.token.expose()), ("user", self.user.expose())];
        Ok(Request::json(with_fields(parcel.body, &secrets)))
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let json = reply.json().unwrap_or_default();
        let status = json.get("status").and_then(Value::as_i64);
        let errors = json.get("errors").map(Value::to_string).unwrap_or_default();
        match (reply.status, status) {
            (200..=299, Some(1)) => Answered::Accepted,
            (200..=299, None) => Answered::Unclear,
            (429, Some(_)) => {
                Answered::suspect(format!("the month's messages are used up: {errors}"))
            }
            (500..=599, _) => {
                Answered::later(Some(reply.after().unwrap_or_default().max(BUSY_WAIT)), errors)
            }
            (_, Some(_)) => reply.refused(errors),
            (_, None) => reply.by_status(),
        }
    }
}
