//! How far long work is, for whoever waits for it.
//!
//! Whoever works moves a [`Meter`]; whoever waits reads it from anywhere, as often as it likes.
//! A meter is about one piece of work at a time: the last that began.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How far a piece of work is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Progress {
    /// What is counted, in the plural.
    pub unit: String,
    /// Those that are done.
    pub done: u64,
    /// All of them; 0 if that is not known.
    pub total: u64,
}

/// Measures one piece of work after the other.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Option<Progress>>);

impl Meter {
    fn with<T>(&self, change: impl FnOnce(&mut Option<Progress>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a piece of work. It ends when what is returned is dropped.
    pub fn begin(&self, unit: &str, total: u64) -> Measured<'_> {
        let begun = Progress { unit: unit.to_owned(), done: 0, total };
        self.with(|now| *now = Some(begun));
        Measured(self)
    }

    /// How far it is; `None` if nothing goes on.
    #[must_use]
    pub fn now(&self) -> Option<Progress> {
        self.with(|now| now.clone())
    }
}

/// A piece of work that goes on.
#[derive(Debug)]
pub struct Measured<'a>(&'a Meter);

impl Measured<'_> {
    /// So many more are done.
    pub fn add(&self, done: u64) {
        self.0.with(|now| {
            if let Some(now) = now {
                now.done = now.done.saturating_add(done);
            }
        });
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.0.with(|now| *now = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_shows_what_goes_on_and_nothing_else() {
        let meter = Meter::default();
        assert_eq!(meter.now(), None);
        let work = meter.begin("entries", 10);
        work.add(3);
        work.add(4);
        let expected = Progress { unit: "entries".to_owned(), done: 7, total: 10 };
        assert_eq!(meter.now(), Some(expected));
        drop(work);
        assert_eq!(meter.now(), None);
    }
}
