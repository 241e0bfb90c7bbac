//! A notice: one message about 1..n failures of one source, for one sink.
//!
//! A notice is put together from what the store holds about a delivery and never from the
//! present state of the world. So the same delivery gives the same notice, and the same bytes,
//! however often and in whichever process it is rendered.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{failure::Failure, name::Name};

/// Most failures in one notice. Keeps a webhook body below 100 KiB and a mail readable.
pub const FAILURES_MAX: usize = 100;

/// What a notice is about. Stored with deliveries: never rename a variant, never reorder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum NoticeKind {
    /// Tasks failed.
    TaskFailed,
    /// Failures are no longer listed.
    TaskCleared,
    /// A source is watched from now on, and so much stands already.
    SourceWatching,
    /// The record of what was told is gone; so much stands.
    StateLost,
    /// A test, asked for by the operator.
    Test,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::TaskFailed, Self::TaskCleared, Self::SourceWatching, Self::StateLost, Self::Test];

    /// The `type` of the payload, and the word everywhere else.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailed => "task.failed",
            Self::TaskCleared => "task.cleared",
            Self::SourceWatching => "source.watching",
            Self::StateLost => "state.lost",
            Self::Test => "test",
        }
    }
}

/// Names what is told: equal ids are equal messages.
///
/// A function of the source, the failures with generation and episode, the kind and the sink, so
/// two hosts, a restored backup and a replay send the same id. `tb_` and 40 hex digits: no dot,
/// as Standard Webhooks wants, and fit for the left side of a `Message-ID`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NoticeId(String);

impl NoticeId {
    /// Names a notice of `kind` for `sink` about `failures` of `source`.
    ///
    /// `occasion` tells apart what has no failures to be named after: the instant of a baseline,
    /// the number of a test. Empty where there are failures.
    #[must_use]
    pub fn of(
        kind: NoticeKind,
        source: &Name,
        sink: &Name,
        failures: &[Failure],
        occasion: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        for word in [kind.as_str(), source.as_str(), sink.as_str(), occasion] {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        for failure in failures {
            hash_failure(&mut hash, failure);
        }
        Self(format!("tb_{}", hex(&hash.finalize(), 20)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names the thread that everything about one failure belongs to: 32 hex digits.
#[must_use]
pub fn thread_id(failure: &Failure) -> String {
    let mut hash = Sha256::new();
    hash.update(failure.source.as_str().as_bytes());
    hash.update([0]);
    hash.update(failure.task.key.0);
    hash.update(failure.generation.to_be_bytes());
    hex(&hash.finalize(), 16)
}

fn hash_failure(hash: &mut Sha256, failure: &Failure) {
    hash.update(failure.task.key.0);
    hash.update(failure.generation.to_be_bytes());
    hash.update(failure.episode.to_be_bytes());
}

fn hex(bytes: &[u8], count: usize) -> String {
    use fmt::Write as _;
    bytes.iter().take(count).fold(String::with_capacity(2 * count), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes everything");
        out
    })
}

/// Which list a notice is about. Free of secrets.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SourceInfo {
    /// The operator's name for it.
    pub name: Name,
    /// `kps` and the like.
    pub kind: String,
    /// For instance `cn-north-4`; empty if only an endpoint was given.
    pub region: String,
    /// The cloud project.
    pub project_id: String,
}

/// How much of the last 24 hours was seen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coverage {
    /// Polls that were due.
    pub polls_due: u32,
    /// Polls that were complete.
    pub polls_complete: u32,
    /// Longest time between two complete polls, in seconds.
    pub longest_gap_seconds: u32,
}

/// One message, ready to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Equal ids are equal messages.
    pub id: NoticeId,
    /// What it is about.
    pub kind: NoticeKind,
    /// Why it is sent: `new`, `refailed`, `cleared`, `first_run`, …
    pub reason: String,
    /// When it was put together.
    pub created_at: Timestamp,
    /// The sink it is for.
    pub sink: Name,
    /// The list it is about.
    pub source: SourceInfo,
    /// 0 to [`FAILURES_MAX`], in the order of recording.
    pub failures: Vec<Failure>,
    /// Other failures of the source that stand, told before or not to be told singly.
    pub still_open: u32,
    /// At `created_at`.
    pub coverage: Coverage,
}
