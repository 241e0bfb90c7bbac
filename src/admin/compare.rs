//! Another config beside the one in force: what would be told differently, now and in the past.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Admin, AdminError, LIMIT_MAX, plan_view};
use crate::{
    config::Config,
    decide::rules::Rules,
    failure::Failure,
    http::Chain,
    store::{FailureSearch, Position},
    worker::{
        plan::{self, Plan},
        replay::{self, ToldThen},
    },
};

/// Failures that a replay reads at most: two weeks of a busy account.
const REPLAY_FAILURES_MAX: usize = 100_000;

/// No poll takes longer.
const POLL_MAX: Duration = Duration::from_secs(3600);

impl Admin {
    fn rules_of(text: &str) -> Result<Arc<Rules>, AdminError> {
        let config = Config::parse(text, Path::new("the new config"))
            .map_err(|error| AdminError::Invalid(Chain(&error).to_string()))?;
        Ok(Arc::new(config.rules()))
    }

    /// `plan --against NEW`: what would be told under either config, and what only under one.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] says what is wrong with the config.
    pub async fn plan_against(&self, text: &str) -> Result<Value, AdminError> {
        let rules = Self::rules_of(text)?;
        let found = plan::look(&self.worker).await?;
        let now = self.worker.clock.now();
        let (today, then) =
            (plan::decide(&found, &self.worker.rules, now), plan::decide(&found, &rules, now));
        let mut view = plan_view(&then);
        let changes = differences(&notices(&today), &notices(&then));
        if let Some(view) = view.as_object_mut() {
            view.insert("changes".to_owned(), changes);
        }
        Ok(view)
    }

    /// `config diff`: replays what was recorded in the last `seconds` under both configs.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] says what is wrong with the config.
    pub async fn diff(&self, text: &str, seconds: u64) -> Result<Value, AdminError> {
        let rules = Self::rules_of(text)?;
        let now = self.worker.clock.now();
        let since = now.saturating_sub(Duration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
        let failures = self.recorded_since(since).await?;
        let count = failures.len();
        // Under each of the two.
        let total = u64::try_from(count).unwrap_or_default().saturating_mul(2);
        let work = self.meter.begin("failures", total);
        let today = replay::replay(&failures, Arc::clone(&self.worker.rules), now, &work).await?;
        let then = replay::replay(&failures, rules, now, &work).await?;
        drop(work);
        Ok(json!({
            "failures": count,
            "notices_now": today.len(),
            "notices_then": then.len(),
            "changes": differences(&told(&today), &told(&then)),
        }))
    }

    /// What was recorded since then, in the order of recording. Reads from the newest back, so that
    /// a long history costs nothing.
    async fn recorded_since(&self, since: Timestamp) -> Result<Vec<Failure>, AdminError> {
        // Polls of several sources are recorded as they end, not as they were made.
        let enough = since.saturating_sub(POLL_MAX).unwrap_or(Timestamp::MIN);
        let mut recorded = Vec::new();
        let mut from = Position::Below(u64::MAX);
        loop {
            let search = FailureSearch::all(from, LIMIT_MAX);
            let found = self.worker.store.search_failures(search).await?;
            let older = found.items.last().is_some_and(|last| last.first_seen_at < enough);
            let new = |failure: &Failure| since <= failure.first_seen_at;
            recorded.extend(found.items.into_iter().filter(new));
            if REPLAY_FAILURES_MAX < recorded.len() {
                return Err(AdminError::Invalid(format!(
                    "more than {REPLAY_FAILURES_MAX} failures were recorded in that time; replay less"
                )));
            }
            match found.rest {
                Some(rest) if !older => from = Position::Below(rest),
                _ => break,
            }
        }
        recorded.reverse();
        Ok(recorded)
    }
}

/// What a notice says, as far as two configs can be compared: sink, kind, tasks.
type Notices = BTreeMap<(String, &'static str, Vec<String>), Timestamp>;

fn notices(plan: &Plan) -> Notices {
    let one = |planned: &plan::PlannedNotice| {
        let tasks = planned.notice.failures.iter().map(|failure| failure.task.id.clone());
        let key = (
            planned.notice.sink.to_string(),
            planned.notice.kind.as_str(),
            tasks.collect::<Vec<_>>(),
        );
        (key, planned.at)
    };
    plan.notices.iter().map(one).collect()
}

fn told(told: &[ToldThen]) -> Notices {
    let one =
        |one: &ToldThen| ((one.sink.to_string(), one.kind.as_str(), one.tasks.clone()), one.at);
    told.iter().map(one).collect()
}

/// What only one of the two would tell.
fn differences(now: &Notices, then: &Notices) -> Value {
    let only = |mine: &Notices, other: &Notices, change: &str| -> Vec<Value> {
        mine.iter()
            .filter(|(key, _)| !other.contains_key(*key))
            .map(|((sink, kind, tasks), at)| {
                json!({ "change": change, "sink": sink, "type": kind, "at": at, "tasks": tasks })
            })
            .collect()
    };
    let mut changes = only(now, then, "no longer");
    changes.extend(only(then, now, "new"));
    Value::Array(changes)
}
