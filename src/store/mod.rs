//! The memory of the worker: which failures stand, and which deliveries are owed.
//!
//! # Why one trait and one method per event
//!
//! "Recorded" and "owed" must change together. If a failure became *recorded* before its notice
//! was *owed*, a crash in between would lose the notice for good, and no caller could notice. So
//! a poll is recorded in one call, deliveries are opened in one call, and each call is a
//! transaction of the backend.
//!
//! # Two tables on purpose
//!
//! A failure is first *undispatched* (a [`crate::decide::backlog::Seed`]); only when its deliveries exist does the seed
//! go, in the same transaction. So a route that cannot be applied, or a crash half way, blocks
//! and repeats nothing.

use std::{collections::BTreeMap, error::Error, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    decide::{
        backlog::{Backlog, Opening},
        diff::Past,
        fold::FoldOrder,
        health::SinkState,
        release::Waiting,
        stuck::RunningMark,
    },
    delivery::{Delivery, DeliveryId},
    failure::{Ack, Failure, FailureId},
    name::Name,
    progress::Progress,
    silence::Silence,
    task::TaskKey,
};

mod actor;
mod archive;
mod durable;
mod engine;
mod fold;
#[cfg(fuzzing)]
pub mod fuzz;
mod kv;
mod ledger;
mod lock;
mod lookup;
mod measured;
mod memory;
mod mention;
mod migrate;
mod neighbours;
mod operate;
mod original;
mod outbox;
mod pages;
mod records;
mod recover;
mod search;
mod settle;
mod sled;
mod sweep;
mod upkeep;
mod watch;

pub use self::sled::Aside;
pub use actor::{Handle, open_memory, open_memory_on, open_sled};
pub use archive::Archived;
pub use kv::Compacted;
pub use lock::StoreLock;
pub use memory::MemoryDisk;
pub use records::{
    DeliveryQuery, DeliverySearch, FailureDetail, FailureQuery, FailureSearch, Found, Lease,
    Ledger, Owed, PollRecord, Position, Reconciled, RunningRecord, Settled, Settlement,
    SourceState, Spoken, TimePassed, Totals,
};
pub use recover::{Access, check_archive, import};
pub use upkeep::{Inspected, Kept};

/// Remembers. Shared by all steps.
///
/// # Promise
///
/// After `Ok`, the change is on disk: written, flushed and fsynced. After `Err`, all, some or
/// none of it happened, the store takes no further work, and the same call after reopening
/// completes it: nothing is lost, and nothing is opened twice under different ids.
///
/// Correct with leases switched off; leases only reduce repeats.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// What is known about a source: all that the next poll is compared with.
    async fn ledger(&self, source: &Name) -> Result<Ledger, StoreError>;

    /// What is remembered about tasks that no longer stand. Absent ones are left out.
    async fn past(
        &self,
        source: &Name,
        keys: Vec<TaskKey>,
    ) -> Result<BTreeMap<TaskKey, Past>, StoreError>;

    /// Records a poll: failures, what is owed for them, and the poll itself.
    ///
    /// A poll of more than some thousand changes is several transactions, in an order that is
    /// safe to stop after each; the baseline and the poll's own record come last.
    ///
    /// The figures of a poll that changes nothing may follow some seconds later: when it was, and
    /// that it counts as coverage. The next call that is late enough, or the orderly end, puts
    /// them on disk; a crash in between forgets them.
    async fn record_poll(&self, poll: PollRecord) -> Result<(), StoreError>;

    /// Takes note that time passed, and says what is due if a source became blind by it. Returns
    /// whether one did.
    async fn pass_time(&self, passed: TimePassed) -> Result<bool, StoreError>;

    /// What is remembered of a source's running tasks.
    async fn running(&self, source: &Name) -> Result<Vec<RunningMark>, StoreError>;

    /// Records a look at running tasks. Writes nothing if nothing changed.
    async fn record_running(&self, looked: RunningRecord) -> Result<(), StoreError>;

    /// Notes that the records of these failures, and of no others, are to be deleted in the
    /// cloud: that they are gone is then nobody's news. Called before the cloud is asked.
    async fn note_deleting(&self, source: &Name, ids: Vec<FailureId>) -> Result<(), StoreError>;

    /// Forgets a source's baseline: its next complete poll sets one as its first poll would. What
    /// is recorded stays. `false`: the source was never polled.
    async fn reset_baseline(&self, source: &Name) -> Result<bool, StoreError>;

    /// Failures that have no deliveries yet, oldest first and at most about `limit`, and the
    /// groups that are still open; with all that closing those up to `closing` takes.
    async fn undispatched(&self, limit: usize, closing: Timestamp) -> Result<Backlog, StoreError>;

    /// Opens deliveries, and closes and keeps groups, in one transaction with the seeds' end.
    async fn open_deliveries(&self, opening: Opening) -> Result<(), StoreError>;

    /// What may be due beside groups: holds, storms, reminders, alarms.
    async fn waiting(&self, now: Timestamp) -> Result<Waiting, StoreError>;

    /// Folds deliveries into one, in one transaction. Returns how many it opened.
    async fn fold(&self, order: FoldOrder) -> Result<usize, StoreError>;

    /// Takes up to `limit` deliveries to `sink` that are due at `now`, oldest first; less or none
    /// if the sink's gate is not open.
    ///
    /// They are not handed out again by this process before they are settled or released.
    async fn lease_due(
        &self,
        sink: &Name,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Lease>, StoreError>;

    /// When the next delivery to `sink` is due that is not leased.
    async fn next_due(&self, sink: &Name) -> Result<Option<Timestamp>, StoreError>;

    /// Records what attempts came to, and what that means for the sink. Ends their leases.
    async fn settle(&self, settled: Vec<Settled>) -> Result<Settlement, StoreError>;

    /// Gives leases back unused.
    async fn release(&self, ids: Vec<DeliveryId>) -> Result<(), StoreError>;

    /// Forgets what was cleared or delivered before `cutoff` and is needed no more. Looks at a
    /// bounded part of the store per call. Returns how many records went.
    async fn sweep(&self, cutoff: Timestamp) -> Result<u64, StoreError>;

    /// Every source that was ever polled.
    async fn sources(&self) -> Result<Vec<(Name, SourceState)>, StoreError>;

    /// Failures in ascending order after `query.after`.
    async fn failures(&self, query: FailureQuery) -> Result<Vec<Failure>, StoreError>;

    /// A page of failures, in either direction.
    async fn search_failures(&self, search: FailureSearch) -> Result<Found<Failure>, StoreError>;

    /// A page of deliveries, in either direction.
    async fn search_deliveries(
        &self,
        search: DeliverySearch,
    ) -> Result<Found<Delivery>, StoreError>;

    /// For each of these failures, which are ascending, what became of the deliveries that tell
    /// that it failed: of each sink the last one.
    async fn spoken(
        &self,
        ids: Vec<FailureId>,
    ) -> Result<BTreeMap<FailureId, Vec<Spoken>>, StoreError>;

    /// One failure, by number.
    async fn failure(&self, id: FailureId) -> Result<Option<FailureDetail>, StoreError>;

    /// Failures of the task with this key, latest generation only, in any source.
    async fn find_task(&self, key: TaskKey) -> Result<Vec<FailureId>, StoreError>;

    /// Deliveries in ascending order after `query.after`.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, StoreError>;

    /// One delivery, by number.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Makes deliveries that are pending, held or dead due at `now`. A dead one gets its whole
    /// time again. Returns those that were.
    async fn retry(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError>;

    /// Ends deliveries that are pending, held or dead, untold. Returns those that were.
    async fn cancel(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError>;

    /// The dead, to one sink or to all, that died at or after `since`, ascending.
    async fn dead(
        &self,
        sink: Option<Name>,
        since: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError>;

    /// Opens the gate of a sink that took a message, and makes what is owed to it due.
    async fn revive(&self, sink: &Name, now: Timestamp) -> Result<(), StoreError>;

    /// Adds a silence and returns its number.
    async fn add_silence(&self, silence: Silence) -> Result<u64, StoreError>;

    /// Ends a silence now. `None`: there is none, or it had ended.
    async fn expire_silence(
        &self,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<Silence>, StoreError>;

    /// Every silence that is remembered, ascending.
    async fn silences(&self) -> Result<Arc<Vec<Silence>>, StoreError>;

    /// Acknowledges a failure, or takes that back. `false`: it does not stand.
    async fn acknowledge(&self, id: FailureId, ack: Option<Ack>) -> Result<bool, StoreError>;

    /// How each sink is doing that is not as it was at first.
    async fn sinks(&self) -> Result<BTreeMap<Name, SinkState>, StoreError>;

    /// What came of every failure that was sent a sink's way.
    async fn reconcile(&self) -> Result<BTreeMap<Name, Reconciled>, StoreError>;

    /// What is owed to each sink.
    async fn owed(&self) -> Result<BTreeMap<Name, Owed>, StoreError>;

    /// Copies the store to a file beside it, if the last copy is older than `every`, and writes
    /// its files anew if they are mostly garbage. Both read all that is kept, and nothing else
    /// happens meanwhile. A store in memory does neither.
    async fn upkeep(&self, every: Duration, now: Timestamp) -> Result<Kept, StoreError>;

    /// Writes the store's files anew, whatever they hold.
    async fn compact(&self) -> Result<Compacted, StoreError>;

    /// Says what the store takes and, if `deep`, reads every record. Damage is part of the answer.
    async fn inspect(&self, deep: bool) -> Result<Inspected, StoreError>;

    /// How far a copy, a compaction or a look at every record is. Answers meanwhile.
    fn progress(&self) -> Option<Progress>;

    /// Says that the process ends as soon as the store is closed, so that closing need only do what the
    /// next process has to find.
    fn process_ends(&self) {}
}

/// Why the store did not do as it was told.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("the store {path} is held by {by}")]
    Held {
        /// The folder.
        path: String,
        /// Who holds it, as it says of itself.
        by: String,
    },
    /// It was written by a newer version.
    #[error(
        "the store {path} has format {found}; this version of taskbell knows formats up to \
         {known}: install the version that wrote it, or a newer one"
    )]
    Newer {
        /// The folder.
        path: String,
        /// The store's format.
        found: u32,
        /// The newest format we know.
        known: u32,
    },
    /// It cannot be read.
    #[error("the store cannot be read: {what}")]
    Unreadable {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Its files hold something else than was written. The next `run` or `once` keeps them aside
    /// and goes on with the newest copy.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What was read.
        what: String,
        /// Why it failed.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A change did not reach the disk. Nothing more is promised until the store is reopened.
    #[error("the store could not be made durable: {what}")]
    NotDurable {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
    /// It takes longer over something simple than a disk that works does. It may still answer.
    #[error("the store has not answered for {seconds} s; its disk may hang")]
    Silent {
        /// So far.
        seconds: u64,
    },
    /// Its thread ended.
    #[error("the store was closed")]
    Closed,
}

impl StoreError {
    /// Whether one of the causes is that there is no room.
    #[must_use]
    pub fn disk_is_full(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// A read that failed.
    pub(crate) fn unreadable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable { what: what.into(), cause: Some(cause.into()) }
    }

    /// A record that is not what was written.
    pub(crate) fn damaged(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Damaged { what: what.into(), cause: Some(cause.into()) }
    }

    /// A write that failed.
    pub(crate) fn not_durable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::NotDurable { what: what.into(), cause: Some(cause.into()) }
    }
}
