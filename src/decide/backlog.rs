//! What dispatch works on and what it decides: seeds, groups, openings.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{coverage::CoverageLog, health::SinkState};
use crate::{
    delivery::{Cleared, Delivery, DeliveryId, Hold, Remind, Suppressed},
    failure::{Failure, FailureId},
    name::Name,
    notice::{Member, NoticeKind, Trouble},
    silence::Silence,
    task::{Task, TaskKey},
};

/// What has to be told, before anybody decided to whom. Written with what caused it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Seed {
    /// Failures were recorded or reappeared.
    Failed {
        /// Of one source.
        source: Name,
        /// Ascending.
        failures: Vec<FailureId>,
        /// The episode that is told of each, where that is not the first. The record may be in a
        /// later one by the time it is dispatched.
        episodes: BTreeMap<FailureId, u32>,
    },
    /// Failures are no longer listed.
    Cleared {
        /// Of one source.
        source: Name,
        /// Ascending.
        failures: Vec<FailureId>,
        /// So many went at once that they are told as one.
        mass: bool,
    },
    /// A source got its baseline.
    Watching {
        /// The source.
        source: Name,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// Failures that stand and are not told singly.
        standing: u64,
        /// Whether an earlier store was lost.
        lost: bool,
        /// When the copy was made that took the place of the lost one, if there was one.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
        as_of: Option<Timestamp>,
    },
    /// A source has not been seen whole for too long.
    Blind {
        /// The source.
        source: Name,
        /// When that was decided.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// Its last complete poll; of one that had none, its first poll.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// Why, and what to do.
        trouble: Trouble,
    },
    /// A source is seen again.
    Sighted {
        /// The source.
        source: Name,
        /// The complete poll.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// The one before it; if there was none, the first poll.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// See [`crate::decide::sight::Because`].
        reason: String,
        /// Why it was not seen, if nobody was told so far.
        trouble: Option<Trouble>,
    },
    /// Tasks have been running for too long.
    Stuck {
        /// Of one source.
        source: Name,
        /// When that was decided.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// At most [`crate::notice::FAILURES_MAX`].
        tasks: Vec<Task>,
    },
}

/// A seed and the failures it names.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// Its number in the store.
    pub number: u64,
    /// What has to be told.
    pub seed: Seed,
    /// In its order. One that was forgotten meanwhile is missing.
    pub failures: Vec<Failure>,
}

/// A group that is still open. This is the stored form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forming {
    /// What its members have in common; its key in the store.
    pub key: String,
    /// As in [`Delivery`].
    pub route: u32,
    /// As in [`Delivery`].
    pub sink: Name,
    /// As in [`Delivery`].
    pub source: Name,
    /// As in [`Delivery`].
    pub kind: NoticeKind,
    /// As in [`Delivery`].
    pub reason: String,
    /// In the order of joining.
    pub members: Vec<Member>,
    /// Those of them that have cleared.
    pub cleared: Vec<Cleared>,
    /// Of a group that is about sources as wholes, and then has no members.
    pub sightings: Vec<Sighting>,
    /// When it closes.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub closes_at: Timestamp,
    /// Mute windows of its route.
    pub mute: Vec<Name>,
    /// When the digest of its route is due, if it has one.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub digest_at: Option<Timestamp>,
    /// As in [`Delivery`].
    pub remind: Option<Remind>,
}

/// That a source is blind, seen again, or watched from now on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sighting {
    /// The source.
    pub source: Name,
    /// When that was decided.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Since when it was not seen whole, or of when the record is by which it is watched.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub since: Option<Timestamp>,
    /// Why, if that is to be said.
    pub trouble: Option<Trouble>,
    /// Failures that stand and are not told singly, if it is watched from now on.
    pub standing: u64,
}

/// What is known about a source when its notices are closed.
#[derive(Clone, Debug, Default)]
pub struct SourceView {
    /// Failures that stand.
    pub standing: u64,
    /// Its polls lately.
    pub coverage: CoverageLog,
    /// Its last complete poll.
    pub last_complete_at: Option<Timestamp>,
    /// What its last poll came to, in a word.
    pub outcome: String,
    /// Whether it is blind.
    pub blind: bool,
    /// Whether it has a baseline.
    pub has_baseline: bool,
}

/// A delivery that speaks for a failure. One that was folded is followed to where it went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// Which.
    pub delivery: DeliveryId,
    /// To whom.
    pub sink: Name,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It waits for its time, or is being attempted.
    Pending {
        /// Whether its content may still change: it is not being attempted, and no attempt can
        /// have been accepted.
        amendable: bool,
    },
    /// It is kept back.
    Held(Hold),
    /// The sink has it.
    Delivered,
    /// It was given up, or nobody wanted it.
    Over,
}

/// Everything that dispatch has to work on.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Oldest first.
    pub seeds: Vec<Seeded>,
    /// Open groups by key.
    pub forming: BTreeMap<String, Forming>,
    /// Members of groups that close now, if a silence might hold them.
    pub members: BTreeMap<FailureId, Failure>,
    /// Who was told of what cleared.
    pub told: BTreeMap<FailureId, Vec<Told>>,
    /// Deliveries that are not done and say that a source is blind, by source; those about a failing
    /// sink among them. Only of sources that a seed or an open group says are seen again.
    pub blind: BTreeMap<Name, Vec<(Name, DeliveryId)>>,
    /// Who was told that a source is blind in the place of a sink that failed. Only of sources that
    /// a seed says are seen again.
    pub informed: BTreeMap<Name, Vec<Name>>,
    /// Each source that a seed or a group names.
    pub sources: BTreeMap<Name, SourceView>,
    /// Each sink that is not as it was at first.
    pub sinks: BTreeMap<Name, SinkState>,
    /// Every silence that is remembered.
    pub silences: Arc<Vec<Silence>>,
}

/// Content that changes before it could be told: these cleared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Amended {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What cleared, and its task's key.
    pub cleared: Vec<(Cleared, TaskKey)>,
}

/// A delivery to open, and all that it speaks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Its number is given by the store.
    pub delivery: Delivery,
    /// All of them, ascending, where that is more than the delivery lists. Else empty.
    pub members: Vec<FailureId>,
}

impl Opened {
    /// All failures that it speaks for, ascending.
    #[must_use]
    pub fn all(&self) -> &[FailureId] {
        if self.members.is_empty() { &self.delivery.failures } else { &self.members }
    }
}

/// What dispatch decided: one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opening {
    /// Seeds that are done.
    pub consumed: Vec<u64>,
    /// Groups that were opened or joined, as they are now.
    pub forming: Vec<Forming>,
    /// Keys of groups that closed.
    pub closed: Vec<String>,
    /// Sources whose [`Backlog::informed`] is done with.
    pub uninformed: Vec<Name>,
    /// Deliveries to open.
    pub deliveries: Vec<Opened>,
    /// Pending deliveries whose content changes.
    pub amended: Vec<Amended>,
    /// Failures that nobody is told about.
    pub suppressed: Vec<(FailureId, Suppressed)>,
    /// For each sink the failures that were sent its way.
    pub routed: BTreeMap<Name, u64>,
    /// Those of them that were in a group already, and are told once.
    pub merged: BTreeMap<Name, u64>,
    /// Sinks whose storm or count changed.
    pub sinks: BTreeMap<Name, SinkState>,
}

impl Opening {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
