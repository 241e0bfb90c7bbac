//! A notice: one message about 1..n failures, of one kind, for one sink.
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
    /// Failures that were told still stand.
    TaskReminder,
    /// Failures that were held back, or waited for their hour, in one message.
    Digest,
    /// So many failures at once that they are told as one.
    StormOpened,
    /// What a storm brought since it was last told.
    StormUpdated,
    /// A storm is over: what it brought in all.
    StormClosed,
    /// Another sink does not take its notices. For the sinks that are its fallback.
    SinkFailing,
    /// A source has not been seen whole for too long.
    SourceBlind,
    /// A source is seen again.
    SourceSighted,
    /// A task has been running for too long.
    TaskStuck,
    /// The record cannot be written or read, so that nothing is watched. The one kind that is never
    /// on record itself.
    StoreFailed,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::TaskFailed,
        Self::TaskCleared,
        Self::TaskReminder,
        Self::TaskStuck,
        Self::Digest,
        Self::StormOpened,
        Self::StormUpdated,
        Self::StormClosed,
        Self::SourceWatching,
        Self::SourceBlind,
        Self::SourceSighted,
        Self::StateLost,
        Self::SinkFailing,
        Self::StoreFailed,
        Self::Test,
    ];

    /// The `type` of the payload, and the word everywhere else.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailed => "task.failed",
            Self::TaskCleared => "task.cleared",
            Self::SourceWatching => "source.watching",
            Self::StateLost => "state.lost",
            Self::Test => "test",
            Self::TaskReminder => "task.reminder",
            Self::Digest => "digest",
            Self::StormOpened => "storm.opened",
            Self::StormUpdated => "storm.updated",
            Self::StormClosed => "storm.closed",
            Self::SinkFailing => "sink.failing",
            Self::SourceBlind => "source.blind",
            Self::SourceSighted => "source.sighted",
            Self::TaskStuck => "task.stuck",
            Self::StoreFailed => "store.failed",
        }
    }

    /// Whether it is about a storm.
    #[must_use]
    pub fn is_storm(self) -> bool {
        matches!(self, Self::StormOpened | Self::StormUpdated | Self::StormClosed)
    }

    /// Whether a sink that takes such a notice has been told of the failures in it.
    #[must_use]
    pub fn tells_failures(self) -> bool {
        matches!(
            self,
            Self::TaskFailed
                | Self::Digest
                | Self::StormOpened
                | Self::StormUpdated
                | Self::StormClosed
        )
    }
}

/// Names what is told: equal ids are equal messages.
///
/// A function of the source, the failures with generation and episode, the kind and the sink, so
/// two hosts, a restored backup and a replay send the same id. A digest's id is also a function of
/// the notices whose place it takes, which two hosts may have grouped differently. `tb_` and 40 hex
/// digits: no dot, as Standard Webhooks wants, and fit for the left side of a `Message-ID`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "[u8; 20]", into = "[u8; 20]")]
pub struct NoticeId {
    hash: [u8; 20],
    /// ASCII. Here and not on the heap, since every delivery that is read has one.
    text: [u8; 43],
}

impl NoticeId {
    /// Names a notice of `kind` for `sink` about `members`, each with its source.
    ///
    /// `occasion` tells apart what has no failures to be named after, or names the same ones
    /// again: the instant of a baseline, the count of a reminder. Empty otherwise.
    #[must_use]
    pub fn of<'a>(
        kind: NoticeKind,
        sink: &Name,
        members: impl IntoIterator<Item = (&'a Name, Member)>,
        occasion: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        for word in [kind.as_str(), sink.as_str(), occasion] {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        let mut last: Option<&'a Name> = None;
        for (source, member) in members {
            // Members come in runs of one source; a name cannot hold a zero.
            if last != Some(source) {
                hash.update(source.as_str().as_bytes());
                hash.update([0]);
                last = Some(source);
            }
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
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Names several notices as one, for the name of the notice that takes their place: what is
    /// put together anew, of others, has another name.
    #[must_use]
    pub fn joined<'a>(ids: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut hash = Sha256::new();
        for id in ids {
            let id: &'a Self = id;
            hash.update(id.hash);
        }
        let mut short = [0; 20];
        short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self::from(short)
    }

    /// Names the notice that this one becomes when `cleared` of its members cleared before it
    /// could be told.
    #[must_use]
    pub fn amended(&self, cleared: &[TaskKey]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        for key in cleared {
            hash.update(key.0);
        }
        let mut short = [0; 20];
        short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self::from(short)
    }
}

impl From<[u8; 20]> for NoticeId {
    fn from(hash: [u8; 20]) -> Self {
        let mut text = *b"tb_0000000000000000000000000000000000000000";
        let digits = text.iter_mut().skip(3);
        digits.zip(hex_digits(&hash)).for_each(|(to, digit)| *to = digit);
        Self { hash, text }
    }
}

impl From<NoticeId> for [u8; 20] {
    fn from(id: NoticeId) -> Self {
        id.hash
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    hex_digits(bytes).take(2 * count).map(char::from).collect()
}

/// Two lower-case digits for each byte.
fn hex_digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 0xf)])
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

/// How often a value occurs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Count {
    /// For instance `reset`, `KPS.6009` or a server's name.
    pub value: String,
    /// Failures that have it.
    pub count: u32,
}

/// What failures have in common: the most frequent values, most frequent first, each list of at
/// most [`Tally::TOP_MAX`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// By what was being done.
    pub actions: Vec<Count>,
    /// By error code, or by message where there is no code.
    pub errors: Vec<Count>,
    /// By server.
    pub servers: Vec<Count>,
    /// By source.
    pub sources: Vec<Count>,
}

impl Tally {
    /// Longest list. More lines are a report and not a message.
    pub const TOP_MAX: usize = 5;
}

/// Several sources as wholes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sources {
    /// How many.
    pub count: u32,
    /// Their names, in alphabetical order; at most [`Sources::NAMES_MAX`] of them.
    pub names: Vec<Name>,
}

impl Sources {
    /// Most names. Who wants all of them asks `taskbell source list`.
    pub const NAMES_MAX: usize = 10;

    /// How many are not named.
    #[must_use]
    pub fn unnamed(&self) -> u32 {
        self.count.saturating_sub(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }
}

/// What is wrong with taskbell's own eyes or mouth: a blind source, a failing sink.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Trouble {
    /// Which sink, for a failing one; for a source it stands in [`Notice::source`].
    pub sink: Option<Name>,
    /// One word: `auth`, `throttled`, `suspect`, `gone`, …
    pub class: String,
    /// One line about it, without secrets.
    pub detail: String,
    /// What to do, in one sentence. May be empty.
    pub advice: String,
}

/// One message, ready to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Equal ids are equal messages.
    pub id: NoticeId,
    /// What it is about.
    pub kind: NoticeKind,
    /// Why it is sent: `new`, `refailed`, `cleared`, `first_run`, `silence_ended`, …
    pub reason: String,
    /// When it was put together.
    pub created_at: Timestamp,
    /// The sink it is for.
    pub sink: Name,
    /// The list it is about; `None` for several, or for none.
    pub source: Option<SourceInfo>,
    /// The sources that it is about if those are several, each as a whole: that are blind or seen
    /// again, or of whose blindness a failing sink was not told.
    pub sources: Option<Sources>,
    /// 0 to [`FAILURES_MAX`] of the failures it is about, in the order of recording. One that
    /// has `cleared_at` in a [`NoticeKind::TaskFailed`] cleared before it could be told.
    pub failures: Vec<Failure>,
    /// All that it is about. More than `failures` holds in a digest or a storm; the others are
    /// told by being counted here.
    pub total: u32,
    /// What they have in common, in a digest or a storm.
    pub tally: Option<Tally>,
    /// For notices about taskbell itself.
    pub trouble: Option<Trouble>,
    /// When what it is about began: a storm, a silence, an outage, a blindness.
    pub since: Option<Timestamp>,
    /// In a storm, the failures that it brought in all until then.
    pub so_far: u32,
    /// Other failures of the source that stand, told before or not to be told singly.
    pub still_open: u32,
    /// At `created_at`.
    pub coverage: Coverage,
}

impl Notice {
    /// Failures it is about and does not list.
    #[must_use]
    pub fn omitted(&self) -> u32 {
        let listed = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        self.total.saturating_sub(listed)
    }

    /// The same about `failure` alone, for receivers that keep each by itself. Of several sources, it
    /// is about that of the failure.
    #[must_use]
    pub fn about(&self, failure: &Failure) -> Self {
        let only = || SourceInfo {
            name: failure.source.clone(),
            kind: String::new(),
            region: String::new(),
            project_id: String::new(),
        };
        let source = Some(self.source.clone().unwrap_or_else(only));
        Self { failures: vec![failure.clone()], total: 1, tally: None, source, ..self.clone() }
    }

    /// What comes first in a headline: the source, or taskbell itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.source.as_ref().map_or("taskbell", |source| source.name.as_str())
    }
}
