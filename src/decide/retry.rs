//! When a delivery is tried again, and when it is given up.
//!
//! The budget is age, not count: a receiver that is down for a day is told when it is back.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::{DeliveryState, Hold, Verdict};

/// How long to wait and how long to keep trying.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// The wait after the first, second, … failed attempt; the last one repeats. Never empty.
    pub backoff: Vec<Duration>,
    /// The wait after a failure that looks like configuration.
    pub slow_lane: Duration,
    /// A service's own wish is obeyed up to this.
    pub retry_after_max: Duration,
    /// Older deliveries are dead.
    pub max_age: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let backoff = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR];
        Self {
            backoff: backoff.into_iter().map(Duration::from_secs).collect(),
            slow_lane: Duration::from_secs(15 * MINUTE),
            retry_after_max: Duration::from_secs(HOUR),
            max_age: Duration::from_secs(72 * HOUR),
        }
    }
}

/// A number from 0 to 1, chosen at random by the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(pub f64);

/// Where a delivery stands in its time.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// All attempts, the one that just failed included.
    pub attempts: u32,
    /// When the notice was closed, or brought back by the operator.
    pub born: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// The state of a delivery after an attempt that failed with `verdict`.
///
/// The wait is the policy's, stretched by up to a fifth by `jitter`, or the service's own
/// wish, capped, if that is longer. A wait that would end after `max_age` is cut short, so that
/// the last attempt is made when the time is nearly up; then the delivery is dead.
#[must_use]
pub fn after_failure(
    policy: &RetryPolicy,
    verdict: Verdict,
    tries: Tries,
    jitter: Jitter,
) -> DeliveryState {
    let Tries { attempts, born, now } = tries;
    if verdict == Verdict::Gone {
        return DeliveryState::Held { since: now, by: Hold::Disabled };
    }
    let last_call = born.saturating_add(policy.max_age).unwrap_or(Timestamp::MAX);
    if last_call <= now {
        return DeliveryState::Dead { at: now };
    }
    let wait = match verdict {
        Verdict::Retry { after } => {
            let nth = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
            let base = policy.backoff.get(nth).or(policy.backoff.last()).copied();
            let spread = base.unwrap_or(policy.slow_lane).mul_f64(1.0 + 0.2 * jitter.0);
            spread.max(after.unwrap_or_default().min(policy.retry_after_max))
        }
        Verdict::Suspect | Verdict::Gone => policy.slow_lane.mul_f64(1.0 + 0.2 * jitter.0),
    };
    let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX).min(last_call);
    DeliveryState::Pending { due }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const RETRY: Verdict = Verdict::Retry { after: None };

    fn retry_after(seconds: u64) -> Verdict {
        Verdict::Retry { after: Some(Duration::from_secs(seconds)) }
    }

    /// The one place that knows the signature under test. `age` is the delivery's, in seconds.
    #[track_caller]
    fn check(verdict: Verdict, attempts: u32, age: i64, jitter: f64, expected: &str) {
        let policy = RetryPolicy::default();
        let tries = Tries { attempts, born: Timestamp::from_second(-age).unwrap(), now: NOW };
        let actual = match after_failure(&policy, verdict, tries, Jitter(jitter)) {
            DeliveryState::Pending { due } => format!("wait {}s", due.as_second()),
            state => state.as_str().to_owned(),
        };
        assert_eq!(actual, expected, "{verdict:?} attempts={attempts} age={age} jitter={jitter}");
    }

    #[test]
    fn waits_grow_along_the_backoff_and_the_last_one_repeats() {
        for (attempts, expected) in [
            (1, "wait 5s"),
            (2, "wait 30s"),
            (3, "wait 120s"),
            (8, "wait 14400s"),
            (9, "wait 14400s"),
            (u32::MAX, "wait 14400s"),
        ] {
            check(RETRY, attempts, 0, 0.0, expected);
        }
    }

    #[test]
    fn jitter_stretches_a_wait_by_at_most_a_fifth() {
        check(RETRY, 2, 0, 1.0, "wait 36s");
        check(Verdict::Suspect, 1, 0, 1.0, "wait 1080s");
    }

    #[test]
    fn a_retry_after_is_a_lower_bound_up_to_the_cap() {
        check(retry_after(60), 1, 0, 0.0, "wait 60s");
        check(retry_after(1), 2, 0, 0.0, "wait 30s");
        check(retry_after(999_999), 1, 0, 0.0, "wait 3600s");
    }

    #[test]
    fn what_looks_like_configuration_takes_the_slow_lane() {
        check(Verdict::Suspect, 1, 0, 0.0, "wait 900s");
        check(Verdict::Suspect, 20, 0, 0.0, "wait 900s");
    }

    #[test]
    fn the_budget_is_age_not_count() {
        let max_age = 72 * 3600;
        check(RETRY, 500, max_age - 10_000, 0.0, "wait 10000s");
        check(RETRY, 1, max_age, 0.0, "dead");
        check(Verdict::Suspect, 1, max_age + 1, 0.0, "dead");
    }

    #[test]
    fn a_receiver_that_is_gone_is_held_for_the_operator() {
        check(Verdict::Gone, 1, 0, 0.0, "held");
        check(Verdict::Gone, 1, 80 * 3600, 0.0, "held");
    }

    #[test]
    fn a_clock_set_back_kills_nothing() {
        check(RETRY, 1, -3600, 0.0, "wait 5s");
    }
}
