//! Which records in the cloud's own list may be deleted.
//!
//! Only what is recorded here, stands, is old enough, and is owed to nobody any more. When in
//! doubt, the record stays where it is.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    delivery::{Delivery, DeliveryState},
    failure::Failure,
};

/// How the operator wants the cloud's list to be cleaned up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cleanup {
    /// How long ago a failure was recorded at least.
    pub after: Duration,
    /// Whether a sink must have taken the notice. If not, what nobody had to be told of goes too.
    pub delivered: bool,
    /// Whether it is only said what would be deleted.
    pub dry_run: bool,
}

/// What is known about a failure.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The record.
    pub failure: &'a Failure,
    /// Whether it waits to be dispatched, or in a group.
    pub waits: bool,
    /// Every delivery that speaks for it.
    pub deliveries: &'a [Delivery],
}

/// Why a record stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stays {
    /// It is not listed any more.
    Cleared,
    /// It is too young.
    Young,
    /// Somebody has still to be told.
    Owed,
    /// Nobody was told.
    Untold,
}

impl Cleanup {
    /// Whether the record of a failure may be deleted.
    ///
    /// # Errors
    ///
    /// [`Stays`] says why not.
    pub fn may_delete(&self, known: Known<'_>, now: Timestamp) -> Result<(), Stays> {
        let Known { failure, waits, deliveries } = known;
        if failure.cleared_at.is_some() {
            return Err(Stays::Cleared);
        }
        let old = failure.first_seen_at.saturating_add(self.after).unwrap_or(Timestamp::MAX);
        if now < old {
            return Err(Stays::Young);
        }
        let telling = deliveries.iter().filter(|one| one.kind.tells_failures());
        if waits || telling.clone().any(|one| !one.state.is_done()) {
            return Err(Stays::Owed);
        }
        let told = |one: &Delivery| matches!(one.state, DeliveryState::Delivered { .. });
        if self.delivered && !telling.clone().any(told) {
            return Err(Stays::Untold);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
