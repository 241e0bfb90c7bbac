//! Messages for `sink test`: real in form, and marked so that nobody takes them for an alert.

use clap::ValueEnum;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decide::tally::tally,
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Coverage, Member, Notice, NoticeId, NoticeKind, SourceInfo, Trouble},
    task::Row,
};

/// What a test message looks like.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum TestKind {
    /// A plain test
    #[default]
    Test,
    /// A failed task
    Failed,
    /// A failure that cleared
    Cleared,
    /// A source that is watched from now on
    Watching,
    /// A failure that still stands
    Reminder,
    /// Several failures that were held back
    Digest,
    /// More failures than are told singly
    Storm,
    /// What a storm brought since
    StormUpdated,
    /// The end of a storm
    StormClosed,
    /// A task that runs for too long
    Stuck,
    /// A source that is not seen any more
    Blind,
    /// A source that is seen again
    Sighted,
    /// Another sink that does not take its notices
    Failing,
    /// The record of what was told is gone
    StateLost,
    /// The record cannot be written, so nothing is watched
    StoreFailed,
}

impl TestKind {
    fn of(self) -> NoticeKind {
        match self {
            Self::Test => NoticeKind::Test,
            Self::Failed => NoticeKind::TaskFailed,
            Self::Cleared => NoticeKind::TaskCleared,
            Self::Watching => NoticeKind::SourceWatching,
            Self::Reminder => NoticeKind::TaskReminder,
            Self::Digest => NoticeKind::Digest,
            Self::Storm => NoticeKind::StormOpened,
            Self::StormUpdated => NoticeKind::StormUpdated,
            Self::StormClosed => NoticeKind::StormClosed,
            Self::Stuck => NoticeKind::TaskStuck,
            Self::Blind => NoticeKind::SourceBlind,
            Self::Sighted => NoticeKind::SourceSighted,
            Self::Failing => NoticeKind::SinkFailing,
            Self::StateLost => NoticeKind::StateLost,
            Self::StoreFailed => NoticeKind::StoreFailed,
        }
    }
}

/// A test message for `sink`. Each has an id of its own, so that no receiver takes it for a repeat.
pub(super) fn notice(kind: TestKind, sink: &Name, now: Timestamp) -> Notice {
    let name = Name::parse("taskbell-test").expect("a valid name");
    let kind = kind.of();
    let failures = match kind {
        NoticeKind::TaskFailed | NoticeKind::TaskReminder | NoticeKind::TaskStuck => {
            vec![failure(&name, None, now)]
        }
        NoticeKind::TaskCleared => vec![failure(&name, Some(now), now)],
        NoticeKind::Digest | NoticeKind::StormOpened | NoticeKind::StormUpdated => {
            vec![failure(&name, None, now); 3]
        }
        _ => Vec::new(),
    };
    let total = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    let members = failures.iter().map(|failure| (&failure.source, Member::from(failure)));
    let occasion = now.as_millisecond().to_string();
    let id = NoticeId::of(kind, sink, members, &occasion);
    Notice {
        id,
        kind,
        reason: "test".to_owned(),
        created_at: now,
        sink: sink.clone(),
        source: Some(SourceInfo {
            name: name.clone(),
            kind: "kps".to_owned(),
            region: String::new(),
            project_id: String::new(),
        }),
        total,
        tally: (1 < total).then(|| tally(&failures)),
        trouble: trouble(kind),
        since: begins(kind).then_some(now),
        so_far: total,
        failures,
        still_open: 0,
        sources: None,
        coverage: Coverage::default(),
    }
}

/// Whether what a notice of `kind` is about has a beginning.
fn begins(kind: NoticeKind) -> bool {
    matches!(
        kind,
        NoticeKind::StormOpened
            | NoticeKind::StormUpdated
            | NoticeKind::StormClosed
            | NoticeKind::SourceBlind
            | NoticeKind::SourceSighted
            | NoticeKind::SinkFailing
    )
}

fn trouble(kind: NoticeKind) -> Option<Trouble> {
    let detail = "This is a test. Nothing is wrong.".to_owned();
    let trouble = Trouble { sink: None, class: "test".to_owned(), detail, advice: String::new() };
    match kind {
        NoticeKind::SourceBlind | NoticeKind::StoreFailed => Some(trouble),
        NoticeKind::SinkFailing => {
            let sink = Some(Name::parse("taskbell-test").expect("a valid name"));
            Some(Trouble { sink, ..trouble })
        }
        _ => None,
    }
}

fn failure(source: &Name, cleared_at: Option<Timestamp>, now: Timestamp) -> Failure {
    let row = Row {
        task_id: Some("taskbell-test".into()),
        operate_type: Some("FAILED_RESET".into()),
        failed_at_ms: Some(now.as_millisecond()),
        error_message: Some("This is a test. No task failed.".into()),
        server_name: Some("taskbell-test".into()),
        keypair: Some("taskbell-test".into()),
        labels: Vec::new(),
        ..Row::default()
    };
    Failure {
        id: FailureId(0),
        source: source.clone(),
        task: row.to_task(),
        generation: 1,
        episode: 0,
        occurrences_24h: 1,
        origin: Origin::New,
        first_seen_at: now,
        cleared_at,
        changed: None,
        ending: None,
    }
}
