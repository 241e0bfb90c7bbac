//! The ledger and the outbox, on any [`Kv`]: one logic for the disk and for memory.
//!
//! Lives on a thread of its own (see [`super::actor`]), so it is plain sequential code. What it
//! keeps in memory beside the database is small: the sources' states, the counters, and when
//! each delivery that is not done is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use serde::{Deserialize, Serialize};

use super::{
    SourceState, StoreError,
    actor::Marker,
    kv::{Kv, Tree, Txn},
    pages::{Pages, Record, decode, encode},
};
use crate::{
    decide::sift::RosterEntry,
    delivery::{Delivery, DeliveryState},
    failure::Failure,
    name::Name,
};

/// Key of the [`Counters`] in [`Tree::Meta`].
const COUNTERS: &[u8] = b"counters";

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

impl Record for RosterEntry {
    fn number(&self) -> u64 {
        self.id.0
    }
}

/// The last number given to each kind of record. 0: none yet.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct Counters {
    pub(super) failure: u64,
    pub(super) delivery: u64,
    pub(super) seed: u64,
    pub(super) source: u32,
}

/// When the deliveries to one sink are due.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Due time in milliseconds, and number.
    pub(super) due: BTreeSet<(i64, u64)>,
    /// Handed out; by number, with the due time to go back to.
    pub(super) leased: BTreeMap<u64, i64>,
}

pub(super) struct Engine {
    pub(super) kv: Box<dyn Kv>,
    pub(super) counters: Counters,
    pub(super) sources: BTreeMap<Name, SourceState>,
    pub(super) lanes: BTreeMap<Name, Lane>,
    /// Sources that had a baseline in a store that was lost.
    pub(super) lost: BTreeSet<Name>,
    /// Where the next sweep goes on.
    pub(super) swept_to: u64,
    /// The file beside the store; not for one in memory. Holds the lock, so it comes last.
    pub(super) marker: Option<Marker>,
    /// Why nothing more is done: a change did not reach the disk.
    broken: Option<String>,
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

pub(super) fn roster(source: u32) -> Pages<RosterEntry> {
    Pages::of_owner(Tree::Roster, source.to_be_bytes().to_vec())
}

impl Engine {
    /// Reads what is kept in memory. `lost` names sources that had a baseline in a store that
    /// this one took the place of.
    pub(super) fn open(kv: Box<dyn Kv>, lost: BTreeSet<Name>) -> Result<Self, StoreError> {
        let counters = match kv.get(Tree::Meta, COUNTERS)? {
            Some(bytes) => decode(Tree::Meta, &bytes)?,
            None => Counters::default(),
        };
        let mut sources = BTreeMap::new();
        kv.scan(Tree::Source, &[], &mut |key, bytes| {
            let name = std::str::from_utf8(key).ok().and_then(|key| Name::parse(key).ok());
            if let Some(name) = name {
                sources.insert(name, decode(Tree::Source, bytes)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut lanes: BTreeMap<Name, Lane> = BTreeMap::new();
        deliveries().scan(&*kv, 0, |delivery| {
            if let DeliveryState::Pending { due } = delivery.state {
                let due = (due.as_millisecond(), delivery.id.0);
                lanes.entry(delivery.sink).or_default().due.insert(due);
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self { kv, counters, sources, lanes, lost, swept_to: 0, marker: None, broken: None })
    }

    /// Fails once a change did not reach the disk: what is in memory can no longer be trusted.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.broken {
            None => Ok(()),
            Some(what) => Err(StoreError::NotDurable { what: what.clone(), cause: None }),
        }
    }

    /// Remembers a failed change.
    pub(super) fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::NotDurable { .. }) = &result {
            self.broken = Some(format!("an earlier change failed ({error})"));
        }
        result
    }

    pub(super) fn put_counters(txn: &mut Txn<'_>, counters: &Counters) {
        txn.put(Tree::Meta, COUNTERS.to_vec(), encode(counters));
    }
}
