use jiff::{SignedDuration, civil::DateTime};
use proptest::prelude::*;

use super::*;

/// The next times after `after`, in UTC and without seconds.
#[track_caller]
fn check(cron: &str, tz: &str, after: &str, expected: &[&str]) {
    let schedule = Schedule::parse(cron, tz).unwrap_or_else(|error| panic!("{error}"));
    let mut at = format!("{after}Z").parse().unwrap();
    for expected in expected {
        at = schedule.next(at);
        assert_eq!(at, format!("{expected}Z").parse().unwrap(), "{cron} {tz} after {after}");
    }
}

#[test]
fn each_form_means_what_cron_means_by_it() {
    // 2026-11-23 is a monday.
    for (cron, expected) in [
        ("0 9 * * 1-5", ["2026-11-23T09:00", "2026-11-24T09:00"]),
        ("0 9 * * Mon-FRI", ["2026-11-23T09:00", "2026-11-24T09:00"]),
        ("0 0 * * *", ["2026-11-24T00:00", "2026-11-25T00:00"]),
        ("* * * * *", ["2026-11-23T00:01", "2026-11-23T00:02"]),
        ("*/15 * * * *", ["2026-11-23T00:15", "2026-11-23T00:30"]),
        ("5-20/15 7,9 * * *", ["2026-11-23T07:05", "2026-11-23T07:20"]),
        ("30 8-18/2 * * *", ["2026-11-23T08:30", "2026-11-23T10:30"]),
        ("0 9 1 * *", ["2026-12-01T09:00", "2027-01-01T09:00"]),
        ("0 9 31 * *", ["2026-12-31T09:00", "2027-01-31T09:00"]),
        ("0 9 1 jan,jul *", ["2027-01-01T09:00", "2027-07-01T09:00"]),
        ("0 9 1 */6 *", ["2027-01-01T09:00", "2027-07-01T09:00"]),
        ("0 9 * * 0", ["2026-11-29T09:00", "2026-12-06T09:00"]),
        ("0 9 * * 7", ["2026-11-29T09:00", "2026-12-06T09:00"]),
        ("0 9 * * sat-sun", ["2026-11-28T09:00", "2026-11-29T09:00"]),
        ("0 9 * * 6-7", ["2026-11-28T09:00", "2026-11-29T09:00"]),
        // Both restricted: one is enough. With a `*` in either: both.
        ("0 9 25 * wed-thu", ["2026-11-25T09:00", "2026-11-26T09:00"]),
        ("0 9 24 * fri", ["2026-11-24T09:00", "2026-11-27T09:00"]),
        ("0 9 */2 * tue", ["2026-12-01T09:00", "2026-12-15T09:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        // A leap day on a sunday: 2100 has none.
        ("0 0 29 2 */7", ["2032-02-29T00:00", "2060-02-29T00:00"]),
    ] {
        check(cron, "UTC", "2026-11-23T00:00", &expected);
    }
    check("0 0 29 2 */7", "UTC", "2088-02-29T00:00", &["2128-02-29T00:00"]);
    check("0 9 * * *", "Asia/Shanghai", "2026-11-23T01:00", &["2026-11-24T01:00"]);
    check("0 9 * * *", "Asia/Shanghai", "2026-11-23T00:59:59.999", &["2026-11-23T01:00"]);
}

#[test]
fn a_time_that_the_clock_leaves_out_runs_once_at_the_change() {
    let berlin = "Europe/Berlin"; // 2027-03-28: 02:00 becomes 03:00, at 01:00 UTC.
    let change = ["2027-03-27T01:30", "2027-03-28T01:00", "2027-03-29T00:30"];
    check("30 2 * * *", berlin, "2027-03-27T01:00", &change);
    let change = ["2027-03-28T00:45", "2027-03-28T01:00", "2027-03-28T01:15"];
    check("*/15 * * * *", berlin, "2027-03-28T00:30", &change);
    let york = "America/New_York"; // 2027-03-14: 02:00 becomes 03:00, at 07:00 UTC.
    check("5 2 * * *", york, "2027-03-14T00:00", &["2027-03-14T07:00", "2027-03-15T06:05"]);
    let howe = "Australia/Lord_Howe"; // 2026-10-04: 02:00 becomes 02:30, at 15:30 UTC.
    check("15 2 * * *", howe, "2026-10-03T15:00", &["2026-10-03T15:30", "2026-10-04T15:15"]);
    // 2027-03-14: 00:00 becomes 01:00, at 05:00 UTC.
    check("0 0 * * *", "America/Havana", "2027-03-14T00:00", &["2027-03-14T05:00"]);
}

#[test]
fn a_time_that_the_clock_shows_twice_runs_the_first_time() {
    let berlin = "Europe/Berlin"; // 2026-10-25: 03:00 becomes 02:00, at 01:00 UTC.
    check("30 2 * * *", berlin, "2026-10-25T00:00", &["2026-10-25T00:30", "2026-10-26T01:30"]);
    check("30 2 * * *", berlin, "2026-10-25T01:10", &["2026-10-26T01:30"]);
    check("30 * * * *", berlin, "2026-10-25T00:00", &["2026-10-25T00:30", "2026-10-25T02:30"]);
    let york = "America/New_York"; // 2026-11-01: 02:00 becomes 01:00, at 06:00 UTC.
    check("0 1 * * *", york, "2026-11-01T04:00", &["2026-11-01T05:00", "2026-11-02T06:00"]);
    let howe = "Australia/Lord_Howe"; // 2027-04-04: 02:00 becomes 01:30, at 15:00 UTC.
    check("45 1 * * *", howe, "2027-04-03T14:00", &["2027-04-03T14:45", "2027-04-04T15:15"]);
}

#[test]
fn after_the_last_time_comes_the_end() {
    let schedule = Schedule::parse("0 0 1 1 *", "UTC").unwrap();
    assert_eq!(schedule.next(Timestamp::MAX), Timestamp::MAX);
    assert!(Timestamp::MIN < schedule.next(Timestamp::MIN));
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    let fields = "must be five fields (minute, hour, day of the month, month, weekday), such as \
                  \"0 9 * * 1-5\", and not";
    let weekday = "is not one; write 0 to 7, or sun to sat";
    let never = "never happens: no month it names has such a day";
    for (cron, expected) in [
        ("", format!("{fields} 0")),
        ("0 9 * *", format!("{fields} 4")),
        ("0 0 9 * * 1-5", format!("{fields} 6")),
        ("@daily", format!("{fields} 1")),
        ("60 9 * * *", "minute: `60` is not one; write 0 to 59".to_owned()),
        ("-1 9 * * *", "minute: `` is not one; write 0 to 59".to_owned()),
        ("+1 9 * * *", "minute: `+1` is not one; write 0 to 59".to_owned()),
        ("0 24 * * *", "hour: `24` is not one; write 0 to 23".to_owned()),
        ("0 9, * * *", "hour: `` is not one; write 0 to 23".to_owned()),
        ("0 9 0 * *", "day of the month: `0` is not one; write 1 to 31".to_owned()),
        ("0 9 L * *", "day of the month: `L` is not one; write 1 to 31".to_owned()),
        ("0 9 * 13 *", "month: `13` is not one; write 1 to 12, or jan to dec".to_owned()),
        ("0 9 * * 8", format!("weekday: `8` {weekday}")),
        ("0 9 * * mox", format!("weekday: `mox` {weekday}")),
        ("0 9 * * 300", format!("weekday: `300` {weekday}")),
        ("*/0 9 * * *", "minute: `0` is not a step; write 1 to 59".to_owned()),
        ("*/90 9 * * *", "minute: `90` is not a step; write 1 to 59".to_owned()),
        ("*/ 9 * * *", "minute: `` is not a step; write 1 to 59".to_owned()),
        (
            "5/15 9 * * *",
            "minute: `5/15` has a step but no range; write `5-59` before it".to_owned(),
        ),
        ("0 22-6 * * *", "hour: `22-6` runs backwards; write `22-23,0-6`".to_owned()),
        ("0 9 30 2 *", never.to_owned()),
        ("0 9 31 2,4,jun,sep,nov *", never.to_owned()),
        ("0 9 30 feb */2", never.to_owned()),
    ] {
        let error = Schedule::parse(cron, "UTC").unwrap_err();
        assert_eq!(error.to_string(), format!("cron: {expected}"), "{cron}");
    }
    assert!(Schedule::parse("0 9 30 2 mon", "UTC").is_ok(), "mondays in february");
    assert_eq!(
        Schedule::parse("0 9 * * *", "Asia/Shangai").unwrap_err().to_string(),
        "tz: `Asia/Shangai` is not a time zone; did you mean `Asia/Shanghai`?"
    );
}

fn numbers(first: i8, last: i8, most: usize) -> impl Strategy<Value = BTreeSet<i8>> {
    prop::collection::btree_set(first..=last, 1..most)
}

fn list(numbers: &BTreeSet<i8>) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_next_time_is_the_first_minute_that_matches(
        (at, hours) in (numbers(0, 59, 4), numbers(0, 23, 8)),
        (days, weekdays) in (numbers(1, 31, 9), numbers(0, 6, 3)),
        (any_day, any_weekday) in any::<(bool, bool)>(),
        (tz, change) in prop::sample::select(zone::CHANGES.to_vec()),
        seconds in -100_000_i64..100_000,
    ) {
        let day = if any_day { "*".to_owned() } else { list(&days) };
        let weekday = if any_weekday { "*".to_owned() } else { list(&weekdays) };
        let cron = format!("{} {} {day} * {weekday}", list(&at), list(&hours));
        let matches = |wall: DateTime| {
            let day = days.contains(&wall.day());
            let weekday = weekdays.contains(&wall.weekday().to_sunday_zero_offset());
            let days = match (any_day, any_weekday) {
                (true, true) => true,
                (true, false) => weekday,
                (false, true) => day,
                (false, false) => day || weekday,
            };
            days && at.contains(&wall.minute()) && hours.contains(&wall.hour())
        };
        let zone = TimeZone::get(tz).unwrap();
        let after = change.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
        // What the clock comes to show for the first time in each minute, whether it shows that
        // or goes past it.
        let minute = SignedDuration::from_mins(1);
        let mut now = Timestamp::from_second((after.as_second() / 60 - 24 * 60) * 60).unwrap();
        let mut shown = zone.to_datetime(now);
        let mut expected = None;
        while expected.is_none() {
            now += minute;
            let mut due = false;
            while shown < zone.to_datetime(now) {
                shown = shown.saturating_add(minute);
                due |= matches(shown);
            }
            expected = (due && after < now).then_some(now);
        }
        let schedule = Schedule::parse(&cron, tz).unwrap();
        prop_assert_eq!(Some(schedule.next(after)), expected, "{}", cron);
    }
}
