//! When the store is copied, when it is written anew, and how often a damaged one is kept aside.

use std::time::Duration;

use jiff::Timestamp;

/// The store's files may be so many halves of what is alive in them, two and a half times as large.
/// Files that were just written anew are up to twice as large, and they grow until the next look.
const HALVES_MAX: u64 = 5;

/// Below this, files are not worth the trouble: a small database has much slack.
const DISK_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// Whether a copy is due. `last` is when the newest one was made or, if there is none, when the
/// store began.
#[must_use]
pub fn checkpoint_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    // A clock that was set back must not put it off for ever.
    last.saturating_add(every).map_or(true, |due| due <= now) || now < last
}

/// Whether files of `disk` bytes are so much more than the `live` bytes in them that they are
/// written anew.
#[must_use]
pub fn worth_compacting(disk: u64, live: u64) -> bool {
    DISK_BYTES_MIN <= disk && live < disk / HALVES_MAX * 2
}

/// Damaged stores that are kept aside within a day. Each takes as much room as the store, and none
/// is ever deleted; a disk that damages it more often is not one to go on with.
pub const ASIDE_A_DAY_MAX: usize = 3;

/// Whether one more damaged store is kept aside, after those that were at the times of `earlier`.
#[must_use]
pub fn may_set_aside(earlier: &[Timestamp], now: Timestamp) -> bool {
    let day = Duration::from_secs(24 * 60 * 60);
    let lately = earlier.iter().filter(|at| now.duration_since(**at).unsigned_abs() < day);
    lately.count() < ASIDE_A_DAY_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_due_when_the_last_one_is_old_or_of_the_future() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let every = Duration::from_secs(60);
        for (last, now, due) in [
            (None, 0, true),
            (Some(0), 0, false),
            (Some(0), 59, false),
            (Some(0), 60, true),
            (Some(100), 60, true),
        ] {
            let actual = checkpoint_due(last.map(at), every, at(now));
            assert_eq!(actual, due, "{last:?} {now}");
        }
    }

    #[test]
    fn three_damaged_stores_a_day_are_kept_aside() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        for (earlier, may) in [
            (&[][..], true),
            (&[99, 100], true),
            (&[99, 100, 100], false),
            (&[76, 99, 100], true),
            (&[77, 99, 100], false),
            // Of a clock that was ahead, by an hour and by more than a day.
            (&[99, 100, 101], false),
            (&[99, 100, 124], true),
        ] {
            let earlier: Vec<Timestamp> = earlier.iter().copied().map(at).collect();
            assert_eq!(may_set_aside(&earlier, at(100)), may, "{earlier:?}");
        }
    }

    #[test]
    fn only_large_files_that_are_mostly_garbage_are_written_anew() {
        let mib = 1024 * 1024;
        for (disk, live, worth) in [
            (15 * mib, 0, false),
            (16 * mib, 6 * mib, true),
            (16 * mib, 7 * mib, false),
            (u64::MAX, u64::MAX / 2, false),
        ] {
            assert_eq!(worth_compacting(disk, live), worth, "{disk} {live}");
        }
    }
}
