//! Notices of every kind, the largest among them.

use taskbell::notice::{Count, Notice, NoticeKind, Tally};

use super::examples::{all, many, notice};

fn tally() -> Tally {
    let count = |value: &str, count| Count { value: value.to_owned(), count };
    Tally {
        actions: vec![count("reset", 60), count("bind", 36), count("replace", 24)],
        errors: vec![count("KPS.6009", 97), count("服务器不可用，请稍后重试", 23)],
        servers: vec![count("web-01 (北京)", 9), count("web-02 (北京)", 2)],
        sources: vec![count("prod-beijing", 120)],
    }
}

/// A digest of more than it lists, which is as many as a notice can.
fn digest() -> Notice {
    let since = Some("2026-11-23T09:45:00Z".parse().unwrap());
    let notice = notice(NoticeKind::Digest, "schedule", many(100).failures);
    Notice { total: 120, tally: Some(tally()), since, ..notice }
}

/// Every example of every kind of notice, with its name.
pub(crate) fn every() -> Vec<(&'static str, Notice)> {
    all().into_iter().chain([("full", many(100)), ("digest", digest())]).collect()
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
