//! "Why was I (not) told?" — the chain of what happened to a failure, and one sentence.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::view::Instant;
use crate::{
    decide::health::{Gate, SinkState},
    delivery::{Delivery, DeliveryState, Hold},
    failure::Origin,
    name::Name,
    notice::NoticeKind,
    silence::Silence,
    store::FailureDetail,
};

/// What happened to a failure.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Explanation {
    /// In the order of events.
    pub steps: Vec<Step>,
    /// One sentence.
    pub conclusion: String,
}

/// One thing that happened, or that is about to.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Step {
    /// When; `None` for what is so now.
    #[schemars(with = "Option<Instant>")]
    pub at: Option<Timestamp>,
    /// What.
    pub what: String,
}

/// What the explanation goes by, beside the failure.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The sinks that today's routes select.
    pub routed: &'a [Name],
    /// How each sink is doing.
    pub sinks: &'a BTreeMap<Name, SinkState>,
    /// Every silence that is remembered.
    pub silences: &'a [Silence],
}

/// Explains a failure.
#[must_use]
pub fn explain(detail: &FailureDetail, known: Known<'_>) -> Explanation {
    let failure = &detail.failure;
    let mut steps = Vec::new();
    let mut note = |at: Option<Timestamp>, what: String| steps.push(Step { at, what });
    if let Some(failed_at) = failure.task.failed_at {
        note(Some(failed_at), "failed, by the cloud's clock".to_owned());
    }
    let (source, generation) = (&failure.source, failure.generation);
    let origin = failure.origin.as_str();
    note(
        Some(failure.first_seen_at),
        format!("recorded by a poll of {source} ({origin}, generation {generation})"),
    );
    if 1 < failure.occurrences_24h {
        let count = failure.occurrences_24h;
        note(Some(failure.first_seen_at), format!("the {count}. of its like in 24 hours"));
    }
    for suppressed in &detail.suppressed {
        let to = match &suppressed.sink {
            Some(sink) => format!("not told to {sink}"),
            None => "told to nobody".to_owned(),
        };
        note(Some(suppressed.at), format!("{to}: {}", suppressed.why));
    }
    for delivery in &detail.deliveries {
        delivery_steps(delivery, detail, known, &mut note);
    }
    if let Some(ack) = &detail.ack {
        note(Some(ack.at), format!("acknowledged by {}: no reminders", ack.by));
    }
    if let Some(at) = failure.cleared_at {
        note(Some(at), "no longer listed".to_owned());
    }
    // By time; what has none is so now, and stays where it is.
    steps.sort_by_key(|step| step.at);
    let mut note = |what: String| steps.push(Step { at: None, what });
    if let (Some(polls @ 1..), None) = (detail.missing, failure.cleared_at) {
        note(format!("not listed by the last {polls} complete polls"));
    }
    if detail.undispatched {
        note("waits to be dispatched".to_owned());
    }
    for (sink, closes_at) in &detail.forming {
        note(format!("waits for company in a group for {sink} until {closes_at}"));
    }
    Explanation { steps, conclusion: conclude(detail, known) }
}

fn delivery_steps(
    delivery: &Delivery,
    detail: &FailureDetail,
    known: Known<'_>,
    note: &mut impl FnMut(Option<Timestamp>, String),
) {
    let Delivery { id, sink, route, attempts, total, .. } = delivery;
    let kind = delivery.kind.as_str();
    let by = if *route == 0 { String::new() } else { format!("route {route} opened ") };
    let named = if *total == 1 { "1 failure".to_owned() } else { format!("{total} failures") };
    note(
        Some(delivery.created_at),
        format!("{by}delivery {id} of {kind} with {named} to {sink} ({})", delivery.reason),
    );
    if let Some(last) = &delivery.last {
        let (latency, answer) = (last.latency_ms, &last.detail);
        note(
            Some(last.at),
            format!("attempt {attempts} of delivery {id} took {latency} ms: {answer}"),
        );
    }
    match &delivery.state {
        DeliveryState::Pending { due } => {
            let due = next_try(*due, known.sinks.get(sink));
            note(Some(due), format!("delivery {id} is tried next"));
        }
        DeliveryState::Held { since, by } => {
            note(Some(*since), format!("delivery {id} is held by {}", hold(by, known)));
        }
        DeliveryState::Delivered { at } => {
            note(Some(*at), format!("{sink} accepted delivery {id}"));
        }
        DeliveryState::Dead { at } => note(Some(*at), format!("delivery {id} was given up")),
        DeliveryState::Folded { at, into, held_by } => {
            let held = held_by
                .as_ref()
                .map_or(String::new(), |by| format!(", held by {} until then,", hold(by, known)));
            // What was not to be told any more did not go with the others.
            let with = if detail.deliveries.iter().any(|one| one.id == *into) {
                ""
            } else {
                ", without this failure"
            };
            note(Some(*at), format!("delivery {id}{held} went into delivery {into}{with}"));
        }
        DeliveryState::Suppressed { at, why } => {
            note(Some(*at), format!("delivery {id} ended untold: {why}"));
        }
    }
}

/// When a pending delivery is tried: not before the breaker lets it.
fn next_try(due: Timestamp, state: Option<&SinkState>) -> Timestamp {
    match state.map(|state| state.gate) {
        Some(Gate::Shut { probe_at, .. }) => due.max(probe_at),
        _ => due,
    }
}

/// What holds, in words.
fn hold(by: &Hold, known: Known<'_>) -> String {
    let Hold::Silence(number) = by else { return by.to_string() };
    match known.silences.iter().find(|silence| silence.number == *number) {
        Some(Silence { author, comment, .. }) => format!("{by} of {author} ({comment})"),
        None => by.to_string(),
    }
}

/// Why the sink of an open delivery has not been told.
fn why_not(delivery: &Delivery, known: Known<'_>) -> String {
    let Delivery { id, sink, .. } = delivery;
    let answer = delivery.last.as_ref().map_or("not tried yet", |last| &last.detail);
    let state = known.sinks.get(sink);
    match &delivery.state {
        DeliveryState::Pending { due } => format!(
            "{sink} has not taken it ({answer}); the next try is at {}",
            next_try(*due, state)
        ),
        DeliveryState::Held { by: Hold::Silence(number), .. } => {
            let silence = known.silences.iter().find(|silence| silence.number == *number);
            let until = silence.map_or(String::new(), |one| format!(" until {}", one.ends_at));
            format!("{} holds it{until}", hold(&Hold::Silence(*number), known))
        }
        DeliveryState::Held { by: by @ Hold::Window(_, until), .. } => {
            format!("{by} holds it until {}", instant(*until))
        }
        DeliveryState::Held { by: Hold::Digest(due), .. } => {
            format!("the digest of its route is due at {}", instant(*due))
        }
        DeliveryState::Held { by: Hold::Storm, .. } => {
            let next = state.and_then(|state| state.storm).map(|storm| storm.next);
            let next = next.map_or(String::new(), |at| format!(" at {at}"));
            format!("{sink} is in storm and is told with the next update{next}")
        }
        DeliveryState::Held { by: Hold::Disabled, .. } => format!(
            "{sink} says that it is gone ({answer}); after mending it, `taskbell sink probe {sink}`"
        ),
        DeliveryState::Dead { .. } => format!(
            "{sink} did not take it in time ({answer}); after mending it, \
             `taskbell delivery retry {id}`"
        ),
        DeliveryState::Suppressed { why, .. } => why.to_string(),
        DeliveryState::Delivered { .. } | DeliveryState::Folded { .. } => {
            format!("delivery {id} speaks for it no more")
        }
    }
}

fn instant(millisecond: i64) -> String {
    Timestamp::from_millisecond(millisecond)
        .map_or_else(|_| "never".to_owned(), |at| at.to_string())
}

fn conclude(detail: &FailureDetail, known: Known<'_>) -> String {
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
    let open: Vec<&&Delivery> = last.values().filter(|one| !one.state.is_done()).collect();
    if let Some((at, delivery)) = first {
        let others = open.iter().map(|delivery| format!("; {}", why_not(delivery, known)));
        return format!(
            "You were told at {at} through {}{}{}.",
            delivery.sink,
            as_what(delivery),
            others.collect::<String>()
        );
    }
    if let Some(delivery) = open.first().copied().copied().or(last.into_values().last()) {
        let yet =
            if matches!(delivery.state, DeliveryState::Pending { .. } | DeliveryState::Held { .. })
            {
                " yet"
            } else {
                ""
            };
        return format!("You were not told{yet} because {}.", why_not(delivery, known));
    }
    untouched(detail, known)
}

fn as_what(delivery: &Delivery) -> String {
    let count = delivery.total;
    match delivery.kind {
        NoticeKind::TaskFailed => String::new(),
        NoticeKind::Digest => format!(" in a digest of {count}"),
        _ => format!(" in a storm notice of {count}"),
    }
}

/// The sentence for a failure that no delivery speaks for.
fn untouched(detail: &FailureDetail, known: Known<'_>) -> String {
    if let Some((sink, closes_at)) = detail.forming.first() {
        return format!(
            "You were not told yet because it waits for company until {closes_at}; then it goes \
             to {sink}."
        );
    }
    if let Some(suppressed) = detail.suppressed.last() {
        return format!("You were not told because {}.", suppressed.why);
    }
    if detail.undispatched {
        return "You were not told yet because it waits to be dispatched; `taskbell run` or \
                `taskbell once` does that."
            .to_owned();
    }
    match detail.failure.origin {
        Origin::Baseline => {
            "You were not told because it stood already when the source was first polled."
                .to_owned()
        }
        Origin::Reappeared if detail.deliveries.is_empty() => {
            "You were not told because it came back soon after it had cleared.".to_owned()
        }
        _ => {
            let sinks: Vec<&str> = known.routed.iter().map(Name::as_str).collect();
            format!(
                "You were not told, or the delivery is older than the retention; today it would \
                 go to {}.",
                if sinks.is_empty() { "nobody".to_owned() } else { sinks.join(", ") }
            )
        }
    }
}

#[cfg(test)]
mod tests;
