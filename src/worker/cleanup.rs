//! Deletes records of failed tasks in the cloud, if the operator wants that: one by one, each
//! named by its id, and only what is recorded here and owed to nobody.
//!
//! That a record is to be deleted is on disk before the cloud is asked. So its absence is never
//! taken for news, even if this process ends before the answer came; and whether it is gone is
//! what the next polls say, not what the answer said.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{info, warn};

use super::{Watched, Worker};
use crate::{
    decide::cleanup::{Cleanup, Known},
    failure::FailureId,
    http::Chain,
    source::TaskId,
    store::StoreError,
};

/// Most records that one round deletes. A round follows a poll.
const DELETES_MAX: usize = 5;

/// Most failures that one round looks at.
const LOOKS_MAX: usize = 50;

/// Between two deletions: the quota is shared with people's own work.
const PAUSE: Duration = Duration::from_millis(500);

/// Records that were asked to be deleted and are not known to be gone. With so many, something is
/// wrong, and no more are asked for.
const DELETING_MAX: usize = 20;

/// Where the rounds of a source are. Lost with the process: then they begin anew.
#[derive(Clone, Debug, Default)]
pub struct Round(Arc<AtomicU64>);

/// One round after a complete poll.
///
/// # Errors
///
/// Only the store's: what the cloud refuses is logged, and tried again in a later round.
pub async fn round(watched: &Watched, worker: &Worker, cleanup: Cleanup) -> Result<(), StoreError> {
    let name = &watched.source.info().name;
    let ledger = worker.store.ledger(name).await?;
    let standing: BTreeMap<FailureId, u8> =
        ledger.roster.iter().map(|entry| (entry.id, entry.missing)).collect();
    // One that is listed all the same may be asked for again; one that is gone is done with.
    let mut deleting = ledger.state.deleting.clone();
    deleting.retain(|id| standing.get(id).is_some_and(|missing| 0 < *missing));
    let chosen = choose(watched, worker, cleanup, (&standing, &deleting)).await?;
    if cleanup.dry_run {
        for (failure, task) in &chosen {
            info!(source = %name, %failure, %task, "would delete the record; dry_run is on");
        }
        return worker.store.note_deleting(name, deleting).await;
    }
    for (nth, (failure, task)) in chosen.into_iter().enumerate() {
        if DELETING_MAX <= deleting.len() {
            warn!(source = %name, "deleted records are still listed; no more are deleted");
            break;
        }
        if 0 < nth {
            tokio::time::sleep(PAUSE).await;
        }
        deleting.push(failure);
        worker.store.note_deleting(name, deleting.clone()).await?;
        crate::failpoint::hit("cleanup.before_delete");
        match watched.source.delete(&task).await {
            Ok(()) => info!(source = %name, %failure, %task, "deleted the record"),
            Err(error) => {
                // It may be gone, so it stays noted until it is seen again.
                let class = error.class.as_str();
                warn!(source = %name, %failure, %task, class, error = %Chain(&error), "not deleted");
                return Ok(());
            }
        }
    }
    worker.store.note_deleting(name, deleting).await
}

/// The next failures whose records may go, the oldest first.
async fn choose(
    watched: &Watched,
    worker: &Worker,
    cleanup: Cleanup,
    (standing, deleting): (&BTreeMap<FailureId, u8>, &[FailureId]),
) -> Result<Vec<(FailureId, TaskId)>, StoreError> {
    let at = &watched.round.0;
    let from = FailureId(at.load(Ordering::Relaxed));
    let now = worker.clock.now();
    let mut chosen = Vec::new();
    let mut reached = None;
    let listed = standing.range(from..).filter(|(_, missing)| **missing == 0);
    for id in listed.map(|(id, _)| *id).filter(|id| !deleting.contains(id)).take(LOOKS_MAX) {
        if chosen.len() == DELETES_MAX {
            break;
        }
        reached = Some(id.0.saturating_add(1));
        let Some(detail) = worker.store.failure(id).await? else { continue };
        let known = Known {
            failure: &detail.failure,
            waits: detail.undispatched || !detail.forming.is_empty(),
            deliveries: &detail.deliveries,
        };
        match cleanup.may_delete(known, now) {
            Ok(()) => {}
            // Those behind it are younger still.
            Err(crate::decide::cleanup::Stays::Young) => {
                reached = None;
                break;
            }
            Err(_) => continue,
        }
        match TaskId::parse(&detail.failure.task.id) {
            Some(task) => chosen.push((id, task)),
            None => {
                info!(failure = %id, "its id is none that could be deleted by; the record stays");
            }
        }
    }
    // A dry run says each once, and then once more when the process is started anew.
    let next = match reached {
        Some(next) => next,
        None if cleanup.dry_run => from.0,
        None => 0,
    };
    at.store(next, Ordering::Relaxed);
    Ok(chosen)
}
