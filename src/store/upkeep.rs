//! Copies of the store, files without garbage, and reading all that is kept.

use std::{collections::BTreeSet, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{
    SourceState, StoreError,
    archive::{self, Archived},
    engine::{Engine, deliveries, failures, mentions, roster, told},
    kv::{Compacted, Kv, Tree, Txn},
    measured::{self, Reading},
    migrate::format_of,
    pages::{Pages, Record, decode},
    recover::{Place, holds_any},
    sled::Aside,
};
use crate::{
    decide::{
        backlog::{Forming, Seed},
        diff::Past,
        health::SinkState,
        stuck::RunningMark,
        upkeep::{checkpoint_due, worth_compacting},
    },
    delivery::Suppressed,
    failure::Ack,
    http::Chain,
    name::Name,
    progress::Meter,
    silence::Silence,
};

/// What is said of a store that has many problems.
const PROBLEMS_MAX: usize = 20;

/// Records whose references are looked up at once.
const LOOKED_UP: usize = 1_000;

/// What the upkeep of a store came to.
#[derive(Debug, Default)]
pub struct Kept {
    /// The copy that was made.
    pub checkpoint: Option<Archived>,
    /// What writing the files anew came to.
    pub compacted: Option<Compacted>,
    /// Why something was not done. The store itself is as good as before.
    pub trouble: Option<String>,
}

/// A store that was looked at. The counts are those of a deep look.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// Keys with their values.
    pub entries: u64,
    /// Failures that are remembered.
    pub failures: u64,
    /// Deliveries that are remembered, done or not.
    pub deliveries: u64,
    /// Its size on disk, in bytes.
    pub disk_bytes: u64,
    /// See `migrations/`.
    pub format: u32,
    /// Its newest copy, and where that is.
    pub checkpoint: Option<(Archived, PathBuf)>,
    /// Damaged stores that were kept aside, oldest first.
    pub aside: Vec<Aside>,
    /// What cannot be read or does not fit together, at most [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
}

impl Inspected {
    fn problem(&mut self, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }
}

impl Engine {
    pub(super) fn upkeep(&mut self, every: Duration, now: Timestamp) -> Result<Kept, StoreError> {
        self.check()?;
        let mut kept = Kept::default();
        let Some(place) = &self.place else { return Ok(kept) };
        if !checkpoint_due(place.copied_at(), every, now) {
            return Ok(kept);
        }
        // Only who asked for a copy waits for it, and counting first takes as long as reading.
        let total = if every.is_zero() { measured::count(&*self.kv)? } else { 0 };
        let work = self.meter.begin("entries", total);
        let archived =
            match archive::write(&Reading::new(&*self.kv, &work), &place.checkpoint(), now) {
                Ok(archived) => archived,
                Err(error @ StoreError::Damaged { .. }) => return Err(error),
                Err(error) => {
                    kept.trouble = Some(Chain(&error).to_string());
                    return Ok(kept);
                }
            };
        drop(work);
        kept.checkpoint = Some(archived);
        if worth_compacting(self.kv.disk_bytes(), archived.bytes) {
            match self.kv.compact(&self.meter) {
                Ok(compacted) => kept.compacted = Some(compacted),
                Err(error @ StoreError::Damaged { .. }) => return Err(error),
                Err(error) => kept.trouble = Some(Chain(&error).to_string()),
            }
        }
        Ok(kept)
    }

    pub(super) fn compact(&mut self) -> Result<Compacted, StoreError> {
        self.check()?;
        self.kv.compact(&self.meter)
    }

    /// Whether nothing was ever recorded.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        for tree in Tree::ALL.into_iter().filter(|tree| *tree != Tree::Meta) {
            if holds_any(&*self.kv, tree)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn inspect(&mut self, deep: bool) -> Result<Inspected, StoreError> {
        self.check()?;
        let read = if deep { self.read_all()? } else { Inspected::default() };
        let copy = self.place.as_ref().map(Place::checkpoint);
        let aside = self.place.as_ref().map(Place::aside).unwrap_or_default();
        Ok(Inspected {
            format: format_of(&*self.kv)?.unwrap_or_default(),
            disk_bytes: self.kv.disk_bytes(),
            checkpoint: copy.and_then(|path| Some((archive::head(&path).ok()?, path))),
            aside,
            ..read
        })
    }

    /// Reads every record, and looks up what records name.
    pub(super) fn read_all(&mut self) -> Result<Inspected, StoreError> {
        let entries = measured::count(&*self.kv)?;
        let mut seen = Inspected { entries, ..Inspected::default() };
        let meter = Arc::clone(&self.meter);
        let work = meter.begin("entries", entries);
        let kv = Reading::new(&*self.kv, &work);
        decode_each::<SourceState>(&kv, Tree::Source, &mut seen)?;
        decode_each::<Past>(&kv, Tree::Past, &mut seen)?;
        decode_each::<Vec<Suppressed>>(&kv, Tree::Suppressed, &mut seen)?;
        decode_each::<Seed>(&kv, Tree::Seed, &mut seen)?;
        decode_each::<Forming>(&kv, Tree::Forming, &mut seen)?;
        decode_each::<Vec<u64>>(&kv, Tree::Member, &mut seen)?;
        decode_each::<SinkState>(&kv, Tree::Sink, &mut seen)?;
        decode_each::<Silence>(&kv, Tree::Silence, &mut seen)?;
        decode_each::<Ack>(&kv, Tree::Ack, &mut seen)?;
        decode_each::<Vec<RunningMark>>(&kv, Tree::Running, &mut seen)?;
        decode_each::<Vec<Name>>(&kv, Tree::Informed, &mut seen)?;
        seen.failures = read_pages(&kv, &failures(), &mut seen, |_| {})?;
        read_pages(&kv, &mentions(), &mut seen, |_| {})?;
        let mut owed = BTreeSet::new();
        let open = read_pages(&kv, &deliveries(), &mut seen, |one| {
            owed.extend(one.failures.iter().map(|id| id.0));
        })?;
        seen.deliveries = open + read_pages(&kv, &told(), &mut seen, |_| {})?;
        let mut references = vec![("deliveries that are not done".to_owned(), owed)];
        for (name, state) in &self.sources {
            let mut named = BTreeSet::new();
            let standing = read_pages(&kv, &roster(state.number), &mut seen, |entry| {
                named.insert(entry.id.0);
            })?;
            if standing != state.standing {
                let counted = state.standing;
                seen.problem(format!(
                    "source {name} counts {counted} failures that stand, and has {standing}"
                ));
            }
            references.push((format!("the roster of source {name}"), named));
        }
        drop(work);
        look_up(&mut *self.kv, &references, &meter, &mut seen)?;
        Ok(seen)
    }
}

/// Decodes every record of a tree that has no pages.
fn decode_each<T: DeserializeOwned>(
    kv: &dyn Kv,
    tree: Tree,
    seen: &mut Inspected,
) -> Result<(), StoreError> {
    kv.scan(tree, &[], &mut |key, bytes| {
        if let Err(error) = decode::<T>(tree, bytes) {
            seen.problem(format!("{} (key {key:02x?})", Chain(&error)));
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Decodes every record of `pages`, as far as they can be read. Returns how many.
fn read_pages<T: Record>(
    kv: &dyn Kv,
    pages: &Pages<T>,
    seen: &mut Inspected,
    mut visit: impl FnMut(&T),
) -> Result<u64, StoreError> {
    let (mut count, mut last) = (0, None);
    let read = pages.scan(kv, 0, |record| {
        if last.is_some_and(|last| record.number() <= last) {
            seen.problem(format!("record {} is out of order", record.number()));
        }
        last = Some(record.number());
        count += 1;
        visit(&record);
        ControlFlow::Continue(())
    });
    match read {
        Err(error @ StoreError::Damaged { .. }) => {
            let behind = last.map_or_else(String::new, |last| format!(", behind record {last}"));
            seen.problem(format!("{}{behind}", Chain(&error)));
            Ok(count)
        }
        other => other.map(|()| count),
    }
}

/// Finds out whether the failures are there that something names.
fn look_up(
    kv: &mut dyn Kv,
    references: &[(String, BTreeSet<u64>)],
    meter: &Meter,
    seen: &mut Inspected,
) -> Result<(), StoreError> {
    // A work of its own: it can take longer than the reading before it.
    let all: usize = references.iter().map(|(_, named)| named.len()).sum();
    let work = meter.begin("failures looked up", count(all));
    let txn = Txn::new(kv);
    for (by, named) in references {
        let named: Vec<u64> = named.iter().copied().collect();
        let mut missing = 0;
        for some in named.chunks(LOOKED_UP) {
            missing += some.len() - failures().get_many(&txn, some.iter().copied())?.len();
            work.add(count(some.len()));
        }
        if 0 < missing {
            seen.problem(format!("{missing} failures that {by} name are missing"));
        }
    }
    Ok(())
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{
        super::{
            kv::{Entry, Visit, Writes},
            memory::MemoryKv,
        },
        *,
    };
    use crate::progress::Progress;

    /// Notes how far the work is whenever something is looked up.
    struct Watched {
        kv: MemoryKv,
        meter: Arc<Meter>,
        seen: Mutex<Vec<Progress>>,
    }

    impl Kv for Watched {
        fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.kv.get(tree, key)
        }

        fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
            self.seen.lock().unwrap().extend(self.meter.now());
            self.kv.floor(tree, key)
        }

        fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
            self.kv.scan(tree, from, visit)
        }

        fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
            self.kv.commit(writes)
        }

        fn disk_bytes(&self) -> u64 {
            self.kv.disk_bytes()
        }

        fn compact(&mut self, meter: &Meter) -> Result<Compacted, StoreError> {
            self.kv.compact(meter)
        }
    }

    #[test]
    fn looking_up_is_measured_and_what_is_missing_is_one_problem() {
        let meter = Arc::new(Meter::default());
        let (kv, seen) = (MemoryKv::default(), Mutex::default());
        let mut kv = Watched { kv, meter: Arc::clone(&meter), seen };
        let references = [
            ("the roster of source a".to_owned(), (1..=2_500).collect()),
            ("the roster of source b".to_owned(), (1..=500).collect()),
        ];
        let mut found = Inspected::default();
        look_up(&mut kv, &references, &meter, &mut found).unwrap();
        let mut seen = kv.seen.into_inner().unwrap();
        seen.dedup();
        let at = |done| Progress { unit: "failures looked up".to_owned(), done, total: 3_000 };
        assert_eq!(seen, [0, 1_000, 2_000, 2_500].map(at));
        assert_eq!(meter.now(), None);
        assert_eq!(
            found.problems,
            [
                "2500 failures that the roster of source a name are missing",
                "500 failures that the roster of source b name are missing",
            ]
        );
    }
}
