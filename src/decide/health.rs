//! How a sink is doing: its breaker, its storm, and whether somebody else must be told.
//!
//! One small record per sink, changed only by what happens to the sink. While all goes well it
//! does not change at all.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::Limit;
use crate::delivery::{DeliveryId, Outcome};

/// Failures in a row that open the breaker. One or two happen on a good day.
pub const BREAKER_FAILURES: u32 = 5;

/// Longest wait between two probes of a sink whose breaker is open. A receiver that is back must
/// not wait for hours because its oldest delivery does.
pub const PROBE_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// A backlog above this becomes one catch-up notice when the sink is back.
pub const CATCH_UP_ABOVE: usize = 10;

/// What passes to a sink.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Gate {
    /// Everything that is due.
    #[default]
    Open,
    /// The breaker is open: one delivery at a time, the oldest, from then on.
    Shut {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// Earliest instant of the next probe.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        probe_at: Timestamp,
    },
    /// Nothing until the backlog is folded.
    CatchUp,
    /// Nothing until the operator says so: the receiver is gone.
    Disabled {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
    },
}

impl Gate {
    /// The word for tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shut { .. } => "shut",
            Self::CatchUp => "catching_up",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// A sink that gets more than is told singly.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Storm {
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
    /// When what is held is told.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub next: Timestamp,
    /// Failures told in storm notices so far.
    pub told: u32,
    /// Whether its opening was told.
    pub announced: bool,
    /// Its latest notice. The next one must not overtake it.
    pub last: Option<DeliveryId>,
}

/// How a sink is doing. This is the stored form.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SinkState {
    /// What passes.
    pub gate: Gate,
    /// Attempts that failed since the last one that was accepted.
    pub failures_in_row: u32,
    /// When the first of them failed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub failing_since: Option<Timestamp>,
    /// What the last failed attempt came to.
    pub last_error: String,
    /// The same in one word.
    pub last_outcome: Option<Outcome>,
    /// When to look for deliveries that the fallback must be told of.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub alarm_at: Option<Timestamp>,
    /// Set while it is in storm.
    pub storm: Option<Storm>,
    /// When notices to it were opened, lately; kept only for a limit.
    pub recent: Vec<i64>,
}

/// One attempt, as far as the sink's health goes.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// In one word.
    pub outcome: Outcome,
    /// In one line.
    pub detail: &'a str,
    /// When the delivery is due again, if it is.
    pub due: Option<Timestamp>,
    /// Whether the service named that time itself.
    pub asked: bool,
    /// When the delivery's age began.
    pub born: Timestamp,
    /// How old it gets before the fallback is told; `None`: there is no fallback.
    pub fallback_after: Option<Duration>,
    /// Whether it was given up.
    pub dead: bool,
}

impl SinkState {
    /// The state after an attempt. `backlog` counts the other deliveries that wait for the sink.
    #[must_use]
    pub fn after(mut self, attempt: &Attempted<'_>, backlog: usize, now: Timestamp) -> Self {
        if attempt.outcome == Outcome::Accepted {
            if matches!(self.gate, Gate::Shut { .. }) {
                self.gate = if CATCH_UP_ABOVE < backlog { Gate::CatchUp } else { Gate::Open };
            }
            self.failures_in_row = 0;
            self.failing_since = None;
            self.alarm_at = None;
            self.last_error.clear();
            self.last_outcome = None;
            return self;
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.failing_since = self.failing_since.or(Some(now));
        attempt.detail.clone_into(&mut self.last_error);
        self.last_outcome = Some(attempt.outcome);
        if attempt.outcome == Outcome::Gone {
            self.gate = Gate::Disabled { since: now };
        } else if BREAKER_FAILURES <= self.failures_in_row {
            let latest = now.saturating_add(PROBE_WAIT_MAX).unwrap_or(Timestamp::MAX);
            let due = attempt.due.unwrap_or(now);
            let probe_at = if attempt.asked { due } else { due.min(latest) };
            self.gate = match self.gate {
                Gate::Disabled { .. } => self.gate,
                Gate::Shut { since, .. } => Gate::Shut { since, probe_at },
                Gate::Open | Gate::CatchUp => Gate::Shut { since: now, probe_at },
            };
        }
        if let Some(after) = attempt.fallback_after {
            let at_once = attempt.dead || attempt.outcome != Outcome::Retry;
            let overdue = attempt.born.saturating_add(after).unwrap_or(Timestamp::MAX);
            let at = if at_once { now } else { overdue.max(now) };
            self.alarm_at = Some(self.alarm_at.map_or(at, |before| before.min(at)));
        }
        self
    }

    /// Whether `after` would change nothing.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.gate == Gate::Open && self.failures_in_row == 0 && self.alarm_at.is_none()
    }

    /// How many more notices `limit` lets pass at `now`. Forgets those that count no more.
    pub fn room(&mut self, limit: Limit, now: Timestamp) -> usize {
        let per = i64::try_from(limit.per.as_millis()).unwrap_or(i64::MAX);
        let now = now.as_millisecond();
        // One in the future was counted before the clock was set back; it counts no longer.
        self.recent.retain(|at| *at <= now && now.saturating_sub(*at) < per);
        limit.count.saturating_sub(self.recent.len())
    }

    /// Counts notices that are opened at `now`.
    pub fn opened(&mut self, count: usize, now: Timestamp) {
        self.recent.extend(std::iter::repeat_n(now.as_millisecond(), count));
    }

    /// Begins a storm at `now`, unless there is one.
    pub fn begin_storm(&mut self, now: Timestamp) {
        self.storm.get_or_insert(Storm {
            since: now,
            next: now,
            told: 0,
            announced: false,
            last: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn failed(due: i64) -> Attempted<'static> {
        Attempted {
            outcome: Outcome::Retry,
            detail: "503",
            due: Some(at(due)),
            asked: false,
            born: at(0),
            fallback_after: Some(Duration::from_secs(600)),
            dead: false,
        }
    }

    const ACCEPTED: Attempted<'static> = Attempted {
        outcome: Outcome::Accepted,
        detail: "",
        due: None,
        asked: false,
        born: Timestamp::UNIX_EPOCH,
        fallback_after: None,
        dead: false,
    };

    fn after_failures(count: i64, due: i64) -> SinkState {
        (1..=count)
            .fold(SinkState::default(), |state, second| state.after(&failed(due), 0, at(second)))
    }

    #[test]
    fn the_breaker_opens_after_five_failures_in_a_row_and_probes_soon() {
        assert_eq!(after_failures(4, 60).gate, Gate::Open);
        assert_eq!(after_failures(5, 60).gate, Gate::Shut { since: at(5), probe_at: at(60) });
        assert_eq!(after_failures(5, 99_999).gate, Gate::Shut { since: at(5), probe_at: at(905) });
        let asked = Attempted { asked: true, ..failed(3_000) };
        let state = after_failures(4, 60).after(&asked, 0, at(5));
        let wished = Gate::Shut { since: at(5), probe_at: at(3_000) };
        assert_eq!(state.gate, wished, "the service's wish holds");
    }

    #[test]
    fn a_success_closes_it_and_a_backlog_is_caught_up() {
        for (backlog, expected) in [(0, Gate::Open), (10, Gate::Open), (11, Gate::CatchUp)] {
            let state = after_failures(7, 60).after(&ACCEPTED, backlog, at(100));
            assert_eq!(state.gate, expected, "{backlog}");
            assert_eq!((state.failures_in_row, state.failing_since), (0, None));
        }
        let state = after_failures(2, 60).after(&ACCEPTED, 500, at(100));
        assert_eq!(state, SinkState::default(), "without a breaker, nothing is folded");
    }

    #[test]
    fn the_fallback_is_told_at_once_or_when_a_delivery_is_too_old() {
        assert_eq!(after_failures(3, 60).alarm_at, Some(at(600)));
        for (outcome, dead) in
            [(Outcome::Suspect, false), (Outcome::Gone, false), (Outcome::Retry, true)]
        {
            let attempt = Attempted { outcome, dead, ..failed(60) };
            let state = SinkState::default().after(&attempt, 0, at(5));
            assert_eq!(state.alarm_at, Some(at(5)), "{outcome:?}");
        }
        let alone = Attempted { fallback_after: None, ..failed(60) };
        assert_eq!(SinkState::default().after(&alone, 0, at(5)).alarm_at, None);
    }

    #[test]
    fn a_receiver_that_is_gone_disables_the_sink_until_the_operator_comes() {
        let gone = Attempted { outcome: Outcome::Gone, due: None, ..failed(0) };
        let state = SinkState::default().after(&gone, 3, at(5));
        assert_eq!(state.gate, Gate::Disabled { since: at(5) });
        assert_eq!(state.after(&ACCEPTED, 3, at(6)).gate, Gate::Disabled { since: at(5) });
    }

    #[test]
    fn a_limit_counts_a_sliding_time_and_survives_a_clock_set_back() {
        let limit = Limit { count: 3, per: Duration::from_secs(10) };
        let mut state = SinkState::default();
        assert_eq!(state.room(limit, at(0)), 3);
        state.opened(2, at(0));
        state.opened(1, at(5));
        assert_eq!(state.room(limit, at(9)), 0);
        assert_eq!(state.room(limit, at(10)), 2);
        assert_eq!(state.room(limit, at(0)), 3);
    }
}
