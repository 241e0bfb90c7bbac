use jiff::civil::{DateTime, Weekday};
use proptest::prelude::*;

use super::*;

const NIGHTS: &[&str] = &["mon-fri 18:00-08:00", "sat-sun 00:00-24:00"];

fn window(times: &[&str], tz: &str) -> Result<Window, OptionError> {
    let times: Vec<_> = times.iter().map(|text| (*text).to_owned()).collect();
    Window::parse(&times, tz)
}

/// Whether it is muted at `now`, and until when; in UTC, both to the minute.
#[track_caller]
fn check(times: &[&str], tz: &str, now: &str, expected: &str) {
    let window = window(times, tz).unwrap();
    let until = window.active_until(format!("{now}Z").parse().unwrap());
    let expected = Some(expected).filter(|text| !text.is_empty());
    let expected = expected.map(|text| format!("{text}Z").parse().unwrap());
    assert_eq!(until, expected, "{times:?} {tz} at {now}");
}

#[test]
fn ranges_run_over_midnight_and_are_united() {
    // 2026-11-23 is a monday.
    for (now, expected) in [
        ("2026-11-23T17:59", ""),
        ("2026-11-23T18:00", "2026-11-24T08:00"),
        ("2026-11-24T00:00", "2026-11-24T08:00"),
        ("2026-11-24T07:59", "2026-11-24T08:00"),
        ("2026-11-24T08:00", ""),
        ("2026-11-27T18:00", "2026-11-30T00:00"),
        ("2026-11-29T23:59", "2026-11-30T00:00"),
        // The night before a monday is a sunday's, which the first range does not name.
        ("2026-11-30T00:00", ""),
    ] {
        check(NIGHTS, "UTC", now, expected);
    }
    let touching = &["mon-sun 18:00-08:00", "sat,sun 00:00-24:00"];
    check(touching, "UTC", "2026-11-27T18:00", "2026-11-30T08:00");
    check(touching, "UTC", "2026-11-30T07:59", "2026-11-30T08:00");
    check(&["sun 20:00-06:00"], "UTC", "2026-11-30T05:00", "2026-11-30T06:00");
    check(&["sat-mon 10:00-11:00"], "UTC", "2026-11-29T10:30", "2026-11-29T11:00");
    check(&["MON 10:00-12:00", "mon 11:00-00:00"], "UTC", "2026-11-23T10:30", "2026-11-24T00:00");
    let almost_all = &["mon 00:01-24:00", "tue-sun 00:00-24:00"];
    check(almost_all, "UTC", "2026-11-23T00:01", "2026-11-30T00:00");
    check(almost_all, "UTC", "2026-11-30T00:00", "");
    check(NIGHTS, "Asia/Shanghai", "2026-11-23T09:59", "");
    check(NIGHTS, "Asia/Shanghai", "2026-11-23T10:00", "2026-11-24T00:00");
    check(NIGHTS, "Asia/Shanghai", "2026-11-27T10:00", "2026-11-29T16:00");
}

#[test]
fn a_clock_set_forward_shortens_a_range_and_joins_what_it_parted() {
    let berlin = "Europe/Berlin"; // 2027-03-28, a sunday: 02:00 becomes 03:00, at 01:00 UTC.
    check(&["sun 01:00-04:00"], berlin, "2027-03-28T00:00", "2027-03-28T02:00");
    check(&["sun 02:15-02:45"], berlin, "2027-03-28T01:00", "");
    check(&["sun 02:15-03:15"], berlin, "2027-03-28T00:59", "");
    check(&["sun 02:15-03:15"], berlin, "2027-03-28T01:00", "2027-03-28T01:15");
    check(&["sun 00:00-02:00", "sun 03:00-05:00"], berlin, "2027-03-28T00:00", "2027-03-28T03:00");
    let york = "America/New_York"; // 2027-03-14: 02:00 becomes 03:00, at 07:00 UTC.
    check(&["sat 22:00-06:00"], york, "2027-03-14T03:00", "2027-03-14T10:00");
    let howe = "Australia/Lord_Howe"; // 2026-10-04: 02:00 becomes 02:30, at 15:30 UTC.
    check(&["sun 01:30-02:15"], howe, "2026-10-03T15:00", "2026-10-03T15:30");
    check(&["sun 01:30-03:00"], howe, "2026-10-03T15:00", "2026-10-03T16:00");
    // 2027-03-14: 00:00 becomes 01:00, at 05:00 UTC.
    check(&["sun 00:00-24:00"], "America/Havana", "2027-03-14T04:59", "");
    check(&["sun 00:00-24:00"], "America/Havana", "2027-03-14T05:00", "2027-03-15T04:00");
}

#[test]
fn a_clock_set_back_neither_ends_a_range_twice_nor_begins_it_twice() {
    let berlin = "Europe/Berlin"; // 2026-10-25, a sunday: 03:00 becomes 02:00, at 01:00 UTC.
    check(&["sun 01:00-02:30"], berlin, "2026-10-24T23:00", "2026-10-25T00:30");
    check(&["sun 01:00-02:30"], berlin, "2026-10-25T01:00", "");
    check(&["sun 02:30-04:00"], berlin, "2026-10-25T00:30", "2026-10-25T03:00");
    check(&["sun 02:30-04:00"], berlin, "2026-10-25T01:15", "2026-10-25T03:00");
    check(&["sun 02:00-03:00"], berlin, "2026-10-25T00:00", "2026-10-25T02:00");
    let york = "America/New_York"; // 2026-11-01: 02:00 becomes 01:00, at 06:00 UTC.
    check(&["sat 22:00-06:00"], york, "2026-11-01T02:00", "2026-11-01T11:00");
    let howe = "Australia/Lord_Howe"; // 2027-04-04: 02:00 becomes 01:30, at 15:00 UTC.
    check(&["sun 01:00-01:45"], howe, "2027-04-03T14:30", "2027-04-03T14:45");
    check(&["sun 01:00-01:45"], howe, "2027-04-03T15:10", "");
    check(&["sun 01:00-02:00"], howe, "2027-04-03T15:10", "2027-04-03T15:30");
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let window = window(&["mon-sun 00:00-12:00"], "Europe/Berlin").unwrap();
    for now in [Timestamp::MIN, Timestamp::MAX] {
        assert!(window.active_until(now).is_none_or(|until| now < until));
    }
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    let many = vec!["mon 01:00-02:00"; 65];
    let count = "times: must be a list of 1 to 64 ranges, such as \"mon-fri 18:00-08:00\"";
    let form = "times[0]: must be weekdays and times, such as \"mon-fri 18:00-08:00\"";
    let all = "times: cover the whole week, so nobody would ever be told; leave some time out";
    let weekday = |word| {
        let known = "mon, tue, wed, thu, fri, sat, sun";
        format!("times[0]: `{word}` is not a weekday; known are {known}")
    };
    let cases: &[(&[&str], &str)] = &[
        (&[], count),
        (&many, count),
        (&[""], form),
        (&["mon-fri"], form),
        (&["18:00-08:00"], form),
        (&["mon, tue 18:00-08:00"], form),
        (&["mon 18:00"], form),
        (&["mno 18:00-08:00"], &weekday("mno")),
        (&["mon,monday 18:00-08:00"], &weekday("monday")),
        (&["mon- 18:00-08:00"], &weekday("")),
        (
            &["mon 18:00-20:00", "mon 25:00-08:00"],
            "times[1]: `25:00` is not a time of day; write 00:00 to 24:00",
        ),
        (&["mon 18:00-24:01"], "times[0]: `24:01` is not a time of day; write 00:00 to 24:00"),
        (&["mon 18:60-20:00"], "times[0]: `18:60` is not a time of day; write 00:00 to 24:00"),
        (&["mon 8:00-20:00"], "times[0]: `8:00` is not a time of day; write 00:00 to 24:00"),
        (&["mon +8:00-20:00"], "times[0]: `+8:00` is not a time of day; write 00:00 to 24:00"),
        (&["mon 24:00-08:00"], "times[0]: starts at 24:00; write 00:00 and the day after"),
        (
            &["mon 08:00-08:00"],
            "times[0]: starts and ends at the same time; a whole day is 00:00-24:00",
        ),
        (&["mon-sun 00:00-24:00"], all),
        (&["mon-sun 18:00-08:00", "mon-sun 08:00-18:00"], all),
    ];
    for (times, expected) in cases {
        assert_eq!(window(times, "UTC").unwrap_err().to_string(), *expected, "{times:?}");
    }
    assert_eq!(
        window(NIGHTS, "Europe/Berln").unwrap_err().to_string(),
        "tz: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?"
    );
}

/// As the text says it: the days it starts on, and minutes of the day.
#[derive(Clone, Debug)]
struct Range {
    days: BTreeSet<i8>,
    start: i64,
    end: i64,
}

impl Range {
    fn text(&self) -> String {
        let days = (0..).zip(WEEKDAYS).filter(|(day, _)| self.days.contains(day));
        let time = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = days.map(|(_, word)| word).collect::<Vec<_>>().join(",");
        format!("{days} {}-{}", time(self.start), time(self.end))
    }

    /// Whether it holds while the clock shows `wall`.
    fn holds(&self, wall: DateTime) -> bool {
        let minute = i64::from(wall.hour()) * 60 + i64::from(wall.minute());
        let (today, yesterday) = (wall.weekday(), wall.weekday().previous());
        let on = |day: Weekday| self.days.contains(&day.to_monday_zero_offset());
        if self.start < self.end {
            return on(today) && self.start <= minute && minute < self.end;
        }
        (on(today) && self.start <= minute) || (on(yesterday) && minute < self.end)
    }
}

fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let range = (prop::collection::btree_set(0_i8..7, 1..7), 0_i64..96, 1_i64..97);
    let range = range
        .prop_filter("empty", |(_, start, end)| start != end)
        .prop_map(|(days, start, end)| Range { days, start: start * 15, end: end * 15 });
    prop::collection::vec(range, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_end_is_the_first_minute_that_is_not_muted(
        ranges in ranges(),
        (tz, change) in prop::sample::select(zone::CHANGES.to_vec()),
        minutes in -3_000_i64..3_000,
    ) {
        let texts: Vec<_> = ranges.iter().map(Range::text).collect();
        let Ok(window) = Window::parse(&texts, tz) else {
            // Everything else about them is right.
            let whole = (0..WEEK).all(|minute| {
                let monday: DateTime = "2026-11-23T00:00".parse().unwrap();
                let wall = monday.saturating_add(SignedDuration::from_mins(minute));
                ranges.iter().any(|range| range.holds(wall))
            });
            prop_assert!(whole, "{texts:?}");
            return Ok(());
        };
        let zone = TimeZone::get(tz).unwrap();
        let now = change.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes);
        // A clock that stands still while the one on the wall shows what it showed before.
        let mut highest = DateTime::MIN;
        let mut muted = |at| {
            highest = highest.max(zone.to_datetime(at));
            ranges.iter().any(|range| range.holds(highest))
        };
        let minute = |nth| now + SignedDuration::from_mins(nth);
        let open = (-DAY..15 * DAY).find(|nth| !muted(minute(*nth)) && 0 <= *nth).unwrap();
        let open = minute(open);
        prop_assert_eq!(window.active_until(now), Some(open).filter(|open| now < *open));
    }
}
