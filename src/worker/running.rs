//! A look at the running tasks: which of them run for too long.

use std::{sync::Arc, time::Duration};

use tracing::{debug, info};

use super::{Watched, Worker};
use crate::{
    decide::{
        route::Subject,
        sift::{Completeness, Sift},
        silence::Silences,
        stuck,
    },
    failure::Failure,
    http::Chain,
    store::{RunningRecord, StoreError},
};

/// Walks the list of running tasks once, and records what is to be told.
///
/// # Errors
///
/// Only the store's. A list that cannot be had says nothing; the list of failed tasks, from the
/// same service, says what is wrong.
pub(super) async fn look(
    watched: &Watched,
    worker: &Worker,
    after: Duration,
) -> Result<(), StoreError> {
    let source = &watched.source;
    let name = &source.info().name;
    // Nothing is known about running tasks that a row could be compared with.
    let mut sift = Sift::new(Arc::default());
    sift.begin_walk();
    let complete = match source.walk_running(&mut sift).await {
        Ok(walk) => Completeness::of(&walk, sift.distinct()) == Completeness::Complete,
        Err(error) => {
            debug!(source = %name, error = %Chain(&error), "the running tasks were not listed");
            false
        }
    };
    let found = sift.finish().unknown;
    let marks = worker.store.running(name).await?;
    let stored = worker.store.silences().await?;
    let silences = Silences::compile(&stored, Silences::default());
    let now = worker.clock.now();
    let hushed = |task: &crate::task::Task| {
        let Some(facts) = worker.rules.sources.get(name) else { return false };
        let failure = Failure::of_task(name.clone(), task.clone(), now);
        let info = facts.info();
        let subject = Subject::of(&failure, &info, &facts.labels);
        silences.any_active(now) && silences.holder(&subject, now).is_some()
    };
    let outlook = stuck::look(&marks, (found, complete), after, now, hushed);
    if !outlook.stuck.is_empty() {
        info!(source = %name, stuck = outlook.stuck.len(), "tasks run for too long");
    }
    let (source, marks, stuck) = (name.clone(), outlook.marks, outlook.stuck);
    worker.store.record_running(RunningRecord { source, at: now, marks, stuck }).await
}
