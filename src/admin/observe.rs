//! A store that notes what passes through it, for those who watch and for the metrics.
//!
//! It sits between the steps and the store and changes nothing. What it notes is lost with the
//! process: the store itself keeps all that must be kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::events::{Events, Happened, NUMBERS_MAX};
use crate::{
    decide::{
        backlog::{Backlog, Opening},
        diff::Past,
        fold::FoldOrder,
        health::SinkState,
        release::Waiting,
        stuck::RunningMark,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, Outcome},
    failure::{Ack, Failure, FailureId},
    name::Name,
    progress::Progress,
    silence::Silence,
    store::{
        Compacted, DeliveryQuery, DeliverySearch, FailureDetail, FailureQuery, FailureSearch,
        Found, Inspected, Kept, Lease, Ledger, Owed, PollRecord, Reconciled, RunningRecord,
        Settled, Settlement, SourceState, Spoken, Store, StoreError, TimePassed,
    },
    task::TaskKey,
};

/// Upper ends of the buckets for the time that an attempt takes, in milliseconds.
pub const LATENCY_BUCKETS_MS: [u32; 8] = [10, 50, 100, 500, 1_000, 5_000, 15_000, 60_000];

/// The attempts at one sink since the process began.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// By outcome: accepted, retry, suspect, gone.
    pub outcomes: [u64; 4],
    /// How many took so long or less; not added up.
    pub buckets: [u64; LATENCY_BUCKETS_MS.len()],
    /// All of their time.
    pub milliseconds: u64,
}

impl Attempts {
    /// The outcomes in the order of [`Attempts::outcomes`].
    pub const OUTCOMES: [Outcome; 4] =
        [Outcome::Accepted, Outcome::Retry, Outcome::Suspect, Outcome::Gone];

    fn add(&mut self, outcome: Outcome, latency_ms: u32) {
        let counts = Self::OUTCOMES.into_iter().zip(&mut self.outcomes);
        counts.filter(|(one, _)| *one == outcome).for_each(|(_, count)| *count += 1);
        let mut buckets = LATENCY_BUCKETS_MS.into_iter().zip(&mut self.buckets);
        if let Some((_, count)) = buckets.find(|(end, _)| latency_ms <= *end) {
            *count += 1;
        }
        self.milliseconds += u64::from(latency_ms);
    }
}

/// What was counted since the process began.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Attempts, by sink.
    pub attempts: BTreeMap<Name, Attempts>,
    /// Polls, by source: complete, and all.
    pub polls: BTreeMap<Name, (u64, u64)>,
    /// Failures that were recorded, by source.
    pub recorded: BTreeMap<Name, u64>,
}

/// What was seen of a worker.
#[derive(Debug)]
pub struct Observations {
    /// When the process began.
    pub began: Timestamp,
    /// What happened.
    pub events: Events,
    counts: Mutex<Counts>,
    /// The sinks of the deliveries that are being attempted.
    aboard: Mutex<BTreeMap<DeliveryId, Name>>,
}

impl Observations {
    /// Nothing so far.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let (counts, aboard) = (Mutex::default(), Mutex::default());
        Self { began: now, events: Events::new(now), counts, aboard }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn leased(&self, sink: &Name, leases: &[Lease]) {
        let mut aboard = self.aboard.lock().unwrap_or_else(PoisonError::into_inner);
        aboard.extend(leases.iter().map(|lease| (lease.delivery.id, sink.clone())));
    }

    fn ended(&self, ids: &[DeliveryId]) -> Option<Name> {
        let mut aboard = self.aboard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sinks = ids.iter().filter_map(|id| aboard.remove(id));
        let first = sinks.next();
        // All of one call are of one lane.
        sinks.for_each(drop);
        first
    }
}

/// See the module.
#[derive(Debug)]
pub struct Observed {
    store: Arc<dyn Store>,
    seen: Arc<Observations>,
}

impl Observed {
    /// Notes in `seen` what passes to `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, seen: Arc<Observations>) -> Self {
        Self { store, seen }
    }
}

fn some(ids: &[DeliveryId]) -> Vec<u64> {
    ids.iter().take(NUMBERS_MAX).map(|id| id.0).collect()
}

#[async_trait]
impl Store for Observed {
    async fn ledger(&self, source: &Name) -> Result<Ledger, StoreError> {
        self.store.ledger(source).await
    }

    async fn past(
        &self,
        source: &Name,
        keys: Vec<TaskKey>,
    ) -> Result<BTreeMap<TaskKey, Past>, StoreError> {
        self.store.past(source, keys).await
    }

    async fn record_poll(&self, poll: PollRecord) -> Result<(), StoreError> {
        let (source, complete) = (poll.info.name.clone(), poll.complete);
        let new = poll.changes.new.len();
        let happened = Happened::Polled {
            at: poll.at,
            source: source.to_string(),
            outcome: poll.outcome.clone(),
            new,
            back: poll.changes.reopened.len(),
            cleared: poll.changes.cleared.len() + poll.changes.deleted.len(),
        };
        self.store.record_poll(poll).await?;
        self.seen.count(|counts| {
            let (whole, all) = counts.polls.entry(source.clone()).or_default();
            *whole += u64::from(complete);
            *all += 1;
            *counts.recorded.entry(source).or_default() += u64::try_from(new).unwrap_or(u64::MAX);
        });
        self.seen.events.add(happened);
        Ok(())
    }

    async fn pass_time(&self, passed: TimePassed) -> Result<bool, StoreError> {
        let source = passed.source.to_string();
        let blind = self.store.pass_time(passed).await?;
        if blind {
            self.seen.events.add(Happened::Blind { source });
        }
        Ok(blind)
    }

    async fn running(&self, source: &Name) -> Result<Vec<RunningMark>, StoreError> {
        self.store.running(source).await
    }

    async fn record_running(&self, looked: RunningRecord) -> Result<(), StoreError> {
        self.store.record_running(looked).await
    }

    async fn note_deleting(&self, source: &Name, ids: Vec<FailureId>) -> Result<(), StoreError> {
        self.store.note_deleting(source, ids).await
    }

    async fn reset_baseline(&self, source: &Name) -> Result<bool, StoreError> {
        self.store.reset_baseline(source).await
    }

    async fn undispatched(&self, limit: usize, closing: Timestamp) -> Result<Backlog, StoreError> {
        self.store.undispatched(limit, closing).await
    }

    async fn open_deliveries(&self, opening: Opening) -> Result<(), StoreError> {
        let count = opening.deliveries.len();
        self.store.open_deliveries(opening).await?;
        if 0 < count {
            self.seen.events.add(Happened::Opened { count });
        }
        Ok(())
    }

    async fn waiting(&self, now: Timestamp) -> Result<Waiting, StoreError> {
        self.store.waiting(now).await
    }

    async fn fold(&self, order: FoldOrder) -> Result<usize, StoreError> {
        let count = self.store.fold(order).await?;
        if 0 < count {
            self.seen.events.add(Happened::Opened { count });
        }
        Ok(count)
    }

    async fn lease_due(
        &self,
        sink: &Name,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        let leases = self.store.lease_due(sink, now, limit).await?;
        self.seen.leased(sink, &leases);
        Ok(leases)
    }

    async fn next_due(&self, sink: &Name) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due(sink).await
    }

    async fn settle(&self, settled: Vec<Settled>) -> Result<Settlement, StoreError> {
        let ids: Vec<DeliveryId> = settled.iter().map(|one| one.id).collect();
        let of = |wanted: fn(&DeliveryState) -> bool| {
            settled.iter().filter(|one| wanted(&one.state)).count()
        };
        let delivered = of(|state| matches!(state, DeliveryState::Delivered { .. }));
        let dead = of(|state| matches!(state, DeliveryState::Dead { .. }));
        let failed = settled.len().saturating_sub(delivered + dead);
        let attempts: Vec<(Outcome, u32)> =
            settled.iter().map(|one| (one.last.outcome, one.last.latency_ms)).collect();
        let settlement = self.store.settle(settled).await?;
        let sink = self.seen.ended(&ids);
        if let Some(sink) = sink.clone() {
            self.seen.count(|counts| {
                let counted = counts.attempts.entry(sink).or_default();
                for (outcome, latency_ms) in attempts {
                    counted.add(outcome, latency_ms);
                }
            });
        }
        let sink = sink.map(|sink| sink.to_string());
        let deliveries = some(&ids);
        self.seen.events.add(Happened::Settled { sink, delivered, failed, dead, deliveries });
        Ok(settlement)
    }

    async fn release(&self, ids: Vec<DeliveryId>) -> Result<(), StoreError> {
        self.seen.ended(&ids);
        self.store.release(ids).await
    }

    async fn sweep(&self, cutoff: Timestamp) -> Result<u64, StoreError> {
        self.store.sweep(cutoff).await
    }

    async fn sources(&self) -> Result<Vec<(Name, SourceState)>, StoreError> {
        self.store.sources().await
    }

    async fn failures(&self, query: FailureQuery) -> Result<Vec<Failure>, StoreError> {
        self.store.failures(query).await
    }

    async fn search_failures(&self, search: FailureSearch) -> Result<Found<Failure>, StoreError> {
        self.store.search_failures(search).await
    }

    async fn search_deliveries(
        &self,
        search: DeliverySearch,
    ) -> Result<Found<Delivery>, StoreError> {
        self.store.search_deliveries(search).await
    }

    async fn spoken(
        &self,
        ids: Vec<FailureId>,
    ) -> Result<BTreeMap<FailureId, Vec<Spoken>>, StoreError> {
        self.store.spoken(ids).await
    }

    async fn failure(&self, id: FailureId) -> Result<Option<FailureDetail>, StoreError> {
        self.store.failure(id).await
    }

    async fn find_task(&self, key: TaskKey) -> Result<Vec<FailureId>, StoreError> {
        self.store.find_task(key).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        self.store.deliveries(query).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.store.delivery(id).await
    }

    async fn retry(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let retried = self.store.retry(ids, now).await?;
        if !retried.is_empty() {
            self.seen.events.add(Happened::Retried { deliveries: some(&retried) });
        }
        Ok(retried)
    }

    async fn cancel(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let cancelled = self.store.cancel(ids, now).await?;
        if !cancelled.is_empty() {
            self.seen.events.add(Happened::Cancelled { deliveries: some(&cancelled) });
        }
        Ok(cancelled)
    }

    async fn dead(
        &self,
        sink: Option<Name>,
        since: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.store.dead(sink, since).await
    }

    async fn revive(&self, sink: &Name, now: Timestamp) -> Result<(), StoreError> {
        self.store.revive(sink, now).await?;
        self.seen.events.add(Happened::Revived { sink: sink.to_string() });
        Ok(())
    }

    async fn add_silence(&self, silence: Silence) -> Result<u64, StoreError> {
        let id = self.store.add_silence(silence).await?;
        self.seen.events.add(Happened::SilenceAdded { id });
        Ok(id)
    }

    async fn expire_silence(
        &self,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<Silence>, StoreError> {
        let ended = self.store.expire_silence(number, now).await?;
        if ended.is_some() {
            self.seen.events.add(Happened::SilenceExpired { id: number });
        }
        Ok(ended)
    }

    async fn silences(&self) -> Result<Arc<Vec<Silence>>, StoreError> {
        self.store.silences().await
    }

    async fn acknowledge(&self, id: FailureId, ack: Option<Ack>) -> Result<bool, StoreError> {
        let acknowledged = ack.is_some();
        let done = self.store.acknowledge(id, ack).await?;
        if done {
            self.seen.events.add(Happened::Acknowledged { id: id.0, acknowledged });
        }
        Ok(done)
    }

    async fn sinks(&self) -> Result<BTreeMap<Name, SinkState>, StoreError> {
        self.store.sinks().await
    }

    async fn reconcile(&self) -> Result<BTreeMap<Name, Reconciled>, StoreError> {
        self.store.reconcile().await
    }

    async fn owed(&self) -> Result<BTreeMap<Name, Owed>, StoreError> {
        self.store.owed().await
    }

    async fn upkeep(&self, every: Duration, now: Timestamp) -> Result<Kept, StoreError> {
        self.store.upkeep(every, now).await
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        self.store.compact().await
    }

    async fn inspect(&self, deep: bool) -> Result<Inspected, StoreError> {
        self.store.inspect(deep).await
    }

    fn progress(&self) -> Option<Progress> {
        self.store.progress()
    }
}
