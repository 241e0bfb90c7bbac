//! When the store failed: whether that is said now, and the one file that remembers it.
//!
//! The disk of the store may be full, so the file lies where a disk is seldom: in the folder that
//! systemd gives the service, that of the user's session, or shared memory.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{self, Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::{Access, access};
use tracing::{info, warn};

use super::out;
use crate::{
    app::{self, AppError},
    config::Config,
    decide::{
        last_words::{Saying, hearers, occasion, quiet_until, saying},
        rules::Rules,
    },
    exit::Exit,
    name::Name,
    options,
    store::StoreError,
    worker::{
        Outlet,
        last_words::{LastWords, trouble},
    },
};

/// Ends a command that could not begin its work, and says so if the store is why.
pub(super) async fn at_opening(config: &Config, error: &AppError) -> Exit {
    let exit = out::fail(error, error.help(), Exit::from(error));
    // A config whose secrets are missing has nobody to tell.
    if let (AppError::Store(error), Ok(outlets)) = (error, app::outlets(config)) {
        of_work(config, (&outlets, &config.rules()), error, Duration::ZERO).await;
    }
    exit
}

/// Says that the store failed after the process had `worked` for some time.
pub(super) async fn of_work(
    config: &Config,
    (outlets, rules): (&[(Name, Outlet)], &Rules),
    error: &StoreError,
    worked: Duration,
) {
    let uid = rustix::process::geteuid().as_raw();
    if is_of_another(&config.store.path, uid) {
        return;
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let path = path::absolute(&config.store.path).unwrap_or_else(|_| config.store.path.clone());
    let place = format!("{} on {host}", path.display());
    let Some(trouble) = trouble(error, &place) else { return };
    let now = app::clock().now();
    let memory = Memory::of(&path);
    if let Saying::NotBefore(at) = saying(memory.read(), worked, now) {
        info!(%at, "that the store failed was told, or tried, not long ago; not again before");
        return;
    }
    let words = LastWords { trouble, occasion: occasion(&place, worked, now), now };
    let taken = words.say(outlets, &hearers(rules)).await;
    memory.write(quiet_until(taken, now));
}

/// Whether the store is another user's: one who tries a command on a record that is not his own is
/// told so by the command, and nobody need be called for it.
fn is_of_another(store: &Path, uid: u32) -> bool {
    uid != 0 && fs::metadata(store).is_ok_and(|found| found.uid() != uid)
}

/// Until when nothing more is said, in a file that is not on the store's disk. `None`: there is no
/// place for it, and each start says it again, under the id of the hour.
struct Memory(Option<PathBuf>);

impl Memory {
    fn of(store: &Path) -> Self {
        // Enough to tell the stores of one host apart.
        let name = crc32fast::hash(store.as_os_str().as_encoded_bytes());
        let folder = folder();
        if folder.is_none() {
            warn!("no folder but the store's can be written; this may be told at each start");
        }
        Self(folder.map(|folder| folder.join(format!("store-failed-{name:08x}"))))
    }

    fn read(&self) -> Option<Timestamp> {
        let text = fs::read_to_string(self.0.as_ref()?).ok()?;
        Timestamp::from_millisecond(text.trim().parse().ok()?).ok()
    }

    fn write(&self, until: Timestamp) {
        let Some(path) = &self.0 else { return };
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| writeln!(file, "{}", until.as_millisecond()));
        if let Err(error) = written {
            warn!(path = %path.display(), %error, "this may be told again at the next start");
        }
    }
}

/// The first folder of those that are ours alone and can be written.
fn folder() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    // systemd separates several by colons, and its folder may be a link to where it really is.
    let given = options::env("RUNTIME_DIRECTORY")
        .and_then(|all| all.split(':').next().map(PathBuf::from))
        .or_else(|| options::env("XDG_RUNTIME_DIR").map(PathBuf::from))
        .and_then(|folder| folder.canonicalize().ok());
    let shared = ["/dev/shm", "/tmp"].map(Path::new);
    let own = shared.map(|shared| shared.join(format!("taskbell-{uid}")));
    given.into_iter().chain(own).find(|folder| is_ours(folder, uid))
}

/// Whether `folder` is, by now, a folder that is ours and that nobody else can write in: in a place
/// that all users share, somebody may have put a link under that name.
fn is_ours(folder: &Path, uid: u32) -> bool {
    // If it is there already, what it is decides.
    drop(fs::DirBuilder::new().mode(0o700).create(folder));
    let Ok(found) = fs::symlink_metadata(folder) else { return false };
    let closed = found.mode() & 0o022 == 0;
    let writable = || access(folder, Access::WRITE_OK).is_ok();
    found.is_dir() && found.uid() == uid && closed && writable()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_our_own_is_trusted() {
        let place = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let at = |name: &str| place.path().join(name);
        assert!(is_ours(&at("made"), uid), "it is made");
        assert!(is_ours(&at("made"), uid), "it is used again");
        assert_eq!(fs::metadata(at("made")).unwrap().mode() & 0o777, 0o700);
        assert!(!is_ours(&at("made"), uid + 1), "somebody else's");
        symlink(at("made"), at("link")).unwrap();
        assert!(!is_ours(&at("link"), uid), "a link");
        fs::write(at("file"), "").unwrap();
        assert!(!is_ours(&at("file"), uid), "a file");
        fs::set_permissions(at("made"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_ours(&at("made"), uid), "one that others can write in");
        assert!(!is_ours(&at("none").join("below"), uid), "one that cannot be made");
    }

    #[test]
    fn who_may_not_have_the_store_calls_nobody() {
        let place = tempfile::tempdir().unwrap();
        let owner = fs::metadata(place.path()).unwrap().uid();
        assert!(is_of_another(place.path(), owner + 1));
        assert!(!is_of_another(place.path(), owner), "his own");
        assert!(!is_of_another(place.path(), 0), "root's are all");
        assert!(!is_of_another(&place.path().join("gone"), owner + 1), "nobody's");
    }

    #[test]
    fn what_was_written_is_read_and_nonsense_is_nothing() {
        let place = tempfile::tempdir().unwrap();
        let memory = Memory(Some(place.path().join("memory")));
        assert_eq!(memory.read(), None);
        let until = Timestamp::from_millisecond(1_795_428_005_123).unwrap();
        memory.write(until);
        assert_eq!(memory.read(), Some(until));
        fs::write(place.path().join("memory"), "soon").unwrap();
        assert_eq!(memory.read(), None);
        let nowhere = Memory(None);
        nowhere.write(until);
        assert_eq!(nowhere.read(), None);
    }
}
