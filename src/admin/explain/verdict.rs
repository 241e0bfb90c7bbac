//! Whether somebody was told, and if not, why: before a language puts it into words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Holder, Known};
use crate::{
    decide::health::Gate,
    delivery::{Delivery, DeliveryState, Hold, Reason},
    failure::Origin,
    name::Name,
    store::FailureDetail,
};

/// The sentence that an explanation ends in.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// Told, by this delivery first; the others are still owed.
    Told { at: Timestamp, by: &'a Delivery, others: Vec<WhyNot<'a>> },
    /// Not told; `yet` if it still can be without anybody's help.
    Untold { yet: bool, why: WhyNot<'a> },
    /// It waits in a group for this sink.
    Forming(&'a Name, Timestamp),
    /// Somebody decided that nobody is told.
    Suppressed(&'a Reason),
    /// It waits for its deliveries.
    Undispatched,
    /// It stood already when its source was first polled.
    Baseline,
    /// It came back too soon to be told again.
    Reappeared,
    /// The store does not know any more; these sinks would be told today.
    Forgotten(&'a [Name]),
}

/// Why a sink has not been told by a delivery.
#[derive(Debug)]
pub(super) struct WhyNot<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) why: Why<'a>,
}

/// See [`WhyNot`].
#[derive(Debug)]
pub(super) enum Why<'a> {
    /// It is tried again.
    Pending { next: Timestamp },
    /// Something holds it, until an instant if that is known.
    Held { holder: Holder<'a>, until: Option<Timestamp> },
    /// The digest of its route is due then.
    Digest { due: Option<Timestamp> },
    /// Its sink is in storm, and is told with the next update.
    Storm { next: Option<Timestamp> },
    /// Its sink says that it is gone.
    Disabled,
    /// It was given up.
    Dead,
    /// It ended on purpose.
    Suppressed(&'a Reason),
    /// It was delivered, or another one speaks.
    Done,
}

/// When a pending delivery is tried: not before the breaker lets it.
pub(super) fn next_try(due: Timestamp, delivery: &Delivery, known: Known<'_>) -> Timestamp {
    match known.state(&delivery.sink).map(|state| state.gate) {
        Some(Gate::Shut { probe_at, .. }) => due.max(probe_at),
        _ => due,
    }
}

fn instant(millisecond: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millisecond).ok()
}

fn why_not<'a>(delivery: &'a Delivery, known: Known<'a>) -> WhyNot<'a> {
    let why = match &delivery.state {
        DeliveryState::Pending { due } => Why::Pending { next: next_try(*due, delivery, known) },
        DeliveryState::Held { by: by @ Hold::Silence(_), .. } => {
            let holder = known.holder(by);
            Why::Held { holder, until: holder.silence.map(|silence| silence.ends_at) }
        }
        DeliveryState::Held { by: by @ Hold::Window(_, until), .. } => {
            Why::Held { holder: known.holder(by), until: instant(*until) }
        }
        DeliveryState::Held { by: Hold::Digest(due), .. } => Why::Digest { due: instant(*due) },
        DeliveryState::Held { by: Hold::Storm, .. } => {
            let storm = known.state(&delivery.sink).and_then(|state| state.storm);
            Why::Storm { next: storm.map(|storm| storm.next) }
        }
        DeliveryState::Held { by: Hold::Disabled, .. } => Why::Disabled,
        DeliveryState::Dead { .. } => Why::Dead,
        DeliveryState::Suppressed { why, .. } => Why::Suppressed(why),
        DeliveryState::Delivered { .. } | DeliveryState::Folded { .. } => Why::Done,
    };
    WhyNot { delivery, why }
}

pub(super) fn of<'a>(detail: &'a FailureDetail, known: Known<'a>) -> Verdict<'a> {
    let telling = detail.deliveries.iter().filter(|delivery| delivery.kind.tells_failures());
    // Of each sink the last word: what was folded is spoken for by a later one.
    let mut last: BTreeMap<&Name, &Delivery> = BTreeMap::new();
    for delivery in telling {
        if !matches!(delivery.state, DeliveryState::Folded { .. }) {
            last.insert(&delivery.sink, delivery);
        }
    }
    let told = last.values().filter_map(|delivery| match delivery.state {
        DeliveryState::Delivered { at } => Some((at, *delivery)),
        _ => None,
    });
    let first = told.min_by_key(|(at, _)| *at);
    let open = last.values().copied().filter(|one| !one.state.is_done());
    if let Some((at, by)) = first {
        return Verdict::Told { at, by, others: open.map(|one| why_not(one, known)).collect() };
    }
    if let Some(delivery) = open.clone().next().or_else(|| last.values().copied().last()) {
        let waits =
            matches!(delivery.state, DeliveryState::Pending { .. } | DeliveryState::Held { .. });
        return Verdict::Untold { yet: waits, why: why_not(delivery, known) };
    }
    untouched(detail, known)
}

/// For a failure that no delivery speaks for.
fn untouched<'a>(detail: &'a FailureDetail, known: Known<'a>) -> Verdict<'a> {
    if let Some((sink, closes_at)) = detail.forming.first() {
        return Verdict::Forming(sink, *closes_at);
    }
    if let Some(suppressed) = detail.suppressed.last() {
        return Verdict::Suppressed(&suppressed.why);
    }
    if detail.undispatched {
        return Verdict::Undispatched;
    }
    match detail.failure.origin {
        Origin::Baseline => Verdict::Baseline,
        Origin::Reappeared if detail.deliveries.is_empty() => Verdict::Reappeared,
        _ => Verdict::Forgotten(known.routed),
    }
}
