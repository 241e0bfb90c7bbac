//! The store on disk: sled 0.34, with a flush that reaches it.
//!
//! What is surprising about sled and handled here: `open` can panic on a damaged store, so it is
//! called where a panic is caught; `flush` alone is not durable (see [`super::durable`]); after a
//! failed flush the change is in memory but not on disk, so the store takes no more work; a
//! transaction's closure may run twice, so it only hands over a batch that was built before.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use sled::{
    Batch, Db, Transactional,
    transaction::{ConflictableTransactionError, TransactionError},
};

use super::{
    StoreError, durable,
    kv::{Compacted, Entry, Kv, Tree, Txn, Visit, Writes},
    measured::{self, Reading},
};
use crate::{failpoint, progress::Meter};

/// The folder of sled's files, within the store's.
const LEDGER: &str = "ledger";

/// The same, while it is being written or after its place was taken.
const UNFINISHED: &str = "ledger.new";

/// What the name of files begins with that were damaged and are kept.
const ASIDE: &str = "damaged-";

/// A damaged store that was kept aside.
#[derive(Clone, Debug)]
pub struct Aside {
    /// When.
    pub at: Timestamp,
    /// Its folder.
    pub path: PathBuf,
    /// What it takes.
    pub bytes: u64,
}

/// Memory that sled may use for its pages. The live set of an ordinary project fits; a poll of
/// 100,000 rows is read through once.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) struct SledKv {
    /// `None` for the moment in which its files are exchanged, and for good if that fails.
    open: Option<Open>,
    /// The store's.
    folder: PathBuf,
    /// Where its files are, within `folder`.
    files: PathBuf,
    /// Whether our own `sync_file_range` is in the way of sled's flush; found out at the first one.
    passes: Option<bool>,
}

struct Open {
    db: Db,
    /// By [`Tree`] in the order of [`Tree::ALL`].
    trees: Vec<sled::Tree>,
}

impl SledKv {
    /// Whether there is a store in `folder`.
    pub(super) fn exists(folder: &Path) -> bool {
        folder.join(LEDGER).exists()
    }

    /// Opens or makes the store in `folder`, whose lock the caller holds.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        // What a process left that was killed before it finished, or before it tidied up.
        let unfinished = folder.join(UNFINISHED);
        remove_folder(&unfinished)
            .map_err(|error| StoreError::unreadable(cannot("remove", &unfinished), error))?;
        Self::open_files(folder, LEDGER)
    }

    fn open_files(folder: &Path, files: &str) -> Result<Self, StoreError> {
        let files = folder.join(files);
        let fresh = !files.join("db").exists();
        let open = Some(open_trees(&files)?);
        let kv = Self { open, folder: folder.to_owned(), files, passes: None };
        if fresh {
            sync_folder(&kv.files)
                .and_then(|()| sync_folder(folder))
                .map_err(|error| StoreError::not_durable(cannot("make", &kv.files), error))?;
        }
        Ok(kv)
    }

    /// Makes the store in `folder` be what `fill` makes of an empty one: whole, or not at all.
    pub(super) fn build<T>(
        folder: &Path,
        fill: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let made = Self::build_beside(folder, fill)?;
        take_place(folder)?;
        Ok(made)
    }

    fn build_beside<T>(
        folder: &Path,
        fill: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let files = folder.join(UNFINISHED);
        remove_folder(&files)
            .map_err(|error| StoreError::not_durable(cannot("remove", &files), error))?;
        fill(&mut Self::open_files(folder, UNFINISHED)?)
    }

    /// Moves the store's files aside, under a name with `stamp`. Returns where they are.
    pub(super) fn set_aside(folder: &Path, stamp: i64) -> Result<PathBuf, StoreError> {
        let kept = folder.join(format!("{ASIDE}{stamp}"));
        fs::rename(folder.join(LEDGER), &kept)
            .and_then(|()| sync_folder(folder))
            .map_err(|error| StoreError::not_durable(cannot("make", &kept), error))?;
        Ok(kept)
    }

    /// The files that were moved aside, oldest first.
    pub(super) fn aside(folder: &Path) -> Vec<Aside> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut all: Vec<Aside> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let stamp = name.strip_prefix(ASIDE)?.parse().ok()?;
                let (path, at) = (entry.path(), Timestamp::from_millisecond(stamp).ok()?);
                Some(Aside { at, bytes: folder_bytes(&path), path })
            })
            .collect();
        all.sort_by_key(|aside| aside.at);
        all
    }

    /// When the store's files were made.
    pub(super) fn born(folder: &Path) -> Option<std::time::SystemTime> {
        fs::metadata(folder.join(LEDGER).join("conf")).and_then(|conf| conf.modified()).ok()
    }

    /// Brings what was written to the disk.
    fn flush(&mut self) -> Result<(), StoreError> {
        let before = durable::syncs();
        self.db().and_then(|db| db.flush()).map_err(|error| not_durable("a flush", error))?;
        if !*self.passes.get_or_insert(durable::syncs() != before) {
            File::open(self.files.join("db"))
                .and_then(|file| file.sync_all())
                .map_err(|error| StoreError::not_durable("sync of the store's file", error))?;
        }
        Ok(())
    }

    fn db(&self) -> sled::Result<&Db> {
        let closed = || sled::Error::Unsupported("its files could not be opened again".to_owned());
        self.open.as_ref().map(|open| &open.db).ok_or_else(closed)
    }

    fn tree(&self, tree: Tree) -> Result<&sled::Tree, StoreError> {
        let at = Tree::ALL.iter().position(|other| *other == tree);
        let trees = self.open.as_ref().map(|open| &open.trees).ok_or(StoreError::Closed)?;
        at.and_then(|at| trees.get(at)).ok_or(StoreError::Closed)
    }
}

/// Copies everything into `to`.
fn copy(from: &dyn Kv, to: &mut dyn Kv) -> Result<(), StoreError> {
    let mut txn = Txn::new(to);
    for tree in Tree::ALL {
        from.scan(tree, &[], &mut |key, value| {
            txn.put(tree, key.to_vec(), value.to_vec());
            if txn.is_large() {
                txn.commit()?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    txn.commit()
}

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}

/// Opens the database in `files`. A panic on the way is damage like any other.
fn open_trees(files: &Path) -> Result<Open, StoreError> {
    let what = || cannot("open", files);
    match catch_unwind(AssertUnwindSafe(|| open_patiently(files))) {
        Ok(Ok((db, trees))) => Ok(Open { db, trees }),
        Ok(Err(error)) => Err(failed(what(), error)),
        Err(_panic) => Err(StoreError::Damaged { what: what(), cause: None }),
    }
}

/// sled's threads may hold the lock of a database for a moment after its last handle is gone.
fn open_patiently(files: &Path) -> sled::Result<(Db, Vec<sled::Tree>)> {
    let mut tries = 0;
    loop {
        match open_once(files) {
            Err(sled::Error::Io(error))
                if tries < LOCK_TRIES && error.to_string().contains("could not acquire lock") =>
            {
                tries += 1;
                std::thread::sleep(LOCK_WAIT);
            }
            other => return other,
        }
    }
}

/// Ours is taken first, so nobody else can hold sled's for longer than this.
const LOCK_TRIES: u32 = 100;

const LOCK_WAIT: Duration = Duration::from_millis(20);

fn open_once(files: &Path) -> sled::Result<(Db, Vec<sled::Tree>)> {
    let db = sled::Config::new()
        .path(files)
        .cache_capacity(CACHE_BYTES)
        // Nothing is on disk before a commit says so, so a timer would only add a thread.
        .flush_every_ms(None)
        .open()?;
    let trees =
        Tree::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<sled::Result<_>>()?;
    Ok((db, trees))
}

/// Lets the files that were written beside the store's take their place, at one instant.
fn take_place(folder: &Path) -> Result<(), StoreError> {
    let (new, old) = (folder.join(UNFINISHED), folder.join(LEDGER));
    failpoint::hit("swap.before");
    let taken = if old.exists() {
        renameat_with(CWD, &new, CWD, &old, RenameFlags::EXCHANGE).map_err(io::Error::from)
    } else {
        fs::rename(&new, &old)
    };
    taken
        .and_then(|()| sync_folder(folder))
        .map_err(|error| StoreError::not_durable(cannot("put new files into", &old), error))?;
    failpoint::hit("swap.after");
    remove_folder(&new).map_err(|error| StoreError::not_durable(cannot("remove", &new), error))
}

/// What the files in a folder take.
fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the names in a folder durable, and its own in its parent.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let conf = folder.join("conf");
    if conf.exists() {
        File::open(conf)?.sync_all()?;
    }
    File::open(folder)?.sync_all()?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether an error of sled's is about the files or about the system that they are on.
fn failed(what: String, error: sled::Error) -> StoreError {
    let damaged = match &error {
        sled::Error::Corruption { .. }
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_) => true,
        sled::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
    };
    match error {
        _ if damaged => StoreError::Damaged { what, cause: Some(error.into()) },
        // In the system's words.
        sled::Error::Io(error) => StoreError::unreadable(what, error),
        error => StoreError::unreadable(what, error),
    }
}

fn read_failed(tree: Tree, error: sled::Error) -> StoreError {
    failed(format!("the tree {}", tree.name()), error)
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
        self.flush()?;
        failpoint::hit("commit.after");
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        folder_bytes(&self.files)
    }

    fn compact(&mut self, meter: &Meter) -> Result<Compacted, StoreError> {
        let before = self.disk_bytes();
        let folder = self.folder.clone();
        let work = meter.begin("entries", measured::count(self)?);
        Self::build_beside(&folder, |new| copy(&Reading::new(self, &work), new))?;
        drop(work);
        self.open = None;
        let taken = take_place(&folder);
        // The old ones, if it was not.
        self.open = Some(open_trees(&self.files)?);
        taken?;
        Ok(Compacted { before, after: self.disk_bytes() })
    }
}
