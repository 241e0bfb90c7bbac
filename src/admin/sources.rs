//! What an operator asks about sources: how well they are seen, and what stood at first.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Admin, AdminError};
use crate::{
    decide::sight::SightRule, name::Name, notice::SourceInfo, source::FaultClass,
    store::SourceState,
};

/// The state of a source in one word, for tables, metrics and pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    /// Never polled.
    Never,
    /// Its last poll was complete, and is not long ago.
    Seen,
    /// Its last poll was not, but it does not count as blind yet.
    Troubled,
    /// It is blind.
    Blind,
    /// Nobody has polled it for a long time.
    Unwatched,
}

impl View {
    fn of(state: Option<&SourceState>, rule: SightRule, now: Timestamp) -> Self {
        let Some(state) = state.filter(|state| 0 < state.polls) else { return Self::Never };
        // The record cannot know that nobody writes it any more.
        let away = state.coverage.away(now, rule.interval, rule.blind_after);
        match (state.sight.blind_since(), away, state.outcome.as_str()) {
            (Some(_), ..) => Self::Blind,
            (None, Some(_), _) => Self::Unwatched,
            (None, None, "complete") => Self::Seen,
            (None, None, _) => Self::Troubled,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never polled",
            Self::Seen => "seen",
            Self::Troubled => "troubled",
            Self::Blind => "blind",
            Self::Unwatched => "not polled",
        }
    }
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    at.map(|at| now.duration_since(at).as_secs().max(0))
}

/// A source as the API shows it.
fn view(info: &SourceInfo, state: Option<&SourceState>, rule: SightRule, now: Timestamp) -> Value {
    let seen = View::of(state, rule, now);
    let class = state.and_then(|state| FaultClass::of_word(&state.outcome));
    let last_poll = state.and_then(|state| state.last_poll_at);
    let last_complete = state.and_then(|state| state.last_complete_at);
    json!({
        "name": info.name,
        "kind": info.kind,
        "region": info.region,
        "project_id": info.project_id,
        "interval_seconds": rule.interval.as_secs(),
        "blind_after": rule.blind_after,
        "state": seen.as_str(),
        "outcome": state.map_or("never polled", |state| state.outcome.as_str()),
        "detail": state.map(|state| state.detail.as_str()),
        "class": class.map(FaultClass::as_str),
        "advice": class.map(FaultClass::advice),
        "blind_since": state.and_then(|state| state.sight.blind_since()),
        "standing": state.map(|state| state.standing),
        "baseline_at": state.and_then(|state| state.baseline_at),
        "baseline_seconds_ago": ago(state.and_then(|state| state.baseline_at), now),
        "first_poll_at": state.and_then(|state| state.coverage.first_at()),
        "last_poll_at": last_poll,
        "last_poll_seconds_ago": ago(last_poll, now),
        "last_complete_at": last_complete,
        "last_complete_seconds_ago": ago(last_complete, now),
        "coverage": state.map(|state| state.coverage.figures(last_complete, now)),
    })
}

impl Admin {
    /// `source list` and `baseline show`.
    ///
    /// # Errors
    ///
    /// [`AdminError`], as with every question.
    pub async fn sources(&self) -> Result<Value, AdminError> {
        let known = self.worker.store.sources().await?;
        let now = self.worker.clock.now();
        let rows = self.worker.sources.iter().map(|watched| {
            let info = watched.source.info();
            let state = known.iter().find(|(name, _)| *name == info.name).map(|(_, state)| state);
            view(info, state, watched.sight_rule(), now)
        });
        Ok(rows.collect())
    }

    /// `baseline reset`: the next complete poll of a source sets its baseline anew.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] if there is no such source, or if it was never polled.
    pub async fn reset_baseline(&self, source: &str) -> Result<Value, AdminError> {
        let known = self.worker.sources.iter().map(|watched| &watched.source.info().name);
        let Some(name) = known.clone().find(|name| name.as_str() == source) else {
            let known: Vec<&str> = known.map(Name::as_str).collect();
            let known = known.join(", ");
            return Err(AdminError::NotFound(format!(
                "there is no source `{source}`; known are {known}"
            )));
        };
        if !self.worker.store.reset_baseline(name).await? {
            return Err(AdminError::NotFound(format!(
                "source `{source}` was never polled, so it has no baseline"
            )));
        }
        Ok(json!({ "source": name, "baseline_at": null, "running": self.waker.is_some() }))
    }
}
