//! `PagerDuty`: events of its API, version 2.
//!
//! * Limits: 1024 characters of summary, 512 KB an event, 120 events a minute.
//! * Answers: 202 is a yes. 400 names what is wrong with the event or the key.
//! * Each failure is an incident of its own, named after the failure, so a repeat changes nothing
//!   and a cleared failure resolves the incident that it opened. A notice that does not list what
//!   it is about, such as a storm's, is one incident; so is a source that cannot be seen.
//! * For the same reason a burst is no storm here unless the config says so, and there is no limit
//!   on notices: a failure folded into a storm has no incident of its own, and nothing resolves it.
//! * A notice of many failures is many requests. What was taken is not sent again: the incidents
//!   still owed are kept as other kinds keep recipients.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError,
    http::{Answered, Endpoint, Reach, Redactor, Reply, Request, read, with_fields, words, yes},
    payload::bytes,
};
use crate::{
    delivery::Verdict,
    notice::Notice,
    options::{self, OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

mod events;

use events::{Severity, Teller};

pub(super) const KIND: Kind = Kind {
    name: "pagerduty",
    summary: "PagerDuty, one incident for each failure",
    reader: Reader::Programs,
    limit: None,
    cleared: true,
    example: r#"
name = "oncall"
kind = "pagerduty"
routing_key = "0a1b2c3d4e5f-example-routing-key"
base_url = "http://{endpoint}"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// How long one attempt goes on to the next event. Below every sensible time limit, so that what
/// was taken until then is remembered.
const SENDING_MAX: Duration = Duration::from_secs(5);

/// How long the body of an answer may take. The status decides.
const BODY_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The key of the integration "Events API v2".
    routing_key: SecretRef,
    /// Where the API is. In the EU: `https://events.eu.pagerduty.com`.
    #[serde(default = "base_url")]
    base_url: String,
    /// The severity of a failure.
    #[serde(default)]
    severity: Severity,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn base_url() -> String {
    "https://events.pagerduty.com".to_owned()
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let routing_key = read("routing_key", &options.routing_key)?;
    let redactor = Redactor::new(&[routing_key.expose()]);
    let url = Secret::new(format!("{}/v2/enqueue", options.base_url.trim_end_matches('/')));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("base_url", &url), build.clients, redactor)?;
    Ok(Box::new(PagerDuty {
        endpoint,
        words: build.words,
        routing_key,
        severity: options.severity,
    }))
}

#[derive(Debug)]
struct PagerDuty {
    endpoint: Endpoint,
    words: Words,
    routing_key: Secret,
    severity: Severity,
}

/// What is read back of a rendered event.
#[derive(Deserialize)]
struct Key {
    dedup_key: String,
}

impl PagerDuty {
    async fn send_event(&self, event: &RawValue, parcel: &Parcel<'_>) -> Result<(), SinkError> {
        let fields = [("routing_key", self.routing_key.expose())];
        let request = Request::json(with_fields(event.get().as_bytes(), &fields));
        self.endpoint.exchange(request, parcel.now, BODY_WAIT, &judge).await.map(drop)
    }
}

#[async_trait]
impl Sink for PagerDuty {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        bytes(&Teller { severity: self.severity, words: &self.words }.events(notice))
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let unreadable = |error| {
            SinkError::new(Verdict::Suspect, "the stored events cannot be read").caused_by(error)
        };
        let events: Vec<&RawValue> = serde_json::from_slice(parcel.body).map_err(unreadable)?;
        let mut keyed = Vec::with_capacity(events.len());
        for event in events {
            let Key { dedup_key } = serde_json::from_str(event.get()).map_err(unreadable)?;
            if parcel.recipients.is_none_or(|owed| owed.contains(&dedup_key)) {
                keyed.push((dedup_key, event));
            }
        }
        let started = Instant::now();
        for (taken, (_, event)) in keyed.iter().enumerate() {
            let late = taken > 0 && SENDING_MAX < started.elapsed();
            let result = if late { Err(too_many()) } else { self.send_event(event, &parcel).await };
            match result {
                Ok(()) => (),
                Err(error) if taken == 0 => return Err(error),
                Err(error) => {
                    let owed = keyed.iter().skip(taken).map(|(key, _)| key.clone()).collect();
                    let (verdict, error) = (error.verdict, error.to_string());
                    return Ok(Receipt::Part { owed, error, verdict });
                }
            }
        }
        Ok(Receipt::Whole)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.endpoint.probe().await
    }
}

fn too_many() -> SinkError {
    SinkError::new(Verdict::Retry { after: None }, "some events are left for the next attempt")
}

fn judge(reply: &Reply<'_>) -> Answered {
    let json = reply.json().unwrap_or_default();
    match json.get("message") {
        Some(message) if !reply.is_success() => {
            let errors = json.get("errors").map(ToString::to_string).unwrap_or_default();
            reply.refused(words(Some(message), Some(&errors.into())))
        }
        _ => reply.by_status(),
    }
}
