//! The daemon: each step in a loop of its own, until told to stop.
//!
//! A step that did something nudges the next one, so a failure is on its way as soon as it is
//! recorded. Timers are the safety net, and what waking after a crash finds its work by.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Worker, deliver::Lane, rota, watch::watch};
use crate::{
    clock::Clock,
    heap,
    name::Name,
    store::{Archived, Compacted, StoreError},
};

/// Longest sleep of a loop that waits for a time of the day: the clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Time between two sweeps of what need not be remembered.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// How the loops wake one another.
#[derive(Clone, Debug)]
struct Nudges {
    dispatch: Arc<Notify>,
    lanes: Arc<BTreeMap<Name, Arc<Notify>>>,
}

/// A running worker, as seen by those who ask it for something.
#[derive(Clone, Debug)]
pub struct Waker(Nudges);

impl Waker {
    /// Says that deliveries may have become due.
    pub fn deliveries_changed(&self) {
        self.0.lanes.values().for_each(|lane| lane.notify_one());
    }

    /// Says that there may be something to dispatch: a silence ended, a sink was revived.
    pub fn dispatch(&self) {
        self.0.dispatch.notify_one();
    }
}

/// A worker that is ready to run.
#[derive(Debug)]
pub struct Daemon {
    worker: Worker,
    nudges: Nudges,
}

impl Daemon {
    /// Takes a worker. Nothing runs yet.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        let lanes = worker.lanes.iter().map(|lane| (lane.name.clone(), Arc::default())).collect();
        let nudges = Nudges { dispatch: Arc::default(), lanes: Arc::new(lanes) };
        Self { worker, nudges }
    }

    /// For those who change what is due from outside.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.nudges.clone())
    }

    /// Runs every loop until `stop`; what is in flight then gets the shutdown grace.
    ///
    /// # Errors
    ///
    /// The store's: the first one stops all loops, since nothing is promised after it.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let Self { worker, nudges } = self;
        worker.recall().await?;
        let mut loops = JoinSet::new();
        loops.spawn(poll_loop(Arc::new(worker.clone()), nudges.clone(), stop.clone()));
        loops.spawn(dispatch_loop(worker.clone(), nudges.clone(), stop.clone()));
        loops.spawn(sweep_loop(worker.clone(), stop.clone()));
        let woken = Arc::clone(&nudges.dispatch);
        loops.spawn(watch(worker.clone(), stop.clone(), move || woken.notify_one()));
        for lane in worker.lanes.iter().cloned() {
            let nudge = nudges.lanes.get(&lane.name).cloned().unwrap_or_default();
            let nudges = (nudge, Arc::clone(&nudges.dispatch));
            loops.spawn(lane_loop(lane, nudges, stop.clone(), worker.shutdown_grace));
        }
        let mut result = Ok(());
        while let Some(ended) = loops.join_next().await {
            let ended = ended.unwrap_or(Err(StoreError::Closed));
            if ended.is_err() && result.is_ok() {
                result = ended;
                stop.cancel();
            }
        }
        result
    }
}

async fn poll_loop(
    worker: Arc<Worker>,
    nudges: Nudges,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    rota::run(worker, stop, move || nudges.dispatch.notify_one()).await
}

async fn dispatch_loop(
    worker: Worker,
    nudges: Nudges,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut dispatcher = worker.dispatcher();
    loop {
        let done = dispatcher.run(false).await?;
        if 0 < done.opened + done.folds {
            Waker(nudges.clone()).deliveries_changed();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = nudges.dispatch.notified() => {}
            () = sleep_until(done.next, &*worker.clock) => {}
        }
    }
}

async fn lane_loop(
    lane: Lane,
    (nudge, dispatch): (Arc<Notify>, Arc<Notify>),
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), StoreError> {
    loop {
        if lane.drain(&nudge, &stop, grace).await?.dispatch {
            dispatch.notify_one();
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        let due = lane.store.next_due(&lane.name).await?;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = nudge.notified() => {}
            () = sleep_until(due, &*lane.clock) => {}
        }
    }
}

async fn sweep_loop(worker: Worker, stop: CancellationToken) -> Result<(), StoreError> {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP_INTERVAL) => {}
        }
        sweep(&worker).await?;
        // It takes locks of the allocator; what panics there is not ours to lose.
        drop(tokio::task::spawn_blocking(heap::give_back).await);
    }
}

/// Forgets what is older than the retention and needed no more.
///
/// # Errors
///
/// The store's.
pub async fn sweep(worker: &Worker) -> Result<(), StoreError> {
    let Ok(cutoff) = worker.clock.now().checked_sub(worker.retention) else { return Ok(()) };
    let records = worker.store.sweep(cutoff).await?;
    if 0 < records {
        info!(records, "forgot what is older than the retention");
    }
    upkeep(worker).await.map(drop)
}

/// Copies the store if that is due, and writes its files anew if they are mostly garbage. Returns
/// whether it was copied.
///
/// # Errors
///
/// Only those that mean that the store is not what it was. That there is no room for a copy is a
/// warning.
pub async fn upkeep(worker: &Worker) -> Result<bool, StoreError> {
    let kept = worker.store.upkeep(worker.checkpoint, worker.clock.now()).await?;
    if let Some(Archived { entries, bytes, .. }) = kept.checkpoint {
        info!(entries, bytes, "copied the store");
    }
    if let Some(Compacted { before, after }) = kept.compacted {
        info!(before_bytes = before, after_bytes = after, "wrote the store's files anew");
    }
    if let Some(error) = kept.trouble {
        warn!(error, "the store was not copied");
    }
    Ok(kept.checkpoint.is_some())
}

/// Sleeps until `due` by `clock`, but no longer than [`SLEEP_MAX`]. `None`: so long.
async fn sleep_until(due: Option<Timestamp>, clock: &dyn Clock) {
    let wait = due.map_or(SLEEP_MAX, |due| {
        Duration::try_from(due.duration_since(clock.now())).unwrap_or_default()
    });
    tokio::time::sleep(wait.min(SLEEP_MAX)).await;
}
