//! How much of the last 24 hours a source was seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notice::Coverage;

/// Hours that are remembered: 24 whole ones and the one that runs.
const HOURS_MAX: usize = 25;

/// Counts of polls by the hour. Bounded, and stored with its source.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CoverageLog {
    /// Ascending.
    hours: Vec<Hour>,
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

impl CoverageLog {
    /// The log after one more poll that ended at `now`; `last_complete` is the one before it.
    #[must_use]
    pub fn after_poll(
        mut self,
        complete: bool,
        last_complete: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let hour = hour_of(now);
        if self.hours.last().is_none_or(|last| last.at < hour) {
            self.hours.push(Hour { at: hour, due: 0, complete: 0, gap: 0 });
        }
        // A clock that was set back counts into the latest hour there is.
        if let Some(last) = self.hours.last_mut() {
            last.due = last.due.saturating_add(1);
            if complete {
                last.complete = last.complete.saturating_add(1);
                last.gap = last.gap.max(gap(last_complete, now));
            }
        }
        let surplus = self.hours.len().saturating_sub(HOURS_MAX);
        self.hours.drain(..surplus);
        self
    }

    /// The 24 hours up to the one that runs at `now`, the oldest first: when each began, the polls
    /// that were due in it, and those that were complete.
    #[must_use]
    pub fn by_hour(&self, now: Timestamp) -> Vec<(Timestamp, u32, u32)> {
        let last = hour_of(now);
        let hours = (0..24).rev().map(|back| last.saturating_sub(back));
        let hour = |at: i64| {
            let began = Timestamp::from_second(at.saturating_mul(3600)).ok()?;
            let found = self.hours.iter().find(|hour| hour.at == at);
            let (due, complete) = found.map_or((0, 0), |hour| (hour.due, hour.complete));
            Some((began, due, complete))
        };
        hours.filter_map(hour).collect()
    }

    /// The figures for the 24 hours before `now`. A gap that is still open counts.
    #[must_use]
    pub fn figures(&self, last_complete: Option<Timestamp>, now: Timestamp) -> Coverage {
        let since = hour_of(now).saturating_sub(24);
        let open_gap = last_complete.map_or(0, |_| gap(last_complete, now));
        self.hours.iter().filter(|hour| since < hour.at).fold(
            Coverage { longest_gap_seconds: open_gap, ..Coverage::default() },
            |sum, hour| Coverage {
                polls_due: sum.polls_due.saturating_add(hour.due),
                polls_complete: sum.polls_complete.saturating_add(hour.complete),
                longest_gap_seconds: sum.longest_gap_seconds.max(hour.gap),
            },
        )
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

fn gap(last_complete: Option<Timestamp>, now: Timestamp) -> u32 {
    let seconds = last_complete.map_or(0, |last| now.duration_since(last).as_secs().max(0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_day_of_polls_is_counted_and_older_ones_fall_out() {
        let mut log = CoverageLog::default();
        let mut last = None;
        for minute in 0..(48 * 60) {
            let now = at(minute * 60);
            let complete = minute % 10 != 0;
            log = log.after_poll(complete, last, now);
            if complete {
                last = Some(now);
            }
        }
        let figures = log.figures(last, at(48 * 3600 - 60));
        assert_eq!((figures.polls_due, figures.polls_complete), (1440, 1296));
        assert_eq!(figures.longest_gap_seconds, 120);
    }

    #[test]
    fn hours_without_a_poll_are_shown_as_such() {
        let log = CoverageLog::default().after_poll(true, None, at(3600));
        let log = log.after_poll(false, Some(at(3600)), at(3 * 3600));
        let hours = log.by_hour(at(24 * 3600 + 5));
        assert_eq!(hours.len(), 24);
        assert_eq!(hours[0], (at(3600), 1, 1));
        assert_eq!(hours[1], (at(2 * 3600), 0, 0));
        assert_eq!(hours[2], (at(3 * 3600), 1, 0));
        assert_eq!(hours[23].0, at(24 * 3600));
    }

    #[test]
    fn a_gap_that_is_still_open_counts() {
        let log = CoverageLog::default().after_poll(true, None, at(0));
        assert_eq!(log.figures(Some(at(0)), at(500)).longest_gap_seconds, 500);
    }

    #[test]
    fn a_clock_set_back_breaks_nothing() {
        let log = CoverageLog::default().after_poll(true, None, at(7200));
        let log = log.after_poll(true, Some(at(7200)), at(0));
        assert_eq!(log.figures(Some(at(0)), at(7200)).polls_due, 2);
    }
}
