//! The store on disk: sled 0.34, with a flush that reaches it.
//!
//! What is surprising about sled and handled here: `open` can panic on a damaged store, so it is
//! called where a panic is caught; `flush` alone is not durable (see [`super::durable`]); after a
//! failed flush the change is in memory but not on disk, so the store takes no more work; a
//! transaction's closure may run twice, so it only hands over a batch that was built before.

use std::{
    fs::File,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use sled::{
    Batch, Db, Transactional,
    transaction::{ConflictableTransactionError, TransactionError},
};

use super::{
    StoreError, durable,
    kv::{Entry, Kv, Tree, Visit, Writes},
};
use crate::failpoint;

/// Memory that sled may use for its pages. The live set of an ordinary project fits; a poll of
/// 100,000 rows is read through once.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) struct SledKv {
    db: Db,
    /// By [`Tree`] in the order of [`Tree::ALL`].
    trees: Vec<sled::Tree>,
    folder: PathBuf,
    /// Set where our own `sync_file_range` is not in the way of sled's flush.
    sync_by_hand: bool,
}

impl SledKv {
    /// Opens or makes the store in `folder`, whose lock the caller holds.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let fresh = !folder.join("db").exists();
        let what = || format!("cannot open {}", folder.display());
        let opened = catch_unwind(AssertUnwindSafe(|| open_trees(folder)));
        let (db, trees) = match opened {
            Ok(opened) => opened.map_err(|error| StoreError::unreadable(what(), error))?,
            Err(_panic) => {
                return Err(StoreError::Unreadable {
                    what: format!(
                        "{}: its files are damaged; move the folder aside and start again, \
                         or restore a copy",
                        what()
                    ),
                    cause: None,
                });
            }
        };
        let mut kv = Self { db, trees, folder: folder.to_owned(), sync_by_hand: false };
        kv.check_sync()?;
        if fresh {
            sync_folder(folder).map_err(|error| StoreError::not_durable(what(), error))?;
        }
        Ok(kv)
    }

    /// Finds out whether a flush passes through our own function.
    fn check_sync(&mut self) -> Result<(), StoreError> {
        let before = durable::syncs();
        let meta = self.tree(Tree::Meta)?;
        meta.insert(b"opened", &std::process::id().to_be_bytes())
            .and_then(|_| self.db.flush())
            .map_err(|error| not_durable("the first write", error))?;
        self.sync_by_hand = durable::syncs() == before;
        self.sync()
    }

    fn sync(&self) -> Result<(), StoreError> {
        if self.sync_by_hand {
            let path = self.folder.join("db");
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(|error| StoreError::not_durable("sync of the store's file", error))?;
        }
        Ok(())
    }

    fn tree(&self, tree: Tree) -> Result<&sled::Tree, StoreError> {
        let at = Tree::ALL.iter().position(|other| *other == tree);
        at.and_then(|at| self.trees.get(at))
            .ok_or(StoreError::Unreadable { what: tree.name().to_owned(), cause: None })
    }
}

fn open_trees(folder: &Path) -> sled::Result<(Db, Vec<sled::Tree>)> {
    let db = sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        // Nothing is on disk before a commit says so, so a timer would only add a thread.
        .flush_every_ms(None)
        .open()?;
    let trees =
        Tree::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<sled::Result<_>>()?;
    Ok((db, trees))
}

/// Makes the names of a new store's files durable: the folder's own and its parent's entry.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let conf = folder.join("conf");
    if conf.exists() {
        File::open(conf)?.sync_all()?;
    }
    File::open(folder)?.sync_all()?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn read_failed(tree: Tree, error: sled::Error) -> StoreError {
    StoreError::unreadable(format!("the tree {}", tree.name()), error)
}

/// As [`StoreError::not_durable`], in the system's words where it was the system.
fn not_durable(what: &str, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => StoreError::not_durable(what, error),
        error => StoreError::not_durable(what, error),
    }
}

impl Kv for SledKv {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.tree(tree)?.get(key).map_err(|error| read_failed(tree, error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn floor(&self, tree: Tree, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        match self.tree(tree)?.range(..=key).next_back().transpose() {
            Ok(entry) => Ok(entry.map(|(key, value)| (key.to_vec(), value.to_vec()))),
            Err(error) => Err(read_failed(tree, error)),
        }
    }

    fn scan(&self, tree: Tree, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in self.tree(tree)?.range(from..) {
            let (key, value) = entry.map_err(|error| read_failed(tree, error))?;
            if let ControlFlow::Break(()) = visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, writes: &Writes) -> Result<(), StoreError> {
        let mut touched: Vec<(sled::Tree, Batch)> = Vec::new();
        let mut last = None;
        for ((tree, key), value) in writes {
            if last != Some(*tree) {
                touched.push((self.tree(*tree)?.clone(), Batch::default()));
                last = Some(*tree);
            }
            if let Some((_, batch)) = touched.last_mut() {
                match value {
                    Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                    None => batch.remove(key.as_slice()),
                }
            }
        }
        let (trees, batches): (Vec<sled::Tree>, Vec<Batch>) = touched.into_iter().unzip();
        failpoint::hit("commit.before");
        let applied = trees.as_slice().transaction(|trees| {
            for (tree, batch) in trees.iter().zip(&batches) {
                tree.apply_batch(batch)?;
            }
            Ok::<_, ConflictableTransactionError<std::convert::Infallible>>(())
        });
        applied.map_err(|error| match error {
            TransactionError::Storage(error) => not_durable("a commit", error),
            TransactionError::Abort(never) => match never {},
        })?;
        failpoint::hit("commit.before_flush");
        self.db.flush().map_err(|error| not_durable("a flush", error))?;
        self.sync()?;
        failpoint::hit("commit.after");
        Ok(())
    }
}
