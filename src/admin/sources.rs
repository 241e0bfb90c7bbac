//! What an operator asks about sources: how well they are seen, and what stood at first.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Admin, AdminError,
    view::{self, CoverageView, HourView, SourceView},
};
use crate::{
    decide::sight::SightRule, name::Name, notice::SourceInfo, source::FaultClass,
    store::SourceState, worker::Watched,
};

/// How a source is seen, in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    /// Never polled.
    Never,
    /// Its last poll was complete, and is not long ago.
    Whole,
    /// Its last poll was not, but it does not count as blind yet.
    Troubled,
    /// It is blind.
    Blind,
    /// Nobody has polled it for a long time.
    Unwatched,
}

impl Seen {
    pub(super) const ALL: [Self; 5] =
        [Self::Never, Self::Whole, Self::Troubled, Self::Blind, Self::Unwatched];

    fn of(state: Option<&SourceState>, rule: SightRule, now: Timestamp) -> Self {
        let Some(state) = state.filter(|state| 0 < state.polls) else { return Self::Never };
        // The record cannot know that nobody writes it any more.
        let away = state.coverage.away(now, rule.interval, rule.blind_after);
        match (state.sight.blind_since(), away, state.outcome.as_str()) {
            (Some(_), ..) => Self::Blind,
            (None, Some(_), _) => Self::Unwatched,
            (None, None, "complete") => Self::Whole,
            (None, None, _) => Self::Troubled,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never polled",
            Self::Whole => "seen",
            Self::Troubled => "troubled",
            Self::Blind => "blind",
            Self::Unwatched => "not polled",
        }
    }
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    at.map(|at| u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0))
}

fn source_view(
    watched: &Watched,
    info: &SourceInfo,
    (state, now): (Option<&SourceState>, Timestamp),
) -> SourceView {
    let rule = watched.sight_rule();
    let seen = Seen::of(state, rule, now);
    let outcome = state.map_or("never polled", |state| state.outcome.as_str());
    let class = FaultClass::of_word(outcome);
    let baseline_at = state.and_then(|state| state.baseline_at);
    let last_poll_at = state.and_then(|state| state.last_poll_at);
    let last_complete_at = state.and_then(|state| state.last_complete_at);
    let hours = state.map_or_else(Vec::new, |state| state.coverage.by_hour(now));
    let hour = |(at, polls_due, polls_complete)| HourView { at, polls_due, polls_complete };
    SourceView {
        name: info.name.to_string(),
        kind: info.kind.clone(),
        region: info.region.clone(),
        project_id: info.project_id.clone(),
        interval_seconds: rule.interval.as_secs(),
        blind_after: rule.blind_after,
        state: seen.as_str(),
        outcome: outcome.to_owned(),
        detail: state.map(|state| state.detail.clone()).filter(|detail| !detail.is_empty()),
        class: class.map(FaultClass::as_str),
        advice: class.map(FaultClass::advice),
        blind: matches!(seen, Seen::Blind | Seen::Unwatched),
        blind_since: state.and_then(|state| state.sight.blind_since()),
        standing: state.map(|state| state.standing),
        baseline_at,
        baseline_seconds_ago: ago(baseline_at, now),
        first_poll_at: state.and_then(|state| state.coverage.first_at()),
        last_poll_at,
        last_poll_seconds_ago: ago(last_poll_at, now),
        last_complete_at,
        last_complete_seconds_ago: ago(last_complete_at, now),
        coverage: state
            .map(|state| CoverageView::from(state.coverage.figures(last_complete_at, now))),
        hours: hours.into_iter().map(hour).collect(),
    }
}

impl Admin {
    /// `source list` and `baseline show`.
    ///
    /// # Errors
    ///
    /// [`AdminError`], as with every question.
    pub async fn sources(&self) -> Result<Value, AdminError> {
        Ok(view::json(&self.source_views().await?))
    }

    /// The same as types.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn source_views(&self) -> Result<Vec<SourceView>, AdminError> {
        let known = self.worker.store.sources().await?;
        let now = self.worker.clock.now();
        let view = |watched: &Watched| {
            let name = &watched.source.info().name;
            let state = known.binary_search_by(|(known, _)| known.cmp(name)).ok();
            let state = state.and_then(|at| known.get(at)).map(|(_, state)| state);
            source_view(watched, &self.worker.rules.info(name), (state, now))
        };
        Ok(self.worker.sources.iter().map(view).collect())
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
