//! How much of the last 24 hours a source was seen.
//!
//! A poll that was due and not made counts as one that saw nothing: a host that is off, or a cron
//! job that was forgotten, is as blind as a cloud that does not answer. What is due follows from
//! the pace at which polls came lately, since a one-shot run does not know its own timer.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notice::Coverage;

/// Hours that are remembered: 24 whole ones and the one that runs.
const HOURS_MAX: usize = 25;

/// Times between polls that tell the pace. A run by hand, or one outage, does not change it.
const GAPS_MAX: usize = 4;

/// With fewer, nobody knows yet how often a one-shot run comes.
const GAPS_MIN: usize = 2;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Counts of polls by the hour. Bounded, and stored with its source.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CoverageLog {
    /// Ascending.
    hours: Vec<Hour>,
    /// When the first poll began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    first_at: Option<Timestamp>,
    /// When the latest poll began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    last_at: Option<Timestamp>,
    /// Milliseconds from the start of one poll to that of the next, the latest last.
    gaps: Vec<u32>,
    /// The config's interval at the latest poll, in milliseconds.
    interval_ms: u32,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Hour {
    /// Hours since 1970.
    at: i64,
    due: u32,
    complete: u32,
    /// The longest gap that ended in this hour, in seconds.
    gap: u32,
}

/// A poll, as far as coverage is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Whether it saw the whole list.
    pub complete: bool,
    /// The config's interval.
    pub interval: Duration,
}

impl CoverageLog {
    /// The log after one more poll; `last_complete` is the end of the complete one before it.
    #[must_use]
    pub fn after_poll(mut self, look: Look, last_complete: Option<Timestamp>) -> Self {
        for at in self.missed(look.began) {
            self.hour(at).due += 1;
        }
        if let Some(last) = self.last_at {
            self.gaps.push(u32::try_from(ms(last, look.began)).unwrap_or(u32::MAX));
            let surplus = self.gaps.len().saturating_sub(GAPS_MAX);
            self.gaps.drain(..surplus);
        }
        self.first_at = self.first_at.or(Some(look.began));
        self.last_at = Some(look.began);
        self.interval_ms = u32::try_from(look.interval.as_millis()).unwrap_or(u32::MAX);
        let hour = self.hour(look.ended);
        hour.due = hour.due.saturating_add(1);
        if look.complete {
            hour.complete = hour.complete.saturating_add(1);
            hour.gap = hour.gap.max(last_complete.map_or(0, |last| seconds(last, look.ended)));
        }
        let surplus = self.hours.len().saturating_sub(HOURS_MAX);
        self.hours.drain(..surplus);
        self
    }

    /// The 24 hours up to the one that runs at `now`, the oldest first: when each began, the polls
    /// that were due in it, those included that were not made, and those that were complete.
    #[must_use]
    pub fn by_hour(&self, now: Timestamp) -> Vec<(Timestamp, u32, u32)> {
        let last = hour_of(now);
        let mut overdue = [0_u32; 24];
        for at in self.missed(now) {
            let back = usize::try_from(last.saturating_sub(hour_of(at))).unwrap_or(usize::MAX);
            if let Some(count) = overdue.get_mut(back) {
                *count = count.saturating_add(1);
            }
        }
        let hours = (0_u8..24).zip(overdue).rev();
        let hour = |(back, overdue): (u8, u32)| {
            let at = last.saturating_sub(back.into());
            let began = Timestamp::from_second(at.saturating_mul(3600)).ok()?;
            let found = self.hours.iter().find(|hour| hour.at == at);
            let (due, complete) = found.map_or((0, 0), |hour| (hour.due, hour.complete));
            Some((began, due.saturating_add(overdue), complete))
        };
        hours.filter_map(hour).collect()
    }

    /// The figures for the 24 hours before `now`. A gap that is still open counts.
    #[must_use]
    pub fn figures(&self, last_complete: Option<Timestamp>, now: Timestamp) -> Coverage {
        let since = hour_of(now).saturating_sub(24);
        // What was never seen whole is not seen since it is looked at.
        let open_gap = last_complete.or(self.first_at).map_or(0, |last| seconds(last, now));
        let overdue = u32::try_from(self.missed(now).count()).unwrap_or(u32::MAX);
        let open =
            Coverage { polls_due: overdue, polls_complete: 0, longest_gap_seconds: open_gap };
        self.hours.iter().filter(|hour| since < hour.at).fold(open, |sum, hour| Coverage {
            polls_due: sum.polls_due.saturating_add(hour.due),
            polls_complete: sum.polls_complete.saturating_add(hour.complete),
            longest_gap_seconds: sum.longest_gap_seconds.max(hour.gap),
        })
    }

    /// When the first poll began.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.first_at
    }

    /// From the start of one poll to that of the next, as they came lately, and never shorter than
    /// `interval`. `None`: too few came to know.
    #[must_use]
    pub fn pace(&self, interval: Duration) -> Option<Duration> {
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        // The longest may be an outage.
        let usual = gaps.len().checked_sub(2).filter(|_| GAPS_MIN <= gaps.len())?;
        let usual = Duration::from_millis(u64::from(*gaps.get(usual)?));
        Some(usual.max(interval))
    }

    /// Since when no poll was made, if a poll that begins `now` comes `after` paces late or more.
    #[must_use]
    pub fn away(&self, now: Timestamp, interval: Duration, after: u32) -> Option<Timestamp> {
        let last = self.last_at?;
        let span = self.pace(interval)?.saturating_mul(after);
        (i64::try_from(span.as_millis()).is_ok_and(|span| span <= ms(last, now))).then_some(last)
    }

    /// When polls were due since the latest one and were not made, until `now` and at most a day
    /// back. The one that is due about `now` is not among them.
    fn missed(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
        let pace = self.pace(Duration::from_millis(u64::from(self.interval_ms)));
        let pace = pace.and_then(|pace| i64::try_from(pace.as_millis()).ok()).filter(|ms| 0 < *ms);
        let (count, pace) = match (self.last_at, pace) {
            (Some(last), Some(pace)) => {
                // Half a pace late is late, and not missed.
                let elapsed = ms(last, now).saturating_add(pace / 2);
                ((elapsed / pace).saturating_sub(1).min(DAY_MS / pace), pace)
            }
            _ => (0, 1),
        };
        (1..=count).rev().filter_map(move |nth| {
            now.checked_sub(jiff::SignedDuration::from_millis(pace.saturating_mul(nth))).ok()
        })
    }

    /// The record of the hour of `at`. A clock that was set back counts into the latest hour.
    fn hour(&mut self, at: Timestamp) -> &mut Hour {
        let hour = hour_of(at);
        if self.hours.last().is_none_or(|last| last.at < hour) {
            self.hours.push(Hour { at: hour, due: 0, complete: 0, gap: 0 });
        }
        self.hours.last_mut().expect("one was pushed if there was none")
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

/// Milliseconds from `from` to `to`; 0 if the clock was set back.
fn ms(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond().saturating_sub(from.as_millisecond()).max(0)
}

fn seconds(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(ms(from, to) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Polls at these seconds, all complete.
    fn polled(seconds: impl IntoIterator<Item = i64>) -> CoverageLog {
        let mut log = CoverageLog::default();
        let mut last = None;
        for second in seconds {
            let began = at(second);
            log = log
                .after_poll(Look { began, ended: began, complete: true, interval: MINUTE }, last);
            last = Some(began);
        }
        log
    }

    fn look(second: i64, complete: bool) -> Look {
        Look { began: at(second), ended: at(second), complete, interval: MINUTE }
    }

    #[test]
    fn a_day_of_polls_is_counted_and_older_ones_fall_out() {
        let mut log = CoverageLog::default();
        let mut last = None;
        for minute in 0..(48 * 60) {
            let complete = minute % 10 != 0;
            log = log.after_poll(look(minute * 60, complete), last);
            if complete {
                last = Some(at(minute * 60));
            }
        }
        let figures = log.figures(last, at(48 * 3600 - 60));
        assert_eq!((figures.polls_due, figures.polls_complete), (1440, 1296));
        assert_eq!(figures.longest_gap_seconds, 120);
    }

    #[test]
    fn hours_without_a_poll_are_shown_as_such() {
        let log = CoverageLog::default().after_poll(look(3600, true), None);
        let log = log.after_poll(look(3 * 3600, false), Some(at(3600)));
        let hours = log.by_hour(at(24 * 3600 + 5));
        assert_eq!(hours.len(), 24);
        assert_eq!(hours[0], (at(3600), 1, 1));
        assert_eq!(hours[1], (at(2 * 3600), 0, 0));
        assert_eq!(hours[2], (at(3 * 3600), 1, 0));
        assert_eq!(hours[23].0, at(24 * 3600));
        // Whose pace is known, of that one also what was not made.
        let hours = polled((0..10).map(|minute| minute * 60)).by_hour(at(2 * 3600 + 30));
        assert_eq!(hours[21], (at(0), 61, 10));
        assert_eq!(hours[22], (at(3600), 60, 0));
    }

    #[test]
    fn a_gap_that_is_still_open_counts() {
        let log = CoverageLog::default().after_poll(look(0, true), None);
        assert_eq!(log.figures(Some(at(0)), at(500)).longest_gap_seconds, 500);
        let never = CoverageLog::default().after_poll(look(0, false), None);
        assert_eq!(never.figures(None, at(500)).longest_gap_seconds, 500);
    }

    #[test]
    fn a_clock_set_back_breaks_nothing() {
        let log = CoverageLog::default().after_poll(look(7200, true), None);
        let log = log.after_poll(look(0, true), Some(at(7200)));
        assert_eq!(log.figures(Some(at(0)), at(7200)).polls_due, 2);
    }

    #[test]
    fn what_was_due_while_nobody_polled_is_counted_in_its_hours() {
        let log = polled((0..10).map(|minute| minute * 60));
        // Nothing for two hours, and none of it is held against the poll that ends it.
        let log = log.after_poll(look(9 * 60 + 7200, true), Some(at(540)));
        let figures = log.figures(Some(at(540 + 7200)), at(540 + 7200));
        assert_eq!((figures.polls_due, figures.polls_complete), (10 + 119 + 1, 11));
        assert_eq!(figures.longest_gap_seconds, 7200);
        // A day later, only the end of it counts.
        let later = log.figures(Some(at(540 + 7200)), at(86_400 + 3600));
        assert!(later.polls_due > 1_300, "{later:?}");
        assert_eq!(later.polls_complete, 1);
    }

    #[test]
    fn the_pace_of_a_timer_is_learnt_and_one_odd_run_does_not_change_it() {
        let five = Duration::from_secs(300);
        assert_eq!(polled([0, 300]).pace(MINUTE), None);
        assert_eq!(polled([0, 300, 600]).pace(MINUTE), Some(five));
        assert_eq!(polled([0, 300, 600, 610, 900]).pace(MINUTE), Some(five));
        assert_eq!(polled([0, 300, 600, 900, 30_000]).pace(MINUTE), Some(five));
        // A timer that is slower than the interval misses nothing.
        let log = polled([0, 300, 600, 900]);
        assert_eq!(log.figures(Some(at(900)), at(1199)).polls_due, 4);
        assert_eq!(log.figures(Some(at(900)), at(900 + 1500)).polls_due, 8);
    }

    #[test]
    fn nobody_was_away_who_comes_at_the_usual_time() {
        let log = polled([0, 300, 600, 900]);
        assert_eq!(log.away(at(1200), MINUTE, 3), None);
        assert_eq!(log.away(at(1799), MINUTE, 3), None);
        assert_eq!(log.away(at(1800), MINUTE, 3), Some(at(900)));
        // Whose pace is not known is not judged.
        assert_eq!(polled([0, 300]).away(at(100_000), MINUTE, 3), None);
    }
}
