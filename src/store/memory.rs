//! A store without a disk, for tests and for `plan`.
//!
//! What it keeps can outlive it ([`MemoryDisk`]), so that a test can kill the process that it
//! plays and open the store again, and can let a commit fail as a full disk would.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    StoreError,
    kv::{Compacted, Entry, Kv, Tree, Visit, Writes},
};
use crate::progress::Meter;

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<(Tree, Vec<u8>), Vec<u8>>,
    /// Commits that still succeed; `None`: all.
    commits_left: Option<u32>,
}

/// What a store in memory keeps. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryDisk")
    }
}

impl MemoryDisk {
    /// Lets every commit after the next `commits` fail, and none if `None`.
    pub fn fail_after(&self, commits: Option<u32>) {
        self.contents().commits_left = commits;
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing is half done while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ordered maps that live as long as their disk.
#[derive(Debug, Default)]
pub(super) struct MemoryKv {
    pub(super) disk: MemoryDisk,
}

impl Kv for MemoryKv {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.disk.contents().entries.get(&(tree, key.to_vec())).cloned())
    }

    fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let contents = self.disk.contents();
        let mut below = contents.entries.range((tree, Vec::new())..=(tree, key.to_vec()));
        Ok(below.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let contents = self.disk.contents();
        let entries = contents.entries.range((tree, from.to_vec())..);
        for ((_, key), value) in entries.take_while(|((at, _), _)| *at == tree) {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        let mut contents = self.disk.contents();
        match &mut contents.commits_left {
            Some(0) => {
                let what = "the disk takes no more".to_owned();
                return Err(StoreError::NotDurable { what, cause: None });
            }
            Some(left) => *left -= 1,
            None => {}
        }
        for (at, value) in writes {
            match value {
                Some(value) => drop(contents.entries.insert(at.clone(), value.clone())),
                None => drop(contents.entries.remove(at)),
            }
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn compact(&mut self, _: &Meter) -> Result<Compacted, StoreError> {
        Ok(Compacted::default())
    }
}
