//! Credentials that several sources have in common.
//!
//! To the cloud, sources with the same key are one program. So they fetch an identity once, and
//! count its refusals together: a handful of bad signatures in a row locks a key, however many
//! sources they came from. What an identity is good for is part of what makes two credentials the
//! same: a token is one of a project, a key is one of an account.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Mutex as Turn, MutexGuard};
use url::{Host, Url};

use super::{
    Credential,
    standings::{Standings, digest},
};
use crate::{
    options::OptionError,
    source::huawei::{fault::Fault, identity::Identity, strikes::Strikes},
};

/// Longest wait for another source that shows the same identity for the first time. Who refuses a
/// key does so at once; who does not answer must not hold up the others.
const TURN_WAIT_MAX: Duration = Duration::from_secs(1);

/// The credentials of a process, by what makes them the same.
#[derive(Clone, Default)]
pub struct Shelf {
    kept: Arc<Mutex<BTreeMap<[u8; 32], Shared>>>,
    standings: Standings,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// An empty one whose credentials are remembered in `standings`.
    #[must_use]
    pub fn remembered(standings: Standings) -> Self {
        Self { kept: Arc::default(), standings }
    }

    /// What is remembered of credentials.
    pub(super) fn standings(&self) -> &Standings {
        &self.standings
    }

    /// The credential that is the same as one described by `words`, built if there is none yet.
    /// `realm` is where it is one and the same.
    pub(super) fn get(
        &self,
        words: &[&str],
        realm: &str,
        build: impl FnOnce() -> Result<Box<dyn Credential>, OptionError>,
    ) -> Result<Shared, OptionError> {
        let key = digest(words);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = kept.get(&key) {
            return Ok(shared.clone());
        }
        let credential = build()?;
        // One that was fetched is another in the next process.
        let lasts = credential.lasting().is_some();
        let standings = if lasts { self.standings.clone() } else { Standings::default() };
        let strikes = Strikes::remembered(standings, realm);
        let shared = Shared { strikes: Arc::new(Mutex::new(strikes)), ..Shared::new(credential) };
        kept.insert(key, shared.clone());
        Ok(shared)
    }
}

/// A credential and what came of it. Cloning shares both.
#[derive(Clone, Debug)]
pub(in crate::source) struct Shared {
    pub(in crate::source) credential: Arc<dyn Credential>,
    strikes: Arc<Mutex<Strikes>>,
    /// Taken by who shows an identity that the cloud has not taken yet.
    turn: Arc<Turn<()>>,
}

impl Shared {
    /// One that nobody shares yet.
    pub(in crate::source) fn new(credential: Box<dyn Credential>) -> Self {
        Self { credential: credential.into(), strikes: Arc::default(), turn: Arc::default() }
    }

    /// Waits until `identity` may be shown, and says whether it may.
    ///
    /// Before the cloud has taken it for the first time, that is one source at a time, so that a
    /// wrong key is not refused to all of them at once.
    ///
    /// # Errors
    ///
    /// What the cloud said last, and when it is asked again.
    pub(in crate::source) async fn may_show(
        &self,
        identity: &Arc<Identity>,
        now: Timestamp,
    ) -> Result<Option<MutexGuard<'_, ()>>, Fault> {
        let known = self.with(|strikes| strikes.was_taken(identity, now));
        let turn = if known {
            None
        } else {
            tokio::time::timeout(TURN_WAIT_MAX, self.turn.lock()).await.ok()
        };
        self.with(|strikes| strikes.check(identity, now))?;
        // Whoever had the turn before may have found that it is good.
        Ok(turn.filter(|_| !self.with(|strikes| strikes.was_taken(identity, now))))
    }

    /// Notes what came of showing `identity`.
    pub(in crate::source) fn note(
        &self,
        identity: &Arc<Identity>,
        fault: Option<&Fault>,
        now: Timestamp,
    ) {
        self.with(|strikes| strikes.note(identity, fault, now));
    }

    fn with<T>(&self, f: impl FnOnce(&mut Strikes) -> T) -> T {
        f(&mut self.strikes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a key is one and the same: all hosts of one cloud have their last two labels in common.
pub(in crate::source) fn realm(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => {
            let mut labels: Vec<&str> = name.rsplit('.').take(2).collect();
            labels.reverse();
            labels.join(".")
        }
        _ => url.origin().ascii_serialization(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_cloud_are_one_realm() {
        for (url, expected) in [
            ("https://kms.cn-north-4.myhuaweicloud.com", "myhuaweicloud.com"),
            ("https://iam.eu-west-101.myhuaweicloud.eu", "myhuaweicloud.eu"),
            ("https://localhost:8443", "localhost"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://127.0.0.1:81", "http://127.0.0.1:81"),
        ] {
            assert_eq!(realm(&Url::parse(url).unwrap()), expected);
        }
    }

    #[test]
    fn words_are_kept_apart() {
        let shelf = Shelf::default();
        let get = |words: &[&str]| shelf.get(words, "", || Ok(super::super::nobody())).unwrap();
        let same = |a: &Shared, b: &Shared| Arc::ptr_eq(&a.credential, &b.credential);
        let one = get(&["a", "bc"]);
        assert!(same(&one, &get(&["a", "bc"])));
        assert!(!same(&one, &get(&["ab", "c"])));
    }
}
