//! Messages for `sink test`: real in form, and marked so that nobody takes them for an alert.

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::tally::tally,
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Coverage, Member, Notice, NoticeId, NoticeKind, SourceInfo},
    task::Row,
};

/// What a test message looks like.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
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
}

/// A test message for `sink`. Each has an id of its own, so that no receiver takes it for a repeat.
pub(super) fn notice(kind: TestKind, sink: &Name, now: Timestamp) -> Notice {
    let name = Name::parse("taskbell-test").expect("a valid name");
    let kind = match kind {
        TestKind::Test => NoticeKind::Test,
        TestKind::Failed => NoticeKind::TaskFailed,
        TestKind::Cleared => NoticeKind::TaskCleared,
        TestKind::Watching => NoticeKind::SourceWatching,
        TestKind::Reminder => NoticeKind::TaskReminder,
        TestKind::Digest => NoticeKind::Digest,
        TestKind::Storm => NoticeKind::StormOpened,
    };
    let failures = match kind {
        NoticeKind::TaskFailed | NoticeKind::TaskReminder => vec![failure(&name, None, now)],
        NoticeKind::TaskCleared => vec![failure(&name, Some(now), now)],
        NoticeKind::Digest | NoticeKind::StormOpened => vec![failure(&name, None, now); 3],
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
        trouble: None,
        since: None,
        so_far: total,
        failures,
        still_open: 0,
        coverage: Coverage::default(),
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
