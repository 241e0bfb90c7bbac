use std::sync::Arc;

use super::*;
use crate::{decide::sift::Sift, task::Row};

const WATCHED: Situation<'static> =
    Situation { complete: true, has_baseline: true, lost: false, deleting: &[] };
const FIRST: Situation<'static> =
    Situation { complete: true, has_baseline: false, lost: false, deleting: &[] };

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

fn row(id: &str, second: i64) -> Row<'_> {
    Row { task_id: Some(id.into()), failed_at_ms: Some(second * 1000), ..Row::default() }
}

/// An index entry for `id`, failed at second 1, absent from `missing` polls.
fn entry(id: &str, number: u64, missing: u8) -> RosterEntry {
    let row = row(id, 1);
    RosterEntry {
        key: row.key(),
        id: FailureId(number),
        failed_at_ms: 1000,
        generation: 1,
        text_crc: row.text_crc(),
        missing,
    }
}

struct Case {
    roster: Vec<RosterEntry>,
    rows: Vec<Row<'static>>,
    past: BTreeMap<TaskKey, Past>,
    situation: Situation<'static>,
    first_run: FirstRun,
}

impl Case {
    fn new(roster: Vec<RosterEntry>, rows: Vec<Row<'static>>) -> Self {
        Self {
            roster,
            rows,
            past: BTreeMap::new(),
            situation: WATCHED,
            first_run: FirstRun::default(),
        }
    }

    fn first(self, first_run: FirstRun) -> Self {
        Self { situation: FIRST, first_run, ..self }
    }

    fn partial(mut self) -> Self {
        self.situation.complete = false;
        self
    }

    fn run(mut self) -> Changes {
        self.roster.sort_by_key(|entry| entry.key);
        let mut sift = Sift::new(Arc::new(self.roster));
        sift.begin_walk();
        for row in &self.rows {
            sift.row(row);
        }
        let policy = DiffPolicy { first_run: self.first_run, ..DiffPolicy::default() };
        diff(sift.finish(), &self.past, self.situation, policy, now())
    }

    /// The changes as a line of words, so that a row of a table shows the whole difference.
    #[track_caller]
    fn check(self, expected: &str) {
        let changes = self.run();
        let mut words = Vec::new();
        for new in &changes.new {
            let told = if new.tell { "told" } else { "untold" };
            let origin = new.origin.as_str();
            words.push(format!("{}:{origin}.{}:{told}", new.found.task.id, new.generation));
            words.extend(new.supersedes.map(|entry| format!("(for #{})", entry.id)));
        }
        for reopened in &changes.reopened {
            let told = if reopened.tell { "told" } else { "untold" };
            words.push(format!("{}:reappeared:{told}", reopened.found.task.id));
        }
        words.extend(
            changes.touched.iter().map(|entry| format!("#{}:missing({})", entry.id, entry.missing)),
        );
        words.extend(changes.texts.iter().map(|(id, _)| format!("#{id}:text")));
        words.extend(changes.cleared.iter().map(|entry| format!("#{}:cleared", entry.id)));
        if changes.mass_cleared {
            words.push("mass".into());
        }
        if let Some(baseline) = changes.baseline {
            words.push(format!("baseline({}, {:?})", baseline.standing, baseline.said));
        }
        assert_eq!(words.join(" "), expected);
    }
}

#[test]
fn an_unchanged_listing_changes_nothing() {
    Case::new(vec![entry("a", 1, 0)], vec![row("a", 1)]).check("");
    Case::new(vec![], vec![]).check("");
}

#[test]
fn a_new_task_is_told_by_a_complete_and_by_a_partial_poll() {
    Case::new(vec![], vec![row("a", 1)]).check("a:new.1:told");
    Case::new(vec![], vec![row("a", 1)]).partial().check("a:new.1:told");
}

#[test]
fn new_failures_come_in_the_order_they_failed() {
    Case::new(vec![], vec![row("late", 9), row("early", 2)])
        .check("early:new.1:told late:new.1:told");
}

#[test]
fn a_failure_clears_when_two_complete_polls_in_a_row_miss_it() {
    Case::new(vec![entry("a", 1, 0)], vec![]).check("#1:missing(1)");
    Case::new(vec![entry("a", 1, 1)], vec![]).check("#1:cleared");
    Case::new(vec![entry("a", 1, 1)], vec![row("a", 1)]).check("#1:missing(0)");
}

#[test]
fn a_partial_poll_is_no_absence() {
    Case::new(vec![entry("a", 1, 1)], vec![]).partial().check("");
    Case::new(vec![entry("a", 1, 1)], vec![row("a", 1)]).partial().check("#1:missing(0)");
}

#[test]
fn a_later_time_is_a_new_generation() {
    Case::new(vec![entry("a", 1, 0)], vec![row("a", 5)]).check("a:refailed.2:told (for #1)");
}

#[test]
fn an_earlier_or_a_lost_time_is_the_same_failure() {
    Case::new(vec![entry("a", 1, 0)], vec![row("a", 0)]).check("#1:missing(0)");
    let timeless = Row { failed_at_ms: None, ..row("a", 1) };
    Case::new(vec![entry("a", 1, 0)], vec![timeless]).check("#1:missing(0)");
}

#[test]
fn a_changed_text_is_recorded_and_not_told() {
    let renamed = Row { server_name: Some("new".into()), ..row("a", 1) };
    Case::new(vec![entry("a", 1, 1)], vec![renamed]).check("#1:missing(0) #1:text");
}

#[test]
fn a_task_from_the_past_reappears_or_fails_again() {
    let past = |seconds_ago: i64| {
        let cleared_at = Timestamp::from_second(1_000_000 - seconds_ago).unwrap();
        let past =
            Past { id: FailureId(7), failed_at_ms: 1000, generation: 3, episode: 0, cleared_at };
        BTreeMap::from([(row("a", 1).key(), past)])
    };
    let listed = |second| Case::new(vec![], vec![row("a", second)]);
    Case { past: past(60), ..listed(1) }.check("a:reappeared:untold");
    Case { past: past(3600), ..listed(1) }.check("a:reappeared:told");
    Case { past: past(60), ..listed(2) }.check("a:refailed.4:told");
}

#[test]
fn each_first_run_does_as_it_says() {
    let hour = Duration::from_secs(3600);
    let rows = || vec![row("old", 1), row("young", 999_000)];
    let case = || Case::new(vec![], rows());
    case()
        .first(FirstRun::Summary)
        .check("old:baseline.1:untold young:baseline.1:untold baseline(2, Watching)");
    case()
        .first(FirstRun::Silent)
        .check("old:baseline.1:untold young:baseline.1:untold baseline(2, Nothing)");
    case().first(FirstRun::Notify).check("old:new.1:told young:new.1:told baseline(0, Nothing)");
    case()
        .first(FirstRun::Since(hour))
        .check("old:baseline.1:untold young:new.1:told baseline(1, Nothing)");
}

#[test]
fn an_empty_complete_first_poll_sets_the_baseline_too() {
    Case::new(vec![], vec![]).first(FirstRun::Summary).check("baseline(0, Watching)");
}

#[test]
fn a_partial_first_poll_sets_no_baseline_and_adds_only_what_is_told() {
    let hour = Duration::from_secs(3600);
    let case = || Case::new(vec![], vec![row("old", 1), row("young", 999_000)]);
    case().first(FirstRun::Summary).partial().check("");
    case().first(FirstRun::Silent).partial().check("");
    case().first(FirstRun::Notify).partial().check("old:new.1:told young:new.1:told");
    case().first(FirstRun::Since(hour)).partial().check("young:new.1:told");
}

#[test]
fn a_baseline_that_was_cut_short_goes_on() {
    Case::new(vec![entry("a", 1, 0)], vec![row("a", 1), row("b", 1)])
        .first(FirstRun::Summary)
        .check("b:baseline.1:untold baseline(2, Watching)");
}

#[test]
fn a_lost_store_neither_floods_nor_stays_silent() {
    let lost = Situation { lost: true, ..FIRST };
    for first_run in [FirstRun::Summary, FirstRun::Silent, FirstRun::Notify] {
        Case { situation: lost, first_run, ..Case::new(vec![], vec![row("a", 1)]) }
            .check("a:baseline.1:untold baseline(1, StateLost)");
    }
}

#[test]
fn many_failures_gone_at_once_are_marked_as_such() {
    let ids: Vec<&'static str> =
        vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
    let roster =
        |missing| ids.iter().zip(1..).map(|(id, n)| entry(id, n, missing)).collect::<Vec<_>>();
    assert!(Case::new(roster(1), vec![]).run().mass_cleared);
    let kept = ids.iter().take(4).map(|id| row(id, 1)).collect();
    assert!(!Case::new(roster(1), kept).run().mass_cleared, "ten are not more than ten");
}

#[test]
fn what_taskbell_deleted_is_nobodys_news_and_no_mass_clearing() {
    const OURS: [FailureId; 2] = [FailureId(1), FailureId(2)];
    let situation = Situation { deleting: &OURS, ..WATCHED };
    let case = |roster| Case { situation, ..Case::new(roster, vec![]) };
    let changes = case(vec![entry("a", 1, 1), entry("b", 2, 0), entry("c", 3, 1)]).run();
    let ids = |entries: &[RosterEntry]| entries.iter().map(|one| one.id.0).collect::<Vec<_>>();
    assert_eq!((ids(&changes.deleted), ids(&changes.cleared)), (vec![1], vec![3]));
    // Of twelve that are gone, two are ours.
    let names: Vec<String> = (1..=12).map(|nth| format!("t{nth}")).collect();
    let roster = names.iter().zip(1..).map(|(id, nth)| entry(id, nth, 1)).collect();
    let changes = case(roster).run();
    assert!(!changes.mass_cleared, "ten are not more than ten");
    assert_eq!((changes.deleted.len(), changes.cleared.len()), (2, 10));
}
