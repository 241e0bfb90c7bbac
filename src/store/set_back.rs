//! A clock that was set back: what waits for its next attempt does not wait until the clock shows
//! that time again.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::ControlFlow,
    time::Duration,
};

use jiff::Timestamp;
use tracing::warn;

use super::{
    StoreError,
    engine::{Engine, deliveries},
};
use crate::{
    decide::retry::due_anew,
    delivery::{Delivery, DeliveryState},
    name::Name,
};

/// Smaller steps are not looked for: requests wait for the store's thread, so that each may say a
/// time that is a little earlier than that of the one before it.
const SLACK: Duration = Duration::from_secs(60);

/// The latest time that a pending delivery knows of.
pub(super) fn latest(delivery: &Delivery) -> Timestamp {
    let tried = delivery.last.as_ref().map(|last| last.at);
    tried.map_or(delivery.created_at, |at| at.max(delivery.created_at))
}

impl Engine {
    /// Takes note of the present. If that is earlier than it was before, or than what is on record,
    /// what waits for a time that was counted from there is due at once.
    pub(super) fn keep_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let slack = now.saturating_add(SLACK).unwrap_or(Timestamp::MAX);
        if self.latest <= slack {
            self.latest = self.latest.max(now);
            return Ok(());
        }
        warn!(from = %self.latest, to = %now, "the clock was set back; what waits is tried again");
        self.latest = now;
        let mut waiting: BTreeMap<Name, BTreeSet<u64>> = BTreeMap::new();
        for (sink, lane) in &mut self.lanes {
            let due = mem::take(&mut lane.due);
            waiting.insert(sink.clone(), due.into_iter().map(|(_, number)| number).collect());
        }
        let lanes = &mut self.lanes;
        deliveries().scan(&*self.kv, 0, |delivery| {
            let waits = waiting.get(&delivery.sink).is_some_and(|all| all.contains(&delivery.id.0));
            if let (true, DeliveryState::Pending { due }) = (waits, &delivery.state)
                && let Some(lane) = lanes.get_mut(&delivery.sink)
            {
                let tried = delivery.last.as_ref().map(|last| last.at);
                let due = due_anew(*due, tried, delivery.created_at, now);
                lane.due.insert((due.as_millisecond(), delivery.id.0));
            }
            ControlFlow::Continue(())
        })
    }
}
