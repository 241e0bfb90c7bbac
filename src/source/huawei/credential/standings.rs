//! How credentials stand with the cloud, remembered over the end of a process.
//!
//! A run from cron is a new process each time, and would show a wrong key each time, though five
//! refusals in a row lock it for every program that uses it. It would also show a good one by one
//! source alone at first. What is remembered lies in one small file of the user's, so that all his
//! processes on this host know it. Where it cannot be read or written, each knows what it saw itself.
//!
//! No secret can be worked out of the file. Entries are named by digests: of keys and tokens, which
//! nobody can guess, and of a name with 16 bits of a password, which is enough to tell that it was
//! changed.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::debug;

use crate::{
    source::{FaultClass, huawei::identity::Proof},
    text,
};

/// Most credentials in the file; the oldest give way. A host has a few, and of tokens one a day.
const KEPT_MAX: usize = 256;

/// A longer file is not ours.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Longest sentence of what the cloud said.
const WHAT_BYTES_MAX: usize = 300;

/// For how long a credential counts as good after it was taken. Later, one source shows it first.
const TRUSTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How often it is written down that the same credential was taken.
const TAKEN_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// See the module. Cloning shares it; the default remembers nothing.
#[derive(Clone, Default)]
pub struct Standings(Option<Arc<Kept>>);

struct Kept {
    /// Looked for when there is something to read or to write: most commands never ask the cloud.
    file: File,
    heeded: bool,
    /// Taken by who reads, changes and writes.
    turn: Mutex<()>,
}

type File = LazyLock<Option<PathBuf>, Box<dyn FnOnce() -> Option<PathBuf> + Send>>;

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standings")
    }
}

/// How one credential stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::source::huawei) enum Standing {
    /// The cloud took it.
    Taken {
        /// When that was last written down.
        at: Timestamp,
    },
    /// The cloud refused it.
    Refused(Refusals),
}

/// Refusals in a row.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::source::huawei) struct Refusals {
    /// Of the last one.
    pub(in crate::source::huawei) at: Timestamp,
    pub(in crate::source::huawei) count: u32,
    /// [`FaultClass::as_str`].
    class: String,
    /// What the cloud said last.
    pub(in crate::source::huawei) what: String,
}

impl Refusals {
    pub(in crate::source::huawei) fn new(
        (count, at): (u32, Timestamp),
        class: FaultClass,
        what: &str,
    ) -> Self {
        Self { at, count, class: class.as_str().to_owned(), what: what.to_owned() }
    }

    pub(in crate::source::huawei) fn class(&self) -> FaultClass {
        let known = FaultClass::ALL.into_iter().find(|class| class.as_str() == self.class);
        known.unwrap_or(FaultClass::Auth)
    }
}

impl Standing {
    /// When it was last noted that the cloud took it, if it did.
    pub(in crate::source::huawei) fn taken_at(&self) -> Option<Timestamp> {
        match self {
            Self::Taken { at } => Some(*at),
            Self::Refused(_) => None,
        }
    }

    /// How often it was refused in a row.
    pub(in crate::source::huawei) fn refusals(&self) -> u32 {
        match self {
            Self::Taken { .. } => 0,
            Self::Refused(refusals) => refusals.count,
        }
    }

    fn at(&self) -> Timestamp {
        match self {
            Self::Taken { at } => *at,
            Self::Refused(refusals) => refusals.at,
        }
    }
}

/// What a credential is called in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::source::huawei) struct Seal(String);

impl Seal {
    /// For `words` that are no secret, or that nobody can guess.
    pub(in crate::source::huawei) fn of(words: &[&str]) -> Self {
        Self(hex(&digest(words)[..8]))
    }

    /// The same with a secret beside them that may be guessed.
    pub(in crate::source::huawei) fn guarded(words: &[&str], secret: &str) -> Self {
        let both = digest(&[words, &[secret]].concat());
        Self(format!("{}-{}", hex(&digest(words)[..8]), hex(&both[..2])))
    }

    /// For what is shown in a `realm`; `None` for nobody's identity.
    pub(in crate::source::huawei) fn of_proof(realm: &str, proof: &Proof) -> Option<Self> {
        Some(match proof {
            Proof::Nothing => return None,
            Proof::Token(token) => Self::of(&[realm, token.expose()]),
            Proof::Keys { access, secret, token } => {
                let token = token.as_ref().map_or("", |token| token.expose());
                Self::of(&[realm, access.expose(), secret.expose(), token])
            }
        })
    }
}

impl Standings {
    /// Those in the file that `find` finds, which is written when there is something to remember.
    /// Unless `heeded`, nobody is held back by what is in it: who asks by hand wants to know now.
    #[must_use]
    pub fn at(find: impl FnOnce() -> Option<PathBuf> + Send + 'static, heeded: bool) -> Self {
        let file: File = LazyLock::new(Box::new(find));
        Self(Some(Arc::new(Kept { file, heeded, turn: Mutex::default() })))
    }

    /// How the credential stands at `now`, if that is known and not too long ago.
    pub(in crate::source::huawei) fn read(&self, seal: &Seal, now: Timestamp) -> Option<Standing> {
        let kept = self.0.as_ref().filter(|kept| kept.heeded)?;
        let found = read(kept.file.as_deref()?).remove(&seal.0)?;
        let is_fresh = now.duration_since(found.at()).abs() < TRUSTED_FOR;
        is_fresh.then_some(found)
    }

    /// Notes that the cloud took it. `before` is when that was noted last; returns when it was now.
    pub(in crate::source::huawei) fn taken(
        &self,
        seal: &Seal,
        before: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        match before.filter(|at| now.duration_since(*at).abs() < TAKEN_AGAIN_AFTER) {
            Some(at) => at,
            None => {
                self.change(|all| drop(all.insert(seal.0.clone(), Standing::Taken { at: now })));
                now
            }
        }
    }

    /// Notes that the cloud refused it. By hand it is not noted: each try is a person's own.
    pub(in crate::source::huawei) fn refused(&self, seal: &Seal, refusals: &Refusals) {
        if self.0.as_ref().is_some_and(|kept| kept.heeded) {
            let what = text::clean(&refusals.what, WHAT_BYTES_MAX);
            let refused = Standing::Refused(Refusals { what, ..refusals.clone() });
            self.change(|all| drop(all.insert(seal.0.clone(), refused)));
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Standing>)) {
        let Some(kept) = &self.0 else { return };
        let Some(path) = kept.file.as_deref() else { return };
        let _turn = kept.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = read(path);
        change(&mut all);
        while KEPT_MAX < all.len() {
            let oldest = all.iter().min_by_key(|(_, standing)| standing.at());
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { break };
            all.remove(&name);
        }
        if let Err(error) = write(path, &all) {
            debug!(%error, "how credentials stand could not be written down");
        }
    }
}

/// What is in the file; nothing if it cannot be read.
fn read(path: &Path) -> BTreeMap<String, Standing> {
    let short = |found: fs::Metadata| found.is_file() && found.len() <= FILE_BYTES_MAX;
    if !fs::symlink_metadata(path).is_ok_and(short) {
        return BTreeMap::new();
    }
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// In one step, so that nobody reads half of it. Two processes that write at the same moment lose
/// what one of them wrote: a refusal more, or one source that goes first.
fn write(path: &Path, all: &BTreeMap<String, Standing>) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec_pretty(all)?)?;
    fs::rename(&new, path)
}

/// A digest of `words` that keeps them apart.
pub(super) fn digest(words: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.len().to_be_bytes());
        hash.update(word.as_bytes());
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests;
