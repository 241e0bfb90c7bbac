//! Access a store that may be damaged or gone, and putting its newest copy in its place.
//!
//! Beside the store's folder lie two files that survive its loss: the marker, which names the
//! sources that have a baseline, and the checkpoint, a copy of the whole store. Damage is found
//! when the store is opened or, since a database reads its files bit by bit, while it runs. Then
//! a mark is left, and the next one to open it reads all of it first.
//!
//! What is damaged is kept aside and never deleted. A copy that takes its place knows less than
//! was told: what it holds as pending is sent again, under the same ids, and what was found after
//! it was made is told again as new. Each source says so in one notice.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tracing::{error, info, warn};

use super::{
    SourceState, StoreError, StoreLock,
    archive::{self, Archived},
    engine::{Engine, source_states},
    kv::{Kv, Tree, Txn},
    migrate,
    neighbours::{self, beside},
    pages::encode,
    sled::{Aside, SledKv},
};
use crate::{
    decide::{
        backlog::Seed,
        upkeep::{ASIDE_A_DAY_MAX, may_set_aside},
    },
    failpoint,
    http::Chain,
    name::Name,
    progress::Meter,
};

/// Which store to open, and how.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Its folder. The marker and the checkpoint lie beside it.
    pub folder: &'a Path,
    /// Who we are, for whoever finds it locked.
    pub holder: &'a str,
    /// Whether a damaged store is set aside and its copy takes its place. Only for those who go
    /// on to tell what that changes.
    pub repair: bool,
    /// The present, for what is told about a repair.
    pub now: Timestamp,
}

/// A store's folder while we hold it, and the files beside it.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    _lock: StoreLock,
}

impl Place {
    fn take(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        let lock = StoreLock::take(folder, holder)?;
        neighbours::check(folder)?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The copy of the whole store.
    pub(super) fn checkpoint(&self) -> PathBuf {
        neighbours::checkpoint(&self.folder)
    }

    /// When the newest copy was made or, without one, when the store's files were.
    pub(super) fn copied_at(&self) -> Option<Timestamp> {
        match archive::head(&self.checkpoint()) {
            Ok(archived) => Some(archived.made_at),
            Err(_none) => SledKv::born(&self.folder).and_then(|born| born.try_into().ok()),
        }
    }

    fn marker(&self) -> PathBuf {
        neighbours::marker(&self.folder)
    }

    /// The sources that have a baseline, or had one in a store that was lost.
    fn marked(&self) -> BTreeSet<Name> {
        let text = fs::read_to_string(self.marker()).unwrap_or_default();
        text.lines().filter_map(|line| Name::parse(line).ok()).collect()
    }

    /// Notes that sources have their baseline. A failure costs only the notice that state was lost.
    pub(super) fn mark(&self, sources: impl IntoIterator<Item = Name>) {
        let names = self.marked().into_iter().chain(sources).collect();
        self.write_marker(&names);
    }

    /// Notes that a source has no baseline any more, because the operator wants that.
    pub(super) fn unmark(&self, source: &Name) {
        let mut names = self.marked();
        names.remove(source);
        self.write_marker(&names);
    }

    fn write_marker(&self, names: &BTreeSet<Name>) {
        if *names == self.marked() {
            return;
        }
        let text: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        if let Err(error) = fs::write(self.marker(), text) {
            let path = self.marker().display().to_string();
            warn!(path, %error, "the marker beside the store was not written");
        }
    }

    /// Damaged stores that were kept aside, oldest first.
    pub(super) fn aside(&self) -> Vec<Aside> {
        SledKv::aside(&self.folder)
    }

    /// Moves what is damaged aside, unless that happened so often lately that the disk itself is
    /// at fault.
    fn set_aside(&self, damage: StoreError, now: Timestamp) -> Result<(), StoreError> {
        let earlier: Vec<Timestamp> = self.aside().into_iter().map(|aside| aside.at).collect();
        if !may_set_aside(&earlier, now) {
            let (most, folder) = (ASIDE_A_DAY_MAX, self.folder.display());
            let what = format!(
                "it was damaged {most} times within a day before, each time kept aside in \
                 {folder}: its disk does not keep what is written. Use another disk, or move \
                 {folder}/damaged-* away and start again"
            );
            return Err(StoreError::Damaged { what, cause: Some(damage.into()) });
        }
        failpoint::hit("repair.before_aside");
        let kept = SledKv::set_aside(&self.folder, stamp(now))?;
        failpoint::hit("repair.after_aside");
        warn!(kept = %kept.display(), "what is damaged is kept aside");
        Ok(())
    }

    fn suspicion(&self) -> PathBuf {
        self.folder.join("suspect")
    }

    /// Has the next one to open the store read all of it first.
    pub(super) fn suspect(&self) {
        let path = self.suspicion();
        if let Err(error) = File::create(&path).and_then(|file| file.sync_all()) {
            error!(path = %path.display(), %error, "cannot note that the store may be damaged");
        }
    }

    /// A mark that is left if the thread that has it panics.
    pub(super) fn witness(&self) -> Witness {
        Witness(self.suspicion())
    }

    /// Opens the store as it is.
    fn whole(&self) -> Result<Engine, StoreError> {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            failpoint::hit("store.before_open");
            let mut kv = SledKv::open(&self.folder)?;
            let path = self.folder.display().to_string();
            failpoint::hit("store.before_migrate");
            migrate::migrate(&mut kv, &migrate::migrations(), &path)?;
            let suspected = self.suspicion().exists();
            let mut engine = Engine::open(Box::new(kv), BTreeSet::new())?;
            if suspected && let Some(problem) = engine.read_all()?.problems.into_iter().next() {
                return Err(StoreError::Damaged { what: problem, cause: None });
            }
            Ok(engine)
        }));
        let engine = opened.unwrap_or_else(|_panic| {
            let what = format!("reading {} broke off", self.folder.display());
            Err(StoreError::Damaged { what, cause: None })
        })?;
        match fs::remove_file(self.suspicion()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::unreadable("cannot take away the mark of damage", error))
            }
            _ => Ok(engine),
        }
    }

    /// Puts the newest copy in the place of what is lost, or nothing if there is none.
    fn restore(&self, now: Timestamp) -> Result<Engine, StoreError> {
        drop(fs::remove_file(self.suspicion()));
        let copy = self.checkpoint();
        if !copy.exists() {
            warn!("there is no copy of the store; beginning anew");
            return self.whole();
        }
        let restored = SledKv::build(&self.folder, |kv| {
            let archived = load(kv, &copy, &Meter::default())?;
            announce(kv, archived.made_at, now)?;
            Ok(archived)
        });
        match restored {
            Ok(Archived { made_at, entries, .. }) => {
                info!(%made_at, entries, "the store's copy took its place");
            }
            Err(error @ StoreError::Damaged { .. }) => {
                let kept = beside(&self.folder, &format!(".checkpoint.damaged-{}", stamp(now)));
                error!(
                    error = %Chain(&error),
                    kept = %kept.display(),
                    "the copy of the store is damaged as well; beginning anew"
                );
                let moved = fs::rename(&copy, &kept);
                moved.map_err(|error| StoreError::not_durable("cannot keep the copy", error))?;
            }
            Err(other) => return Err(other),
        }
        self.whole()
    }
}

fn stamp(now: Timestamp) -> i64 {
    now.as_millisecond()
}

/// Leaves a mark of damage when it is dropped by a panic.
pub(super) struct Witness(PathBuf);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the store broke off; the next start reads all of it before it goes on");
            drop(File::create(&self.0).and_then(|file| file.sync_all()));
        }
    }
}

/// Opens or makes a store.
pub(super) fn open(access: Access<'_>) -> Result<Engine, StoreError> {
    let Access { folder, holder, repair, now } = access;
    let place = Place::take(folder, holder)?;
    let marked = place.marked();
    let gone = !SledKv::exists(folder) && !marked.is_empty();
    let opened = if gone && (repair || place.checkpoint().exists()) {
        let what = format!("its files in {} are gone", folder.display());
        Err(StoreError::Damaged { what, cause: None })
    } else {
        place.whole()
    };
    let mut engine = match opened {
        Err(damage @ StoreError::Damaged { .. }) if repair => {
            error!(error = %Chain(&damage), "the store is lost");
            if !gone {
                place.set_aside(damage, now)?;
            }
            place.restore(now)?
        }
        other => other?,
    };
    let has_baseline =
        |name: &Name| engine.sources.get(name).is_some_and(|state| state.baseline_at.is_some());
    engine.lost = marked.into_iter().filter(|name| !has_baseline(name)).collect();
    if repair {
        // What a process left unsaid that was killed between the one and the other.
        place.mark(engine.sources.keys().filter(|name| has_baseline(name)).cloned());
    }
    engine.place = Some(place);
    failpoint::hit("store.after_open");
    Ok(engine)
}

/// Makes an empty store hold what an archive does.
///
/// # Errors
///
/// When the store is not empty, or the archive is damaged. Then nothing changed.
pub fn import(access: Access<'_>, archive: &Path, meter: &Meter) -> Result<Archived, StoreError> {
    let Access { folder, holder, .. } = access;
    let place = Place::take(folder, holder)?;
    if SledKv::exists(folder) && !place.whole()?.is_empty()? {
        let what = format!(
            "{} is not empty; name another folder in store.path, or move this one aside",
            folder.display()
        );
        return Err(StoreError::Unreadable { what, cause: None });
    }
    let (archived, states) = SledKv::build(folder, |kv| {
        let archived = load(kv, archive, meter)?;
        Ok((archived, source_states(kv)?))
    })?;
    let with_baseline =
        states.into_iter().filter(|(_, state)| state.baseline_at.is_some()).map(|(name, _)| name);
    place.mark(with_baseline);
    Ok(archived)
}

/// Reads an archive from its beginning to its end.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_archive(archive: &Path, meter: &Meter) -> Result<Archived, StoreError> {
    archive::read(archive, meter, &mut |_, _, _| Ok(()))
}

fn load(kv: &mut SledKv, archive: &Path, meter: &Meter) -> Result<Archived, StoreError> {
    let archived = archive::load(kv, archive, meter)?;
    let path = archive.display().to_string();
    migrate::migrate(kv, &migrate::migrations(), &path)?;
    Ok(archived)
}

/// Has every source say that its record is that of an earlier time.
fn announce(kv: &mut dyn Kv, as_of: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let mut counters = Engine::counters(kv)?;
    let states = source_states(kv)?;
    let mut txn = Txn::new(kv);
    for (source, SourceState { baseline_at, standing, .. }) in states {
        if baseline_at.is_none() {
            continue;
        }
        counters.seed += 1;
        let seed = Seed::Watching { source, at: now, standing, lost: true, as_of: Some(as_of) };
        txn.put(Tree::Seed, counters.seed.to_be_bytes().to_vec(), encode(&seed));
    }
    Engine::put_counters(&mut txn, &counters);
    txn.commit()
}

/// Whether a tree holds anything.
pub(super) fn holds_any(kv: &dyn Kv, tree: Tree) -> Result<bool, StoreError> {
    let mut any = false;
    kv.scan(tree, &[], &mut |_, _| {
        any = true;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(any)
}
