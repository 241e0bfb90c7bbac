//! When the store failed: whether that is said now, and the one file that remembers it.
//!
//! The disk of the store may be full, so the file lies elsewhere ([`runtime`]).

use std::{
    convert::Infallible,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{self, Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::out;
use crate::{
    app::{self, AppError},
    config::Config,
    decide::{
        last_words::{RETRY_AFTER, Saying, hearers, occasion, quiet_until, saying},
        rules::Rules,
    },
    exit::Exit,
    http::Chain,
    name::Name,
    runtime,
    store::{Store, StoreError},
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
    if !is_of_another(&config.store.path, uid) {
        tell(config, (outlets, rules), error, worked).await;
    }
}

/// Tells of it, unless that was done not long ago. Does not touch the disk of the store.
async fn tell(
    config: &Config,
    (outlets, rules): (&[(Name, Outlet)], &Rules),
    error: &StoreError,
    worked: Duration,
) {
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

/// Says so when the store does not answer for [`app::silent_after`], and goes on waiting for it. Never
/// ends.
pub(super) async fn of_silence(
    config: &Config,
    told: (&[(Name, Outlet)], &Rules),
    store: &dyn Store,
) -> Infallible {
    let (began, limit) = (Instant::now(), app::silent_after());
    #[expect(clippy::infinite_loop, reason = "its type says that it never ends")]
    loop {
        tokio::time::sleep(limit / 4).await;
        let (asked, mut last, mut said) = (Instant::now(), store.progress(), false);
        let answer = store.sources();
        tokio::pin!(answer);
        let mut wait = limit;
        // An error is for who works with the store.
        while tokio::time::timeout(wait, &mut answer).await.is_err() {
            let progress = store.progress();
            if progress.is_some() && progress != last {
                // Long work, such as a copy, that advances.
                last = progress;
                continue;
            }
            let error = StoreError::Silent { seconds: asked.elapsed().as_secs() };
            error!(error = %Chain(&error), "the store does not answer; waiting for it");
            // Later ones are of the same occasion, so what is remembered holds them back.
            let worked = if said { Duration::ZERO } else { began.elapsed() };
            tell(config, told, &error, worked).await;
            (said, wait) = (true, RETRY_AFTER);
        }
        if said {
            let seconds = asked.elapsed().as_secs();
            warn!(seconds, "the store answers again");
        }
    }
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
        let folder = runtime::folder();
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

#[cfg(test)]
mod tests {
    use super::*;

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
