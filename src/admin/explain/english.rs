//! Explanations in English.

use jiff::Timestamp;

use super::{
    Holder, Speech, Wording,
    event::Event,
    verdict::{self, Verdict, Why, WhyNot},
};
use crate::{
    delivery::{Delivery, LastAttempt},
    name::Name,
    notice::NoticeKind,
    render::Language,
    silence::Silence,
};

pub(super) struct English;

impl Speech for English {
    fn event(&self, event: &Event<'_>, wording: &Wording) -> String {
        match event {
            Event::Failed => "failed, by the cloud's clock".to_owned(),
            Event::Recorded(failure) => format!(
                "recorded by a poll of {} ({}, generation {})",
                failure.source,
                failure.origin.as_str(),
                failure.generation
            ),
            Event::Often(nth) => Language::English.recurrence(*nth),
            Event::Untold(suppressed) => match &suppressed.sink {
                Some(sink) => format!("not told to {sink}: {}", suppressed.why),
                None => format!("told to nobody: {}", suppressed.why),
            },
            Event::Opened(delivery) => opened(delivery),
            Event::Attempted(Delivery { id, attempts, .. }, last) => {
                let LastAttempt { latency_ms, detail, .. } = last;
                format!("attempt {attempts} of delivery {id} took {latency_ms} ms: {detail}")
            }
            Event::TriedNext(id) => format!("delivery {id} is tried next"),
            Event::Held(id, holder) => format!("delivery {id} is held by {}", self.hold(*holder)),
            Event::Accepted(Delivery { id, sink, .. }) => format!("{sink} accepted delivery {id}"),
            Event::GivenUp(id) => format!("delivery {id} was given up"),
            Event::Folded { id, into, held, without } => {
                let held = held.map_or(String::new(), |holder| {
                    format!(", held by {} until then,", self.hold(holder))
                });
                let with = if *without { ", without this failure" } else { "" };
                format!("delivery {id}{held} went into delivery {into}{with}")
            }
            Event::Ended(id, why) => format!("delivery {id} ended untold: {why}"),
            Event::Acknowledged(ack) => format!("acknowledged by {}: no reminders", ack.by),
            Event::Cleared => "no longer listed".to_owned(),
            Event::Missing(1) => "not listed by the last complete poll".to_owned(),
            Event::Missing(polls) => format!("not listed by the last {polls} complete polls"),
            Event::Undispatched => "waits to be dispatched".to_owned(),
            Event::Forming(sink, closes_at) => {
                let until = wording.instant(*closes_at);
                format!("waits for company in a group for {sink} until {until}")
            }
        }
    }

    fn verdict(&self, verdict: &Verdict<'_>, wording: &Wording) -> String {
        let why_not = |why: &WhyNot<'_>| self.why_not(why, wording);
        match verdict {
            Verdict::Told { at, by, instead_of, others } => {
                let others = others.iter().map(|other| format!("; {}", why_not(other)));
                let instead_of =
                    instead_of.map_or(String::new(), |sink| format!(", as the fallback of {sink}"));
                format!(
                    "You were told at {} through {}{}{instead_of}{}.",
                    wording.instant(*at),
                    by.sink,
                    as_what(by),
                    others.collect::<String>()
                )
            }
            Verdict::Untold { yet, whys } => {
                let yet = if *yet { " yet" } else { "" };
                let whys: Vec<String> = whys.iter().map(why_not).collect();
                format!("You were not told{yet} because {}.", whys.join("; "))
            }
            Verdict::Suppressed(why) => format!("You were not told because {why}."),
            Verdict::Undispatched => "You were not told yet because it waits to be dispatched; \
                                      `taskbell run` or `taskbell once` does that."
                .to_owned(),
            Verdict::Baseline => {
                "You were not told because it stood already when the source was first polled."
                    .to_owned()
            }
            Verdict::Reappeared => {
                "You were not told because it came back soon after it had cleared.".to_owned()
            }
            Verdict::Forgotten(routed) => {
                let sinks: Vec<&str> = routed.iter().map(Name::as_str).collect();
                let sinks = if sinks.is_empty() { "nobody".to_owned() } else { sinks.join(", ") };
                format!(
                    "You were not told, or the delivery is older than the retention; today it \
                     would go to {sinks}."
                )
            }
        }
    }

    fn kind(&self, kind: NoticeKind) -> &'static str {
        kind.as_str()
    }

    fn hold(&self, Holder { by, silence }: Holder<'_>) -> String {
        match silence {
            Some(Silence { author, comment, .. }) => format!("{by} of {author} ({comment})"),
            None => by.to_string(),
        }
    }
}

impl English {
    fn why_not(&self, WhyNot { sinks, why }: &WhyNot<'_>, wording: &Wording) -> String {
        let sink = names(sinks);
        let has = |one, several| if sinks.len() == 1 { one } else { several };
        let answered = |answer: Option<&str>| answer.unwrap_or("not tried yet").to_owned();
        let at = |at: &Option<Timestamp>| {
            at.map_or(String::new(), |at| format!(" at {}", wording.instant(at)))
        };
        let until = |at: &Option<Timestamp>| {
            at.map_or(String::new(), |at| format!(" until {}", wording.instant(at)))
        };
        match why {
            Why::Forming { closes_at } => format!(
                "it waits for company until {} and then goes to {sink}",
                wording.instant(*closes_at)
            ),
            Why::Pending { answer, next } => format!(
                "{sink} {} not taken it ({}); the next try is at {}",
                has("has", "have"),
                answered(*answer),
                wording.instant(*next)
            ),
            Why::Held { holder, until: end } => {
                format!("{} holds it for {sink}{}", self.hold(*holder), until(end))
            }
            Why::ToBeDropped { holder, until: end } => format!(
                "{} holds it for {sink}{} and then drops it",
                self.hold(*holder),
                until(end)
            ),
            Why::Digest { due } => {
                format!("it goes to {sink} with the digest of its route{}", at(due))
            }
            Why::Storm { next } => format!(
                "{sink} {} in storm and told with the next update{}",
                has("is", "are"),
                at(next)
            ),
            Why::Disabled { answer } => format!(
                "{sink} {} gone ({}); after mending that, `taskbell sink probe {sink}`",
                has("says that it is", "say that they are"),
                answered(*answer)
            ),
            Why::Dead { id, answer } => format!(
                "{sink} did not take it in time ({}); after mending that, `taskbell delivery \
                 retry {id}`",
                answered(*answer)
            ),
            Why::Ended(why) => why.to_string(),
        }
    }
}

fn names(sinks: &[&Name]) -> String {
    sinks.iter().map(|sink| sink.as_str()).collect::<Vec<_>>().join(", ")
}

fn opened(delivery: &Delivery) -> String {
    let Delivery { id, sink, route, total, reason, .. } = delivery;
    let kind = delivery.kind.as_str();
    let by = if *route == 0 { String::new() } else { format!("route {route} opened ") };
    let named = if *total == 1 { "1 failure".to_owned() } else { format!("{total} failures") };
    let instead_of = verdict::stood_in_for(delivery)
        .map_or(String::new(), |failing| format!(", the fallback of {failing}"));
    format!("{by}delivery {id} of {kind} with {named} to {sink}{instead_of} ({reason})")
}

fn as_what(delivery: &Delivery) -> String {
    let count = delivery.total;
    match delivery.kind {
        NoticeKind::TaskFailed | NoticeKind::SinkFailing => String::new(),
        NoticeKind::Digest => format!(" in a digest of {count}"),
        _ => format!(" in a storm notice of {count}"),
    }
}
