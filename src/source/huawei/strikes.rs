//! How often an identity was refused in a row, and when it may be shown again.
//!
//! A handful of bad signatures in a row locks the access key, for every program that uses it. A
//! poll a minute would keep it locked for as long as the config is wrong, and so would a run a minute:
//! what came of an identity that lasts is remembered over the end of the process.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    credential::{Refusals, Seal, Standing, Standings},
    fault::Fault,
    identity::Identity,
};
use crate::source::{FaultClass, SourceError};

/// Refusals in a row after which we pause. The cloud locks a key at five.
const FREE: u32 = 3;

/// From then on, the wait between two tries: longer than the lock, which is 5 minutes.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    /// The identity whose standing changed last.
    last: Option<(Arc<Identity>, Standing)>,
    /// The one that was looked up last, since this process has not shown it yet.
    looked_up: Option<(Arc<Identity>, Option<Standing>)>,
    standings: Standings,
    /// Where a key is one and the same.
    realm: String,
}

impl Strikes {
    /// Strikes of identities in `realm` that `standings` remembers.
    pub(super) fn remembered(standings: Standings, realm: &str) -> Self {
        Self { standings, realm: realm.to_owned(), ..Self::default() }
    }

    /// Whether `identity` may be shown at `now`.
    ///
    /// # Errors
    ///
    /// What the cloud said last, and when it is asked again.
    pub(super) fn check(&mut self, identity: &Arc<Identity>, now: Timestamp) -> Result<(), Fault> {
        let Some(Standing::Refused(last)) = self.standing(identity, now) else { return Ok(()) };
        let until = last.at.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        // Before `at`, the clock was set back: better a try too many than none for days.
        if last.count < FREE || !(last.at..until).contains(&now) {
            return Ok(());
        }
        let what = format!(
            "{}; refused {} times in a row, not asked again before {until:.0}",
            last.what, last.count
        );
        Err(Fault::last(SourceError::new(FaultClass::Auth, what)))
    }

    /// Whether the cloud took `identity` when it was last shown.
    pub(super) fn was_taken(&mut self, identity: &Arc<Identity>, now: Timestamp) -> bool {
        matches!(self.standing(identity, now), Some(Standing::Taken { .. }))
    }

    /// Notes what came of showing `identity`.
    pub(super) fn note(&mut self, identity: &Arc<Identity>, fault: Option<&Fault>, now: Timestamp) {
        if fault.is_some_and(|fault| !fault.is_refused_identity()) {
            return;
        }
        let before = self.standing(identity, now).cloned();
        let seal = Seal::of_proof(&self.realm, &identity.proof);
        let standing = match (fault, before) {
            (None, before) => {
                let before = before.and_then(|before| before.taken_at());
                let noted = seal.map(|seal| self.standings.taken(&seal, before, now));
                Standing::Taken { at: noted.unwrap_or(now) }
            }
            (Some(fault), before) => {
                let count = before.map_or(0, |before| before.refusals()) + 1;
                let error = &fault.error;
                let refusals = Refusals::new((count, now), error.class, &error.what);
                if let Some(seal) = seal {
                    self.standings.refused(&seal, &refusals);
                }
                Standing::Refused(refusals)
            }
        };
        self.last = Some((Arc::clone(identity), standing));
    }

    /// How `identity` stands. One that was not shown by this process is looked up, once.
    fn standing(&mut self, identity: &Arc<Identity>, now: Timestamp) -> Option<&Standing> {
        if self.last.as_ref().is_some_and(|(last, _)| last == identity) {
            return self.last.as_ref().map(|(_, standing)| standing);
        }
        if self.looked_up.as_ref().is_none_or(|(known, _)| known != identity) {
            let seal = Seal::of_proof(&self.realm, &identity.proof);
            let found = seal.and_then(|seal| self.standings.read(&seal, now));
            self.looked_up = Some((Arc::clone(identity), found));
        }
        self.looked_up.as_ref().and_then(|(_, standing)| standing.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        secret::Secret,
        source::{FaultClass, huawei::identity::Proof},
    };

    fn identity(token: &str) -> Arc<Identity> {
        Arc::new(Identity::of(Proof::Token(Secret::new(token.to_owned()))))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_refused_identity_is_shown_a_few_times_and_then_seldom() {
        let refused = Fault::new(FaultClass::Auth, false, "the cloud answered 401");
        let busy = Fault::new(FaultClass::Upstream, true, "the cloud answered 503");
        let (one, other) = (identity("one"), identity("other"));
        let mut strikes = Strikes::default();
        for minute in 0..3 {
            strikes.check(&one, at(minute * 60)).unwrap();
            strikes.note(&one, Some(&refused), at(minute * 60));
        }
        let fault = strikes.check(&one, at(180)).unwrap_err();
        assert_eq!(fault.error.class, FaultClass::Auth);
        assert_eq!(
            fault.error.to_string(),
            "the cloud answered 401; refused 3 times in a row, not asked again before \
             1970-01-12T13:58:40Z"
        );
        strikes.check(&other, at(180)).unwrap();
        strikes.check(&one, at(-1)).unwrap();
        // Ten minutes after the last one.
        strikes.check(&one, at(719)).unwrap_err();
        strikes.check(&one, at(720)).unwrap();
        // Other trouble changes nothing.
        strikes.note(&one, Some(&busy), at(720));
        strikes.note(&one, Some(&refused), at(721));
        strikes.check(&one, at(722)).unwrap_err();
        strikes.note(&one, None, at(800));
        strikes.check(&one, at(801)).unwrap();
    }
}
