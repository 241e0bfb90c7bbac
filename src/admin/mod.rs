//! What an operator asks of a worker: one set of answers for the control socket and for a command
//! that opens the store itself.
//!
//! Answers are JSON values, because both sides need them as such: a command prints them as they
//! are or as a table, and cannot tell whether a daemon gave them.

use std::sync::Arc;

use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    decide::route::Subject,
    delivery::DeliveryId,
    failure::Failure,
    http::Chain,
    name::Name,
    progress::{Meter, Progress},
    sink::{Parcel, Receipt},
    store::StoreError,
    worker::{Worker, daemon::Waker, plan},
};

mod account;
mod api;
pub mod ask;
pub mod client;
mod compare;
pub mod events;
pub mod explain;
#[cfg(fuzzing)]
pub mod fuzz;
mod guard;
mod list;
pub mod metrics;
pub mod observe;
pub mod operate;
mod page;
mod problem;
mod sample;
pub mod server;
pub mod socket;
mod sources;
mod state;
pub mod view;

pub use api::openapi;
pub use list::{ListQuery, Order};
pub use sample::TestKind;

use explain::{Explanation, Wording};
use observe::Observations;
use view::{
    AckView, DeliveryView, ExplanationView, FailureDetailView, FailureView, RetriedView,
    TestedView, json,
};

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
    /// What was seen of a running one.
    pub observed: Option<Arc<Observations>>,
    kept: Option<Arc<account::Kept>>,
    /// How far a replay is.
    meter: Arc<Meter>,
}

impl Admin {
    /// Answers for a worker that does not run.
    #[must_use]
    pub fn of(worker: Worker) -> Self {
        Self { worker, waker: None, observed: None, kept: None, meter: Arc::default() }
    }

    /// Answers for a running worker, of which `seen` notes what passes.
    #[must_use]
    pub fn running(worker: Worker, waker: Waker, seen: Arc<Observations>) -> Self {
        Self { worker, waker: Some(waker), observed: Some(seen), kept: None, meter: Arc::default() }
    }
}

fn unknown(failure: &str) -> AdminError {
    AdminError::NotFound(format!(
        "no failure `{failure}` is recorded; `taskbell failure list` lists those that are"
    ))
}

fn name(raw: Option<&str>) -> Result<Option<Name>, AdminError> {
    raw.map(|raw| Name::parse(raw).map_err(|error| AdminError::Invalid(format!("{raw}: {error}"))))
        .transpose()
}

impl Admin {
    /// `failure show` and `failure explain`. `id` is a number or the cloud's task id.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failure(&self, id: &str) -> Result<Value, AdminError> {
        Ok(json(&self.failure_detail(id, &Wording::default()).await?))
    }

    /// The same as a type, explained in these words.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failure_detail(
        &self,
        id: &str,
        wording: &Wording,
    ) -> Result<FailureDetailView, AdminError> {
        let number = self.find(id).await?;
        let detail = self.worker.store.failure(number).await?.ok_or_else(|| unknown(id))?;
        let silences = self.worker.store.silences().await?;
        let sinks = self.worker.store.sinks().await?;
        let routed = self.routed(&detail.failure);
        let known = explain::Known { routed: &routed, sinks: &sinks, silences: &silences };
        let Explanation { steps, conclusion, told } = explain::explain(&detail, known, wording);
        let info = self.worker.rules.info(&detail.failure.source);
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(FailureDetailView {
            failure: FailureView::from(&detail.failure),
            region: given(info.region),
            project_id: given(info.project_id),
            missing_polls: detail.missing,
            acknowledged: detail.ack.as_ref().map(AckView::from),
            deliveries: detail.deliveries.iter().map(DeliveryView::from).collect(),
            steps,
            conclusion,
            told,
        })
    }

    /// What happened to a failure, and one sentence.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn explanation(&self, id: &str) -> Result<Value, AdminError> {
        let detail = self.failure_detail(id, &Wording::default()).await?;
        let FailureDetailView { steps, conclusion, told, .. } = detail;
        Ok(json(&ExplanationView { steps, conclusion, told }))
    }

    /// How far the longest work that an operator asks for is, if any goes on.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.worker.store.progress().or_else(|| self.meter.now())
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
        let info = facts.info();
        let subject = Subject::of(failure, &info, &facts.labels);
        let selected = self.worker.rules.routes.select(&subject);
        selected.iter().map(|choice| choice.sink.clone()).collect()
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
        Ok(json(&DeliveryView::from(&delivery)))
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
                "delivery {missing} is unknown, delivered already, or being attempted; \
                 `taskbell delivery show {missing}` says which"
            )));
        }
        let due_now = revived.iter().map(|id| id.0).collect();
        Ok(json(&RetriedView { due_now, running: self.waker.is_some() }))
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
        Ok(json(&TestedView { sink: sink.to_owned(), accepted, answer, latency_ms }))
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
        let failures: Value = planned
            .notice
            .failures
            .iter()
            .map(|failure| json(&FailureView::from(failure)))
            .collect();
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
    let untold = plan.suppressed.iter().map(
        |(failure, why)| json!({ "failure": FailureView::from(failure), "why": why.to_string() }),
    );
    json!({
        "polls": polls.collect::<Vec<_>>(),
        "notices": notices.collect::<Vec<_>>(),
        "told_to_nobody": untold.collect::<Vec<_>>(),
    })
}
