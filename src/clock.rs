//! The only module that reads the time of day.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// Where "now" comes from.
///
/// Steps read it once at the top of a pass and hand the value down, so that every decision
/// of that pass is made at the same instant. Sleeping is not its job: that is
/// `tokio::time`, which tests can pause.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current UTC instant. May go backwards when the operator sets the clock.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        // The store keeps milliseconds. With more, an instant would be another one once stored.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// The operating system's clock, shifted: a test that is about nine o'clock does not wait for it.
#[derive(Clone, Copy, Debug)]
pub struct ShiftedClock(pub SignedDuration);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        now.saturating_add(self.0).unwrap_or(now)
    }
}

/// A clock that stands where it was put, for tests and for rendering examples.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}
