//! The little that the ledger asks of a database: ordered keys in a few trees, and commits that
//! are atomic over all of them and on disk when they return.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

use super::StoreError;
use crate::progress::Meter;

/// The trees. The names are part of the format: see `migrations/`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Tree {
    /// Format stamp and counters.
    Meta,
    /// [`super::SourceState`] by name.
    Source,
    /// Pages of what stands, by source number and first failure.
    Roster,
    /// What is remembered of cleared tasks, by source number and task key.
    Past,
    /// Pages of failures, by first failure.
    Failure,
    /// Why nobody is told, by failure.
    Suppressed,
    /// What has to be told, by number.
    Seed,
    /// Open groups, by group key.
    Forming,
    /// Pages of deliveries that are not done, by first delivery.
    Delivery,
    /// Pages of deliveries that are done, by first delivery.
    Told,
    /// Bytes to send again, by delivery and part.
    Body,
    /// Where a service keeps the message of a delivery, by delivery; only of those that may be
    /// followed up.
    Message,
    /// Pages of which deliveries speak for a failure, by first failure.
    Mention,
    /// Failures of deliveries that list only some of them, by delivery and part.
    Member,
    /// [`crate::decide::health::SinkState`] by name.
    Sink,
    /// Silences by number.
    Silence,
    /// Who acknowledged a failure, by failure.
    Ack,
    /// Deliveries to remind of, by due time and delivery.
    Remind,
    /// What is remembered of running tasks, by source number.
    Running,
    /// Which sinks were told that a source is blind because another one failed, by source name.
    Informed,
}

impl Tree {
    pub(super) const ALL: [Self; 20] = [
        Self::Meta,
        Self::Source,
        Self::Roster,
        Self::Past,
        Self::Failure,
        Self::Suppressed,
        Self::Seed,
        Self::Forming,
        Self::Delivery,
        Self::Told,
        Self::Body,
        Self::Message,
        Self::Mention,
        Self::Member,
        Self::Sink,
        Self::Silence,
        Self::Ack,
        Self::Remind,
        Self::Running,
        Self::Informed,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Source => "source",
            Self::Roster => "roster",
            Self::Past => "past",
            Self::Failure => "failure",
            Self::Suppressed => "suppressed",
            Self::Seed => "seed",
            Self::Forming => "forming",
            Self::Delivery => "delivery",
            Self::Told => "told",
            Self::Body => "body",
            Self::Message => "message",
            Self::Mention => "mention",
            Self::Member => "member",
            Self::Sink => "sink",
            Self::Silence => "silence",
            Self::Ack => "ack",
            Self::Remind => "remind",
            Self::Running => "running",
            Self::Informed => "informed",
        }
    }
}

/// What a commit writes: a value, or `None` to remove the key.
pub(super) type Writes = BTreeMap<(Tree, Vec<u8>), Option<Vec<u8>>>;

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// Takes one key and value of a scan and says whether to go on.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError> + 'a;

/// An ordered key-value database.
pub(super) trait Kv: Send + Sync {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The entry with the greatest key that is not above `key`.
    fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// Visits entries in ascending order, from `from` on.
    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Makes all of `writes` happen, or none, and returns when they are on disk.
    fn commit(&mut self, writes: &Writes) -> Result<(), StoreError>;

    /// What it takes on disk.
    fn disk_bytes(&self) -> u64;

    /// Writes its files anew, without what is needed no more.
    fn compact(&mut self, meter: &Meter) -> Result<Compacted, StoreError>;
}

/// What writing the files anew came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before: u64,
    /// Bytes on disk after.
    pub after: u64,
}

/// Writes that were decided and not yet committed, and reads that see them.
pub(super) struct Txn<'k> {
    kv: &'k mut dyn Kv,
    writes: Writes,
    bytes: usize,
}

impl<'k> Txn<'k> {
    /// Above this, a transaction should end where it can. Large ones are slow in sled and were
    /// the ones that a power cut tore when its flush was not yet durable.
    pub(super) const BYTES_SOFT_MAX: usize = 256 * 1024;

    pub(super) fn new(kv: &'k mut dyn Kv) -> Self {
        Self { kv, writes: Writes::new(), bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn is_large(&self) -> bool {
        Self::BYTES_SOFT_MAX <= self.bytes
    }

    pub(super) fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(&(tree, key.to_vec())) {
            Some(staged) => Ok(staged.clone()),
            None => self.kv.get(tree, key),
        }
    }

    /// As [`Kv::floor`], with what is staged.
    pub(super) fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let lowest = (tree, Vec::new());
        let staged = self
            .writes
            .range(lowest..=(tree, key.to_vec()))
            .rev()
            .find_map(|((_, key), value)| Some((key.clone(), value.clone()?)));
        let mut below = key.to_vec();
        let stored = loop {
            match self.kv.floor(tree, &below)? {
                // Staged for removal, or staged anew and found above.
                Some((key, _)) if self.writes.contains_key(&(tree, key.clone())) => {
                    match predecessor(key) {
                        Some(lower) => below = lower,
                        None => break None,
                    }
                }
                other => break other,
            }
        };
        Ok(staged.max(stored))
    }

    /// The least key above `key`, with what is staged.
    pub(super) fn above(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let past = (Bound::Excluded((tree, key.to_vec())), Bound::Unbounded);
        let staged = self
            .writes
            .range(past)
            .take_while(|((at, _), _)| *at == tree)
            .find_map(|((_, key), value)| value.is_some().then(|| key.clone()));
        let mut stored = None;
        self.kv.scan(tree, key, &mut |found, _| {
            let skip = found == key || self.writes.contains_key(&(tree, found.to_vec()));
            Ok(if skip {
                ControlFlow::Continue(())
            } else {
                stored = Some(found.to_vec());
                ControlFlow::Break(())
            })
        })?;
        Ok(match (staged, stored) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        })
    }

    pub(super) fn put(&mut self, tree: Tree, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.writes.insert((tree, key), Some(value));
    }

    pub(super) fn remove(&mut self, tree: Tree, key: Vec<u8>) {
        self.bytes += key.len();
        self.writes.insert((tree, key), None);
    }

    /// Commits what is staged, if anything, and begins anew.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        if !self.writes.is_empty() {
            self.kv.commit(&self.writes)?;
            self.writes.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}

/// The greatest key below `key` among keys of the same length. Page keys all have one length.
fn predecessor(mut key: Vec<u8>) -> Option<Vec<u8>> {
    for byte in key.iter_mut().rev() {
        if let Some(lower) = byte.checked_sub(1) {
            *byte = lower;
            return Some(key);
        }
        *byte = u8::MAX;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::memory::MemoryKv, *};

    fn key(number: u64) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    #[test]
    fn a_transaction_reads_what_it_staged_and_not_what_it_removed() {
        let mut kv = MemoryKv::default();
        let mut txn = Txn::new(&mut kv);
        for number in [256, 300, 400] {
            txn.put(Tree::Failure, key(number), vec![1]);
        }
        txn.commit().unwrap();
        txn.remove(Tree::Failure, key(300));
        txn.put(Tree::Failure, key(260), vec![2]);
        let floor = |txn: &Txn<'_>, number| {
            txn.floor(Tree::Failure, &key(number)).unwrap().map(|(key, _)| key)
        };
        assert_eq!(floor(&txn, 399), Some(key(260)));
        assert_eq!(floor(&txn, 259), Some(key(256)));
        assert_eq!(floor(&txn, 400), Some(key(400)));
        assert_eq!(floor(&txn, 255), None);
        txn.remove(Tree::Failure, key(256));
        assert_eq!(floor(&txn, 259), None);
    }
}
