//! What an operator asks of a worker: one set of answers for the control socket and for a command
//! that opens the store itself.
//!
//! Answers are JSON values, because both sides need them as such: a command prints them as they
//! are or as a table, and cannot tell whether a daemon gave them.

use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    decide::route::Subject,
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::{Failure, FailureId},
    http::Chain,
    name::Name,
    sink::{Parcel, Receipt},
    store::{DeliveryQuery, FailureQuery, StoreError},
    worker::{Worker, daemon::Waker, plan},
};

pub mod ask;
pub mod client;
mod compare;
pub mod explain;
mod metrics;
pub mod operate;
mod sample;
pub mod socket;
mod sources;
mod state;

pub use sample::TestKind;

/// Most rows of one answer.
pub const LIMIT_MAX: usize = 1_000;

/// Rows of an answer that asks for no number.
pub const LIMIT_DEFAULT: usize = 100;

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum AdminError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The question is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
}

/// Answers for one worker.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The worker, running or not.
    pub worker: Worker,
    /// Wakes a running one.
    pub waker: Option<Waker>,
}

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only to this sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// Only in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only those that this delivery speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
    /// Only after this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl ListQuery {
    fn limit(&self) -> Result<usize, AdminError> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            _ => Err(AdminError::Invalid(format!("limit must be from 1 to {LIMIT_MAX}"))),
        }
    }
}

fn unknown(failure: &str) -> AdminError {
    AdminError::NotFound(format!("no failure `{failure}` is recorded"))
}

fn name(raw: Option<&str>) -> Result<Option<Name>, AdminError> {
    raw.map(|raw| Name::parse(raw).map_err(|error| AdminError::Invalid(format!("{raw}: {error}"))))
        .transpose()
}

impl Admin {
    /// `failure list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failures(&self, query: &ListQuery) -> Result<Value, AdminError> {
        let standing = match query.state.as_deref() {
            None => None,
            Some("open") => Some(true),
            Some("cleared") => Some(false),
            Some(other) => {
                let problem = format!("state `{other}` is not one of open, cleared");
                return Err(AdminError::Invalid(problem));
            }
        };
        let query = FailureQuery {
            after: FailureId(query.after.unwrap_or(0)),
            source: name(query.source.as_deref())?,
            standing,
            delivery: query.delivery.map(DeliveryId),
            limit: query.limit()?,
        };
        let failures = self.worker.store.failures(query).await?;
        Ok(failures.iter().map(failure_view).collect())
    }

    /// `failure show` and `failure explain`. `id` is a number or the cloud's task id.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failure(&self, id: &str) -> Result<Value, AdminError> {
        let number = self.find(id).await?;
        let detail = self.worker.store.failure(number).await?.ok_or_else(|| unknown(id))?;
        let mut view = failure_view(&detail.failure);
        let silences = self.worker.store.silences().await?;
        let sinks = self.worker.store.sinks().await?;
        let routed = self.routed(&detail.failure);
        let known = explain::Known { routed: &routed, sinks: &sinks, silences: &silences };
        let explained = explain::explain(&detail, known);
        let deliveries: Value = detail.deliveries.iter().map(delivery_view).collect();
        if let Some(view) = view.as_object_mut() {
            view.insert("missing_polls".to_owned(), json!(detail.missing));
            view.insert("deliveries".to_owned(), deliveries);
            view.insert("acknowledged".to_owned(), json!(detail.ack));
            view.insert("steps".to_owned(), json!(explained.steps));
            view.insert("conclusion".to_owned(), json!(explained.conclusion));
        }
        Ok(view)
    }

    fn no_sink(&self, sink: &str) -> AdminError {
        let known: Vec<&str> = self.worker.lanes.iter().map(|lane| lane.name.as_str()).collect();
        AdminError::NotFound(format!("there is no sink `{sink}`; known are {}", known.join(", ")))
    }

    /// The sinks that today's routes select for a failure.
    fn routed(&self, failure: &Failure) -> Vec<Name> {
        let Some(facts) = self.worker.rules.sources.get(&failure.source) else {
            return Vec::new();
        };
        let subject = Subject::of(failure, &facts.info, &facts.labels);
        let selected = self.worker.rules.routes.select(&subject);
        selected.iter().map(|choice| choice.sink.clone()).collect()
    }

    /// `delivery list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn deliveries(&self, query: &ListQuery) -> Result<Value, AdminError> {
        let states = DeliveryState::NAMES;
        if let Some(state) = query.state.as_deref().filter(|state| !states.contains(state)) {
            let known = states.join(", ");
            return Err(AdminError::Invalid(format!("state `{state}` is not one of {known}")));
        }
        let query = DeliveryQuery {
            after: DeliveryId(query.after.unwrap_or(0)),
            sink: name(query.sink.as_deref())?,
            state: query.state.clone(),
            limit: query.limit()?,
        };
        let deliveries = self.worker.store.deliveries(query).await?;
        Ok(deliveries.iter().map(delivery_view).collect())
    }

    /// `delivery show`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn delivery(&self, id: u64) -> Result<Value, AdminError> {
        let delivery = self.worker.store.delivery(DeliveryId(id)).await?;
        let delivery = delivery
            .ok_or_else(|| AdminError::NotFound(format!("no delivery {id} is recorded")))?;
        Ok(delivery_view(&delivery))
    }

    /// `delivery retry`: makes deliveries due now, whatever they waited for.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if one of them is unknown, delivered or being attempted.
    pub async fn retry(&self, ids: Vec<u64>) -> Result<Value, AdminError> {
        let wanted: Vec<DeliveryId> = ids.iter().copied().map(DeliveryId).collect();
        let now = self.worker.clock.now();
        let revived = self.worker.store.retry(wanted.clone(), now).await?;
        if let Some(waker) = &self.waker {
            waker.deliveries_changed();
        }
        if let Some(missing) = wanted.iter().find(|id| !revived.contains(id)) {
            return Err(AdminError::NotFound(format!(
                "delivery {missing} is unknown, delivered already, or being attempted"
            )));
        }
        let running = self.waker.is_some();
        Ok(json!({ "due_now": revived, "running": running }))
    }

    /// `sink list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn sinks(&self) -> Result<Value, AdminError> {
        let owed = self.worker.store.owed().await?;
        let states = self.worker.store.sinks().await?;
        let mut rows: Vec<Value> = Vec::new();
        let configured = self.worker.lanes.iter().map(|lane| (&lane.name, true));
        let gone = owed.keys().filter(|name| self.worker.lane(name.as_str()).is_none());
        for (name, configured) in configured.chain(gone.map(|name| (name, false))) {
            let owed = owed.get(name).copied().unwrap_or_default();
            let state = states.get(name).cloned().unwrap_or_default();
            rows.push(json!({
                "name": name,
                "configured": configured,
                "pending": owed.pending,
                "held": owed.held,
                "dead": owed.dead,
                "oldest_pending_at": owed.oldest,
                "gate": state.gate.as_str(),
                "failing_since": state.failing_since,
                "last_error": (!state.last_error.is_empty()).then_some(state.last_error),
                "storm_since": state.storm.map(|storm| storm.since),
            }));
        }
        Ok(Value::Array(rows))
    }

    /// `sink test`: sends one message that is marked as a test. Nothing is recorded.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if there is no such sink.
    pub async fn test_sink(&self, sink: &str, kind: TestKind) -> Result<Value, AdminError> {
        let lane = self.worker.lane(sink).ok_or_else(|| self.no_sink(sink))?;
        let now = self.worker.clock.now();
        let notice = sample::notice(kind, &lane.name, now);
        let body = lane.outlet.sink.render(&notice);
        let parcel = Parcel { id: &notice.id, body: &body, recipients: None, original: None, now };
        let started = Instant::now();
        let sent = tokio::time::timeout(lane.outlet.timeout, lane.outlet.sink.send(parcel)).await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (accepted, answer) = match sent {
            Ok(Ok(Receipt::Whole | Receipt::Kept(_))) => (true, "accepted".to_owned()),
            Ok(Ok(Receipt::Part { error, .. })) => (false, error),
            Ok(Err(error)) => (false, Chain(&error).to_string()),
            Err(_) => (false, format!("no answer within {} s", lane.outlet.timeout.as_secs())),
        };
        Ok(json!({
            "sink": sink, "accepted": accepted, "answer": answer, "latency_ms": latency_ms,
        }))
    }

    /// `plan`: what would be told now. Writes and sends nothing.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn plan(&self) -> Result<Value, AdminError> {
        let found = plan::look(&self.worker).await?;
        let now = self.worker.clock.now();
        Ok(plan_view(&plan::decide(&found, &self.worker.rules, now)))
    }
}

/// A plan as the API shows it.
fn plan_view(plan: &plan::Plan) -> Value {
    let polls = plan.sources.iter().map(|poll| {
        json!({
            "source": poll.source,
            "new": poll.new,
            "baseline": poll.baseline,
            "cleared": poll.cleared,
            "error": poll.error,
            "class": poll.class.map(crate::source::FaultClass::as_str),
            "exit": poll.class.map(|class| crate::exit::Exit::of_fault(class).code()),
        })
    });
    let notices = plan.notices.iter().map(|planned| {
        let failures: Value = planned.notice.failures.iter().map(failure_view).collect();
        json!({
            "at": planned.at,
            "route": planned.route,
            "sink": planned.notice.sink,
            "type": planned.notice.kind.as_str(),
            "reason": planned.notice.reason,
            "owed_already": planned.owed_already,
            "held_by": planned.held,
            "still_open": planned.notice.still_open,
            "failures": failures,
        })
    });
    let untold = plan
        .suppressed
        .iter()
        .map(|(failure, why)| json!({ "failure": failure_view(failure), "why": why.to_string() }));
    json!({
        "polls": polls.collect::<Vec<_>>(),
        "notices": notices.collect::<Vec<_>>(),
        "told_to_nobody": untold.collect::<Vec<_>>(),
    })
}

/// A failure as the API shows it.
#[must_use]
pub fn failure_view(failure: &Failure) -> Value {
    let text = failure.current_text();
    json!({
        "id": failure.id,
        "source": failure.source,
        "task_id": failure.task.id,
        "generation": failure.generation,
        "state": if failure.cleared_at.is_none() { "open" } else { "cleared" },
        "origin": failure.origin,
        "action": failure.task.action,
        "operate_type": text.operate_type,
        "failed_at": failure.task.failed_at,
        "first_seen_at": failure.first_seen_at,
        "cleared_at": failure.cleared_at,
        "ending": failure.ending,
        "error_code": text.error_code,
        "error_message": text.error_message,
        "server": { "id": text.server_id, "name": text.server_name },
        "keypair": text.keypair,
    })
}

/// A delivery as the API shows it.
#[must_use]
pub fn delivery_view(delivery: &Delivery) -> Value {
    use crate::delivery::DeliveryState::{Dead, Delivered, Folded, Held, Pending, Suppressed};
    let (due, settled) = match delivery.state {
        Pending { due } => (Some(due), None),
        Held { since: at, .. }
        | Delivered { at }
        | Dead { at }
        | Folded { at, .. }
        | Suppressed { at, .. } => (None, Some(at)),
    };
    json!({
        "id": delivery.id,
        "notice_id": delivery.notice_id.as_str(),
        "sink": delivery.sink,
        "source": delivery.source,
        "type": delivery.kind.as_str(),
        "reason": delivery.reason,
        "route": delivery.route,
        "state": delivery.state.as_str(),
        "failures": delivery.failures,
        "created_at": delivery.created_at,
        "due_at": due,
        "settled_at": settled,
        "attempts": delivery.attempts,
        "last_attempt": delivery.last.as_ref().map(|last| json!({
            "at": last.at, "latency_ms": last.latency_ms, "answer": last.detail,
        })),
        "recipients_owed": delivery.recipients,
    })
}
