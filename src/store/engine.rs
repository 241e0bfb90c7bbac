//! The ledger and the outbox, on any [`Kv`]: one logic for the disk and for memory.
//!
//! Lives on a thread of its own (see [`super::actor`]), so it is plain sequential code. What it
//! keeps in memory beside the database is small: the sources' states, the counters, and when
//! each delivery that is not done is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    SourceState, StoreError, Totals,
    kv::{Kv, Tree, Txn},
    pages::{Pages, Record, decode, encode},
    recover::Place,
    sweep::Swept,
};
use crate::{
    decide::{
        health::{Gate, SinkState},
        recur::Recurrence,
        sift::RosterEntry,
    },
    delivery::{Delivery, DeliveryState, Hold},
    failure::Failure,
    name::Name,
    progress::Meter,
    silence::Silence,
};

/// Key of the [`Counters`] in [`Tree::Meta`].
const COUNTERS: &[u8] = b"counters";

/// Key in [`Tree::Meta`] that is there from the first attempt of a process to its orderly end.
const ATTEMPTING: &[u8] = b"attempting";

impl Record for Failure {
    fn number(&self) -> u64 {
        self.id.0
    }
}

impl Record for Delivery {
    fn number(&self) -> u64 {
        self.id.0
    }
}

/// Which deliveries speak for a failure.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Mention {
    pub(super) failure: u64,
    /// Ascending.
    pub(super) deliveries: Vec<u64>,
}

impl Record for Mention {
    fn number(&self) -> u64 {
        self.failure
    }
}

impl Record for RosterEntry {
    fn number(&self) -> u64 {
        self.id.0
    }
}

/// The last number given to each kind of record, 0: none yet; and what came of all failures.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Counters {
    pub(super) failure: u64,
    pub(super) delivery: u64,
    pub(super) seed: u64,
    pub(super) source: u32,
    pub(super) silence: u64,
    /// By sink, since the store was made.
    pub(super) totals: BTreeMap<Name, Totals>,
}

impl Counters {
    /// The totals of a sink, to be added to.
    pub(super) fn of(&mut self, sink: &Name) -> &mut Totals {
        if !self.totals.contains_key(sink) {
            self.totals.insert(sink.clone(), Totals::default());
        }
        self.totals.get_mut(sink).expect("was inserted")
    }
}

/// When the deliveries to one sink are due.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Due time in milliseconds, and number.
    pub(super) due: BTreeSet<(i64, u64)>,
    /// Handed out; by number, with the due time to go back to.
    pub(super) leased: BTreeMap<u64, i64>,
    /// Held, by what holds it: by number, with the failures that it speaks for.
    pub(super) held: BTreeMap<Hold, BTreeMap<u64, u32>>,
    /// Pending ones that an earlier process may have sent before it was killed. What they say
    /// must not change, like that of a record that is marked `uncertain`.
    pub(super) doubtful: BTreeSet<u64>,
}

impl Lane {
    /// Files a delivery under its state. Call [`Lane::forget`] first if it was filed before.
    pub(super) fn file(&mut self, number: u64, state: &DeliveryState, total: u32) {
        match state {
            DeliveryState::Pending { due } => {
                self.due.insert((due.as_millisecond(), number));
            }
            DeliveryState::Held { by, .. } => {
                self.held.entry(by.clone()).or_default().insert(number, total);
            }
            _ => {}
        }
    }

    /// Takes a delivery out, wherever it is.
    pub(super) fn forget(&mut self, number: u64, state: &DeliveryState) {
        match state {
            DeliveryState::Pending { due } => {
                self.due.remove(&(due.as_millisecond(), number));
            }
            DeliveryState::Held { by, .. } => {
                if let Some(held) = self.held.get_mut(by) {
                    held.remove(&number);
                    if held.is_empty() {
                        self.held.remove(by);
                    }
                }
            }
            _ => {}
        }
        self.leased.remove(&number);
    }
}

pub(super) struct Engine {
    pub(super) kv: Box<dyn Kv>,
    pub(super) counters: Counters,
    pub(super) sources: BTreeMap<Name, SourceState>,
    pub(super) lanes: BTreeMap<Name, Lane>,
    /// Sinks that are not as they were at first.
    pub(super) sinks: BTreeMap<Name, SinkState>,
    pub(super) silences: Arc<Vec<Silence>>,
    /// Whether [`ATTEMPTING`] is there.
    attempting: bool,
    /// Sources that had a baseline in a store that was lost.
    pub(super) lost: BTreeSet<Name>,
    pub(super) swept: Swept,
    /// Filled when the first failure is recorded.
    pub(super) recurrence: Option<Recurrence>,
    /// Sources whose figures are newer in memory than on disk.
    pub(super) unsaved: BTreeSet<Name>,
    /// The poll after which those were last saved.
    pub(super) figures_saved_at: Option<Timestamp>,
    /// Says how far long work is.
    pub(super) meter: Arc<Meter>,
    /// Why nothing more is done.
    broken: Option<Broken>,
    /// The folder and what lies beside it; not for a store in memory. Holds the lock, so it comes
    /// last.
    pub(super) place: Option<Place>,
}

/// Why an engine does nothing more.
enum Broken {
    /// A change did not reach the disk.
    NotDurable {
        what: String,
        /// Whether there was no room for it.
        full: bool,
    },
    /// A record is not what was written.
    Damaged(String),
}

pub(super) fn failures() -> Pages<Failure> {
    Pages::new(Tree::Failure)
}

pub(super) fn deliveries() -> Pages<Delivery> {
    Pages::new(Tree::Delivery)
}

pub(super) fn told() -> Pages<Delivery> {
    Pages::new(Tree::Told)
}

pub(super) fn mentions() -> Pages<Mention> {
    Pages::new(Tree::Mention)
}

pub(super) fn roster(source: u32) -> Pages<RosterEntry> {
    Pages::of_owner(Tree::Roster, source.to_be_bytes().to_vec())
}

impl Engine {
    /// Reads what is kept in memory. `lost` names sources that had a baseline in a store that
    /// this one took the place of.
    pub(super) fn open(kv: Box<dyn Kv>, lost: BTreeSet<Name>) -> Result<Self, StoreError> {
        let counters = Self::counters(&*kv)?;
        let sources = source_states(&*kv)?;
        let mut lanes: BTreeMap<Name, Lane> = BTreeMap::new();
        deliveries().scan(&*kv, 0, |delivery| {
            let lane = lanes.entry(delivery.sink).or_default();
            lane.file(delivery.id.0, &delivery.state, delivery.total);
            ControlFlow::Continue(())
        })?;
        let mut sinks = BTreeMap::new();
        kv.scan(Tree::Sink, &[], &mut |key, bytes| {
            let name = std::str::from_utf8(key).ok().and_then(|key| Name::parse(key).ok());
            if let Some(name) = name {
                sinks.insert(name, decode(Tree::Sink, bytes)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut silences = Vec::new();
        kv.scan(Tree::Silence, &[], &mut |_, bytes| {
            silences.push(decode(Tree::Silence, bytes)?);
            Ok(ControlFlow::Continue(()))
        })?;
        let attempting = kv.get(Tree::Meta, ATTEMPTING)?.is_some();
        if attempting {
            doubt(&*kv, &mut lanes, &sinks)?;
        }
        Ok(Self {
            kv,
            counters,
            sources,
            lanes,
            attempting,
            sinks,
            silences: Arc::new(silences),
            lost,
            swept: Swept::default(),
            recurrence: None,
            unsaved: BTreeSet::new(),
            figures_saved_at: None,
            broken: None,
            meter: Arc::default(),
            place: None,
        })
    }

    /// Fails once a change did not reach the disk: what is in memory can no longer be trusted.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.broken {
            None => Ok(()),
            Some(Broken::NotDurable { what, full }) => {
                let room = || io::Error::from(io::ErrorKind::StorageFull).into();
                Err(StoreError::NotDurable { what: what.clone(), cause: full.then(room) })
            }
            Some(Broken::Damaged(what)) => {
                Err(StoreError::Damaged { what: what.clone(), cause: None })
            }
        }
    }

    /// Takes note of a record that cannot be read: nothing more is done, and the next one to open
    /// the store reads all of it first.
    pub(super) fn note_damage(&mut self, error: &StoreError) {
        if let StoreError::Damaged { what, .. } = error
            && self.broken.is_none()
        {
            self.broken = Some(Broken::Damaged(what.clone()));
            if let Some(place) = &self.place {
                place.suspect();
            }
        }
    }

    /// Remembers a failed change.
    pub(super) fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::NotDurable { .. }) = &result {
            let what = format!("an earlier change failed ({error})");
            self.broken = Some(Broken::NotDurable { what, full: error.disk_is_full() });
        }
        result
    }

    /// Notes on disk that attempts are made from now on.
    pub(super) fn begin_attempts(&mut self) -> Result<(), StoreError> {
        if !self.attempting {
            let mut txn = Txn::new(&mut *self.kv);
            txn.put(Tree::Meta, ATTEMPTING.to_vec(), Vec::new());
            let result = txn.commit();
            self.note(result)?;
            self.attempting = true;
        }
        Ok(())
    }

    /// Notes on disk that no attempt is under way. If that fails, the next process doubts.
    pub(super) fn close(&mut self) {
        // If that fails, they are as of the last time.
        drop(self.save_figures());
        let known = |lane: &Lane| lane.leased.is_empty() && lane.doubtful.is_empty();
        let quiet = self.lanes.values().all(known);
        if self.attempting && quiet && self.broken.is_none() {
            let mut txn = Txn::new(&mut *self.kv);
            txn.remove(Tree::Meta, ATTEMPTING.to_vec());
            drop(txn.commit());
        }
    }

    pub(super) fn put_sink(txn: &mut Txn<'_>, name: &Name, state: &SinkState) {
        let key = name.as_str().as_bytes().to_vec();
        if *state == SinkState::default() {
            txn.remove(Tree::Sink, key);
        } else {
            txn.put(Tree::Sink, key, encode(state));
        }
    }

    pub(super) fn counters(kv: &dyn Kv) -> Result<Counters, StoreError> {
        match kv.get(Tree::Meta, COUNTERS)? {
            Some(bytes) => decode(Tree::Meta, &bytes),
            None => Ok(Counters::default()),
        }
    }

    pub(super) fn put_counters(txn: &mut Txn<'_>, counters: &Counters) {
        txn.put(Tree::Meta, COUNTERS.to_vec(), encode(counters));
    }
}

/// What is known of each source.
pub(super) fn source_states(kv: &dyn Kv) -> Result<BTreeMap<Name, SourceState>, StoreError> {
    let mut sources = BTreeMap::new();
    kv.scan(Tree::Source, &[], &mut |key, bytes| {
        let name = std::str::from_utf8(key).ok().and_then(|key| Name::parse(key).ok());
        if let Some(name) = name {
            sources.insert(name, decode(Tree::Source, bytes)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sources)
}

/// Finds the pending deliveries that a process that was killed may have sent.
///
/// Behind a breaker only the oldest is attempted, so what was opened since it opened was not.
fn doubt(
    kv: &dyn Kv,
    lanes: &mut BTreeMap<Name, Lane>,
    sinks: &BTreeMap<Name, SinkState>,
) -> Result<(), StoreError> {
    let mut probed: BTreeSet<Name> = BTreeSet::new();
    deliveries().scan(kv, 0, |delivery| {
        let Some(lane) = lanes.get_mut(&delivery.sink) else { return ControlFlow::Continue(()) };
        if !matches!(delivery.state, DeliveryState::Pending { .. }) {
            return ControlFlow::Continue(());
        }
        let behind = match sinks.get(&delivery.sink).map(|state| state.gate) {
            Some(Gate::Shut { since, .. }) => since <= delivery.created_at,
            _ => false,
        };
        let oldest = probed.insert(delivery.sink);
        if oldest || !behind {
            lane.doubtful.insert(delivery.id.0);
        }
        ControlFlow::Continue(())
    })
}
