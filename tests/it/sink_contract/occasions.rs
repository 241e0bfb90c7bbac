//! Notices of the kinds that the examples leave out: digests, storms, and taskbell's own troubles.

use taskbell::{
    name::Name,
    notice::{Count, Notice, NoticeKind, Tally, Trouble},
};

use super::examples::{all, many, notice, one};

fn count(value: &str, count: u32) -> Count {
    Count { value: value.to_owned(), count }
}

fn tally() -> Tally {
    Tally {
        actions: vec![count("reset", 60), count("bind", 36), count("replace", 24)],
        errors: vec![count("KPS.6009", 97), count("服务器不可用，请稍后重试", 23)],
        servers: vec![count("web-01 (北京)", 9), count("web-02 (北京)", 2)],
        sources: vec![count("prod-beijing", 120)],
    }
}

/// `listed` of the `total` failures of a notice of `kind`, with what they have in common.
fn tallied(kind: NoticeKind, reason: &str, listed: u64, total: u32) -> Notice {
    let failures = many(listed).failures;
    let since = Some("2026-11-23T09:45:00Z".parse().unwrap());
    Notice { total, so_far: total, tally: Some(tally()), since, ..notice(kind, reason, failures) }
}

fn trouble(class: &str, detail: &str, advice: &str) -> Trouble {
    Trouble {
        sink: None,
        class: class.to_owned(),
        detail: detail.to_owned(),
        advice: advice.to_owned(),
    }
}

fn sink_failing() -> Notice {
    let sink = Some(Name::parse("oncall-chat").unwrap());
    let what = "http://chat.example.com answered 401 Unauthorized";
    let trouble = Trouble { sink, ..trouble("suspect", what, "Check the token of the sink.") };
    Notice {
        source: None,
        trouble: Some(trouble),
        since: Some("2026-11-23T09:30:00Z".parse().unwrap()),
        total: 3,
        ..notice(NoticeKind::SinkFailing, "suspect", Vec::new())
    }
}

fn source_blind() -> Notice {
    let advice = "Check the access key and its permissions.";
    Notice {
        trouble: Some(trouble("auth", "kms.example.com answered 401 Unauthorized", advice)),
        since: Some("2026-11-23T09:57:00Z".parse().unwrap()),
        ..notice(NoticeKind::SourceBlind, "auth", Vec::new())
    }
}

fn source_sighted() -> Notice {
    Notice {
        since: Some("2026-11-23T09:57:00Z".parse().unwrap()),
        ..notice(NoticeKind::SourceSighted, "sighted", Vec::new())
    }
}

/// Failures of two sources, so that none is named.
fn two_sources() -> Notice {
    let mut notice = tallied(NoticeKind::Digest, "silence_ended", 4, 4);
    notice.source = None;
    notice.failures[3].source = Name::parse("prod-singapore").unwrap();
    notice
}

/// Every example of every kind of notice, with its name.
pub(crate) fn every() -> Vec<(&'static str, Notice)> {
    let again = |kind, reason: &str| Notice { kind, reason: reason.to_owned(), ..one() };
    let mut every = all();
    every.extend([
        ("full", many(100)),
        ("reminder", again(NoticeKind::TaskReminder, "reminder")),
        ("stuck", again(NoticeKind::TaskStuck, "stuck")),
        ("digest", tallied(NoticeKind::Digest, "digest", 100, 120)),
        ("two_sources", two_sources()),
        ("storm_opened", tallied(NoticeKind::StormOpened, "storm", 3, 120)),
        (
            "storm_updated",
            Notice { so_far: 160, ..tallied(NoticeKind::StormUpdated, "storm", 3, 40) },
        ),
        ("storm_closed", tallied(NoticeKind::StormClosed, "storm", 0, 160)),
        ("blind", source_blind()),
        ("sighted", source_sighted()),
        ("sink_failing", sink_failing()),
    ]);
    every
}

#[test]
fn every_kind_of_notice_has_an_example() {
    let shown: Vec<NoticeKind> = every().iter().map(|(_, notice)| notice.kind).collect();
    for kind in NoticeKind::ALL {
        assert!(shown.contains(&kind), "{}", kind.as_str());
    }
    // Nothing else would notice an example without a place.
    assert!(every().iter().any(|(_, notice)| notice.source.is_none()));
}
