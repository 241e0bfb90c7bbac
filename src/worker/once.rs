//! One-shot mode: what is due, every source once, what is due then, and done.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Watched, Worker,
    after::{Beats, looks},
    daemon, deliver,
    poll::Polled,
    rota::Places,
};
use crate::store::{Owed, StoreError};

/// Sweeps of a run that copied the store. Each looks at some thousand records, so all of an
/// ordinary store is looked at.
const SWEEPS: usize = 20;

/// What a one-shot run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of finishing.
    pub polls: Vec<Polled>,
    /// Deliveries that sinks took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Deliveries that still have to be made.
    pub pending: u64,
    /// Deliveries that wait for the operator or were given up.
    pub stuck: u64,
}

/// Runs every step until nothing is left to do now, or until `deadline` has passed.
///
/// # Errors
///
/// The store's.
pub async fn run(worker: &Worker, deadline: Duration) -> Result<Report, StoreError> {
    let stop = CancellationToken::new();
    let mut report = Report::default();
    let work = async {
        worker.recall().await?;
        // What an earlier run left behind does not hold up the polls, nor they it.
        let (left, polls) = tokio::join!(tell(worker, &stop), poll_all(worker));
        let left = left?;
        let polls = polls?;
        report.delivered += left.delivered;
        report.failed += left.failed;
        let mut beats = Beats::default();
        for (watched, polled) in pairs(worker, &polls) {
            beats.send(watched, polled);
        }
        // What the polls found does not wait for what follows them.
        let looks = async { tokio::join!(beats.finish(), look_all(worker, &polls)).1 };
        let (first, looked) = tokio::join!(tell(worker, &stop), looks);
        let first = first?;
        looked?;
        report.delivered += first.delivered;
        report.failed += first.failed;
        report.polls = polls;
        let told = tell(worker, &stop).await?;
        report.delivered += told.delivered;
        report.failed += told.failed;
        Ok::<(), StoreError>(())
    };
    let ends = Instant::now() + deadline;
    with_deadline(work, ends, &stop).await?;
    // A daemon does this by the clock. Where only `once` is run, nobody else does.
    if daemon::upkeep(worker).await? {
        for _ in 0..SWEEPS {
            daemon::sweep(worker).await?;
        }
    }
    for owed in worker.store.owed().await?.into_values() {
        let Owed { pending, held, dead, .. } = owed;
        report.pending += pending;
        report.stuck += held + dead;
    }
    Ok(report)
}

/// Runs `work`; at `ends`, asks it to stop and lets it finish what is in flight.
async fn with_deadline<T>(
    work: impl Future<Output = T>,
    ends: Instant,
    stop: &CancellationToken,
) -> T {
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => result,
        () = tokio::time::sleep_until(ends) => {
            stop.cancel();
            work.await
        }
    }
}

/// Dispatches and delivers what is due, until what was delivered leaves nothing to dispatch.
///
/// The first deliveries are made while the last ones are still being opened.
async fn tell(worker: &Worker, stop: &CancellationToken) -> Result<deliver::Drained, StoreError> {
    let mut dispatcher = worker.dispatcher();
    let opened = dispatcher.opened();
    let mut sum = deliver::Drained::default();
    loop {
        let over = CancellationToken::new();
        let dispatching = async {
            let _over = over.clone().drop_guard();
            dispatcher.run(true).await
        };
        let delivering = drain_until(worker, stop, &opened, &over);
        let (_dispatched, drained) = tokio::try_join!(dispatching, delivering)?;
        sum.delivered += drained.delivered;
        sum.failed += drained.failed;
        if !drained.dispatch || stop.is_cancelled() {
            return Ok(sum);
        }
    }
}

/// Delivers what is due, again each time that more was opened, and last when that is `over`.
async fn drain_until(
    worker: &Worker,
    stop: &CancellationToken,
    opened: &Notify,
    over: &CancellationToken,
) -> Result<deliver::Drained, StoreError> {
    let mut sum = deliver::Drained::default();
    loop {
        tokio::select! {
            biased;
            () = over.cancelled() => {}
            () = opened.notified() => {}
        }
        let last = over.is_cancelled();
        let drained = drain(worker, stop).await?;
        sum.delivered += drained.delivered;
        sum.failed += drained.failed;
        sum.dispatch |= drained.dispatch;
        if last {
            return Ok(sum);
        }
    }
}

/// Delivers what is due, to all sinks at the same time.
async fn drain(worker: &Worker, stop: &CancellationToken) -> Result<deliver::Drained, StoreError> {
    let mut lanes = JoinSet::new();
    for lane in worker.lanes.iter() {
        if worker.store.next_due(&lane.name).await?.is_none() {
            continue;
        }
        let (lane, stop, grace) = (lane.clone(), stop.clone(), worker.shutdown_grace);
        lanes.spawn(async move { lane.drain(&Notify::new(), &stop, grace).await });
    }
    let mut sum = deliver::Drained::default();
    while let Some(drained) = lanes.join_next().await {
        let drained = drained.map_err(|_| StoreError::Closed)??;
        sum.delivered += drained.delivered;
        sum.failed += drained.failed;
        sum.dispatch |= drained.dispatch;
    }
    Ok(sum)
}

/// Each poll with its source.
fn pairs<'a>(
    worker: &'a Worker,
    polls: &'a [Polled],
) -> impl Iterator<Item = (&'a Watched, &'a Polled)> {
    polls.iter().filter_map(|polled| {
        let mine = |watched: &&Watched| watched.source.info().name == polled.source;
        Some((worker.sources.iter().find(mine)?, polled))
    })
}

/// Looks at what follows the polls, one source after the other.
async fn look_all(worker: &Worker, polls: &[Polled]) -> Result<(), StoreError> {
    for (watched, polled) in pairs(worker, polls) {
        looks(watched, worker, polled).await?;
    }
    Ok(())
}

/// Polls every source, some at a time.
///
/// # Errors
///
/// The store's.
pub async fn poll_all(worker: &Worker) -> Result<Vec<Polled>, StoreError> {
    let (places, worker) = (Places::new(worker.poll_concurrency), Arc::new(worker.clone()));
    let mut polls = JoinSet::new();
    for nth in 0..worker.sources.len() {
        let (worker, places) = (Arc::clone(&worker), places.clone());
        polls.spawn(async move {
            match worker.sources.get(nth) {
                Some(watched) => places.poll(watched, &worker).await,
                None => Err(StoreError::Closed),
            }
        });
    }
    let mut polled = Vec::with_capacity(worker.sources.len());
    while let Some(poll) = polls.join_next().await {
        polled.push(poll.map_err(|_| StoreError::Closed)??);
    }
    Ok(polled)
}
