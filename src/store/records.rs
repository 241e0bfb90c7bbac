//! What goes into the store and what comes out of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{
        coverage::CoverageLog,
        diff::Changes,
        narrow::Conditions,
        sift::RosterEntry,
        sight::{Sight, SightRule},
        stuck::RunningMark,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, LastAttempt, Suppressed},
    failure::{Ack, Failure, FailureId},
    message::{MessageRef, Original},
    name::Name,
    notice::SourceInfo,
    task::{Action, Task},
};

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
    /// Whether it is seen.
    pub sight: Sight,
    /// Failures whose records in the cloud were asked to be deleted, and that may still be
    /// listed. A few.
    pub deleting: Vec<FailureId>,
    /// Which list it is, as configured at the last poll.
    pub info: Option<SourceInfo>,
}

/// One poll, to be recorded.
#[derive(Debug)]
pub struct PollRecord {
    /// The source.
    pub info: SourceInfo,
    /// When the poll began.
    pub began: Timestamp,
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
    /// What to do about it. Empty if the poll was complete.
    pub advice: String,
    /// When the source counts as blind.
    pub rule: SightRule,
}

/// What a look at a source's running tasks came to.
#[derive(Debug)]
pub struct RunningRecord {
    /// The source.
    pub source: Name,
    /// When it was looked at.
    pub at: Timestamp,
    /// What is remembered from now on.
    pub marks: Vec<RunningMark>,
    /// To be told.
    pub stuck: Vec<Task>,
}

/// That time passed for a source.
#[derive(Clone, Debug)]
pub struct TimePassed {
    /// The source.
    pub source: Name,
    /// Until then.
    pub now: Timestamp,
    /// Since when this process watches.
    pub started: Timestamp,
    /// When the source counts as blind.
    pub rule: SightRule,
    /// What to do about the trouble of its last poll.
    pub advice: String,
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
    /// For what is said later: the message that told the sink of all its failures.
    pub original: Option<Original>,
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
    /// When that was known.
    pub at: Timestamp,
    /// Recipients still owed; `None`: as many as before.
    pub recipients: Option<Vec<String>>,
    /// The bytes that were sent, to be sent again. Not needed once they are kept.
    pub body: Option<Vec<u8>>,
    /// Where the service keeps the message, of what was accepted.
    pub message: Option<MessageRef>,
    /// Whether the receiver may have taken it all the same, or took a part.
    pub uncertain: bool,
    /// Whether the service named the time of the next attempt.
    pub asked: bool,
    /// How old a delivery to this sink gets before the fallback is told; `None`: it has none.
    pub fallback_after: Option<Duration>,
}

/// What settling came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settlement {
    /// Whether there may be more to do now: to catch up, to tell a fallback, or to go on because
    /// a breaker closed.
    pub dispatch: bool,
}

/// What came of the failures that were sent a sink's way, since the store was made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Totals {
    /// Sent its way by a route.
    pub routed: u64,
    /// Told in a notice of failed tasks.
    pub told_singly: u64,
    /// Told in a digest or a storm notice.
    pub told_in_digest: u64,
    /// Not told, on purpose.
    pub suppressed: u64,
    /// Named by two deliveries that became one, and told once.
    pub merged: u64,
}

/// The same, with what is still on its way. Lost is not a state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reconciled {
    /// What is done.
    pub totals: Totals,
    /// In groups that are open.
    pub forming: u64,
    /// In deliveries that wait for their time.
    pub pending: u64,
    /// In deliveries that something holds.
    pub held: u64,
    /// In deliveries that were given up.
    pub dead: u64,
}

impl Reconciled {
    /// Failures sent the sink's way of which nothing is known. Not zero is a bug.
    #[must_use]
    pub fn difference(&self) -> i128 {
        let Totals { routed, told_singly, told_in_digest, suppressed, merged } = self.totals;
        let known = [
            told_singly,
            told_in_digest,
            suppressed,
            merged,
            self.forming,
            self.pending,
            self.held,
            self.dead,
        ];
        i128::from(routed) - known.into_iter().map(i128::from).sum::<i128>()
    }
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
    /// Only those that this delivery speaks for.
    pub delivery: Option<DeliveryId>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list, in one direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// Ascending, above this number.
    Above(u64),
    /// Descending, below this number.
    Below(u64),
}

/// Which failures to show. What is asked for is looked for among a bounded number of records, so
/// an answer may be short although there are more.
#[derive(Clone, Debug)]
pub struct FailureSearch {
    /// Where to go on.
    pub from: Position,
    /// Only of this source.
    pub source: Option<Name>,
    /// Only those that stand (`true`) or that cleared (`false`).
    pub standing: Option<bool>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only with this in the server's name or id.
    pub server: Option<String>,
    /// Only with this somewhere in its texts or its task's id. Both are compared without regard
    /// to upper and lower case of ASCII.
    pub text: Option<String>,
    /// Only where these hold.
    pub conditions: Option<Conditions>,
    /// At most so many.
    pub limit: usize,
}

/// Which deliveries to show; bounded as [`FailureSearch`] is.
#[derive(Clone, Debug)]
pub struct DeliverySearch {
    /// Where to go on.
    pub from: Position,
    /// Only to this sink.
    pub sink: Option<Name>,
    /// Only in this state: a word of [`DeliveryState::as_str`].
    pub state: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// In the direction of the search.
    pub items: Vec<T>,
    /// The number to go on from; `None`: that was all.
    pub rest: Option<u64>,
}

/// What a delivery that speaks for a failure came to.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// The delivery; where it was folded, the one that it went into at last.
    pub delivery: DeliveryId,
    /// Its sink.
    pub sink: Name,
    /// Where it stands.
    pub state: DeliveryState,
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
    /// Why somebody is not told, where that was decided.
    pub suppressed: Vec<Suppressed>,
    /// The groups in which it waits to be told: sink and closing time.
    pub forming: Vec<(Name, Timestamp)>,
    /// Its deliveries, ascending.
    pub deliveries: Vec<Delivery>,
    /// Who looks after it.
    pub ack: Option<Ack>,
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
