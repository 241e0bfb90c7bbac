//! When the store is copied, and when it is written anew.

use std::time::Duration;

use jiff::Timestamp;

/// What lies around in the store's files may be so many times what they are needed for.
const GARBAGE_FACTOR: u64 = 3;

/// Below this, files are not worth the trouble: a database that is in use has some slack.
const DISK_BYTES_MIN: u64 = 64 * 1024 * 1024;

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
    DISK_BYTES_MIN <= disk && live.saturating_mul(GARBAGE_FACTOR) < disk
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
    fn only_large_files_that_are_mostly_garbage_are_written_anew() {
        let mib = 1024 * 1024;
        for (disk, live, worth) in [
            (63 * mib, 0, false),
            (64 * mib, 20 * mib, true),
            (64 * mib, 22 * mib, false),
            (u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(worth_compacting(disk, live), worth, "{disk} {live}");
        }
    }
}
