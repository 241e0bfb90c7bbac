//! That the store failed: who hears of it, under which id, and how often.
//!
//! Nothing of it can be on record, since the record is what failed. A supervisor starts the process
//! again every few seconds and each start may fail in the same way, so the one thing that is
//! remembered, in a place of its own, is until when nothing more is said.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{route::Subject, rules::Rules};
use crate::name::Name;

/// From one such notice that was taken to the next. Who is at work on the disk knows by then, and
/// who slept through the first one has a second chance.
pub const AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// From one that nobody took to the next. The restarts of a supervisor must not become a hail of
/// attempts at a receiver that may have taken the first one and only answered late.
pub const RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// A process that worked for so long failed anew, whatever was said of an earlier one.
pub const GOOD_WHILE: Duration = Duration::from_secs(15 * 60);

/// A store that is silent for so long over a simple question is said to hang. A commit takes
/// milliseconds on a good disk, and seconds on a bad day; what really takes longer shows its progress.
/// systemd's watchdog may end the process as soon as half a minute after the store fell silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(20);

/// Whether it is said now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Saying {
    /// It is.
    Now,
    /// It was said, or tried, not long ago.
    NotBefore(Timestamp),
}

/// Whether a process that worked for `worked` says that the store failed. `quiet_until` is what an
/// earlier one left behind.
#[must_use]
pub fn saying(quiet_until: Option<Timestamp>, worked: Duration, now: Timestamp) -> Saying {
    let latest = now.saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX);
    match quiet_until {
        // One that is further ahead was left before the clock was set back.
        Some(until) if now < until && until <= latest && worked < GOOD_WHILE => {
            Saying::NotBefore(until)
        }
        _ => Saying::Now,
    }
}

/// Until when nothing more is said.
#[must_use]
pub fn quiet_until(taken: bool, now: Timestamp) -> Timestamp {
    let wait = if taken { AGAIN_AFTER } else { RETRY_AFTER };
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// What tells one such notice from another in its id: the place of the store and the hour, so that
/// restarts which remember nothing repeat themselves under one id. A process that had worked for a
/// [`GOOD_WHILE`] fails once, and that is another occasion in the same hour.
#[must_use]
pub fn occasion(place: &str, worked: Duration, now: Timestamp) -> String {
    let when =
        if worked < GOOD_WHILE { now.as_second().div_euclid(3600) } else { now.as_millisecond() };
    format!("{place}\u{1f}{when}")
}

/// Who hears of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hearers {
    /// The sinks that hear of taskbell's own trouble: every sink's fallback.
    pub first: Vec<Name>,
    /// Those that a source's own notices go to. They hear of it if none of the first takes it.
    pub then: Vec<Name>,
}

/// Who hears that the store failed. Silences and mute windows do not count, and nor do limits: it
/// is said seldom, and nothing else is said meanwhile.
#[must_use]
pub fn hearers(rules: &Rules) -> Hearers {
    let first: BTreeSet<&Name> = rules.sinks.values().flat_map(|sink| &sink.fallback).collect();
    let mut then: BTreeSet<&Name> = BTreeSet::new();
    for facts in rules.sources.values() {
        let info = facts.info();
        let subject = Subject::of_source(&info, &facts.labels);
        then.extend(rules.routes.select(&subject).into_iter().map(|choice| choice.sink));
    }
    if first.is_empty() && then.is_empty() {
        // Routes that tell nobody of a source as a whole: better all than none.
        then.extend(rules.sinks.keys());
    }
    let then = then.difference(&first).map(|name| (*name).clone()).collect();
    Hearers { first: first.into_iter().cloned().collect(), then }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        decide::{
            route::{Group, Route, Routes},
            rules::{SinkRules, SourceFacts},
        },
        notice::SourceInfo,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_is_said_once_an_hour_however_often_the_process_is_started() {
        let now = at(100_000);
        let not_before = |second| Saying::NotBefore(at(second));
        for (until, worked, expected, why) in [
            (None, 0, Saying::Now, "never said"),
            (Some(100_001), 0, not_before(100_001), "said not long ago"),
            (Some(103_600), 0, not_before(103_600), "said this moment"),
            (Some(100_000), 0, Saying::Now, "said an hour ago"),
            (Some(103_601), 0, Saying::Now, "of a clock that was ahead"),
            (Some(103_000), 899, not_before(103_000), "a restart that came a little further"),
            (Some(103_000), 900, Saying::Now, "a process that had worked"),
        ] {
            let said = saying(until.map(at), Duration::from_secs(worked), now);
            assert_eq!(said, expected, "{why}");
        }
        assert_eq!(quiet_until(true, now), at(103_600));
        assert_eq!(quiet_until(false, now), at(100_300));
    }

    #[test]
    fn restarts_that_remember_nothing_repeat_themselves_under_one_id() {
        let (short, long) = (Duration::ZERO, GOOD_WHILE);
        let of = |worked, second| occasion("host /store", worked, at(second));
        assert_eq!(of(short, 7_200), of(short, 10_799));
        assert_ne!(of(short, 7_199), of(short, 7_200));
        assert_ne!(of(short, 7_200), of(long, 7_200));
        assert_ne!(of(long, 7_200), of(long, 7_201), "each of these is a failure of its own");
        assert_ne!(occasion("a", short, at(0)), occasion("b", short, at(0)));
    }

    fn rules(sinks: &[(&str, &[&str])], to: &[&str]) -> Rules {
        let name = |text: &&str| Name::parse(text).unwrap();
        let names = |all: &[&str]| all.iter().map(name).collect::<Vec<_>>();
        let rule = |fallback| SinkRules { fallback: names(fallback), ..SinkRules::default() };
        let info = SourceInfo {
            name: name(&"cloud"),
            kind: String::new(),
            region: String::new(),
            project_id: String::new(),
        };
        let route = Route { to: names(to), group: Group::default(), ..Route::default() };
        Rules {
            routes: Routes(vec![route]),
            sinks: sinks.iter().map(|(sink, fallback)| (name(sink), rule(*fallback))).collect(),
            sources: BTreeMap::from([(name(&"cloud"), SourceFacts::new(info, BTreeMap::new()))]),
            ..Rules::default()
        }
    }

    #[test]
    fn the_fallbacks_hear_of_it_first_and_somebody_always_does() {
        for (sinks, to, first, then) in [
            (
                &[("chat", &["mail"][..]), ("mail", &[])][..],
                &["chat"][..],
                &["mail"][..],
                &["chat"][..],
            ),
            (&[("chat", &["mail"]), ("mail", &[])], &["chat", "mail"], &["mail"], &["chat"]),
            (&[("chat", &[]), ("mail", &[])], &["chat"], &[], &["chat"]),
            (&[("chat", &[]), ("mail", &[])], &[], &[], &["chat", "mail"]),
            (&[("chat", &["mail"]), ("mail", &[])], &[], &["mail"], &[]),
        ] {
            let Hearers { first: heard, then: after } = hearers(&rules(sinks, to));
            let words = |all: &[Name]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(
                (words(&heard), words(&after)),
                (
                    first.iter().map(ToString::to_string).collect(),
                    then.iter().map(ToString::to_string).collect(),
                ),
                "{sinks:?} {to:?}"
            );
        }
    }
}
