//! What became of tasks that are no longer listed, asked of the cloud.
//!
//! It is asked before the poll is recorded, since a notice never changes once it is opened. So
//! both the calls and the time for all of them are bounded; what was not learnt by then is told
//! without it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tracing::debug;

use crate::{
    decide::diff::Changes,
    failure::{Ending, FailureId},
    http::Chain,
    source::{FaultClass, Source, TaskFate, TaskId},
    store::{Store, StoreError},
};

/// Most tasks that one poll asks about.
const CALLS_MAX: usize = 20;

/// Longest time by which asking delays what one poll brings.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Asks about what cleared, one after the other, and notes the answers in `changes`.
///
/// # Errors
///
/// Only the store's: what the cloud does not say is not known.
pub(super) async fn verify(
    source: &dyn Source,
    store: &Arc<dyn Store>,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    // As one sentence, they are counted and not told apart.
    if !source.extras().verify_cleared || changes.mass_cleared {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for entry in changes.cleared.iter().take(CALLS_MAX) {
        let detail = store.failure(entry.id).await?;
        let id = detail.and_then(|detail| TaskId::parse(&detail.failure.task.id));
        wanted.extend(id.map(|id| (entry.id, id)));
    }
    let known = &mut changes.endings;
    if tokio::time::timeout(DELAY_MAX, ask(source, wanted, known)).await.is_err() {
        debug!(source = %source.info().name, "the cloud did not say in time what became of tasks");
    }
    Ok(())
}

async fn ask(
    source: &dyn Source,
    wanted: Vec<(FailureId, TaskId)>,
    known: &mut BTreeMap<FailureId, Ending>,
) {
    for (failure, task) in wanted {
        match source.task(&task).await {
            Ok(TaskFate::Succeeded) => drop(known.insert(failure, Ending::Resolved)),
            Ok(TaskFate::Failed) => drop(known.insert(failure, Ending::StillFailed)),
            Ok(TaskFate::Pending | TaskFate::Unknown) => {}
            Err(error) => {
                let name = &source.info().name;
                debug!(source = %name, %task, error = %Chain(&error), "the cloud does not say");
                // The answer of one task may be odd. Anything else would be said of each.
                if error.class != FaultClass::Schema {
                    return;
                }
            }
        }
    }
}
