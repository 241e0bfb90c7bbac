//! One notice of each kind, as a worker would put it together.

use taskbell::{
    name::Name,
    notice::{Count, Notice, NoticeKind, Tally, Trouble},
};

use super::examples::{many, notice};

/// A notice of every [`NoticeKind`], under its name.
pub(crate) fn all() -> Vec<(&'static str, Notice)> {
    NoticeKind::ALL.into_iter().map(|kind| (kind.as_str(), of(kind))).collect()
}

fn of(kind: NoticeKind) -> Notice {
    let since = Some("2026-11-23T09:40:00Z".parse().unwrap());
    let failures = |count| many(count).failures;
    match kind {
        NoticeKind::TaskFailed
        | NoticeKind::TaskCleared
        | NoticeKind::TaskReminder
        | NoticeKind::TaskStuck => {
            let mut notice = notice(kind, "new", failures(2));
            if kind == NoticeKind::TaskCleared {
                let at = Some("2026-11-23T10:00:04Z".parse().unwrap());
                notice.failures.iter_mut().for_each(|failure| failure.cleared_at = at);
            }
            notice
        }
        NoticeKind::Digest
        | NoticeKind::StormOpened
        | NoticeKind::StormUpdated
        | NoticeKind::StormClosed => {
            let listed = if kind == NoticeKind::StormClosed { 0 } else { 3 };
            let tally = Some(tally());
            Notice { total: 57, since, tally, ..notice(kind, "burst", failures(listed)) }
        }
        NoticeKind::SinkFailing | NoticeKind::SourceBlind => {
            let failing = kind == NoticeKind::SinkFailing;
            let notice = notice(kind, "trouble", Vec::new());
            let source = notice.source.clone().filter(|_| !failing);
            Notice { since, source, trouble: Some(trouble(failing)), ..notice }
        }
        NoticeKind::SourceSighted => Notice { since, ..notice(kind, "sighted", Vec::new()) },
        NoticeKind::SourceWatching | NoticeKind::StateLost | NoticeKind::Test => {
            Notice { still_open: 37, ..notice(kind, "first_run", Vec::new()) }
        }
    }
}

fn tally() -> Tally {
    let count = |value: &str, count| Count { value: value.to_owned(), count };
    Tally {
        actions: vec![count("reset", 40), count("bind", 17)],
        errors: vec![count("KPS.6009", 57)],
        servers: vec![count("web-01 (北京)", 9)],
        ..Tally::default()
    }
}

fn trouble(failing: bool) -> Trouble {
    Trouble {
        sink: failing.then(|| Name::parse("oncall-chat").unwrap()),
        class: if failing { "suspect" } else { "auth" }.to_owned(),
        detail: "answered 401 Unauthorized: \"no\\such] key\"".to_owned(),
        advice: "Renew the key.".to_owned(),
    }
}
