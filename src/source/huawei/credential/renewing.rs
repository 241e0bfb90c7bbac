//! An identity that is fetched, kept, and fetched anew in time.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::debug;

use super::{Credential, Refusals, Seal, Standing, Standings};
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

    /// What is shown for it, if refusals of that have to be counted over the end of the process.
    fn seal(&self) -> Option<Seal>;
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
    standings: Standings,
    /// Locked while one is fetched, so that it is fetched once.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// How what is shown for it stands; looked up before it is shown first.
    standing: Option<Standing>,
    is_known: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    identity: Arc<Identity>,
    renew_at: Timestamp,
    expires_at: Timestamp,
    /// When it took the place of one that the cloud had refused.
    replaced_at: Option<Timestamp>,
}

impl<F: Fetch> Renewing<F> {
    pub(super) fn new(fetch: F, clock: Arc<dyn Clock>, standings: &Standings) -> Self {
        Self { fetch, clock, standings: standings.clone(), state: Mutex::default() }
    }

    /// Fetches one into `state`, unless a log-in was refused a moment ago.
    async fn fetch_into(&self, state: &mut State) -> Result<Kept, Fault> {
        let now = self.clock.now();
        let seal = self.fetch.seal();
        if !state.is_known {
            state.standing = seal.as_ref().and_then(|seal| self.standings.read(seal, now));
            state.is_known = true;
        }
        if let Some(Standing::Refused(refusals)) = &state.standing {
            let until = refusals.at.saturating_add(pause(refusals.count)).unwrap_or(now);
            // Before `at`, the clock was set back.
            if (refusals.at..until).contains(&now) {
                let what = format!("{}; not asked again before {until:.0}", refusals.what);
                return Err(Fault::last(SourceError::new(refusals.class(), what)));
            }
        }
        let fetched = self.fetch.fetch().await.inspect_err(|fault| {
            let error = &fault.error;
            if matches!(error.class, FaultClass::Auth | FaultClass::AccountFrozen) {
                let count = state.standing.as_ref().map_or(0, Standing::refusals) + 1;
                let refusals = Refusals::new((count, now), error.class, &error.what);
                if let Some(seal) = &seal {
                    self.standings.refused(seal, &refusals);
                }
                state.standing = Some(Standing::Refused(refusals));
            }
        })?;
        let before = state.standing.as_ref().and_then(Standing::taken_at);
        let noted = seal.map(|seal| self.standings.taken(&seal, before, now));
        state.standing = Some(Standing::Taken { at: noted.unwrap_or(now) });
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

/// How long no log-in is tried after so many were refused in a row.
fn pause(count: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(count.saturating_sub(1));
    PAUSE_MIN.saturating_mul(doubled).min(PAUSE_MAX)
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
