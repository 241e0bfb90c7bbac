//! What a listing holds that the ledger does not, found row by row while the pages stream by.
//!
//! A row that the ledger knows, unchanged, costs one look-up and leaves no trace but a mark. So
//! a listing of 100,000 known rows needs a few megabytes for the ledger's index and nothing for
//! the rows.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    failure::FailureId,
    task::{Row, Task, TaskKey},
};

/// One standing failure in the ledger's index.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RosterEntry {
    /// The task.
    pub key: TaskKey,
    /// The failure that stands for it.
    pub id: FailureId,
    /// When it failed, in milliseconds since 1970; `i64::MIN` if that is not known.
    pub failed_at_ms: i64,
    /// See [`crate::failure::Failure::generation`].
    pub generation: u32,
    /// See [`Row::text_crc`].
    pub text_crc: u32,
    /// Complete polls in a row that did not list it. 0 while open.
    pub missing: u8,
}

/// A task that the ledger's index does not hold, or holds with another time or text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// As listed.
    pub task: Task,
    /// As listed, `i64::MIN` if there was none. The task's own time may be out of range.
    pub failed_at_ms: i64,
    walk: u8,
}

impl Found {
    /// A task that is known from elsewhere than a walk.
    #[must_use]
    pub fn of(task: Task) -> Self {
        let failed_at_ms = task.failed_at.map_or(i64::MIN, jiff::Timestamp::as_millisecond);
        Self { task, failed_at_ms, walk: 0 }
    }
}

/// Compares listings with the ledger's index.
///
/// Rows are united by key over all the walks of one poll: what was listed in any of them was
/// listed.
#[derive(Debug)]
pub struct Sift {
    /// Sorted by key, each key once.
    roster: Arc<Vec<RosterEntry>>,
    places: Places,
    /// For each entry of the roster, the last walk that met it; 0 for none.
    seen: Vec<u8>,
    walk: u8,
    distinct: u64,
    unknown: BTreeMap<TaskKey, Found>,
    /// By position in the roster.
    changed: BTreeMap<usize, Found>,
}

/// Whether a poll met a task that the ledger holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// No walk met it.
    Unseen,
    /// At least one did.
    Seen,
    /// At least one did, and what that means was already decided.
    Settled,
}

/// What a poll's walks found, taken out of a [`Sift`].
#[derive(Debug)]
pub struct Findings {
    /// The index the rows were compared with, sorted by key.
    pub roster: Arc<Vec<RosterEntry>>,
    /// For each entry of the roster, whether any walk met it.
    pub seen: Vec<Presence>,
    /// Tasks that the roster does not hold.
    pub unknown: Vec<Found>,
    /// Tasks that it holds with another time or text, by position in the roster, ascending.
    pub changed: Vec<(usize, Found)>,
}

impl Sift {
    /// Nothing met yet. `roster` is sorted by key and holds each key once.
    #[must_use]
    pub fn new(roster: Arc<Vec<RosterEntry>>) -> Self {
        let seen = vec![0; roster.len()];
        let places = Places::of(&roster);
        Self {
            roster,
            places,
            seen,
            walk: 0,
            distinct: 0,
            unknown: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Begins the next walk. What earlier ones met stays met.
    pub fn begin_walk(&mut self) {
        self.walk = self.walk.saturating_add(1);
        self.distinct = 0;
    }

    /// Distinct tasks that this walk met so far.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Takes note of a row. Returns whether this walk met the task for the first time.
    pub fn row(&mut self, row: &Row<'_>) -> bool {
        let key = row.key();
        let failed_at_ms = row.failed_at_ms.unwrap_or(i64::MIN);
        let first = match self.places.find(&self.roster, key) {
            Some(at) => self.known_row(at, row, failed_at_ms),
            None => {
                let walk = self.walk;
                let found = || Found { task: row.to_task(), failed_at_ms, walk };
                keep_latest(self.unknown.entry(key), failed_at_ms, walk, found)
            }
        };
        self.distinct += u64::from(first);
        first
    }

    fn known_row(&mut self, at: usize, row: &Row<'_>, failed_at_ms: i64) -> bool {
        let (Some(entry), Some(seen)) = (self.roster.get(at), self.seen.get_mut(at)) else {
            return false;
        };
        let first = *seen != self.walk;
        *seen = self.walk;
        if entry.failed_at_ms != failed_at_ms || entry.text_crc != row.text_crc() {
            let walk = self.walk;
            let found = || Found { task: row.to_task(), failed_at_ms, walk };
            keep_latest(self.changed.entry(at), failed_at_ms, walk, found);
        }
        first
    }

    /// Ends the poll.
    #[must_use]
    pub fn finish(self) -> Findings {
        Findings {
            roster: self.roster,
            seen: self
                .seen
                .into_iter()
                .map(|walk| if walk == 0 { Presence::Unseen } else { Presence::Seen })
                .collect(),
            unknown: self.unknown.into_values().collect(),
            changed: self.changed.into_iter().collect(),
        }
    }
}

/// Where in a sorted roster keys begin, by their leading bits.
///
/// Keys are hashes, so they spread evenly, and about one shares a slot. Against a search by
/// halves this saves some fifteen reads of memory for each row of a long list.
#[derive(Debug)]
struct Places {
    /// Leading bits that choose the slot.
    bits: u32,
    /// For each slot where it begins, and at the end the roster's length.
    starts: Vec<u32>,
}

impl Places {
    /// Four megabytes of starts at most, for a million failures that stand.
    const BITS_MAX: u32 = 20;

    fn of(roster: &[RosterEntry]) -> Self {
        let bits = roster.len().next_power_of_two().trailing_zeros().min(Self::BITS_MAX);
        let slots = 1_usize << bits;
        let mut starts = Vec::with_capacity(slots + 1);
        for (at, entry) in (0_u32..).zip(roster) {
            while starts.len() <= slot(entry.key, bits) {
                starts.push(at);
            }
        }
        starts.resize(slots + 1, u32::try_from(roster.len()).unwrap_or(u32::MAX));
        Self { bits, starts }
    }

    fn find(&self, roster: &[RosterEntry], key: TaskKey) -> Option<usize> {
        let slot = slot(key, self.bits);
        let start = usize::try_from(*self.starts.get(slot)?).ok()?;
        let end = usize::try_from(*self.starts.get(slot + 1)?).ok()?;
        let near = roster.get(start..end)?;
        near.binary_search_by(|entry| entry.key.cmp(&key)).ok().map(|at| start + at)
    }
}

/// The `bits` leading bits of a key, 0 to [`Places::BITS_MAX`].
fn slot(key: TaskKey, bits: u32) -> usize {
    let [a, b, c, d, ..] = key.0;
    let leading = u64::from(u32::from_be_bytes([a, b, c, d])) << bits >> 32;
    usize::try_from(leading).unwrap_or(usize::MAX)
}

/// Keeps the found task with the latest time. Returns whether this walk met it first now.
fn keep_latest<K: Ord>(
    entry: std::collections::btree_map::Entry<'_, K, Found>,
    failed_at_ms: i64,
    walk: u8,
    found: impl FnOnce() -> Found,
) -> bool {
    use std::collections::btree_map::Entry;
    match entry {
        Entry::Vacant(vacant) => {
            vacant.insert(found());
            true
        }
        Entry::Occupied(mut occupied) => {
            let first = occupied.get().walk != walk;
            if occupied.get().failed_at_ms < failed_at_ms || first {
                let later = occupied.get().failed_at_ms.max(failed_at_ms) == failed_at_ms;
                if later {
                    occupied.insert(found());
                } else {
                    occupied.get_mut().walk = walk;
                }
            }
            first
        }
    }
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// At an empty page, as it should.
    EmptyPage,
    /// At a page that held only rows of earlier pages: the server ignores `offset`.
    NothingNew,
    /// At our limit of pages or rows.
    Limit,
}

/// What a walk amounted to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Walk {
    /// Pages asked for, the last one included.
    pub pages: u32,
    /// Rows received, repeats included.
    pub rows: u64,
    /// How it ended.
    pub end: End,
    /// The list's own count on the first and on the last page, if it gave one and it is to be
    /// believed.
    pub totals: Option<(u64, u64)>,
}

/// Whether a poll saw the whole list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completeness {
    /// Every row was seen.
    Complete,
    /// The list's own count changed under the walk.
    Drifted {
        /// On the first page.
        before: u64,
        /// On the last page.
        after: u64,
    },
    /// The rows do not agree with the list's own count.
    Disagrees {
        /// The list's count.
        total: u64,
        /// Distinct tasks met.
        distinct: u64,
    },
    /// The server ignores `offset` and gives no count: nobody knows whether that was all.
    OffsetIgnored,
    /// There are more pages or rows than we walk.
    TooLong,
    /// A page could not be had.
    Broken,
}

impl Completeness {
    /// Judges one walk that met `distinct` tasks.
    #[must_use]
    pub fn of(walk: &Walk, distinct: u64) -> Self {
        match (walk.end, walk.totals) {
            (End::Limit, _) => Self::TooLong,
            (_, Some((before, after))) if before != after => Self::Drifted { before, after },
            (_, Some((total, _))) if total != distinct => Self::Disagrees { total, distinct },
            (_, Some(_)) | (End::EmptyPage, None) => Self::Complete,
            (End::NothingNew, None) => Self::OffsetIgnored,
        }
    }

    /// The word for logs and `source list`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Drifted { .. } => "drifted",
            Self::Disagrees { .. } => "disagrees",
            Self::OffsetIgnored => "offset_ignored",
            Self::TooLong => "too_long",
            Self::Broken => "broken",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, ms: i64) -> Row<'_> {
        Row { task_id: Some(id.into()), failed_at_ms: Some(ms), ..Row::default() }
    }

    fn entry(row: &Row<'_>, id: u64) -> RosterEntry {
        RosterEntry {
            key: row.key(),
            id: FailureId(id),
            failed_at_ms: row.failed_at_ms.unwrap(),
            generation: 1,
            text_crc: row.text_crc(),
            missing: 0,
        }
    }

    fn sift(rows: &[Row<'_>]) -> Sift {
        let mut roster: Vec<_> = rows.iter().zip(1..).map(|(row, id)| entry(row, id)).collect();
        roster.sort_by_key(|entry| entry.key);
        let mut sift = Sift::new(Arc::new(roster));
        sift.begin_walk();
        sift
    }

    #[test]
    fn known_rows_leave_only_a_mark() {
        let mut sift = sift(&[row("a", 1), row("b", 2)]);
        assert!(sift.row(&row("a", 1)));
        assert!(!sift.row(&row("a", 1)), "a repeat on a later page");
        let findings = sift.finish();
        assert_eq!(findings.seen.iter().filter(|seen| **seen == Presence::Seen).count(), 1);
        assert!(findings.unknown.is_empty() && findings.changed.is_empty());
    }

    #[test]
    fn every_key_of_a_roster_of_any_size_is_found_and_no_other() {
        for size in [0_u64, 1, 2, 3, 7, 8, 9, 100, 1_000] {
            let ids: Vec<String> = (0..size).map(|number| format!("id-{number}")).collect();
            let rows: Vec<Row<'_>> = ids.iter().map(|id| row(id, 1)).collect();
            let mut sift = sift(&rows);
            for row in &rows {
                assert!(sift.row(row));
            }
            assert!(sift.row(&row("another", 1)));
            let findings = sift.finish();
            assert_eq!(findings.unknown.len(), 1, "of {size}");
            assert!(findings.seen.iter().all(|seen| *seen == Presence::Seen));
        }
    }

    #[test]
    fn a_repeated_id_counts_once_and_the_latest_failure_wins() {
        let mut sift = sift(&[]);
        assert!(sift.row(&row("a", 5)));
        assert!(!sift.row(&row("a", 9)));
        assert!(!sift.row(&row("a", 7)));
        assert_eq!(sift.distinct(), 1);
        assert_eq!(sift.finish().unknown.first().unwrap().failed_at_ms, 9);
    }

    #[test]
    fn walks_are_united_but_each_counts_for_itself() {
        let mut sift = sift(&[row("a", 1), row("b", 1)]);
        sift.row(&row("a", 1));
        sift.row(&row("x", 1));
        sift.begin_walk();
        assert!(sift.row(&row("b", 1)));
        assert!(sift.row(&row("x", 1)));
        assert_eq!(sift.distinct(), 2);
        let findings = sift.finish();
        assert_eq!(findings.seen, [Presence::Seen; 2]);
        assert_eq!(findings.unknown.len(), 1);
    }

    #[test]
    fn a_known_task_with_another_time_or_text_is_reported() {
        let mut sift = sift(&[row("a", 1), row("b", 1)]);
        sift.row(&row("a", 2));
        sift.row(&Row { server_name: Some("n".into()), ..row("b", 1) });
        assert_eq!(sift.finish().changed.len(), 2);
    }

    #[test]
    fn a_walk_is_complete_only_if_nothing_contradicts_it() {
        use Completeness::{Complete, Disagrees, Drifted, OffsetIgnored, TooLong};
        for (end, totals, distinct, expected) in [
            (End::EmptyPage, None, 7, Complete),
            (End::EmptyPage, Some((7, 7)), 7, Complete),
            (End::EmptyPage, Some((8, 8)), 7, Disagrees { total: 8, distinct: 7 }),
            (End::EmptyPage, Some((8, 7)), 7, Drifted { before: 8, after: 7 }),
            (End::NothingNew, Some((7, 7)), 7, Complete),
            (End::NothingNew, None, 7, OffsetIgnored),
            (End::NothingNew, Some((9, 9)), 7, Disagrees { total: 9, distinct: 7 }),
            (End::Limit, Some((7, 7)), 7, TooLong),
        ] {
            let walk = Walk { pages: 1, rows: distinct, end, totals };
            assert_eq!(Completeness::of(&walk, distinct), expected, "{walk:?}");
        }
    }
}
