//! Which running tasks run for too long.
//!
//! The memory holds a mark for each task that was told, and for each whose start the cloud does
//! not give, which is then counted from when it was first met. A mark goes when the task is no
//! longer listed as running; a list that was not seen whole takes none away.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sift::Found;
use crate::{
    notice::FAILURES_MAX,
    task::{Task, TaskKey},
};

/// Most marks of a source. A cloud in which more tasks hang needs no list of them.
pub const MARKS_MAX: usize = 1_000;

/// What is remembered about a running task.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunningMark {
    /// The task.
    pub key: TaskKey,
    /// When it was started; if the cloud does not say, when it was first met.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
    /// Whether it was told that it runs for too long.
    pub told: bool,
}

/// What a look at the running tasks comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outlook {
    /// The memory from now on, by key.
    pub marks: Vec<RunningMark>,
    /// To be told, the oldest first, at most [`FAILURES_MAX`]; others are told the next time.
    pub stuck: Vec<Task>,
}

/// Decides who is told what about the tasks that were `found` running.
///
/// `complete` tells whether the whole list was seen. `hushed` tells whether a silence holds what would be said about a task. It is then told when
/// the silence has ended, if it still runs.
#[must_use]
pub fn look(
    marks: &[RunningMark],
    (found, complete): (Vec<Found>, bool),
    after: Duration,
    now: Timestamp,
    hushed: impl Fn(&Task) -> bool,
) -> Outlook {
    let before: BTreeMap<TaskKey, RunningMark> =
        marks.iter().map(|mark| (mark.key, *mark)).collect();
    let mut kept = if complete { BTreeMap::new() } else { before.clone() };
    let mut late: Vec<(Timestamp, Task)> = Vec::new();
    for Found { task, .. } in found {
        let known = before.get(&task.key).copied();
        let since = task.failed_at.or(known.map(|mark| mark.since)).unwrap_or(now);
        let told = known.is_some_and(|mark| mark.told);
        // A clock that is behind the cloud's makes it start in the future: then it is young.
        let due = since.saturating_add(after).unwrap_or(Timestamp::MAX);
        if !told && due <= now && !hushed(&task) {
            late.push((since, task));
        } else if told || task.failed_at.is_none() {
            kept.insert(task.key, RunningMark { key: task.key, since, told });
        }
    }
    late.sort_by_key(|(since, task)| (*since, task.key));
    // Who is told is marked, or it would be told again.
    let room = MARKS_MAX.saturating_sub(kept.len()).min(FAILURES_MAX);
    late.truncate(room);
    let told =
        late.iter().map(|(since, task)| RunningMark { key: task.key, since: *since, told: true });
    kept.extend(told.map(|mark| (mark.key, mark)));
    let stuck = late.into_iter().map(|(_, task)| task).collect();
    Outlook { marks: kept.into_values().take(MARKS_MAX).collect(), stuck }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Row;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A task that was started at a second, or at a time that nobody knows.
    fn running(id: &str, second: Option<i64>) -> Found {
        let failed_at_ms = second.map(|second| second * 1000);
        Found::of(Row { task_id: Some(id.into()), failed_at_ms, ..Row::default() }.to_task())
    }

    fn look_at(marks: &[RunningMark], found: Vec<Found>, second: i64) -> Outlook {
        look(marks, (found, true), HOUR, at(second), |_| false)
    }

    fn ids(outlook: &Outlook) -> Vec<&str> {
        outlook.stuck.iter().map(|task| &*task.id).collect()
    }

    #[test]
    fn a_task_is_told_once_when_its_time_is_up() {
        let list = || vec![running("young", Some(3000)), running("old", Some(0))];
        let first = look_at(&[], list(), 3599);
        assert_eq!((ids(&first), first.marks.len()), (vec![], 0));
        let second = look_at(&first.marks, list(), 3600);
        assert_eq!((ids(&second), second.marks.len()), (vec!["old"], 1));
        let third = look_at(&second.marks, list(), 3700);
        assert_eq!((ids(&third), third.marks.len()), (vec![], 1));
    }

    #[test]
    fn a_mark_goes_with_its_task_but_not_for_a_list_that_was_cut() {
        let told = look_at(&[], vec![running("a", Some(0))], 3600);
        let cut = look(&told.marks, (vec![], false), HOUR, at(3700), |_| false);
        assert_eq!(cut.marks, told.marks);
        assert_eq!(look_at(&told.marks, vec![], 3700).marks, []);
    }

    #[test]
    fn a_task_without_a_time_runs_since_it_was_met() {
        let met = look_at(&[], vec![running("a", None)], 100);
        assert_eq!((ids(&met), met.marks.len()), (vec![], 1));
        let later = look_at(&met.marks, vec![running("a", None)], 3700);
        assert_eq!(ids(&later), ["a"]);
        assert_eq!(ids(&look_at(&later.marks, vec![running("a", None)], 9000)), Vec::<&str>::new());
    }

    #[test]
    fn what_a_silence_holds_is_told_when_it_has_ended() {
        let quiet = look(&[], (vec![running("a", Some(0))], true), HOUR, at(4000), |_| true);
        assert_eq!(quiet, Outlook::default());
        assert_eq!(ids(&look_at(&quiet.marks, vec![running("a", Some(0))], 4100)), ["a"]);
    }

    #[test]
    fn many_are_told_in_several_rounds_and_none_twice() {
        let list = || (0..250).map(|nth| running(&format!("t{nth:03}"), Some(nth))).collect();
        let (mut marks, mut told) = (Vec::new(), Vec::new());
        for round in 0..4 {
            let outlook = look_at(&marks, list(), 10_000 + round);
            assert!(outlook.stuck.len() <= FAILURES_MAX);
            told.extend(outlook.stuck.iter().map(|task| task.id.clone()));
            marks = outlook.marks;
        }
        let mut once = told.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((told.len(), once.len()), (250, 250));
        assert_eq!(told.first().unwrap(), "t000");
    }
}
