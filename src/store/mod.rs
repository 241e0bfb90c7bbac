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
//! A failure is first *undispatched* (a [`crate::decide::group::Seed`]); only when its deliveries exist does the seed
//! go, in the same transaction. So a route that cannot be applied, or a crash half way, blocks
//! and repeats nothing.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    decide::{
        coverage::CoverageLog,
        diff::{Changes, Past},
        group::{Backlog, Opening},
        sift::RosterEntry,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, LastAttempt, Suppressed},
    failure::{Failure, FailureId},
    name::Name,
    notice::SourceInfo,
    task::TaskKey,
};

mod actor;
mod durable;
mod engine;
mod kv;
mod ledger;
mod lock;
mod lookup;
mod memory;
mod migrate;
mod outbox;
mod pages;
mod sled;

pub use actor::{Handle, open_memory, open_sled};
pub use lock::StoreLock;

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
    async fn record_poll(&self, poll: PollRecord) -> Result<(), StoreError>;

    /// Failures that have no deliveries yet, oldest first and at most about `limit`, and the
    /// groups that are still open.
    async fn undispatched(&self, limit: usize) -> Result<Backlog, StoreError>;

    /// Opens deliveries, and closes and keeps groups, in one transaction with the seeds' end.
    async fn open_deliveries(&self, opening: Opening) -> Result<(), StoreError>;

    /// Takes up to `limit` deliveries to `sink` that are due at `now`, oldest first.
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

    /// Records what attempts came to. Ends their leases.
    async fn settle(&self, settled: Vec<Settled>) -> Result<(), StoreError>;

    /// Gives leases back unused.
    async fn release(&self, ids: Vec<DeliveryId>) -> Result<(), StoreError>;

    /// Forgets what was cleared or delivered before `cutoff` and is needed no more. Looks at a
    /// bounded part of the store per call. Returns how many records went.
    async fn sweep(&self, cutoff: Timestamp) -> Result<u64, StoreError>;

    /// Every source that was ever polled.
    async fn sources(&self) -> Result<Vec<(Name, SourceState)>, StoreError>;

    /// Failures in ascending order after `query.after`.
    async fn failures(&self, query: FailureQuery) -> Result<Vec<Failure>, StoreError>;

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

    /// What is owed to each sink.
    async fn owed(&self) -> Result<BTreeMap<Name, Owed>, StoreError>;
}

/// What the next poll of a source is compared with.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// About the source as a whole.
    pub state: SourceState,
    /// What stands, sorted by key.
    pub roster: Arc<Vec<RosterEntry>>,
}

/// About a source as a whole.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SourceState {
    /// Its number in store keys. 0 until first recorded.
    pub number: u32,
    /// When its baseline was set. Only a complete poll does.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub baseline_at: Option<Timestamp>,
    /// Whether an earlier store of this host had its baseline and was lost. Not stored.
    #[serde(skip)]
    pub lost: bool,
    /// Polls so far.
    pub polls: u64,
    /// The last poll.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub last_poll_at: Option<Timestamp>,
    /// The last complete poll.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub last_complete_at: Option<Timestamp>,
    /// What the last poll came to: a word of [`crate::decide::sift::Completeness`] or of
    /// [`crate::source::FaultClass`].
    pub outcome: String,
    /// One line more about it.
    pub detail: String,
    /// Failures that stand.
    pub standing: u64,
    /// Failures that are remembered although they cleared.
    pub past: u64,
    /// How much was seen lately.
    pub coverage: CoverageLog,
    /// Which list it is, as configured at the last poll.
    pub info: Option<SourceInfo>,
}

/// One poll, to be recorded.
#[derive(Debug)]
pub struct PollRecord {
    /// The source.
    pub info: SourceInfo,
    /// When the poll ended.
    pub at: Timestamp,
    /// What it changes.
    pub changes: Changes,
    /// Whether it saw the whole list.
    pub complete: bool,
    /// See [`SourceState::outcome`].
    pub outcome: String,
    /// See [`SourceState::detail`].
    pub detail: String,
}

/// The right to attempt one delivery. Settle or release it.
#[derive(Debug)]
#[must_use = "settle or release it, or the delivery waits until the process ends"]
pub struct Lease {
    /// The delivery.
    pub delivery: Delivery,
    /// Its failures, in its order. One that was forgotten meanwhile is missing.
    pub failures: Vec<Failure>,
    /// The bytes of the first attempt, if there was one.
    pub body: Option<Vec<u8>>,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The delivery.
    pub id: DeliveryId,
    /// Its next state.
    pub state: DeliveryState,
    /// The attempt.
    pub last: LastAttempt,
    /// Recipients still owed; `None`: as many as before.
    pub recipients: Option<Vec<String>>,
    /// The bytes that were sent, to be sent again. Not needed once they are kept.
    pub body: Option<Vec<u8>>,
}

/// Which failures to list.
#[derive(Clone, Debug, Default)]
pub struct FailureQuery {
    /// Only after this one.
    pub after: FailureId,
    /// Only of this source.
    pub source: Option<Name>,
    /// Only those that stand (`true`) or that cleared (`false`).
    pub standing: Option<bool>,
    /// At most so many.
    pub limit: usize,
}

/// A failure and what the index says about it.
#[derive(Clone, Debug)]
pub struct FailureDetail {
    /// The record.
    pub failure: Failure,
    /// Complete polls in a row that did not list it; `None` if it does not stand.
    pub missing: Option<u8>,
    /// Whether it is still undispatched.
    pub undispatched: bool,
    /// Why nobody is told, where that was decided.
    pub suppressed: Option<Suppressed>,
    /// The groups it waits in: sink and closing time.
    pub forming: Vec<(Name, Timestamp)>,
    /// Its deliveries, ascending.
    pub deliveries: Vec<Delivery>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    /// Only after this one.
    pub after: DeliveryId,
    /// Only to this sink.
    pub sink: Option<Name>,
    /// Only in this state: a word of [`DeliveryState::as_str`].
    pub state: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What is owed to a sink.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Owed {
    /// Waiting for their time or being attempted.
    pub pending: u64,
    /// Waiting for the operator.
    pub held: u64,
    /// Given up.
    pub dead: u64,
    /// When the oldest pending one was opened.
    pub oldest: Option<Timestamp>,
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
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A change did not reach the disk. Nothing more is promised until the store is reopened.
    #[error("the store could not be made durable: {what}")]
    NotDurable {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Its thread ended.
    #[error("the store was closed")]
    Closed,
}

impl StoreError {
    /// A read that failed.
    pub(crate) fn unreadable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable { what: what.into(), cause: Some(cause.into()) }
    }

    /// A write that failed.
    pub(crate) fn not_durable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::NotDurable { what: what.into(), cause: Some(cause.into()) }
    }
}
