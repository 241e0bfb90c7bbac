//! A notice: one message about 1..n failures of one source, for one sink.
//!
//! A notice is put together from what the store holds about a delivery and never from the
//! present state of the world. So the same delivery gives the same notice, and the same bytes,
//! however often and in whichever process it is rendered.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    failure::{Failure, FailureId},
    name::Name,
    task::TaskKey,
};

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
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "[u8; 20]", into = "[u8; 20]")]
pub struct NoticeId {
    hash: [u8; 20],
    text: String,
}

impl NoticeId {
    /// Names a notice of `kind` for `sink` about `members` of `source`.
    ///
    /// `occasion` tells apart what has no failures to be named after: the instant of a baseline,
    /// the number of a test. Empty where there are failures.
    #[must_use]
    pub fn of(
        kind: NoticeKind,
        source: &Name,
        sink: &Name,
        members: &[Member],
        occasion: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        for word in [kind.as_str(), source.as_str(), sink.as_str(), occasion] {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        for member in members {
            hash.update(member.key.0);
            hash.update(member.generation.to_be_bytes());
            hash.update(member.episode.to_be_bytes());
        }
        let mut short = [0; 20];
        short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self::from(short)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<[u8; 20]> for NoticeId {
    fn from(hash: [u8; 20]) -> Self {
        Self { hash, text: format!("tb_{}", hex(&hash, hash.len())) }
    }
}

impl From<NoticeId> for [u8; 20] {
    fn from(id: NoticeId) -> Self {
        id.hash
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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

fn hex(bytes: &[u8], count: usize) -> String {
    use fmt::Write as _;
    bytes.iter().take(count).fold(String::with_capacity(2 * count), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes everything");
        out
    })
}

/// What of a failure goes into the name of a notice.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Member {
    /// The number in this store. Not part of the name: another host has another one.
    pub id: FailureId,
    /// The task.
    pub key: TaskKey,
    /// As in [`Failure`].
    pub generation: u32,
    /// As in [`Failure`].
    pub episode: u32,
}

impl From<&Failure> for Member {
    fn from(failure: &Failure) -> Self {
        Self {
            id: failure.id,
            key: failure.task.key,
            generation: failure.generation,
            episode: failure.episode,
        }
    }
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
