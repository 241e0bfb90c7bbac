//! A notice of each kind, to try templates on: made up, complete, and the same each time.

use jiff::Timestamp;

use crate::{
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Count, Coverage, Member, Notice, NoticeId, NoticeKind, SourceInfo, Tally, Trouble},
    task::Row,
};

/// When the samples were put together: 2026-11-23 10:00:05 UTC.
const CREATED_AT_MS: i64 = 1_795_428_005_000;

/// A made-up notice of `kind`, with as much in it as the kind has.
///
/// # Panics
///
/// Never: the names in it are good.
#[must_use]
pub fn sample(kind: NoticeKind) -> Notice {
    let name = |text| Name::parse(text).expect("a valid name");
    let (source, sink) = (name("prod-beijing"), name("oncall"));
    let failures: Vec<Failure> = match kind {
        NoticeKind::SourceWatching
        | NoticeKind::StateLost
        | NoticeKind::StoreFailed
        | NoticeKind::Test
        | NoticeKind::SourceBlind
        | NoticeKind::SourceSighted => Vec::new(),
        _ => rows().iter().zip(1..).map(|(row, id)| failure(kind, &source, id, row)).collect(),
    };
    let listed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    let large = matches!(
        kind,
        NoticeKind::Digest
            | NoticeKind::StormOpened
            | NoticeKind::StormUpdated
            | NoticeKind::StormClosed
    );
    let trouble = match kind {
        NoticeKind::SinkFailing => Some(trouble(Some(name("chat")), "suspect")),
        NoticeKind::SourceBlind => Some(trouble(None, "auth")),
        NoticeKind::StoreFailed => Some(trouble(None, "disk_full")),
        _ => None,
    };
    let members = failures.iter().map(|failure| (&failure.source, Member::from(failure)));
    let since = large || trouble.is_some() || kind == NoticeKind::SourceSighted;
    Notice {
        id: NoticeId::of(kind, &sink, members, "sample"),
        kind,
        reason: if kind == NoticeKind::Digest { "silence_ended" } else { "new" }.to_owned(),
        created_at: at(0),
        sink,
        // Not all kinds are about one source, and a template has to live with that.
        source: (!matches!(kind, NoticeKind::SinkFailing | NoticeKind::StoreFailed)).then(|| {
            SourceInfo {
                name: source.clone(),
                kind: "kps".to_owned(),
                region: "cn-north-4".to_owned(),
                project_id: "0123456789abcdef0123456789abcdef".to_owned(),
            }
        }),
        total: if large { 43 } else { listed },
        tally: large.then(tally),
        trouble,
        since: since.then(|| at(-3600)),
        so_far: if large { 60 } else { 0 },
        failures,
        still_open: 12,
        sources: None,
        coverage: Coverage { polls_due: 1440, polls_complete: 1438, longest_gap_seconds: 125 },
    }
}

fn at(seconds: i64) -> Timestamp {
    let ms = CREATED_AT_MS.saturating_add(seconds.saturating_mul(1000));
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

/// Of the second one little is known.
fn rows() -> [Row<'static>; 2] {
    let known = Row {
        task_id: Some("aee8d2fe-34e4-4b4a-8d27-ad0a5c3e8c01".into()),
        operate_type: Some("FAILED_RESET".into()),
        failed_at_ms: Some(CREATED_AT_MS - 35_000),
        error_code: Some("KPS.6009".into()),
        error_message: Some("The server is not stopped.".into()),
        server_id: Some("c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006".into()),
        server_name: Some("web-01".into()),
        keypair: Some("KeyPair-xt".into()),
        labels: Vec::new(),
    };
    let bare = Row {
        task_id: Some("aee8d2fe-34e4-4b4a-8d27-ad0a5c3e8c02".into()),
        operate_type: Some("FAILED_BIND".into()),
        ..Row::default()
    };
    [known, bare]
}

fn failure(kind: NoticeKind, source: &Name, id: u64, row: &Row<'_>) -> Failure {
    Failure {
        id: FailureId(id),
        source: source.clone(),
        task: row.to_task(),
        generation: 1,
        episode: 0,
        origin: Origin::New,
        occurrences_24h: if id == 1 { 4 } else { 1 },
        first_seen_at: at(-30),
        cleared_at: (kind == NoticeKind::TaskCleared).then(|| at(-1)),
        changed: None,
        ending: None,
    }
}

fn trouble(sink: Option<Name>, class: &str) -> Trouble {
    Trouble {
        sink,
        class: class.to_owned(),
        detail: "https://chat.example.com answered 403 Forbidden".to_owned(),
        advice: "Renew the token.".to_owned(),
    }
}

fn tally() -> Tally {
    let counts = |all: &[(&str, u32)]| {
        let each = all.iter().map(|(value, count)| (value.to_string(), *count));
        each.map(|(value, count)| Count { value, count }).collect()
    };
    Tally {
        actions: counts(&[("reset", 40), ("bind", 3)]),
        errors: counts(&[("KPS.6009", 40)]),
        servers: counts(&[("web-01", 7), ("web-02", 2)]),
        sources: counts(&[("prod-beijing", 43)]),
    }
}
