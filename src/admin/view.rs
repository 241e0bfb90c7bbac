//! What the API shows of each record. The OpenAPI document is made from these types.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;

mod standing;

pub use standing::{
    AcknowledgedView, CoverageView, HourView, RetriedView, SilenceView, SinkView, SourceView,
    TestedView,
};

use super::explain::Step;
use crate::{
    delivery::{Delivery, DeliveryState, Hold},
    failure::{Ack, Ending, Failure},
    notice::NoticeKind,
    store::Spoken,
    task::Action,
};

/// An instant, as it is described: RFC 3339 in UTC, such as `2026-11-23T10:00:05Z`.
#[derive(Debug)]
pub struct Instant;

impl JsonSchema for Instant {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A part of a list.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Listing<T> {
    /// In the order that was asked for.
    pub items: Vec<T>,
    /// The `cursor` of the next part; null if this was the last one. A part may have fewer items
    /// than asked for, or none, and still not be the last: searches are bounded.
    pub next: Option<String>,
}

/// A server that a task was about.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ServerView {
    /// The cloud's id.
    pub id: Option<String>,
    /// Chosen by its owner.
    pub name: Option<String>,
}

/// A failed task, as recorded.
#[derive(Debug, JsonSchema, Serialize)]
pub struct FailureView {
    /// The number here.
    pub id: u64,
    /// The source that listed it.
    pub source: String,
    /// The cloud's id of the task.
    pub task_id: String,
    /// 1 for the first failure of a task.
    pub generation: u32,
    /// `open` while it is listed.
    #[schemars(extend("enum" = ["open", "cleared"]))]
    pub state: &'static str,
    /// How it came to our notice.
    #[schemars(extend("enum" = ["baseline", "new", "refailed", "reappeared"]))]
    pub origin: &'static str,
    /// What the task was to do.
    #[schemars(extend("enum" = Action::ALL.map(Action::as_str)))]
    pub action: &'static str,
    /// As listed, for instance `FAILED_RESET`.
    pub operate_type: String,
    /// By the cloud's clock.
    #[schemars(with = "Option<Instant>")]
    pub failed_at: Option<Timestamp>,
    /// The poll that recorded it.
    #[schemars(with = "Instant")]
    pub first_seen_at: Timestamp,
    /// When it was found to be no longer listed.
    #[schemars(with = "Option<Instant>")]
    pub cleared_at: Option<Timestamp>,
    /// What became of the task, where the cloud was asked or its record was deleted.
    #[schemars(extend("enum" = Ending::ALL.map(Ending::as_str)))]
    pub ending: Option<&'static str>,
    /// For instance `KPS.6009`.
    pub error_code: Option<String>,
    /// Free text of the cloud.
    pub error_message: Option<String>,
    /// The server.
    pub server: ServerView,
    /// The key pair's name.
    pub keypair: Option<String>,
    /// What the source's `row.labels` found, by name.
    pub labels: BTreeMap<String, String>,
    /// Failures like it in the 24 hours before it was recorded, itself included.
    pub occurrences_24h: u32,
    /// Of each sink the last word about it; left out where it was not looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Vec<SpokenView>>,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        let text = failure.current_text();
        Self {
            id: failure.id.0,
            source: failure.source.to_string(),
            task_id: failure.task.id.clone(),
            generation: failure.generation,
            state: if failure.cleared_at.is_none() { "open" } else { "cleared" },
            origin: failure.origin.as_str(),
            action: failure.task.action.as_str(),
            operate_type: text.operate_type.clone(),
            failed_at: failure.task.failed_at,
            first_seen_at: failure.first_seen_at,
            cleared_at: failure.cleared_at,
            ending: failure.ending.map(Ending::as_str),
            error_code: text.error_code.clone(),
            error_message: text.error_message.clone(),
            server: ServerView { id: text.server_id.clone(), name: text.server_name.clone() },
            keypair: text.keypair.clone(),
            labels: text.labels.clone(),
            occurrences_24h: failure.occurrences_24h,
            told: None,
        }
    }
}

/// What became of the delivery that tells a sink of a failure.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SpokenView {
    /// The sink.
    pub sink: String,
    /// The delivery.
    pub delivery: u64,
    /// Where it stands.
    #[schemars(extend("enum" = DeliveryState::NAMES))]
    pub state: &'static str,
    /// When it is tried next, for a pending one; else since when it is so.
    #[schemars(with = "Instant")]
    pub at: Timestamp,
}

impl From<&Spoken> for SpokenView {
    fn from(spoken: &Spoken) -> Self {
        Self {
            sink: spoken.sink.to_string(),
            delivery: spoken.delivery.0,
            state: spoken.state.as_str(),
            at: instant_of(&spoken.state),
        }
    }
}

fn instant_of(state: &DeliveryState) -> Timestamp {
    match state {
        DeliveryState::Pending { due: at }
        | DeliveryState::Held { since: at, .. }
        | DeliveryState::Delivered { at }
        | DeliveryState::Dead { at }
        | DeliveryState::Folded { at, .. }
        | DeliveryState::Suppressed { at, .. } => *at,
    }
}

/// That somebody looks after a failure.
#[derive(Debug, JsonSchema, Serialize)]
pub struct AckView {
    /// Since when.
    #[schemars(with = "Instant")]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// May be empty.
    pub comment: String,
}

impl From<&Ack> for AckView {
    fn from(ack: &Ack) -> Self {
        Self { at: ack.at, by: ack.by.clone(), comment: ack.comment.clone() }
    }
}

/// A failure with all that is known about it.
#[derive(Debug, JsonSchema, Serialize)]
pub struct FailureDetailView {
    /// The failure itself.
    #[serde(flatten)]
    pub failure: FailureView,
    /// The cloud's region of its source; null if only an address is known.
    pub region: Option<String>,
    /// The cloud project of its source; null as long as it is not known.
    pub project_id: Option<String>,
    /// Complete polls in a row that did not list it; null if it does not stand.
    pub missing_polls: Option<u8>,
    /// Who looks after it.
    pub acknowledged: Option<AckView>,
    /// What speaks for it, in the order of opening.
    pub deliveries: Vec<DeliveryView>,
    /// What happened to it.
    pub steps: Vec<Step>,
    /// One sentence: whether you were told, and if not, why.
    pub conclusion: String,
    /// Whether it says that you were.
    pub told: bool,
}

/// What happened to a failure, and whether somebody was told.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ExplanationView {
    /// In the order of events.
    pub steps: Vec<Step>,
    /// One sentence.
    pub conclusion: String,
    /// Whether it says that you were told.
    pub told: bool,
}

/// What the last attempt came to.
#[derive(Debug, JsonSchema, Serialize)]
pub struct AttemptView {
    /// When it began.
    #[schemars(with = "Instant")]
    pub at: Timestamp,
    /// From the first byte to the verdict, in milliseconds.
    pub latency_ms: u32,
    /// In one word.
    #[schemars(extend("enum" = ["accepted", "retry", "suspect", "gone"]))]
    pub outcome: &'static str,
    /// In one line, without secrets.
    pub answer: String,
}

/// A notice that is or was owed to a sink.
#[derive(Debug, JsonSchema, Serialize)]
pub struct DeliveryView {
    /// The number here.
    pub id: u64,
    /// Names what is told: equal ids are equal messages.
    pub notice_id: String,
    /// Where it goes.
    pub sink: String,
    /// The source it is about; null for several or for none.
    pub source: Option<String>,
    /// What it says.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = NoticeKind::ALL.map(NoticeKind::as_str)))]
    pub kind: &'static str,
    /// Why it is said.
    pub reason: String,
    /// Which route chose it, counted from 1; 0: none did.
    pub route: u32,
    /// Where it stands.
    #[schemars(extend("enum" = DeliveryState::NAMES))]
    pub state: &'static str,
    /// The failures that it lists; at most 100.
    pub failures: Vec<u64>,
    /// All failures that it speaks for.
    pub total: u32,
    /// When its content was fixed.
    #[schemars(with = "Instant")]
    pub created_at: Timestamp,
    /// The next attempt, for a pending one.
    #[schemars(with = "Option<Instant>")]
    pub due_at: Option<Timestamp>,
    /// Since when it stands as it does, for one that is not pending.
    #[schemars(with = "Option<Instant>")]
    pub settled_at: Option<Timestamp>,
    /// What holds it back, in words.
    pub held_by: Option<String>,
    /// The same for the page, which has words of its own.
    #[serde(skip)]
    pub hold: Option<Hold>,
    /// Attempts so far.
    pub attempts: u32,
    /// The latest of them.
    pub last_attempt: Option<AttemptView>,
    /// Recipients still owed, where a sink has several and some were told.
    pub recipients_owed: Option<Vec<String>>,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        let at = instant_of(&delivery.state);
        let pending = matches!(delivery.state, DeliveryState::Pending { .. });
        let hold = match &delivery.state {
            DeliveryState::Held { by, .. } => Some(by.clone()),
            _ => None,
        };
        Self {
            id: delivery.id.0,
            notice_id: delivery.notice_id.as_str().to_owned(),
            sink: delivery.sink.to_string(),
            source: delivery.source.as_ref().map(ToString::to_string),
            kind: delivery.kind.as_str(),
            reason: delivery.reason.clone(),
            route: delivery.route,
            state: delivery.state.as_str(),
            failures: delivery.failures.iter().map(|id| id.0).collect(),
            total: delivery.total,
            created_at: delivery.created_at,
            due_at: pending.then_some(at),
            settled_at: (!pending).then_some(at),
            held_by: hold.as_ref().map(ToString::to_string),
            hold,
            attempts: delivery.attempts,
            last_attempt: delivery.last.as_ref().map(|last| AttemptView {
                at: last.at,
                latency_ms: last.latency_ms,
                outcome: last.outcome.as_str(),
                answer: last.detail.clone(),
            }),
            recipients_owed: delivery.recipients.clone(),
        }
    }
}

/// A view as JSON. Views have nothing that JSON has not.
pub(super) fn json<T: Serialize>(view: &T) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}
