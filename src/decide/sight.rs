//! Whether a source is seen: when it counts as blind, and when as seen again.
//!
//! Blind is a source whose list was not walked whole for so many intervals. Each blindness is
//! told once when it begins to count and once when it is over, whatever happens to the process
//! meanwhile: both are decided with the record of a poll, and stored in its transaction.
//!
//! ```text
//!  seen  ── no complete poll for `blind_after` paces ──▶ blind   (source.blind)
//!  blind ── complete poll ─────────────────────────────▶ seen    (source.sighted)
//!  seen  ── no poll at all for so long ────────────────▶ away    (nobody was there to tell)
//!  away  ── complete poll ─────────────────────────────▶ seen    (source.sighted, not_running)
//!  away  ── and then `blind_after` paces of trouble ───▶ blind
//! ```

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::coverage::CoverageLog;

/// When a source counts as blind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SightRule {
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    /// So many of them without a complete poll. 1 to [`SightRule::BLIND_AFTER_MAX`].
    pub blind_after: u32,
}

impl SightRule {
    /// Most intervals: a week of minutes. Beyond it nobody would ever hear of it.
    pub const BLIND_AFTER_MAX: u32 = 10_080;

    /// Whether no source is taken for blind, or for one that nobody polled, in less than half of
    /// the time because the polls of the last `lost` were forgotten. They hold back the last one
    /// that is remembered by so much and an interval.
    #[must_use]
    pub fn outlasts(self, lost: Duration) -> bool {
        let back = lost.saturating_add(self.interval);
        back <= self.interval.saturating_mul(self.blind_after) / 2
    }
}

impl Default for SightRule {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), blind_after: 3 }
    }
}

/// How a source is seen. Stored with it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sight {
    /// Since when polls come without a gap in which nobody polled.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    watched: Option<Timestamp>,
    /// The begin of a time that was not seen because nobody polled, until that is told.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    away: Option<Timestamp>,
    /// The last complete poll, or the first poll, of a source that was told to be blind.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    blind: Option<Timestamp>,
}

/// What has to be told about a source's sight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// It is blind.
    Blind {
        /// Since when.
        since: Timestamp,
    },
    /// It is seen again.
    Sighted {
        /// Since when it was not.
        since: Timestamp,
        /// Why it was not.
        because: Because,
    },
}

/// Why a source was not seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Because {
    /// It could not be polled whole; that was told.
    Blind,
    /// Nobody polled.
    NotRunning,
}

impl Because {
    /// The word in the notice.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blind => "complete",
            Self::NotRunning => "not_running",
        }
    }
}

/// A poll that ended, and what was known before it.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Whether it saw the whole list.
    pub complete: bool,
    /// The end of the complete poll before it.
    pub last_complete: Option<Timestamp>,
    /// The polls before it.
    pub before: &'a CoverageLog,
}

impl Sight {
    /// Since when it is blind, if it was told to be.
    #[must_use]
    pub fn blind_since(&self) -> Option<Timestamp> {
        self.blind
    }

    /// Takes note of a poll. Returns what has to be told.
    pub fn look(&mut self, looked: Looked<'_>, rule: SightRule) -> Option<Said> {
        let Looked { began, ended, complete, last_complete, before } = looked;
        let gone = before.away(began, rule.interval, rule.blind_after);
        if let (Some(gone), None) = (gone, self.blind) {
            self.away = self.away.or(last_complete).or(Some(gone));
        }
        if gone.is_some() || self.watched.is_none() {
            self.watched = Some(began);
        }
        if complete {
            let (blind, away) = (self.blind.take(), self.away.take());
            return match (blind, away) {
                (Some(since), _) => Some(Said::Sighted { since, because: Because::Blind }),
                (None, Some(since)) => Some(Said::Sighted { since, because: Because::NotRunning }),
                (None, None) => None,
            };
        }
        // A poll is rarely on time to the millisecond.
        let early = before.pace(rule.interval).unwrap_or(rule.interval) / 4;
        let soon = ended.saturating_add(early).unwrap_or(Timestamp::MAX);
        self.judge(soon, last_complete, before, rule)
    }

    /// Takes note that time passes, with or without polls. Returns what has to be told.
    pub fn judge(
        &mut self,
        now: Timestamp,
        last_complete: Option<Timestamp>,
        log: &CoverageLog,
        rule: SightRule,
    ) -> Option<Said> {
        let due = self.blind_at(last_complete, log, rule, Timestamp::MIN)?;
        if self.blind.is_some() || now < due {
            return None;
        }
        // What was never seen whole is not seen since it is looked at.
        let since = self.away.or(last_complete).or(log.first_at())?;
        self.blind = Some(since);
        self.away = None;
        Some(Said::Blind { since })
    }

    /// When it counts as blind if no complete poll comes. `None`: it was never polled. Nobody can
    /// say so of the time before `started`, when this process was not there.
    #[must_use]
    pub fn blind_at(
        &self,
        last_complete: Option<Timestamp>,
        log: &CoverageLog,
        rule: SightRule,
        started: Timestamp,
    ) -> Option<Timestamp> {
        let from = self.watched.max(last_complete)?.max(started);
        let pace = log.pace(rule.interval).unwrap_or(rule.interval);
        Some(from.saturating_add(pace.saturating_mul(rule.blind_after)).unwrap_or(Timestamp::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::coverage::Look;

    const RULE: SightRule = SightRule { interval: Duration::from_secs(60), blind_after: 3 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Plays polls, each with its second and whether it is complete. Returns what was told when.
    #[track_caller]
    fn play(polls: &[(i64, bool)]) -> Vec<(i64, Said)> {
        let (mut sight, mut log, mut last) = (Sight::default(), CoverageLog::default(), None);
        let mut said = Vec::new();
        for (second, complete) in polls.iter().copied() {
            let (began, ended) = (at(second), at(second));
            let looked = Looked { began, ended, complete, last_complete: last, before: &log };
            said.extend(sight.look(looked, RULE).map(|one| (second, one)));
            let look = Look { began, ended, complete, interval: RULE.interval };
            log = log.after_poll(look, last);
            if complete {
                last = Some(ended);
            }
        }
        said
    }

    fn blind(second: i64, since: i64) -> (i64, Said) {
        (second, Said::Blind { since: at(since) })
    }

    fn sighted(second: i64, since: i64, because: Because) -> (i64, Said) {
        (second, Said::Sighted { since: at(since), because })
    }

    #[test]
    fn three_intervals_without_a_complete_poll_are_told_once_and_their_end_once() {
        let polls = [(0, true), (60, true), (120, false), (180, false), (240, false), (300, false)];
        assert_eq!(play(&polls), [blind(240, 60)]);
        let polls = [&polls[..], &[(360, true), (420, true)]].concat();
        assert_eq!(play(&polls), [blind(240, 60), sighted(360, 60, Because::Blind)]);
    }

    #[test]
    fn two_bad_polls_are_no_blindness() {
        assert_eq!(play(&[(0, true), (60, false), (120, false), (180, true)]), []);
    }

    #[test]
    fn what_was_never_seen_is_blind_since_it_is_looked_at() {
        let polls = [(0, false), (60, false), (120, false), (180, false), (240, true)];
        assert_eq!(play(&polls), [blind(180, 0), sighted(240, 0, Because::Blind)]);
    }

    #[test]
    fn a_time_in_which_nobody_polled_is_told_when_it_is_over() {
        let polls = [(0, true), (60, true), (120, true), (9_000, true), (9_060, true)];
        assert_eq!(play(&polls), [sighted(9_000, 120, Because::NotRunning)]);
    }

    #[test]
    fn trouble_after_such_a_time_gets_its_three_intervals_and_is_one_story() {
        let quiet = [(0, true), (60, true), (120, true), (9_000, false), (9_060, true)];
        assert_eq!(play(&quiet), [sighted(9_060, 120, Because::NotRunning)]);
        let long = [&quiet[..4], &[(9_060, false), (9_120, false), (9_180, false), (9_240, true)]];
        let told = [blind(9_180, 120), sighted(9_240, 120, Because::Blind)];
        assert_eq!(play(&long.concat()), told);
    }

    #[test]
    fn a_timer_that_is_slower_than_the_interval_is_judged_by_its_own_pace() {
        let runs = |bad: &[usize]| -> Vec<(i64, bool)> {
            (0..12).map(|nth| (i64::try_from(nth).unwrap() * 300, !bad.contains(&nth))).collect()
        };
        assert_eq!(play(&runs(&[])), []);
        assert_eq!(play(&runs(&[5, 6])), []);
        let told = [blind(7 * 300, 4 * 300), sighted(9 * 300, 4 * 300, Because::Blind)];
        assert_eq!(play(&runs(&[5, 6, 7, 8])), told);
    }

    #[test]
    fn time_alone_makes_it_blind_if_this_process_was_there() {
        let (mut sight, mut log) = (Sight::default(), CoverageLog::default());
        let look = Look { began: at(0), ended: at(0), complete: true, interval: RULE.interval };
        let looked = Looked {
            began: at(0),
            ended: at(0),
            complete: true,
            last_complete: None,
            before: &log,
        };
        assert_eq!(sight.look(looked, RULE), None);
        log = log.after_poll(look, None);
        assert_eq!(sight.blind_at(Some(at(0)), &log, RULE, at(0)), Some(at(180)));
        assert_eq!(sight.blind_at(Some(at(0)), &log, RULE, at(5_000)), Some(at(5_180)));
        assert_eq!(sight.judge(at(179), Some(at(0)), &log, RULE), None);
        let told = Some(Said::Blind { since: at(0) });
        assert_eq!(sight.judge(at(180), Some(at(0)), &log, RULE), told);
        assert_eq!(sight.judge(at(999), Some(at(0)), &log, RULE), None);
    }

    #[test]
    fn a_few_seconds_of_polls_may_be_forgotten_where_blindness_takes_long() {
        for (interval, blind_after, expected) in
            [(60, 3, true), (60, 2, false), (60, 1, false), (1, 3, false), (1, 22, true)]
        {
            let rule = SightRule { interval: Duration::from_secs(interval), blind_after };
            let outlasts = rule.outlasts(Duration::from_secs(10));
            assert_eq!(outlasts, expected, "{interval} s, {blind_after}");
        }
    }
}
