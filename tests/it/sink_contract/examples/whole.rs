//! Notices about a source, a sink, or many failures as a whole.

use jiff::Timestamp;
use taskbell::{
    decide::tally::Tallier,
    failure::Failure,
    name::Name,
    notice::{Count, Coverage, Notice, NoticeKind, Sources, Tally, Trouble},
};

use super::{created_at, failure, many, notice, row};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn counts(all: &[(&str, u32)]) -> Vec<Count> {
    all.iter().map(|(value, count)| Count { value: (*value).to_owned(), count: *count }).collect()
}

/// A tally of more than is listed.
fn tally() -> Tally {
    Tally {
        actions: counts(&[("reset", 200), ("bind", 37), ("other", 3)]),
        errors: counts(&[
            ("KPS.6009", 180),
            ("the ssh port # of the server cannot be reached", 40),
            ("KPS.6008", 12),
        ]),
        servers: counts(&[("web-01", 31), ("web-02", 12), ("db-master-01.prod.example", 4)]),
        sources: counts(&[("prod-beijing", 200), ("prod-shanghai", 40)]),
    }
}

/// A notice of `total` failures that lists the first of them.
fn large(kind: NoticeKind, reason: &str, listed: u64, total: u32) -> Notice {
    let failures = many(listed).failures;
    let tally = (u64::from(total) > listed).then(tally);
    let since = Some(at("2026-11-23T08:48:00Z"));
    let so_far = match kind {
        NoticeKind::StormOpened => total,
        NoticeKind::StormUpdated | NoticeKind::StormClosed => total + 240,
        _ => 0,
    };
    Notice { total, tally, since, so_far, ..notice(kind, reason, failures) }
}

/// Failures of two sources, as if nothing about them were shared.
fn of_several_sources(notice: Notice) -> Notice {
    let mut notice = Notice { source: None, ..notice };
    let other = Name::parse("prod-shanghai").unwrap();
    notice.failures.iter_mut().skip(1).step_by(2).for_each(|one| one.source = other.clone());
    if notice.tally.is_some() {
        return notice;
    }
    let mut tallier = Tallier::default();
    notice.failures.iter().for_each(|one| tallier.add(one));
    notice.tally = Some(tallier.finish());
    notice
}

/// The first `count` of the failures cleared before they could be told.
fn late(count: usize, notice: Notice) -> Notice {
    let mut notice = notice;
    let cleared = Some(at("2026-11-23T10:00:04Z"));
    notice.failures.iter_mut().take(count).for_each(|one| one.cleared_at = cleared);
    notice
}

fn recurring() -> Notice {
    let failure = Failure { occurrences_24h: 4, ..failure(1, &row()) };
    notice(NoticeKind::TaskFailed, "new", vec![failure])
}

fn open_since_yesterday(count: u64) -> Vec<Failure> {
    let mut failures = many(count).failures;
    let times = ["2026-11-21T05:48:00Z", "2026-11-23T05:30:10Z", "2026-11-23T09:58:05Z"].map(at);
    failures
        .iter_mut()
        .zip(times.into_iter().cycle())
        .for_each(|(one, began)| one.task.failed_at = Some(began));
    failures
}

fn trouble(sink: Option<&str>, class: &str, detail: &str, advice: &str) -> Trouble {
    Trouble {
        sink: sink.map(|name| Name::parse(name).unwrap()),
        class: class.to_owned(),
        detail: detail.to_owned(),
        advice: advice.to_owned(),
    }
}

fn blind() -> Notice {
    Notice {
        trouble: Some(trouble(
            None,
            "auth",
            "kms.cn-north-4.myhuaweicloud.com answered 401 Unauthorized: APIGW.0301 Incorrect \
             IAM authentication information: verify aksk signature fail",
            "Check the access key or token; a refused signature is not retried.",
        )),
        since: Some(at("2026-11-23T09:18:05Z")),
        ..notice(NoticeKind::SourceBlind, "auth", Vec::new())
    }
}

fn sighted() -> Notice {
    Notice {
        since: Some(at("2026-11-23T09:18:05Z")),
        ..notice(NoticeKind::SourceSighted, "complete", Vec::new())
    }
}

fn watching() -> Notice {
    Notice { still_open: 37, ..notice(NoticeKind::SourceWatching, "first_run", Vec::new()) }
}

fn state_lost() -> Notice {
    Notice { still_open: 37, ..notice(NoticeKind::StateLost, "state_lost", Vec::new()) }
}

/// The same of so many sources.
fn of_many(notice: Notice, count: u32) -> Notice {
    let names = (1..=10).map(|nth| Name::parse(&format!("keys.cn-north-{nth}")).unwrap()).collect();
    let sources = Some(Sources { count, names });
    Notice { source: None, sources, coverage: Coverage::default(), ..notice }
}

fn sink_failing() -> Notice {
    Notice {
        source: None,
        total: 5,
        trouble: Some(trouble(
            Some("oncall-chat"),
            "suspect",
            "https://chat.example.com answered 403 Forbidden: invalid token",
            "Renew the token in the sink's url, then `taskbell delivery retry`.",
        )),
        since: Some(at("2026-11-23T09:50:05Z")),
        ..notice(NoticeKind::SinkFailing, "suspect", many(3).failures)
    }
}

fn store_failed() -> Notice {
    Notice {
        source: None,
        trouble: Some(trouble(
            None,
            "disk_full",
            "the store could not be made durable: a flush: No space left on device (os error 28) \
             (/var/lib/taskbell/store on ops-01)",
            "Make room on the disk that holds it. taskbell goes on where it was once it is started \
             again.",
        )),
        coverage: Coverage::default(),
        ..notice(NoticeKind::StoreFailed, "disk_full", Vec::new())
    }
}

/// Each with its name.
pub(super) fn all() -> Vec<(&'static str, Notice)> {
    let digest = |reason, listed, total| large(NoticeKind::Digest, reason, listed, total);
    let stuck = |count| {
        let failures = open_since_yesterday(count);
        notice(NoticeKind::TaskStuck, "stuck", failures)
    };
    let remind = |count| notice(NoticeKind::TaskReminder, "1", open_since_yesterday(count));
    let scheduled = Notice { created_at: created_at(), ..digest("schedule", 12, 12) };
    vec![
        ("recurring", recurring()),
        ("late", late(1, notice(NoticeKind::TaskFailed, "new", vec![failure(1, &row())]))),
        ("late_few", late(2, of_several_sources(many(4)))),
        ("cleared_mass", late(3, large(NoticeKind::TaskCleared, "cleared", 3, 240))),
        ("reminder", remind(1)),
        ("reminders", remind(3)),
        ("digest_silence", digest("silence_ended", 4, 4)),
        ("digest_window", of_several_sources(digest("window_ended", 40, 240))),
        ("digest_outage", digest("outage_ended", 3, 240)),
        ("digest_schedule", of_several_sources(scheduled)),
        ("storm_opened", large(NoticeKind::StormOpened, "storm", 3, 240)),
        ("storm_updated", of_several_sources(large(NoticeKind::StormUpdated, "storm", 3, 57))),
        ("storm_closed", large(NoticeKind::StormClosed, "storm", 0, 31)),
        ("blind", blind()),
        ("sighted", sighted()),
        ("blind_many", of_many(blind(), 300)),
        ("sighted_many", of_many(sighted(), 300)),
        ("watching_many", of_many(watching(), 300)),
        ("state_lost_many", of_many(state_lost(), 300)),
        (
            "sink_failing_blind",
            of_many(Notice { total: 0, failures: Vec::new(), ..sink_failing() }, 12),
        ),
        ("sink_failing", sink_failing()),
        ("store_failed", store_failed()),
        ("stuck", stuck(1)),
        ("stucks", stuck(2)),
    ]
}
