//! Many small records in few keys.
//!
//! A database commit costs by the key, not by the byte. Records with ascending numbers are
//! therefore kept in pages of up to [`PAGE_BYTES_MAX`], each under the number of its first
//! record, and 10,000 new failures are some hundred writes instead of 10,000.
//!
//! A page is the version and then its records, each behind its distance from the page's number
//! and its length. So a change copies the records that it does not touch, and a reader decodes
//! only those that it wants.

use std::{marker::PhantomData, ops::ControlFlow};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    kv::{Kv, Tree, Txn},
};

/// A page is split above this. Larger values leave sled's pages and become files of their own.
const PAGE_BYTES_MAX: usize = 4 * 1024;

/// First byte of every page and record: the version of the encoding. What has another one is told as
/// damage, and is never read as something else.
const VERSION: u8 = 2;

/// A record with a number.
pub(super) trait Record: Serialize + DeserializeOwned {
    fn number(&self) -> u64;
}

/// Encodes one value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    append(value, vec![VERSION])
}

/// Encodes one value behind `bytes`.
fn append<T: Serialize + ?Sized>(value: &T, bytes: Vec<u8>) -> Vec<u8> {
    // Postcard fails on maps of unknown length and on full buffers; records have neither.
    postcard::to_extend(value, bytes).unwrap_or_default()
}

/// Decodes one value of `tree`.
pub(super) fn decode<T: DeserializeOwned>(tree: Tree, bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => decode_body(tree, rest),
        _ => Err(StoreError::Damaged { what: record_of(tree), cause: None }),
    }
}

fn decode_body<T: DeserializeOwned>(tree: Tree, body: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(body).map_err(|error| StoreError::damaged(record_of(tree), error))
}

fn record_of(tree: Tree) -> String {
    format!("a record of the tree {}", tree.name())
}

/// One record as it lies in a page.
#[derive(Clone, Copy)]
struct Slot<'a> {
    number: u64,
    body: &'a [u8],
}

/// The records of a page, in order.
struct Slots<'a> {
    tree: Tree,
    base: u64,
    rest: &'a [u8],
}

impl<'a> Iterator for Slots<'a> {
    type Item = Result<Slot<'a>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(match postcard::take_from_bytes::<(u64, &'a [u8])>(self.rest) {
            Ok(((distance, body), rest)) => {
                self.rest = rest;
                Ok(Slot { number: self.base.saturating_add(distance), body })
            }
            Err(error) => {
                self.rest = &[];
                Err(StoreError::damaged(record_of(self.tree), error))
            }
        })
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

    /// The number in the key of a page, if it is one of ours.
    fn number_in(&self, key: &[u8]) -> Option<u64> {
        key.strip_prefix(self.prefix.as_slice())?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The records of the page under `base`.
    fn slots<'a>(&self, base: u64, bytes: &'a [u8]) -> Result<Slots<'a>, StoreError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(Slots { tree: self.tree, base, rest }),
            _ => Err(StoreError::Damaged { what: record_of(self.tree), cause: None }),
        }
    }

    fn decode(&self, slot: Slot<'_>) -> Result<T, StoreError> {
        decode_body(self.tree, slot.body)
    }

    /// The number and the bytes of the page that would hold `number`.
    fn page(&self, txn: &Txn<'_>, number: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let found = txn.floor(self.tree, &self.key(number))?;
        Ok(found.and_then(|(key, bytes)| Some((self.number_in(&key)?, bytes))))
    }

    /// One record.
    pub(super) fn get(&self, txn: &Txn<'_>, number: u64) -> Result<Option<T>, StoreError> {
        Ok(self.get_many(txn, [number])?.pop())
    }

    /// Many records, by ascending numbers; each page is read once. Absent ones are left out.
    pub(super) fn get_many(
        &self,
        txn: &Txn<'_>,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut numbers = numbers.into_iter().peekable();
        while let Some(&number) = numbers.peek() {
            if let Some((base, bytes)) = self.page(txn, number)? {
                for slot in self.slots(base, &bytes)? {
                    let slot = slot?;
                    while numbers.next_if(|number| *number < slot.number).is_some() {}
                    match numbers.peek() {
                        None => break,
                        Some(next) if *next == slot.number => {
                            found.push(self.decode(slot)?);
                            numbers.next();
                        }
                        Some(_) => {}
                    }
                }
            }
            if numbers.next_if_eq(&number).is_some() {
                // Nor is any other that this page would hold: do not read it for each.
                let next_page = self.first_above(txn, number)?;
                let absent = |number: &u64| next_page.is_none_or(|next| *number < next);
                while numbers.next_if(absent).is_some() {}
            }
        }
        Ok(found)
    }

    /// Applies `edits`, which are in ascending order of their numbers.
    pub(super) fn edit(&self, txn: &mut Txn<'_>, edits: Vec<Edit<T>>) -> Result<(), StoreError> {
        let mut edits = edits.into_iter().peekable();
        while let Some(first) = edits.peek() {
            let number = first.number();
            let (here, bytes) = match self.page(txn, number)? {
                Some((base, bytes)) => (base, bytes),
                None => (number, vec![VERSION]),
            };
            // Edits above the page's last record may belong to the next page.
            let next_page = self.first_above(txn, here)?;
            let mut written = Written { pages: self, page: Vec::new(), base: None };
            let mut kept = self.slots(here, &bytes)?;
            let mut slot = kept.next().transpose()?;
            let belongs = |edit: &Edit<T>| next_page.is_none_or(|next| edit.number() < next);
            txn.remove(self.tree, self.key(here));
            while let Some(edit) = edits.next_if(|edit| belongs(edit)) {
                let number = edit.number();
                while let Some(before) = slot.filter(|slot| slot.number < number) {
                    written.push(txn, before);
                    slot = kept.next().transpose()?;
                }
                if slot.is_some_and(|slot| slot.number == number) {
                    slot = kept.next().transpose()?;
                }
                if let Edit::Put(record) = edit {
                    let body = append(&record, Vec::new());
                    written.push(txn, Slot { number, body: &body });
                }
            }
            while let Some(behind) = slot {
                written.push(txn, behind);
                slot = kept.next().transpose()?;
            }
            written.end(txn);
        }
        Ok(())
    }

    /// The number of the first record of the page above `number`.
    fn first_above(&self, txn: &Txn<'_>, number: u64) -> Result<Option<u64>, StoreError> {
        let above = txn.above(self.tree, &self.key(number))?;
        Ok(above.as_deref().and_then(|above| self.number_in(above)))
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
            let Some(first) = self.number_in(&key) else { break };
            let slots = self.slots(first, &bytes)?.collect::<Result<Vec<_>, _>>()?;
            for slot in slots.into_iter().rev() {
                if slot.number < before && visit(self.decode(slot)?).is_break() {
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
            Some((key, _)) if self.number_in(&key).is_some() => key,
            _ => self.key(0),
        };
        kv.scan(self.tree, &start, &mut |key, bytes| {
            let Some(base) = self.number_in(key) else { return Ok(ControlFlow::Break(())) };
            for slot in self.slots(base, bytes)? {
                let slot = slot?;
                if from <= slot.number && visit(self.decode(slot)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// Pages on their way into a transaction.
struct Written<'p, T> {
    pages: &'p Pages<T>,
    /// The page that is being filled.
    page: Vec<u8>,
    /// Its number; `None` while it is empty.
    base: Option<u64>,
}

impl<T: Record> Written<'_, T> {
    fn push(&mut self, txn: &mut Txn<'_>, slot: Slot<'_>) {
        if PAGE_BYTES_MAX < self.page.len() + slot.body.len() {
            self.end(txn);
        }
        if self.base.is_none() {
            self.page.reserve(PAGE_BYTES_MAX);
            self.page.push(VERSION);
        }
        let base = *self.base.get_or_insert(slot.number);
        let distance = slot.number.saturating_sub(base);
        let page = append(&(distance, slot.body.len()), std::mem::take(&mut self.page));
        self.page = page;
        self.page.extend_from_slice(slot.body);
    }

    /// Stages the page, if it holds anything.
    fn end(&mut self, txn: &mut Txn<'_>) {
        if let Some(base) = self.base.take() {
            txn.put(self.pages.tree, self.pages.key(base), std::mem::take(&mut self.page));
        }
    }
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
