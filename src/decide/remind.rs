//! When what was told and still stands is told again.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::Remind;

/// When the next reminder is due after one was accepted at `told`. `None`: that was the last.
#[must_use]
pub fn next(remind: &Remind, told: Timestamp) -> Option<Timestamp> {
    (remind.sent < remind.count).then(|| {
        let grow = |wait: Duration| {
            wait.checked_mul(remind.factor_percent.into()).map_or(remind.max, |wait| wait / 100)
        };
        let wait = (0..remind.sent)
            .try_fold(remind.first, |wait, _| {
                // Once it has reached the longest, it stays there.
                if remind.max <= wait { Err(remind.max) } else { Ok(grow(wait)) }
            })
            .unwrap_or(remind.max);
        told.saturating_add(wait.min(remind.max)).unwrap_or(Timestamp::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_factor_up_to_the_longest_and_end_with_the_count() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let remind = Remind {
            first: hours(4),
            factor_percent: 200,
            max: hours(24),
            count: 5,
            sent: 0,
            of: None,
        };
        let waits: Vec<Option<i64>> = (0..=5)
            .map(|sent| {
                let next = next(&Remind { sent, ..remind }, Timestamp::UNIX_EPOCH);
                next.map(|at| at.as_second() / 3600)
            })
            .collect();
        assert_eq!(waits, [Some(4), Some(8), Some(16), Some(24), Some(24), None]);
        let endless = Remind { count: u32::MAX, sent: u32::MAX - 1, ..remind };
        assert_eq!(next(&endless, Timestamp::UNIX_EPOCH).map(Timestamp::as_second), Some(86_400));
    }
}
