//! Many small records in few keys.
//!
//! A database commit costs by the key, not by the byte. Records with ascending numbers are
//! therefore kept in pages of up to [`PAGE_BYTES_MAX`], each under the number of its first
//! record, and 10,000 new failures are some hundred writes instead of 10,000.

use std::{marker::PhantomData, ops::ControlFlow};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    kv::{Kv, Tree, Txn},
};

/// A page is split above this. Larger values leave sled's pages and become files of their own.
const PAGE_BYTES_MAX: usize = 4 * 1024;

/// First byte of every page and record: the version of the encoding.
const VERSION: u8 = 1;

/// The key of a page, and its records.
type Page<T> = (Vec<u8>, Vec<T>);

/// A record with a number.
pub(super) trait Record: Serialize + DeserializeOwned {
    fn number(&self) -> u64;
}

/// Encodes one value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Postcard fails on maps of unknown length and on full buffers; records have neither.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

/// Decodes one value of `tree`.
pub(super) fn decode<T: DeserializeOwned>(tree: Tree, bytes: &[u8]) -> Result<T, StoreError> {
    let what = || format!("a record of the tree {}", tree.name());
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            postcard::from_bytes(rest).map_err(|error| StoreError::unreadable(what(), error))
        }
        _ => Err(StoreError::Unreadable { what: what(), cause: None }),
    }
}

/// The pages of one kind of record, or of one owner's records of that kind.
pub(super) struct Pages<T> {
    tree: Tree,
    prefix: Vec<u8>,
    records: PhantomData<T>,
}

/// A change to a record.
pub(super) enum Edit<T> {
    Put(T),
    Remove(u64),
}

impl<T: Record> Edit<T> {
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Put(record) => record.number(),
            Self::Remove(number) => *number,
        }
    }
}

impl<T: Record> Pages<T> {
    pub(super) fn new(tree: Tree) -> Self {
        Self::of_owner(tree, Vec::new())
    }

    /// The pages under `prefix`. All prefixes in a tree have one length.
    pub(super) fn of_owner(tree: Tree, prefix: Vec<u8>) -> Self {
        Self { tree, prefix, records: PhantomData }
    }

    fn key(&self, number: u64) -> Vec<u8> {
        [self.prefix.as_slice(), &number.to_be_bytes()].concat()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<T>, StoreError> {
        decode(self.tree, bytes)
    }

    /// The page that would hold `number`.
    fn page(&self, txn: &Txn<'_>, number: u64) -> Result<Option<Page<T>>, StoreError> {
        match txn.floor(self.tree, &self.key(number))? {
            Some((key, bytes)) if key.starts_with(&self.prefix) => {
                Ok(Some((key, self.decode(&bytes)?)))
            }
            _ => Ok(None),
        }
    }

    /// One record.
    pub(super) fn get(&self, txn: &Txn<'_>, number: u64) -> Result<Option<T>, StoreError> {
        let page = self.page(txn, number)?;
        Ok(page.and_then(|(_, page)| page.into_iter().find(|record| record.number() == number)))
    }

    /// Many records, by ascending numbers; each page is read once. Absent ones are left out.
    pub(super) fn get_many(
        &self,
        txn: &Txn<'_>,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut page = Vec::new().into_iter().peekable();
        for number in numbers {
            while page.next_if(|record: &T| record.number() < number).is_some() {}
            if page.peek().is_none() {
                let records = self.page(txn, number)?.map(|(_, page)| page).unwrap_or_default();
                page = records.into_iter().peekable();
                while page.next_if(|record| record.number() < number).is_some() {}
            }
            found.extend(page.next_if(|record| record.number() == number));
        }
        Ok(found)
    }

    /// Applies `edits`, which are in ascending order of their numbers.
    pub(super) fn edit(&self, txn: &mut Txn<'_>, edits: Vec<Edit<T>>) -> Result<(), StoreError> {
        let mut edits = edits.into_iter().peekable();
        while let Some(first) = edits.peek() {
            let number = first.number();
            let (old_key, page) = match self.page(txn, number)? {
                Some((key, page)) => (Some(key), page),
                None => (None, Vec::new()),
            };
            // Edits above the page's last record may belong to the next page.
            let here = old_key.clone().unwrap_or_else(|| self.key(number));
            let next_page = self.first_above(txn, &here)?;
            let belongs = |edit: &Edit<T>| next_page.is_none_or(|next| edit.number() < next);
            let mut mine = Vec::new();
            while let Some(edit) = edits.next_if(|edit| belongs(edit)) {
                mine.push(edit);
            }
            if let Some(key) = old_key {
                txn.remove(self.tree, key);
            }
            self.write(txn, merge(page, mine));
        }
        Ok(())
    }

    /// The number of the first record of the page above `key`.
    fn first_above(&self, txn: &Txn<'_>, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let above = txn.above(self.tree, key)?;
        let tail = above.as_deref().and_then(|above| above.strip_prefix(self.prefix.as_slice()));
        Ok(tail.and_then(|tail| tail.try_into().ok()).map(u64::from_be_bytes))
    }

    /// Writes records as pages.
    fn write(&self, txn: &mut Txn<'_>, records: Vec<T>) {
        let mut page: Vec<T> = Vec::new();
        let mut bytes = 0;
        for record in records {
            let size = encode(&record).len();
            if !page.is_empty() && PAGE_BYTES_MAX < bytes + size {
                self.put(txn, &page);
                page.clear();
                bytes = 0;
            }
            bytes += size;
            page.push(record);
        }
        self.put(txn, &page);
    }

    fn put(&self, txn: &mut Txn<'_>, page: &[T]) {
        if let Some(first) = page.first() {
            txn.put(self.tree, self.key(first.number()), encode(page));
        }
    }

    /// Visits records in descending order, from the last one below `before` on.
    pub(super) fn scan_back(
        &self,
        kv: &dyn Kv,
        mut before: u64,
        mut visit: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        while let Some(last) = before.checked_sub(1) {
            let Some((key, bytes)) = kv.floor(self.tree, &self.key(last))? else { break };
            let first =
                key.strip_prefix(self.prefix.as_slice()).and_then(|key| key.try_into().ok());
            let Some(first) = first.map(u64::from_be_bytes) else { break };
            for record in self.decode(&bytes)?.into_iter().rev() {
                if record.number() < before && visit(record).is_break() {
                    return Ok(());
                }
            }
            // Lower than before, since the page begins at or below `last`.
            before = first;
        }
        Ok(())
    }

    /// Visits records in ascending order, from the page that would hold `from` on.
    pub(super) fn scan(
        &self,
        kv: &dyn Kv,
        from: u64,
        mut visit: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let start = match kv.floor(self.tree, &self.key(from))? {
            Some((key, _)) if key.starts_with(&self.prefix) => key,
            _ => self.key(0),
        };
        kv.scan(self.tree, &start, &mut |key, bytes| {
            if !key.starts_with(&self.prefix) {
                return Ok(ControlFlow::Break(()));
            }
            let mut records = self.decode(bytes)?.into_iter();
            Ok(records.try_for_each(|record| {
                if record.number() < from { ControlFlow::Continue(()) } else { visit(record) }
            }))
        })
    }
}

/// `page` with `edits`, both ascending.
fn merge<T: Record>(page: Vec<T>, edits: Vec<Edit<T>>) -> Vec<T> {
    let mut out = Vec::with_capacity(page.len() + edits.len());
    let mut page = page.into_iter().peekable();
    for edit in edits {
        let number = edit.number();
        while let Some(record) = page.next_if(|record| record.number() < number) {
            out.push(record);
        }
        drop(page.next_if(|record| record.number() == number));
        if let Edit::Put(record) = edit {
            out.push(record);
        }
    }
    out.extend(page);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::{super::memory::MemoryKv, *};

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    struct Note(u64, String);

    impl Record for Note {
        fn number(&self) -> u64 {
            self.0
        }
    }

    fn all(kv: &MemoryKv, pages: &Pages<Note>) -> Vec<Note> {
        let mut notes = Vec::new();
        pages
            .scan(kv, 0, |note| {
                notes.push(note);
                ControlFlow::Continue(())
            })
            .unwrap();
        notes
    }

    proptest! {
        #[test]
        fn pages_hold_what_a_map_holds(
            rounds in prop::collection::vec(
                prop::collection::btree_map(0_u64..400, prop::option::of(0_usize..900), 1..60),
                1..8,
            ),
        ) {
            let mut kv = MemoryKv::default();
            let mut model = BTreeMap::new();
            let pages = Pages::<Note>::of_owner(Tree::Roster, vec![7]);
            let other = Pages::<Note>::of_owner(Tree::Roster, vec![8]);
            let mut txn = Txn::new(&mut kv);
            other.edit(&mut txn, vec![Edit::Put(Note(5, "other".into()))]).unwrap();
            txn.commit().unwrap();
            for round in rounds {
                let edits = round.iter().map(|(number, length)| match length {
                    Some(length) => Edit::Put(Note(*number, "x".repeat(*length))),
                    None => Edit::Remove(*number),
                });
                let mut txn = Txn::new(&mut kv);
                pages.edit(&mut txn, edits.collect()).unwrap();
                for (number, length) in &round {
                    match length {
                        Some(length) => drop(model.insert(*number, "x".repeat(*length))),
                        None => drop(model.remove(number)),
                    }
                    let note = pages.get(&txn, *number).unwrap();
                    prop_assert_eq!(note.map(|note| note.1), model.get(number).cloned());
                }
                let some: Vec<u64> = round.keys().copied().collect();
                let many = pages.get_many(&txn, some.iter().copied()).unwrap();
                let expected: Vec<u64> =
                    some.into_iter().filter(|number| model.contains_key(number)).collect();
                prop_assert_eq!(many.iter().map(Note::number).collect::<Vec<_>>(), expected);
                txn.commit().unwrap();
                let notes: BTreeMap<u64, String> =
                    all(&kv, &pages).into_iter().map(|note| (note.0, note.1)).collect();
                prop_assert_eq!(&notes, &model);
                for before in [0, 1, 200, u64::MAX] {
                    let mut back = Vec::new();
                    pages
                        .scan_back(&kv, before, |note| {
                            back.push(note.0);
                            ControlFlow::Continue(())
                        })
                        .unwrap();
                    let expected: Vec<u64> =
                        model.range(..before).rev().map(|(number, _)| *number).collect();
                    prop_assert_eq!(back, expected);
                }
            }
            prop_assert_eq!(all(&kv, &other), vec![Note(5, "other".into())]);
        }
    }
}
