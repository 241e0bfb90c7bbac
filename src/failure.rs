//! A failure: our record of a task.
//!
//! ```text
//!  (none) ── seen ────────────────────────────────▶ open
//!  open   ── absent from a complete poll ─────────▶ missing(n)
//!  missing── seen again ──────────────────────────▶ open       (nothing is said)
//!  missing── absent from the K-th complete poll ──▶ cleared
//!  cleared── same task, same time ────────────────▶ open       (reappeared: next episode)
//!  any    ── same task, later time ───────────────▶ a new generation (refailed)
//! ```
//!
//! "Cleared" means "no longer listed". It does not mean "resolved": a record can be deleted.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    name::Name,
    task::{Task, TaskText},
};

/// The number of a failure in this store. Ascending in the order of recording.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct FailureId(pub u64);

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How a failure came to our notice.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stood already when the source was first polled. Not told singly.
    Baseline,
    /// It was listed for the first time.
    New,
    /// Its task was known and failed again, at a later time.
    Refailed,
    /// It had cleared and was listed again, unchanged.
    Reappeared,
}

impl Origin {
    /// The word for logs, payloads and `failure explain`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::New => "new",
            Self::Refailed => "refailed",
            Self::Reappeared => "reappeared",
        }
    }
}

/// Our record of a failed task.
///
/// What a notice says about it (`task`, `generation`, `first_seen_at`) never changes once it is
/// recorded, so a notice that is rendered again has the same bytes. What the cloud changed later
/// is kept beside it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// The number in this store.
    pub id: FailureId,
    /// The source that listed it.
    pub source: Name,
    /// As it was when first listed.
    pub task: Task,
    /// 1 for the first failure of a task, one more for each later `task_time`.
    pub generation: u32,
    /// How often it cleared and reappeared unchanged.
    pub episode: u32,
    /// How it came to our notice last.
    pub origin: Origin,
    /// Failures like it in the 24 hours before it was recorded, over different tasks, itself
    /// included: see [`crate::decide::recur`].
    pub occurrences_24h: u32,
    /// The poll that recorded it.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub first_seen_at: Timestamp,
    /// When it was found to be no longer listed. `None` while it stands.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub cleared_at: Option<Timestamp>,
    /// The texts as the cloud last listed them, if they changed.
    pub changed: Option<TaskText>,
    /// What became of the task when it was no longer listed, as far as that is known.
    pub ending: Option<Ending>,
}

/// What became of a task that is no longer listed as failed. Stored: never reorder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The cloud says that it succeeded.
    Resolved,
    /// The cloud says that it failed: somebody deleted the record of it.
    StillFailed,
    /// Taskbell deleted the record of it, as the operator wants.
    Deleted,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 3] = [Self::Resolved, Self::StillFailed, Self::Deleted];

    /// The word for logs and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::StillFailed => "still_failed",
            Self::Deleted => "deleted",
        }
    }
}

/// That somebody looks after a failure: no reminders. It dies with the failure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ack {
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// May be empty.
    pub comment: String,
}

impl Failure {
    /// A task that is not recorded as a failure, in the shape of one: what is said about a
    /// running task is said in the same words.
    #[must_use]
    pub fn of_task(source: Name, task: Task, at: Timestamp) -> Self {
        Self {
            id: FailureId::default(),
            source,
            task,
            generation: 1,
            episode: 0,
            origin: Origin::New,
            occurrences_24h: 1,
            first_seen_at: at,
            cleared_at: None,
            changed: None,
            ending: None,
        }
    }

    /// The new failure `number` of the source `prod`, recorded at `at`.
    #[cfg(test)]
    pub(crate) fn example(number: u64, row: &crate::task::Row<'_>, at: Timestamp) -> Self {
        let source = Name::parse("prod").expect("a name");
        Self { id: FailureId(number), ..Self::of_task(source, row.to_task(), at) }
    }

    /// The texts as last listed.
    #[must_use]
    pub fn current_text(&self) -> &TaskText {
        self.changed.as_ref().unwrap_or(&self.task.text)
    }
}
