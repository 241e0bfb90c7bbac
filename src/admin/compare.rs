//! Another config beside the one in force: what would be told differently, now and in the past.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

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
            "notices_now": today.told.len(),
            "notices_then": then.told.len(),
            "waiting_now": today.waiting,
            "waiting_then": then.waiting,
            "changes": differences(&told(&today.told), &told(&then.told)),
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

/// What a notice says, as far as two configs can be compared: sink, kind, the tasks that it lists,
/// and how many failures it speaks for. Reminders say the same several times.
type Notices = BTreeMap<(String, &'static str, Vec<String>, u32), Vec<Timestamp>>;

fn notices(plan: &Plan) -> Notices {
    let mut notices = Notices::new();
    for plan::PlannedNotice { notice, at, .. } in &plan.notices {
        let tasks = notice.failures.iter().map(|failure| failure.task.id.clone()).collect();
        let key = (notice.sink.to_string(), notice.kind.as_str(), tasks, notice.total);
        notices.entry(key).or_default().push(*at);
    }
    notices
}

fn told(told: &[ToldThen]) -> Notices {
    let mut notices = Notices::new();
    for one in told {
        let key = (one.sink.to_string(), one.kind.as_str(), one.tasks.clone(), one.total);
        notices.entry(key).or_default().push(one.at);
    }
    notices
}

/// What only one of the two would tell, and what both would, at other times.
fn differences(now: &Notices, then: &Notices) -> Value {
    let (mut gone, mut moved, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let keys: BTreeSet<_> = now.keys().chain(then.keys()).collect();
    for key in keys {
        let (sink, kind, tasks, total) = key;
        let times = |notices: &'_ Notices| notices.get(key).cloned().unwrap_or_default();
        let (now, then) = (times(now), times(then));
        let change = |change: &str, at: Timestamp, was_at: Option<Timestamp>| {
            json!({
                "change": change, "sink": sink, "type": kind, "at": at, "was_at": was_at,
                "tasks": tasks, "total": total,
            })
        };
        let both = now.iter().zip(&then).filter(|(now, then)| now != then);
        moved.extend(both.map(|(was_at, at)| change("at another time", *at, Some(*was_at))));
        gone.extend(now.iter().skip(then.len()).map(|at| change("no longer", *at, None)));
        new.extend(then.iter().skip(now.len()).map(|at| change("new", *at, None)));
    }
    gone.append(&mut new);
    gone.append(&mut moved);
    Value::Array(gone)
}
