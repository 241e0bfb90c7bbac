//! A database that is read from end to end while somebody waits for it.

use std::ops::ControlFlow;

use super::{
    StoreError,
    kv::{Compacted, Entry, Kv, Tree, Visit, Writes},
};
use crate::progress::{Measured, Meter};

/// Moves a meter with each entry that a scan visits. For reading only.
pub(super) struct Reading<'a> {
    kv: &'a dyn Kv,
    work: &'a Measured<'a>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(kv: &'a dyn Kv, work: &'a Measured<'a>) -> Self {
        Self { kv, work }
    }

    fn refused() -> StoreError {
        StoreError::NotDurable { what: "this view is for reading".to_owned(), cause: None }
    }
}

impl Kv for Reading<'_> {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kv.get(tree, key)
    }

    fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.kv.floor(tree, key)
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.kv.scan(tree, from, &mut |key, value| {
            self.work.add(1);
            visit(key, value)
        })
    }

    fn commit(&mut self, _: &Writes) -> Result<(), StoreError> {
        Err(Self::refused())
    }

    fn disk_bytes(&self) -> u64 {
        self.kv.disk_bytes()
    }

    fn compact(&mut self, _: &Meter) -> Result<Compacted, StoreError> {
        Err(Self::refused())
    }
}

/// Every entry of `kv`.
pub(super) fn count(kv: &dyn Kv) -> Result<u64, StoreError> {
    let mut entries = 0;
    for tree in Tree::ALL {
        kv.scan(tree, &[], &mut |_, _| {
            entries += 1;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(entries)
}
