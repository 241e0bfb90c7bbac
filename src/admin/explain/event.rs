//! What happened to a failure, step by step, before a language puts it into words.

use jiff::Timestamp;

use super::{Holder, Known};
use crate::{
    delivery::{Delivery, DeliveryId, DeliveryState, LastAttempt, Reason, Suppressed},
    failure::{Ack, Failure},
    name::Name,
    store::FailureDetail,
};

/// One thing that happened, that is so, or that is about to happen.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// By the cloud's clock.
    Failed,
    /// A poll recorded it.
    Recorded(&'a Failure),
    /// Others like it were recorded before: it is the nth in 24 hours.
    Often(u32),
    /// A sink, or nobody at all, is told of it.
    Untold(&'a Suppressed),
    /// A notice was owed.
    Opened(&'a Delivery),
    /// The latest attempt to pay it.
    Attempted(&'a Delivery, &'a LastAttempt),
    /// The next one is due.
    TriedNext(DeliveryId),
    /// It was kept back.
    Held(DeliveryId, Holder<'a>),
    /// The sink took it.
    Accepted(&'a Delivery),
    /// Nobody will try again by himself.
    GivenUp(DeliveryId),
    /// Another delivery speaks for it.
    Folded {
        id: DeliveryId,
        into: DeliveryId,
        held: Option<Holder<'a>>,
        /// What was not to be told any more did not go with the others.
        without: bool,
    },
    /// It ended on purpose.
    Ended(DeliveryId, &'a Reason),
    /// Somebody looks after it.
    Acknowledged(&'a Ack),
    /// It cleared.
    Cleared,
    /// So many complete polls in a row did not list it.
    Missing(u8),
    /// It waits for its deliveries.
    Undispatched,
    /// It waits in a group.
    Forming(&'a Name, Timestamp),
}

type Dated<'a> = (Option<Timestamp>, Event<'a>);

/// All of it, in the order of events; what has no time is so now, and comes last.
pub(super) fn all<'a>(detail: &'a FailureDetail, known: Known<'a>) -> Vec<Dated<'a>> {
    let failure = &detail.failure;
    let seen = failure.first_seen_at;
    let mut events = Vec::new();
    let mut note = |at: Timestamp, event: Event<'a>| events.push((Some(at), event));
    if let Some(failed_at) = failure.task.failed_at {
        note(failed_at, Event::Failed);
    }
    note(seen, Event::Recorded(failure));
    if 1 < failure.occurrences_24h {
        note(seen, Event::Often(failure.occurrences_24h));
    }
    for suppressed in &detail.suppressed {
        note(suppressed.at, Event::Untold(suppressed));
    }
    for delivery in &detail.deliveries {
        of_delivery(delivery, detail, known, &mut note);
    }
    if let Some(ack) = &detail.ack {
        note(ack.at, Event::Acknowledged(ack));
    }
    if let Some(at) = failure.cleared_at {
        note(at, Event::Cleared);
    }
    events.sort_by_key(|(at, _)| *at);
    let mut note = |event: Event<'a>| events.push((None, event));
    if let (Some(polls @ 1..), None) = (detail.missing, failure.cleared_at) {
        note(Event::Missing(polls));
    }
    if detail.undispatched {
        note(Event::Undispatched);
    }
    for (sink, closes_at) in &detail.forming {
        note(Event::Forming(sink, *closes_at));
    }
    events
}

fn of_delivery<'a>(
    delivery: &'a Delivery,
    detail: &FailureDetail,
    known: Known<'a>,
    note: &mut impl FnMut(Timestamp, Event<'a>),
) {
    let id = delivery.id;
    note(delivery.created_at, Event::Opened(delivery));
    if let Some(last) = &delivery.last {
        note(last.at, Event::Attempted(delivery, last));
    }
    match &delivery.state {
        DeliveryState::Pending { due } => {
            note(super::verdict::next_try(*due, delivery, known), Event::TriedNext(id));
        }
        DeliveryState::Held { since, by } => note(*since, Event::Held(id, known.holder(by))),
        DeliveryState::Delivered { at } => note(*at, Event::Accepted(delivery)),
        DeliveryState::Dead { at } => note(*at, Event::GivenUp(id)),
        DeliveryState::Folded { at, into, held_by } => {
            let without = !detail.deliveries.iter().any(|one| one.id == *into);
            let held = held_by.as_ref().map(|by| known.holder(by));
            note(*at, Event::Folded { id, into: *into, held, without });
        }
        DeliveryState::Suppressed { at, why } => note(*at, Event::Ended(id, why)),
    }
}
