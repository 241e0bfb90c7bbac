//! Mute windows, digests and reminders: what they mean, and what is wrong with them.

use super::*;
use crate::delivery::Remind;

const NIGHTS: &str = "[[mute]]\nname = \"nights\"\ntimes = [\"mon-fri 18:00-08:00\"]\n";

/// A [`GOOD`] config with this in its route is taken, and draws these warnings.
#[track_caller]
fn taken(keys: &str, warnings: &[&str]) -> crate::decide::route::Route {
    let text = edited(TO, &format!("{TO}{keys}\n{NIGHTS}"));
    let mut config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lines(&config.warnings), warnings, "{keys}");
    config.routes.0.remove(0)
}

/// A [`GOOD`] config with this in line 11, in its route, is refused in these words about a key
/// of the route.
#[track_caller]
fn refused(keys: &str, expected: &str) {
    check("", keys, &[&format!("c.toml:11: route[0].{expected}")]);
}

#[test]
fn a_route_is_muted_by_the_windows_it_names() {
    let route = taken("mute = [\"nights\"]", &[]);
    assert_eq!(route.mute, [Name::parse("nights").unwrap()]);
    assert!(route.digest.is_none() && route.remind.is_none());
    let zoned = format!("mute = [\"nights\"]\n{NIGHTS}tz = \"Asia/Shanghai\"");
    let config = parse(&edited("", &zoned)).unwrap();
    let (name, window) = config.windows.first_key_value().unwrap();
    assert_eq!(name.as_str(), "nights");
    let monday = "2026-11-23T18:00+08:00".parse().unwrap();
    let tuesday = "2026-11-24T08:00+08:00".parse().unwrap();
    assert_eq!(window.active_until(monday), Some(tuesday));
    let idle = "c.toml:12: mute.nights: has no effect: no route names it";
    assert_eq!(taken("", &[idle]).mute, []);
    assert_eq!(taken("mute = []", &[idle]).mute, []);
}

#[test]
fn a_digest_has_its_times_and_does_without_the_groups() {
    let after = "2026-11-27T09:00Z".parse().unwrap();
    for (keys, next) in [
        ("digest = { cron = \"0 9 * * 1-5\" }", "2026-11-30T09:00Z"),
        ("digest = { cron = \"0 9 * * *\", tz = \"Asia/Shanghai\" }", "2026-11-28T01:00Z"),
    ] {
        let keys = format!("mute = [\"nights\"]\n{keys}");
        let schedule = taken(&keys, &[]).digest.unwrap();
        assert_eq!(schedule.next(after), next.parse().unwrap(), "{keys}");
    }
    taken(
        "mute = [\"nights\"]\ndigest = { cron = \"0 9 * * *\" }\ngroup = { wait = \"5m\" }",
        &["c.toml:13: route[0].group.wait: has no effect: `digest` says when to tell"],
    );
}

#[test]
fn a_route_within_another_has_its_own_times() {
    let outer = "mute = [\"nights\"]\ndigest = { cron = \"0 9 * * *\" }\nremind = true";
    let inner = "[[route.route]]\nmatch = ['action = bind']\nremind = { count = 1 }";
    let text = edited(TO, &format!("{TO}{outer}\n{inner}\n{NIGHTS}"));
    let [_, inner] = parse(&text).unwrap().routes.0.try_into().unwrap();
    assert!(inner.mute.is_empty() && inner.digest.is_none());
    assert_eq!(inner.remind.map(|remind| remind.count), Some(1));
    check(
        "",
        "[[route.route]]\nremind = { count = 0 }",
        &["c.toml:12: route[0].route[0].remind.count: must be between 1 and 100"],
    );
}

#[test]
fn reminders_have_defaults_for_all_they_leave_out() {
    let seconds = |count| Duration::from_secs(count);
    let remind = Remind::default();
    for (written, expected) in [
        ("false", None),
        ("true", Some(remind)),
        ("{}", Some(remind)),
        ("{ first = \"4h\", factor = 2, max = \"24h\", count = 5 }", Some(remind)),
        ("{ factor = 1 }", Some(Remind { factor_percent: 100, ..remind })),
        ("{ factor = 1.15 }", Some(Remind { factor_percent: 115, ..remind })),
        ("{ factor = 10.0 }", Some(Remind { factor_percent: 1_000, ..remind })),
        (
            "{ first = \"1s\", max = \"1s\", count = 100 }",
            Some(Remind { first: seconds(1), max: seconds(1), count: 100, ..remind }),
        ),
    ] {
        let route = taken(&format!("mute = [\"nights\"]\nremind = {written}"), &[]);
        assert_eq!(route.remind, expected, "{written}");
    }
    let day = 24 * 3600;
    assert_eq!((remind.first.as_secs(), remind.max.as_secs()), (day / 6, day));
    assert_eq!((remind.factor_percent, remind.count), (200, 5));
}

#[test]
fn windows_that_are_not_there_are_named_with_the_nearest() {
    refused("mute = [\"nights\"]", "mute[0]: `nights` is not a mute window; there is no [[mute]]");
    refused(
        &format!("mute = [\"nigths\"]\n{NIGHTS}"),
        "mute[0]: `nigths` is not a mute window; did you mean `nights`?",
    );
    refused(
        &format!("mute = [\"nights\", \"lunch\"]\n{NIGHTS}"),
        "mute[1]: `lunch` is not a mute window; known are nights",
    );
    refused(
        &format!("mute = [\"nights\", \"nights\"]\n{NIGHTS}"),
        "mute[1]: `nights` is listed already",
    );
    refused("mute = \"nights\"", "mute: invalid type: string \"nights\", expected a list");
}

#[test]
fn windows_that_are_wrong_are_refused_with_what_is_right() {
    for (from, to, expected) in [
        (
            "",
            "tz = \"Asia/Shangai\"",
            "14: mute.nights.tz: `Asia/Shangai` is not a time zone; \
             did you mean `Asia/Shanghai`?",
        ),
        (
            "mon-fri",
            "mon-fry",
            "13: mute.nights.times[0]: `fry` is not a weekday; known are mon, \
             tue, wed, thu, fri, sat, sun",
        ),
        (
            "18:00",
            "25:00",
            "13: mute.nights.times[0]: `25:00` is not a time of day; write 00:00 \
             to 24:00",
        ),
        (
            "\"mon-fri 18:00-08:00\"",
            "",
            "13: mute.nights.times: must be a list of 1 to 64 \
             ranges, such as \"mon-fri 18:00-08:00\"",
        ),
        (
            "mon-fri 18:00-08:00",
            "mon-sun 00:00-24:00",
            "13: mute.nights.times: cover the whole \
             week, so nobody would ever be told; leave some time out",
        ),
        (
            "",
            "zone = \"UTC\"",
            "14: mute.nights.zone: is not a known key; known are name, times, tz",
        ),
        ("times = [\"mon-fri 18:00-08:00\"]\n", "", "11: mute.nights.times: is required"),
        ("name = \"nights\"\n", "", "11: mute[0].name: is required"),
        (
            "\"nights\"",
            "\"all nights\"",
            "12: mute[0].name: must be 1 to 64 characters, each a \
             letter, a digit, `.`, `_` or `-`",
        ),
    ] {
        let mute = if from.is_empty() { format!("{NIGHTS}{to}") } else { NIGHTS.replace(from, to) };
        check("", &mute, &[&format!("c.toml:{expected}")]);
    }
    check(
        "",
        &format!("{NIGHTS}{NIGHTS}"),
        &["c.toml:15: mute[1].name: `nights` is taken by another mute in line 12"],
    );
    check(
        "",
        &NIGHTS.replace("[[mute]]", "[mute]"),
        &["c.toml:11: mute: must be a list of tables, each written [[mute]] in double brackets"],
    );
}

#[test]
fn digests_that_are_wrong_are_refused_with_what_is_right() {
    let fields = "digest.cron: must be five fields (minute, hour, day of the month, month, \
                  weekday), such as \"0 9 * * 1-5\", and not";
    for (digest, expected) in [
        ("{ cron = \"0 9 * *\" }", format!("{fields} 4")),
        ("{ cron = \"0 0 9 * * 1-5\" }", format!("{fields} 6")),
        ("{ cron = \"0 24 * * *\" }", "digest.cron: hour: `24` is not one; write 0 to 23".into()),
        (
            "{ cron = \"0 0 30 2 *\" }",
            "digest.cron: never happens: no month it names has such a day".into(),
        ),
        (
            "{ cron = \"0 9 * * *\", tz = \"Asia/Beijing\" }",
            "digest.tz: `Asia/Beijing` is not a time zone; did you mean `Asia/Shanghai`?".into(),
        ),
        ("{ tz = \"UTC\" }", "digest.cron: is required".into()),
        (
            "{ cron = \"0 9 * * *\", zone = \"UTC\" }",
            "digest.zone: is not a known key; known are cron, tz".into(),
        ),
        ("\"0 9 * * *\"", "digest: invalid type: string \"0 9 * * *\", expected a table".into()),
    ] {
        refused(&format!("digest = {digest}"), &expected);
    }
}

#[test]
fn reminders_that_are_wrong_are_refused_with_what_is_right() {
    let factor = "remind.factor: must be between 1 and 10, with at most two decimals";
    for (remind, expected) in [
        ("{ first = \"500ms\" }", "remind.first: must be between 1s and 30d"),
        ("{ max = \"31d\" }", "remind.max: must be between 1s and 30d"),
        ("{ max = \"3h\" }", "remind.max: must be at least `first`, 4h"),
        ("{ first = \"2d\" }", "remind.max: must be at least `first`, 2d"),
        ("{ factor = 0.99 }", factor),
        ("{ factor = 11 }", factor),
        ("{ factor = 1.125 }", factor),
        ("{ factor = nan }", factor),
        ("{ count = 0 }", "remind.count: must be between 1 and 100"),
        ("{ count = 101 }", "remind.count: must be between 1 and 100"),
        ("{ count = -1 }", "remind.count: invalid value: integer `-1`, expected a whole number"),
        ("{ factor = \"2\" }", "remind.factor: invalid type: string \"2\", expected a number"),
        ("{ frist = \"4h\" }", "remind.frist: is not a known key; did you mean `first`?"),
        (
            "\"4h\"",
            "remind: invalid type: string \"4h\", expected true, false or a table such as \
             { first = \"4h\", count = 5 }",
        ),
    ] {
        refused(&format!("remind = {remind}"), expected);
    }
}
