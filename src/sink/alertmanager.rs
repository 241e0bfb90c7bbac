//! Alertmanager, or whatever speaks version 2 of its API.
//!
//! * Limits: none that a notice reaches. Meant for programs, so it needs no rate.
//! * Answers: 200 without a word. 400 has taken the good alerts of a mixed lot.
//! * An alert is its labels: each failure is one, from the record that never changes, so a repeat
//!   changes nothing and a cleared failure ends the alert that it began.
//! * An alert ends by itself after `open_for`; reminders and repeats put that off. It is long,
//!   since nothing is posted again and again by itself: a failure stands for days, we tell when it
//!   ends, and what we said is durable here. Alertmanager keeps alerts in memory only; whoever wants
//!   them back after it was started again has the route remind (`docs/sinks.md`).
//! * Several Alertmanagers that form a cluster each need a sink of their own.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    http::{
        Answered, Posted, Reach, Redactor, Reply, Request, Service, bearer, read, sensitive, yes,
    },
    labels::{self, Labels},
    payload::bytes,
};
use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    options::{self, OptionError, Period, SecretRef},
    render::{Brief, Pair, Words},
    secret::Secret,
};

pub(super) const KIND: Kind = Kind {
    name: "alertmanager",
    summary: "Alertmanager, one alert for each failure",
    reader: Reader::Programs,
    limit: None,
    cleared: true,
    example: r#"
name = "oncall"
kind = "alertmanager"
url = "http://{endpoint}"
username = "taskbell"
password = "example-password"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// How long an alert stands that is news and nothing else.
const NEWS: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Where Alertmanager is: `http://host:9093`, without `/api/v2/alerts`.
    url: SecretRef,
    /// User name, if a proxy asks for one.
    username: Option<String>,
    /// Password, with `username`.
    password: Option<SecretRef>,
    /// A bearer token instead.
    token: Option<SecretRef>,
    /// More labels for every alert. Changing them makes other alerts of those that stand.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// How long an alert stands without a word from us.
    #[serde(default = "open_for")]
    open_for: Period,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn open_for() -> Period {
    Period(Duration::from_secs(30 * 24 * 3600))
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    for name in options.labels.keys() {
        let fits = |(at, c): (usize, char)| {
            c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit())
        };
        if name.is_empty() || !name.chars().enumerate().all(fits) {
            let problem = "must be letters, digits and `_`, and not begin with a digit";
            return Err(OptionError::new(format!("labels.{name}"), problem));
        }
    }
    let (authorization, redactor) = authorization(&options)?;
    let base = read("url", &options.url)?;
    let url = Secret::new(format!("{}/api/v2/alerts", base.expose().trim_end_matches('/')));
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, redactor)?;
    let (labels, open_for) = (options.labels, options.open_for.0);
    Ok(Box::new(Posted {
        endpoint,
        words: build.words,
        service: Alertmanager { authorization, labels, open_for },
    }))
}

fn authorization(options: &Options) -> Result<(Option<HeaderValue>, Redactor), OptionError> {
    match (&options.username, &options.password, &options.token) {
        (None, None, None) => Ok((None, Redactor::default())),
        (None, None, Some(token)) => {
            let token = read("token", token)?;
            Ok((Some(bearer("token", &token)?), Redactor::new(&[token.expose()])))
        }
        (Some(username), Some(password), None) => {
            let password = read("password", password)?;
            let pair = Secret::new(format!("{username}:{}", password.expose()));
            let pair = Secret::new(STANDARD.encode(pair.expose()));
            let value = sensitive("password", &format!("Basic {}", pair.expose()))?;
            Ok((Some(value), Redactor::new(&[password.expose(), pair.expose()])))
        }
        (Some(_), None, _) => Err(OptionError::new("password", "is required with username")),
        (None, Some(_), _) => Err(OptionError::new("username", "is required with password")),
        (Some(_), Some(_), Some(_)) => {
            Err(OptionError::new("token", "is not needed with username and password"))
        }
    }
}

#[derive(Debug)]
struct Alertmanager {
    /// Marked as sensitive, so that it does not show.
    authorization: Option<HeaderValue>,
    labels: BTreeMap<String, String>,
    open_for: Duration,
}

impl Service for Alertmanager {
    const VERDICT_IN_BODY: bool = false;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        // Whatever else the notice says about a failure, its alert says that it failed.
        let kind = match notice.kind {
            NoticeKind::TaskStuck => NoticeKind::TaskStuck,
            _ => NoticeKind::TaskFailed,
        };
        let shell = Notice { kind, failures: Vec::new(), ..notice.clone() };
        let over = (notice.kind == NoticeKind::TaskCleared).then_some(notice.created_at);
        let each = notice.failures.iter();
        let mut alerts: Vec<Value> =
            each.map(|failure| self.of_failure((&shell, failure), over, words)).collect();
        if alerts.is_empty() || notice.omitted() > 0 || notice.kind.is_storm() {
            alerts.push(self.of_notice(notice, words));
        }
        bytes(&alerts)
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        let mut request = Request::json(parcel.body.to_vec());
        if let Some(value) = &self.authorization {
            request.headers.insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        reply.by_status()
    }
}

impl Alertmanager {
    /// The alert about a failure of a notice, which is `shell` without them, and `over` by then.
    fn of_failure(
        &self,
        (shell, failure): (&Notice, &Failure),
        over: Option<Timestamp>,
        words: &Words,
    ) -> Value {
        let ends = failure.cleared_at.or(over);
        let ends = ends.unwrap_or_else(|| after(shell.created_at, self.open_for));
        let brief = words.brief(&shell.about(failure));
        let facts = brief.items.first().map_or(brief.lead, |item| lines(&item.facts));
        json!({
            "labels": self.labelled(labels::of_failure(shell.kind, failure)),
            "annotations": { "summary": brief.headline, "description": facts },
            // The cloud's clock may be ahead of ours, and an end before the beginning is refused.
            "startsAt": failure.task.failed_at.unwrap_or(failure.first_seen_at).min(ends),
            "endsAt": ends,
        })
    }

    /// The alert about what the notice says beyond the failures that it lists.
    fn of_notice(&self, notice: &Notice, words: &Words) -> Value {
        let whole = words.brief(notice);
        // What the notice lists has alerts of its own.
        let brief = Brief { items: Vec::new(), omitted: notice.omitted(), ..whole };
        let now = notice.created_at;
        let ends = match notice.kind {
            NoticeKind::SourceSighted | NoticeKind::StormClosed | NoticeKind::TaskCleared => now,
            NoticeKind::SourceBlind
            | NoticeKind::SinkFailing
            | NoticeKind::StormOpened
            | NoticeKind::StormUpdated
            | NoticeKind::StateLost
            | NoticeKind::StoreFailed => after(now, self.open_for),
            _ => after(now, NEWS),
        };
        let more = brief.rest(0).into_iter().chain(brief.more.clone());
        let mut description = vec![brief.lead.clone(), lines(&brief.notes)];
        description.extend(more);
        description.retain(|line| !line.is_empty());
        json!({
            "labels": self.labelled(labels::of_notice(notice)),
            "annotations": {
                "summary": brief.headline,
                "description": description.join("\n"),
            },
            // Not after its end, or the whole lot is refused.
            "startsAt": notice.since.unwrap_or(now).min(now),
            "endsAt": ends,
        })
    }

    /// Ours over the operator's.
    fn labelled(&self, ours: Labels) -> Labels {
        let theirs = self.labels.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut all = labels::labels(theirs);
        all.extend(ours);
        all
    }
}

fn lines(pairs: &[Pair]) -> String {
    pairs.iter().map(|(label, value)| format!("{label}: {value}")).collect::<Vec<_>>().join("\n")
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
