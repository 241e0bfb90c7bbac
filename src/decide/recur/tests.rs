use proptest::prelude::*;

use super::*;
use crate::task::Row;

#[track_caller]
fn check(message: &str, expected: &str) {
    assert_eq!(normalised(message), expected, "{message:?}");
    assert_eq!(normalised(expected), expected, "is not stable");
}

#[test]
fn what_differs_from_time_to_time_becomes_a_mark() {
    for (message, expected) in [
        ("", ""),
        ("  Update  public\tkey error. ", "update public key error."),
        ("task 17 of 2048 failed", "task # of # failed"),
        ("host 192.168.0.17:22 refused", "host # refused"),
        ("host [2001:db8::1]:22 refused", "host [#]:# refused"),
        ("from fe80::1, to ::1", "from #, to ::#"),
        ("net 10.0.0.0/8", "net #/#"),
        ("server c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006 is busy", "server # is busy"),
        ("request 0bcdef12ab, 0x1F and 0xabc", "request #, # and #"),
        ("at 2026-11-23 10:00:00.250", "at # #"),
        ("web-01 and WEB-2 and db1", "web-# and web-# and db#"),
        ("took 1,234 ms", "took # ms"),
        ("error.", "error."),
        ("a decade of facade ab::cd abc::def", "a decade of facade ab::cd abc::def"),
        ("服务器 12 不可用，请在 ３ 分钟后重试", "服务器 # 不可用，请在 # 分钟后重试"),
        ("item #7 # 8", "item # # #"),
        ("- . :", "- . :"),
    ] {
        check(message, expected);
    }
}

fn task(edit: impl FnOnce(&mut Row<'static>)) -> Task {
    let mut row = Row {
        task_id: Some("t-1".into()),
        operate_type: Some("FAILED_RESET".into()),
        error_message: Some("Login to 10.0.0.7 failed after 3 tries".into()),
        server_id: Some("s-1".into()),
        server_name: Some("web-01".into()),
        keypair: Some("k".into()),
        ..Row::default()
    };
    edit(&mut row);
    row.to_task()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn failures_are_alike_if_only_the_task_the_time_and_numbers_differ() {
    let first = fingerprint(&name("a"), &task(|_| ()));
    let alike = task(|row| {
        row.task_id = Some("t-2".into());
        row.failed_at_ms = Some(1);
        row.operate_type = Some("RUNNING_RESET".into());
        row.error_message = Some("login to 10.0.0.8  failed after 12 tries".into());
        row.server_name = Some("renamed".into());
    });
    assert_eq!(fingerprint(&name("a"), &alike), first);
    assert_ne!(fingerprint(&name("b"), &task(|_| ())), first);
    for (what, other) in [
        ("action", task(|row| row.operate_type = Some("FAILED_BIND".into()))),
        ("server", task(|row| row.server_id = Some("s-2".into()))),
        ("key pair", task(|row| row.keypair = None)),
        ("message", task(|row| row.error_message = Some("Timed out".into()))),
        ("code", task(|row| row.error_code = Some("KPS.6009".into()))),
    ] {
        assert_ne!(fingerprint(&name("a"), &other), first, "{what}");
    }
}

#[test]
fn a_code_makes_the_message_irrelevant_and_an_id_the_name() {
    let with = |message: Option<&'static str>, server: &'static str| {
        fingerprint(
            &name("a"),
            &task(|row| {
                row.error_code = Some("KPS.6009".into());
                row.error_message = message.map(Into::into);
                row.server_name = Some(server.into());
            }),
        )
    };
    assert_eq!(with(Some("one"), "x"), with(None, "y"));
    let named = |id: Option<&'static str>, name: Option<&'static str>| {
        let odd = task(|row| {
            row.server_id = id.map(Into::into);
            row.server_name = name.map(Into::into);
        });
        fingerprint(&self::name("a"), &odd)
    };
    assert_ne!(named(Some("x"), None), named(None, Some("x")));
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

const ONE: Fingerprint = Fingerprint([1; 8]);
const TWO: Fingerprint = Fingerprint([2; 8]);
const DAY: i64 = 24 * 3600;

#[test]
fn only_the_last_day_counts_and_each_fingerprint_for_itself() {
    let mut seen = Recurrence::default();
    for (fingerprint, seconds, expected) in [
        (ONE, 0, 1),
        (ONE, 0, 2),
        (TWO, 1, 1),
        (ONE, 60, 3),
        (ONE, DAY - 1, 4),
        // A day after the first two, to the second: they are just out of sight.
        (ONE, DAY, 3),
        (TWO, DAY + 1, 1),
        (ONE, 3 * DAY, 1),
        // The clock was set back.
        (ONE, 2 * DAY, 2),
    ] {
        assert_eq!(seen.note(fingerprint, at(seconds)), expected, "{fingerprint:?} {seconds}");
    }
}

#[test]
fn memory_is_bounded_and_the_oldest_go_first() {
    let mut seen = Recurrence::default();
    seen.note(ONE, at(0));
    for nth in 0..Recurrence::ENTRIES_MAX {
        let bytes = u64::try_from(nth).unwrap().to_be_bytes();
        seen.note(Fingerprint(bytes), at(1));
    }
    assert_eq!(seen.counts.len(), Recurrence::ENTRIES_MAX);
    assert_eq!(seen.totals.len(), Recurrence::ENTRIES_MAX);
    assert_eq!(seen.note(ONE, at(2)), 1, "the first one was the oldest");
}

proptest! {
    #[test]
    fn what_is_normalised_stays_as_it_is(message in "([a-f0-9]{0,9}|[ #.:,x-]|\\PC){0,24}") {
        let once = normalised(&message);
        prop_assert_eq!(normalised(&once), once.clone());
        prop_assert!(!once.contains(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn counts_are_those_of_a_plain_list(
        notes in prop::collection::vec((0_u8..4, 0_i64..40_000), 1..200),
    ) {
        let mut seen = Recurrence::default();
        let mut list: Vec<(u8, i64)> = Vec::new();
        let mut now = 0;
        for (which, step) in notes {
            now += step;
            list.push((which, now));
            let in_sight = |entry: &&(u8, i64)| entry.0 == which && now - DAY < entry.1;
            let expected = list.iter().filter(in_sight).count();
            let actual = seen.note(Fingerprint([which; 8]), at(now));
            prop_assert_eq!(usize::try_from(actual).unwrap(), expected);
        }
    }
}
