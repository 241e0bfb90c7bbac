//! How often an identity was refused in a row, and when it may be shown again.
//!
//! A handful of bad signatures in a row locks the access key, for every program that uses it. A
//! poll a minute would keep it locked for as long as the config is wrong.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{fault::Fault, identity::Identity};
use crate::source::SourceError;

/// Refusals in a row after which we pause. The cloud locks a key at five.
const FREE: u32 = 3;

/// From then on, the wait between two tries: longer than the lock, which is 5 minutes.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    last: Option<Strike>,
    /// The identity that the cloud took last.
    taken: Option<Arc<Identity>>,
}

#[derive(Debug)]
struct Strike {
    identity: Arc<Identity>,
    count: u32,
    at: Timestamp,
    what: String,
}

impl Strikes {
    /// Whether `identity` may be shown at `now`.
    ///
    /// # Errors
    ///
    /// What the cloud said last, and when it is asked again.
    pub(super) fn check(&self, identity: &Arc<Identity>, now: Timestamp) -> Result<(), Fault> {
        let Some(last) = self.last.as_ref().filter(|last| last.identity == *identity) else {
            return Ok(());
        };
        let until = last.at.saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        // Before `at`, the clock was set back: better a try too many than none for days.
        if last.count < FREE || !(last.at..until).contains(&now) {
            return Ok(());
        }
        let what = format!(
            "{}; refused {} times in a row, not asked again before {until:.0}",
            last.what, last.count
        );
        Err(Fault::last(SourceError::new(crate::source::FaultClass::Auth, what)))
    }

    /// Whether the cloud took `identity` when it was last shown.
    pub(super) fn was_taken(&self, identity: &Arc<Identity>) -> bool {
        self.taken.as_ref().is_some_and(|taken| taken == identity)
    }

    /// Notes what came of showing `identity`.
    pub(super) fn note(&mut self, identity: &Arc<Identity>, fault: Option<&Fault>, now: Timestamp) {
        let Some(fault) = fault else {
            self.last = None;
            self.taken = Some(Arc::clone(identity));
            return;
        };
        if !fault.is_refused_identity() {
            return;
        }
        self.taken = None;
        let same = self.last.as_ref().filter(|last| last.identity == *identity);
        let count = same.map_or(0, |last| last.count) + 1;
        let what = fault.error.what.clone();
        self.last = Some(Strike { identity: Arc::clone(identity), count, at: now, what });
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
