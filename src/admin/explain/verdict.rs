//! Whether somebody was told, and if not, why: before a language puts it into words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Holder, Known};
use crate::{
    decide::health::Gate,
    delivery::{Delivery, DeliveryId, DeliveryState, Hold, Reason},
    failure::Origin,
    name::Name,
    notice::NoticeKind,
    silence::OnExpire,
    store::FailureDetail,
};

/// The sentence that an explanation ends in.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// Told, by this delivery first; the others are still owed.
    Told {
        at: Timestamp,
        by: &'a Delivery,
        /// The sink in whose place it was told, if no sink of a route was.
        instead_of: Option<&'a Name>,
        others: Vec<WhyNot<'a>>,
    },
    /// Not told, for these reasons; `yet` if it still can be.
    Untold { yet: bool, whys: Vec<WhyNot<'a>> },
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

/// Why sinks have not been told. Several only if the reason is the same for all of them.
#[derive(Debug)]
pub(super) struct WhyNot<'a> {
    pub(super) sinks: Vec<&'a Name>,
    pub(super) why: Why<'a>,
}

/// See [`WhyNot`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why<'a> {
    /// It waits in a group until then.
    Forming { closes_at: Timestamp },
    /// It is tried again; this is the last answer.
    Pending { answer: Option<&'a str>, next: Timestamp },
    /// Something holds it, until an instant if that is known.
    Held { holder: Holder<'a>, until: Option<Timestamp> },
    /// A silence holds it, and drops it at its end.
    ToBeDropped { holder: Holder<'a>, until: Option<Timestamp> },
    /// The digest of its route is due then.
    Digest { due: Option<Timestamp> },
    /// Its sink is in storm, and is told with the next update.
    Storm { next: Option<Timestamp> },
    /// Its sink says that it is gone.
    Disabled { answer: Option<&'a str> },
    /// It was given up.
    Dead { id: DeliveryId, answer: Option<&'a str> },
    /// It ended on purpose.
    Ended(&'a Reason),
}

impl Why<'_> {
    /// Whether it may still be told.
    fn is_yet(&self) -> bool {
        !matches!(self, Self::ToBeDropped { .. } | Self::Dead { .. } | Self::Ended(_))
    }

    /// When it is told, if the clock decides it.
    fn when(&self) -> Option<Timestamp> {
        match self {
            Self::Forming { closes_at: at } | Self::Pending { next: at, .. } => Some(*at),
            Self::Held { until: at, .. }
            | Self::ToBeDropped { until: at, .. }
            | Self::Digest { due: at }
            | Self::Storm { next: at } => *at,
            Self::Disabled { .. } | Self::Dead { .. } | Self::Ended(_) => None,
        }
    }
}

/// When a pending delivery is tried: not before the breaker lets it.
pub(super) fn next_try(due: Timestamp, delivery: &Delivery, known: Known<'_>) -> Timestamp {
    match known.state(&delivery.sink).map(|state| state.gate) {
        Some(Gate::Shut { probe_at, .. }) => due.max(probe_at),
        _ => due,
    }
}

/// The sink for which a notice that tells its fallback speaks.
pub(super) fn stood_in_for(delivery: &Delivery) -> Option<&Name> {
    let trouble = delivery.trouble.as_ref().filter(|_| delivery.kind == NoticeKind::SinkFailing)?;
    trouble.sink.as_ref()
}

fn instant(millisecond: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millisecond).ok()
}

/// Why a sink has not been told by a delivery; `None` if it was, or another delivery speaks.
fn why_not<'a>(delivery: &'a Delivery, known: Known<'a>) -> Option<Why<'a>> {
    let answer = delivery.last.as_ref().map(|last| last.detail.as_str());
    Some(match &delivery.state {
        DeliveryState::Pending { due } => {
            Why::Pending { answer, next: next_try(*due, delivery, known) }
        }
        DeliveryState::Held { by: by @ Hold::Silence(_), .. } => {
            let holder = known.holder(by);
            let until = holder.silence.map(|silence| silence.ends_at);
            match holder.silence.map(|silence| silence.on_expire) {
                Some(OnExpire::Drop) => Why::ToBeDropped { holder, until },
                Some(OnExpire::Digest) | None => Why::Held { holder, until },
            }
        }
        DeliveryState::Held { by: by @ Hold::Window(_, until), .. } => {
            Why::Held { holder: known.holder(by), until: instant(*until) }
        }
        DeliveryState::Held { by: Hold::Digest(due), .. } => Why::Digest { due: instant(*due) },
        DeliveryState::Held { by: Hold::Storm, .. } => {
            let storm = known.state(&delivery.sink).and_then(|state| state.storm);
            Why::Storm { next: storm.map(|storm| storm.next) }
        }
        DeliveryState::Held { by: Hold::Disabled, .. } => Why::Disabled { answer },
        DeliveryState::Dead { .. } => Why::Dead { id: delivery.id, answer },
        DeliveryState::Suppressed { why, .. } => Why::Ended(why),
        DeliveryState::Delivered { .. } | DeliveryState::Folded { .. } => return None,
    })
}

/// The earliest of these that was delivered.
fn first_told<'a>(
    deliveries: impl Iterator<Item = &'a Delivery>,
) -> Option<(Timestamp, &'a Delivery)> {
    let told = deliveries.filter_map(|delivery| match delivery.state {
        DeliveryState::Delivered { at } => Some((at, delivery)),
        _ => None,
    });
    told.min_by_key(|(at, _)| *at)
}

/// Puts sinks with one reason together. What may still be told comes first, and the sooner the
/// earlier.
fn arranged<'a>(reasons: Vec<(&'a Name, Why<'a>)>) -> Vec<WhyNot<'a>> {
    let mut all: Vec<WhyNot<'a>> = Vec::new();
    for (sink, why) in reasons {
        match all.iter_mut().find(|one| one.why == why) {
            Some(same) => same.sinks.push(sink),
            None => all.push(WhyNot { sinks: vec![sink], why }),
        }
    }
    all.sort_by_key(|one| {
        let at = one.why.when();
        (!one.why.is_yet(), at.is_none(), at)
    });
    all
}

pub(super) fn of<'a>(detail: &'a FailureDetail, known: Known<'a>) -> Verdict<'a> {
    let unfolded =
        detail.deliveries.iter().filter(|one| !matches!(one.state, DeliveryState::Folded { .. }));
    // Of each sink the last word: what was folded is spoken for by a later one.
    let telling = unfolded.clone().filter(|delivery| delivery.kind.tells_failures());
    let last: BTreeMap<&Name, &Delivery> = telling.map(|one| (&one.sink, one)).collect();
    let standing_in = unfolded.filter(|delivery| stood_in_for(delivery).is_some());

    let forming = detail.forming.iter();
    let forming = forming.map(|(sink, closes_at)| (sink, Why::Forming { closes_at: *closes_at }));
    let owed = last.values().filter_map(|one| Some((&one.sink, why_not(one, known)?)));
    let (ended, owed): (Vec<_>, Vec<_>) =
        owed.chain(forming).partition(|(_, why)| matches!(why, Why::Ended(_)));

    if let Some((at, by)) = first_told(last.values().copied()) {
        return Verdict::Told { at, by, instead_of: None, others: arranged(owed) };
    }
    if let Some((at, by)) = first_told(standing_in.clone()) {
        let instead_of = stood_in_for(by);
        return Verdict::Told { at, by, instead_of, others: arranged(owed) };
    }
    if owed.is_empty() {
        return if ended.is_empty() {
            untouched(detail, known)
        } else {
            Verdict::Untold { yet: false, whys: arranged(ended) }
        };
    }
    let standing_in = standing_in.filter_map(|one| Some((&one.sink, why_not(one, known)?)));
    let whys = arranged(owed.into_iter().chain(standing_in).collect());
    Verdict::Untold { yet: whys.iter().any(|one| one.why.is_yet()), whys }
}

/// For a failure that no delivery speaks for, and that is in no group.
fn untouched<'a>(detail: &'a FailureDetail, known: Known<'a>) -> Verdict<'a> {
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
