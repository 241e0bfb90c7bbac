//! A store without a disk, for tests and for `plan`.

use std::collections::BTreeMap;

use super::{
    StoreError,
    kv::{Entry, Kv, Tree, Visit, Writes},
};

/// Ordered maps that live as long as the process.
#[derive(Debug, Default)]
pub(super) struct MemoryKv {
    entries: BTreeMap<(Tree, Vec<u8>), Vec<u8>>,
}

impl Kv for MemoryKv {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.get(&(tree, key.to_vec())).cloned())
    }

    fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let mut below = self.entries.range((tree, Vec::new())..=(tree, key.to_vec()));
        Ok(below.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let entries = self.entries.range((tree, from.to_vec())..);
        for ((_, key), value) in entries.take_while(|((at, _), _)| *at == tree) {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        for (at, value) in writes {
            match value {
                Some(value) => drop(self.entries.insert(at.clone(), value.clone())),
                None => drop(self.entries.remove(at)),
            }
        }
        Ok(())
    }
}
