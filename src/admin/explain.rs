//! "Why was I (not) told?" — the chain of what happened to a failure, and one sentence.

use crate::{
    delivery::{Delivery, DeliveryState},
    failure::Origin,
    name::Name,
    store::FailureDetail,
};

/// What happened to a failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// In the order of events.
    pub steps: Vec<String>,
    /// One sentence.
    pub conclusion: String,
}

/// Explains a failure. `routed` are the sinks that today's routes would select.
#[must_use]
pub fn explain(detail: &FailureDetail, routed: &[Name]) -> Explanation {
    let failure = &detail.failure;
    let mut steps = Vec::new();
    if let Some(failed_at) = failure.task.failed_at {
        steps.push(format!("{failed_at}: failed, by the cloud's clock"));
    }
    let source = &failure.source;
    let origin = failure.origin.as_str();
    steps.push(format!(
        "{}: recorded by a poll of {source} ({origin}, generation {})",
        failure.first_seen_at, failure.generation
    ));
    if detail.undispatched {
        steps.push("waits to be dispatched".to_owned());
    }
    if let Some(suppressed) = &detail.suppressed {
        steps.push(format!("{}: {}", suppressed.at, suppressed.why));
    }
    for (sink, closes_at) in &detail.forming {
        steps.push(format!("waits for company in a group for {sink} until {closes_at}"));
    }
    for delivery in &detail.deliveries {
        steps.extend(delivery_steps(delivery));
    }
    match (detail.missing, failure.cleared_at) {
        (_, Some(at)) => steps.push(format!("{at}: no longer listed")),
        (Some(polls @ 1..), None) => {
            steps.push(format!("not listed by the last {polls} complete polls"));
        }
        _ => {}
    }
    Explanation { steps, conclusion: conclude(detail, routed) }
}

fn delivery_steps(delivery: &Delivery) -> Vec<String> {
    let Delivery { id, sink, route, created_at, attempts, .. } = delivery;
    let kind = delivery.kind.as_str();
    let count = delivery.failures.len();
    let mut steps = vec![format!(
        "{created_at}: route {route} opened delivery {id} of {kind} with {count} failures to {sink}"
    )];
    if let Some(last) = &delivery.last {
        let (at, latency, answer) = (last.at, last.latency_ms, &last.detail);
        steps.push(format!("{at}: attempt {attempts} to {sink} took {latency} ms: {answer}"));
    }
    steps.push(match delivery.state {
        DeliveryState::Pending { due } => format!("delivery {id} is tried next at {due}"),
        DeliveryState::Held { since, ref by } => format!("{since}: delivery {id} is held by {by}"),
        DeliveryState::Folded { at, into } => format!("{at}: delivery {id} went into {into}"),
        DeliveryState::Suppressed { at, ref why } => format!("{at}: delivery {id} ended: {why}"),
        DeliveryState::Delivered { at } => format!("{at}: {sink} accepted delivery {id}"),
        DeliveryState::Dead { at } => format!("{at}: delivery {id} was given up"),
    });
    steps
}

fn conclude(detail: &FailureDetail, routed: &[Name]) -> String {
    let told = detail.deliveries.iter().find_map(|delivery| match delivery.state {
        DeliveryState::Delivered { at } => Some((at, &delivery.sink)),
        _ => None,
    });
    if let Some((at, sink)) = told {
        return format!("You were told at {at} through {sink}.");
    }
    if let Some(delivery) = detail.deliveries.last() {
        let Delivery { id, sink, .. } = delivery;
        let answer = delivery.last.as_ref().map_or("not tried yet", |last| &last.detail);
        return match delivery.state {
            DeliveryState::Held { .. } => format!(
                "You were not told because {sink} says that it is gone ({answer}); after mending \
                 it, `taskbell delivery retry {id}`."
            ),
            DeliveryState::Dead { .. } => format!(
                "You were not told because {sink} did not take it in time ({answer}); after \
                 mending it, `taskbell delivery retry {id}`."
            ),
            DeliveryState::Suppressed { ref why, .. } => {
                format!("You were not told because {why}.")
            }
            DeliveryState::Pending { due }
            | DeliveryState::Delivered { at: due }
            | DeliveryState::Folded { at: due, .. } => format!(
                "You were not told yet because {sink} has not taken it ({answer}); the next try \
                 is at {due}."
            ),
        };
    }
    if let Some((sink, closes_at)) = detail.forming.first() {
        return format!(
            "You were not told yet because it waits for company until {closes_at}; then it goes \
             to {sink}."
        );
    }
    if let Some(suppressed) = &detail.suppressed {
        return format!("You were not told because {}.", suppressed.why);
    }
    if detail.undispatched {
        return "You were not told yet because it waits to be dispatched; `taskbell run` or \
                `taskbell once` does that."
            .to_owned();
    }
    if detail.failure.origin == Origin::Baseline {
        return "You were not told because it stood already when the source was first polled."
            .to_owned();
    }
    let sinks: Vec<&str> = routed.iter().map(Name::as_str).collect();
    format!(
        "You were not told, or the delivery is older than the retention; today it would go to {}.",
        if sinks.is_empty() { "nobody".to_owned() } else { sinks.join(", ") }
    )
}
