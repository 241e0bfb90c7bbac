//! Notices to render and to send.

use jiff::Timestamp;
use taskbell::{
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Coverage, Member, Notice, NoticeId, NoticeKind, SourceInfo},
    task::Row,
};

mod whole;

/// The time at which the examples were put together.
pub(crate) fn created_at() -> Timestamp {
    "2026-11-23T10:00:05Z".parse().unwrap()
}

/// A notice of `kind` about `failures`.
pub(crate) fn notice(kind: NoticeKind, reason: &str, failures: Vec<Failure>) -> Notice {
    let source = SourceInfo {
        name: Name::parse("prod-beijing").unwrap(),
        kind: "kps".to_owned(),
        region: "cn-north-4".to_owned(),
        project_id: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    let sink = Name::parse("oncall").unwrap();
    let occasion = if failures.is_empty() { "2026-11-23T10:00:05Z" } else { "" };
    let members = failures.iter().map(|failure| (&failure.source, Member::from(failure)));
    Notice {
        id: NoticeId::of(kind, &sink, members, occasion),
        kind,
        reason: reason.to_owned(),
        created_at: created_at(),
        sink,
        source: Some(source),
        total: u32::try_from(failures.len()).unwrap(),
        tally: None,
        trouble: None,
        since: None,
        so_far: u32::try_from(failures.len()).unwrap(),
        failures,
        still_open: 0,
        sources: None,
        coverage: Coverage { polls_due: 1440, polls_complete: 1438, longest_gap_seconds: 125 },
    }
}

/// The failure recorded as number `id` for `row`.
pub(crate) fn failure(id: u64, row: &Row<'_>) -> Failure {
    Failure {
        id: FailureId(id),
        source: Name::parse("prod-beijing").unwrap(),
        task: row.to_task(),
        generation: 1,
        episode: 0,
        occurrences_24h: 1,
        origin: Origin::New,
        first_seen_at: "2026-11-23T09:59:35.250Z".parse().unwrap(),
        cleared_at: None,
        changed: None,
        ending: None,
    }
}

fn row() -> Row<'static> {
    Row {
        task_id: Some("aee8d2fe-34e4-4b4a-8d27-ad0a5c3e8c5c".into()),
        operate_type: Some("FAILED_RESET".into()),
        failed_at_ms: Some(1_795_427_970_000),
        error_code: Some("KPS.6009".into()),
        error_message: Some("Update public key error: the server is not stopped.".into()),
        server_id: Some("c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006".into()),
        server_name: Some("web-01".into()),
        keypair: Some("KeyPair-xt".into()),
        labels: Vec::new(),
    }
}

/// The usual notice.
pub(crate) fn one() -> Notice {
    Notice { still_open: 12, ..notice(NoticeKind::TaskFailed, "new", vec![failure(1, &row())]) }
}

fn again() -> Notice {
    let failure = Failure { generation: 3, origin: Origin::Refailed, ..failure(9, &row()) };
    notice(NoticeKind::TaskFailed, "refailed", vec![failure])
}

/// `count` failures of every action, some with little known about them.
pub(crate) fn many(count: u64) -> Notice {
    let types = ["FAILED_RESET", "FAILED_RESET", "FAILED_BIND", "FAILED_REPLACE", "RUNNING"];
    let messages = [
        Some("Update public key error."),
        None,
        Some("服务器不可用，请稍后重试"),
        Some("The SSH port of the server cannot be reached; check the security group."),
    ];
    let failures = (0..count).map(|nth| {
        let at = usize::try_from(nth).unwrap();
        failure(
            nth,
            &Row {
                task_id: Some(format!("{nth:08x}-34e4-4b4a-8d27-ad0a5c3e8c5c").into()),
                operate_type: Some(types.iter().copied().cycle().nth(at).unwrap().into()),
                failed_at_ms: Some(1_795_427_970_000 - i64::try_from(nth).unwrap() * 61_000),
                error_code: (nth % 3 != 1).then(|| format!("KPS.60{nth:02}").into()),
                error_message: messages.iter().copied().cycle().nth(at).unwrap().map(Into::into),
                server_name: (nth % 7 != 6).then(|| format!("web-{nth:02} (北京)").into()),
                keypair: Some("KeyPair-xt".into()),
                ..Row::default()
            },
        )
    });
    Notice { still_open: 1, ..notice(NoticeKind::TaskFailed, "new", failures.collect()) }
}

fn cleared() -> Notice {
    let failure =
        Failure { cleared_at: Some("2026-11-23T10:00:04Z".parse().unwrap()), ..failure(1, &row()) };
    notice(NoticeKind::TaskCleared, "cleared", vec![failure])
}

/// A row of nothing, from a source of which little is known.
fn bare() -> Notice {
    let mut notice = notice(NoticeKind::TaskFailed, "new", vec![failure(1, &Row::default())]);
    let source = notice.source.as_mut().unwrap();
    source.region.clear();
    source.project_id.clear();
    notice.coverage = Coverage::default();
    notice
}

/// Texts as an attacker would choose them, past the cleaning at the door.
pub(crate) fn hostile() -> Notice {
    let mut failure = failure(1, &row());
    let text = &mut failure.task.text;
    text.server_name = Some("a\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>".into());
    text.keypair = Some("k\0\u{1b}[31m\u{202E}\"'&<img src=//evil.example/x>{{foot}}".into());
    text.error_code = Some("\n.\n.\r\nQUIT\r\n=?utf-8?q?=0d=0aBcc:_x?=".into());
    text.error_message = Some("\r\n.\r\nMAIL FROM:<x@example.com>\r\n".repeat(40));
    text.operate_type = "x".repeat(3000);
    failure.task.id = "t\r\nX-Injected: 1".into();
    let mut notice = notice(NoticeKind::TaskFailed, "new\r\nX-Injected: 2", vec![failure]);
    let source = notice.source.as_mut().unwrap();
    source.region = "cn\r\nX-Injected: 3".into();
    source.project_id = "p</div>\r\n\r\n--=_".into();
    notice
}

/// The example of this name.
pub(crate) fn named(name: &str) -> Notice {
    all().into_iter().find(|(case, _)| *case == name).unwrap().1
}

/// Every example with its name.
pub(crate) fn all() -> Vec<(&'static str, Notice)> {
    let standing =
        |kind, reason: &str| Notice { still_open: 37, ..notice(kind, reason, Vec::new()) };
    let mut all = vec![
        ("one", one()),
        ("again", again()),
        ("few", many(4)),
        ("many", many(24)),
        ("cleared", cleared()),
        ("bare", bare()),
        ("hostile", hostile()),
        ("watching", standing(NoticeKind::SourceWatching, "first_run")),
        ("state_lost", standing(NoticeKind::StateLost, "state_lost")),
        ("test", notice(NoticeKind::Test, "test", Vec::new())),
    ];
    all.extend(whole::all());
    all
}
