//! What an operator does to a worker: silences, acknowledgements, the dead, probes, the account.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Admin, AdminError, TestKind, name, unknown,
    view::{AcknowledgedView, SilenceView, json as json_of},
};
use crate::{
    decide::route::Matcher,
    delivery::DeliveryId,
    failure::{Ack, FailureId},
    silence::{OnExpire, Silence},
    text,
};

/// A silence to add.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Conditions in the language of routes; all must hold.
    pub matchers: Vec<String>,
    /// Its length, from now on, in seconds.
    pub seconds: u64,
    /// Who adds it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// What becomes of what it held.
    #[serde(default)]
    #[schemars(extend("enum" = ["digest", "drop"]), with = "String")]
    pub on_expire: OnExpire,
}

/// Longest silence. Beyond it, a route to nobody says more clearly what is meant.
const SILENCE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Which of the dead.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeadQuery {
    /// Only to this sink.
    pub sink: Option<String>,
    /// Only those that died so many seconds ago or later.
    pub since_seconds: Option<u64>,
    /// Whether only to say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// Who acknowledges, and why.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewAck {
    /// Who.
    pub by: String,
    /// May be empty.
    #[serde(default)]
    pub comment: String,
}

fn invalid(problem: impl Into<String>) -> AdminError {
    AdminError::Invalid(problem.into())
}

/// Cutting a text that somebody wrote would lose the end of it without a word.
fn check_length(what: &str, text: &str) -> Result<(), AdminError> {
    let (length, most) = (text.len(), Silence::TEXT_BYTES_MAX);
    if most < length {
        return Err(invalid(format!("the {what} has {length} bytes; {most} is the most")));
    }
    Ok(())
}

impl Admin {
    fn wake_dispatch(&self) {
        if let Some(waker) = &self.waker {
            waker.dispatch();
        }
    }

    /// `silence add`.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] names the condition or the rule.
    pub async fn add_silence(&self, new: NewSilence) -> Result<Value, AdminError> {
        let NewSilence { matchers, seconds, author, comment, on_expire } = new;
        if matchers.is_empty() || Silence::MATCHERS_MAX < matchers.len() {
            let most = Silence::MATCHERS_MAX;
            return Err(invalid(format!("a silence needs 1 to {most} conditions")));
        }
        for matcher in &matchers {
            Matcher::parse(matcher).map_err(|error| invalid(format!("`{matcher}`: {error}")))?;
        }
        let length = Duration::from_secs(seconds);
        if length.is_zero() || SILENCE_MAX < length {
            return Err(invalid("a silence lasts 1s to 365d"));
        }
        for (what, text) in [("author", &author), ("comment", &comment)] {
            if text.trim().is_empty() {
                return Err(invalid(format!("the {what} of a silence must not be empty")));
            }
            check_length(what, text)?;
        }
        let now = self.worker.clock.now();
        if Silence::COUNT_MAX <= self.worker.store.silences().await?.len() {
            let most = Silence::COUNT_MAX;
            return Err(invalid(format!(
                "there are {most} silences, which is the most; the ended ones go with the retention"
            )));
        }
        let clean = |raw: &str| text::clean(raw, Silence::TEXT_BYTES_MAX);
        let silence = Silence {
            number: 0,
            matchers,
            starts_at: now,
            ends_at: now.saturating_add(length).unwrap_or(Timestamp::MAX),
            author: clean(&author),
            comment: clean(&comment),
            on_expire,
        };
        let number = self.worker.store.add_silence(silence.clone()).await?;
        Ok(json_of(&SilenceView::of(&Silence { number, ..silence }, now)))
    }

    /// `silence expire`.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if there is none, or if it has ended.
    pub async fn expire_silence(&self, number: u64) -> Result<Value, AdminError> {
        let now = self.worker.clock.now();
        let Some(silence) = self.worker.store.expire_silence(number, now).await? else {
            let all = self.worker.store.silences().await?;
            let ended = all.iter().find(|silence| silence.number == number);
            return Err(AdminError::NotFound(match ended {
                Some(silence) => format!("silence {number} has ended at {}", silence.ends_at),
                None => format!("there is no silence {number}"),
            }));
        };
        self.wake_dispatch();
        let running = Some(self.waker.is_some());
        Ok(json_of(&SilenceView { running, ..SilenceView::of(&silence, now) }))
    }

    /// `failure ack` and, without one, `failure unack`.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if the failure is unknown or has cleared, and
    /// [`AdminError::Invalid`] if a text is too long.
    pub async fn acknowledge(&self, id: &str, ack: Option<NewAck>) -> Result<Value, AdminError> {
        let number = self.find(id).await?;
        let at = self.worker.clock.now();
        if let Some(new) = &ack {
            check_length("name", &new.by)?;
            check_length("comment", &new.comment)?;
        }
        let clean = |raw: &str| text::clean(raw, Silence::TEXT_BYTES_MAX);
        let ack = ack.map(|new| Ack { at, by: clean(&new.by), comment: clean(&new.comment) });
        let acknowledged = ack.is_some();
        if !self.worker.store.acknowledge(number, ack).await? {
            if self.worker.store.failure(number).await?.is_none() {
                return Err(unknown(id));
            }
            return Err(AdminError::NotFound(format!("failure {number} has cleared")));
        }
        Ok(json_of(&AcknowledgedView { id: number.0, acknowledged }))
    }

    pub(super) async fn find(&self, id: &str) -> Result<FailureId, AdminError> {
        if let Ok(number) = id.parse() {
            return Ok(FailureId(number));
        }
        let row = crate::task::Row { task_id: Some(id.into()), ..crate::task::Row::default() };
        let found = self.worker.store.find_task(row.key()).await?;
        found.into_iter().max().ok_or_else(|| unknown(id))
    }

    /// `delivery cancel`: ends deliveries untold.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if it is unknown, done or being attempted.
    pub async fn cancel(&self, id: u64) -> Result<Value, AdminError> {
        let now = self.worker.clock.now();
        let cancelled = self.worker.store.cancel(vec![DeliveryId(id)], now).await?;
        if cancelled.is_empty() {
            return Err(AdminError::NotFound(format!(
                "delivery {id} is unknown, done already, or being attempted"
            )));
        }
        Ok(json!({ "cancelled": cancelled }))
    }

    async fn dead(&self, query: &DeadQuery) -> Result<Vec<DeliveryId>, AdminError> {
        let sink = name(query.sink.as_deref())?;
        if let Some(sink) = &sink
            && self.worker.lane(sink.as_str()).is_none()
            && !self.worker.store.owed().await?.contains_key(sink)
        {
            return Err(self.no_sink(sink.as_str()));
        }
        let since = query.since_seconds.map_or(Timestamp::MIN, |seconds| {
            let ago = Duration::from_secs(seconds);
            self.worker.clock.now().saturating_sub(ago).unwrap_or(Timestamp::MIN)
        });
        Ok(self.worker.store.dead(sink, since).await?)
    }

    /// `dead replay`: makes the dead due again, under the ids that they had.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn replay_dead(&self, query: &DeadQuery) -> Result<Value, AdminError> {
        let dead = self.dead(query).await?;
        if query.dry_run {
            return Ok(json!({ "would_replay": dead }));
        }
        let now = self.worker.clock.now();
        let revived = self.worker.store.retry(dead, now).await?;
        if let Some(waker) = &self.waker {
            waker.deliveries_changed();
        }
        Ok(json!({ "replayed": revived, "running": self.waker.is_some() }))
    }

    /// `dead purge`: ends the dead untold.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn purge_dead(&self, query: &DeadQuery) -> Result<Value, AdminError> {
        let dead = self.dead(query).await?;
        if query.dry_run {
            return Ok(json!({ "would_purge": dead }));
        }
        let now = self.worker.clock.now();
        Ok(json!({ "purged": self.worker.store.cancel(dead, now).await? }))
    }

    /// `sink probe`: sends a message that is marked as a test. If it is taken, the sink's gate
    /// opens; with `resend`, its dead are due again.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if there is no such sink.
    pub async fn probe(&self, sink: &str, resend: bool) -> Result<Value, AdminError> {
        let mut answer = self.test_sink(sink, TestKind::Test).await?;
        let taken = answer.get("accepted") == Some(&Value::Bool(true));
        let mut due_again = Vec::new();
        if taken && let Some(lane) = self.worker.lane(sink) {
            let now = self.worker.clock.now();
            self.worker.store.revive(&lane.name, now).await?;
            if resend {
                let dead = self.worker.store.dead(Some(lane.name.clone()), Timestamp::MIN).await?;
                due_again = self.worker.store.retry(dead, now).await?;
            }
            self.wake_dispatch();
            if let Some(waker) = &self.waker {
                waker.deliveries_changed();
            }
        }
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("gate_opened".to_owned(), json!(taken));
            answer.insert("resent".to_owned(), json!(due_again));
        }
        Ok(answer)
    }

    /// `state verify`: what came of every failure that was sent a sink's way.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn account(&self) -> Result<Value, AdminError> {
        let account = self.worker.store.reconcile().await?;
        let rows = account.iter().map(|(sink, one)| {
            json!({
                "sink": sink,
                "routed": one.totals.routed,
                "told_singly": one.totals.told_singly,
                "told_in_digest": one.totals.told_in_digest,
                "suppressed": one.totals.suppressed,
                "merged": one.totals.merged,
                "waiting_for_company": one.forming,
                "pending": one.pending,
                "held": one.held,
                "dead": one.dead,
                "lost": i64::try_from(one.difference()).unwrap_or(i64::MAX),
            })
        });
        Ok(rows.collect())
    }
}
