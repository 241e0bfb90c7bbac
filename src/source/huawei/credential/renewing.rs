//! An identity that is fetched, kept, and fetched anew in time.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::debug;

use super::Credential;
use crate::{
    clock::Clock,
    http::Chain,
    source::{
        FaultClass, SourceError,
        huawei::{fault::Fault, identity::Identity},
    },
};

/// A fetched identity is renewed when this is left of it. The metadata service gives out a new
/// key 10 minutes before the old one expires; earlier, it would only give the old one again.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// One that was fetched because the cloud refused the one before is not replaced for the same
/// reason for as long: then something else is wrong.
const RENEWED_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// After the first refused log-in, then doubled. A handful of wrong passwords locks the user.
const PAUSE_MIN: Duration = Duration::from_secs(60);

/// The longest such pause: as long as the lock itself.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// Where identities come from.
#[async_trait]
pub(super) trait Fetch: fmt::Debug + Send + Sync {
    /// Asks for one.
    async fn fetch(&self) -> Result<Fetched, Fault>;
}

/// An identity for a while.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) identity: Identity,
    pub(super) expires_at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Renewing<F> {
    fetch: F,
    clock: Arc<dyn Clock>,
    /// Locked while one is fetched, so that it is fetched once.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    refused: Option<Refused>,
}

#[derive(Clone, Debug)]
struct Kept {
    identity: Arc<Identity>,
    renew_at: Timestamp,
    expires_at: Timestamp,
    /// When it took the place of one that the cloud had refused.
    replaced_at: Option<Timestamp>,
}

/// A log-in that was refused.
#[derive(Debug)]
struct Refused {
    class: FaultClass,
    what: String,
    pause: Duration,
    until: Timestamp,
}

impl<F: Fetch> Renewing<F> {
    pub(super) fn new(fetch: F, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock, state: Mutex::default() }
    }

    /// Fetches one into `state`, unless a log-in was refused a moment ago.
    async fn fetch_into(&self, state: &mut State) -> Result<Kept, Fault> {
        let now = self.clock.now();
        if let Some(refused) = &state.refused
            && now < refused.until
        {
            let Refused { class, what, until, .. } = refused;
            let what = format!("{what}; not asked again before {until:.0}");
            return Err(Fault::last(SourceError::new(*class, what)));
        }
        let fetched = self.fetch.fetch().await.inspect_err(|fault| {
            let error = &fault.error;
            if matches!(error.class, FaultClass::Auth | FaultClass::AccountFrozen) {
                let pause = state.refused.as_ref().map_or(PAUSE_MIN, |last| last.pause * 2);
                let pause = pause.min(PAUSE_MAX);
                let until = now.saturating_add(pause).unwrap_or(now);
                let what = error.what.clone();
                state.refused = Some(Refused { class: error.class, what, pause, until });
            }
        })?;
        state.refused = None;
        let expires_at = fetched.expires_at;
        let kept = Kept {
            identity: Arc::new(fetched.identity),
            renew_at: renew_at(now, expires_at),
            expires_at,
            replaced_at: None,
        };
        state.kept = Some(kept.clone());
        Ok(kept)
    }
}

/// When to renew what was fetched at `now`. Of a short life, the second half is the margin.
fn renew_at(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    let life = expires_at.duration_since(now).max(SignedDuration::ZERO);
    expires_at.saturating_sub(MARGIN.min(life / 2)).unwrap_or(now)
}

#[async_trait]
impl<F: Fetch> Credential for Renewing<F> {
    async fn identity(&self) -> Result<Arc<Identity>, Fault> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        let kept = state.kept.clone();
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renew_at) {
            return Ok(Arc::clone(&kept.identity));
        }
        match (self.fetch_into(&mut state).await, kept) {
            (Ok(kept), _) => Ok(kept.identity),
            // The old one still holds.
            (Err(fault), Some(kept)) if now < kept.expires_at => {
                debug!(error = %Chain(&fault.error), "the identity was not renewed");
                Ok(kept.identity)
            }
            (Err(fault), _) => Err(fault),
        }
    }

    async fn renew(&self, refused: &Arc<Identity>) -> Result<Option<Arc<Identity>>, Fault> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(kept) = &state.kept {
            if !Arc::ptr_eq(&kept.identity, refused) {
                return Ok(Some(Arc::clone(&kept.identity)));
            }
            let young = kept
                .replaced_at
                .is_some_and(|at| now.duration_since(at).abs() < RENEWED_AGAIN_AFTER);
            if young {
                return Ok(None);
            }
        }
        let kept = self.fetch_into(&mut state).await?;
        if let Some(kept) = &mut state.kept {
            kept.replaced_at = Some(now);
        }
        // The metadata service may give out the same key again.
        Ok((kept.identity != *refused).then_some(kept.identity))
    }
}

#[cfg(test)]
mod tests;
