//! "Why was I (not) told?" — the chain of what happened to a failure, and one sentence.
//!
//! What is said, and in which order, is decided once, as [`event::Event`]s and a
//! [`verdict::Verdict`]; a language only puts them into words, so none can leave out what another
//! one says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::view::Instant;
use crate::{
    decide::health::SinkState,
    delivery::Hold,
    name::Name,
    notice::NoticeKind,
    render::{Language, Zone},
    silence::Silence,
    store::FailureDetail,
};

mod chinese;
mod english;
mod event;
mod verdict;

use chinese::Chinese;
use english::English;
use event::Event;
use verdict::Verdict;

/// What happened to a failure.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Explanation {
    /// In the order of events.
    pub steps: Vec<Step>,
    /// One sentence.
    pub conclusion: String,
    /// Whether that sentence says that somebody was told.
    pub told: bool,
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

/// In which words an explanation is given. By default as the API gives it: in English, with
/// instants as RFC 3339 has them.
#[derive(Clone, Debug, Default)]
pub struct Wording {
    /// The language.
    pub language: Language,
    /// The zone of all times; `None` for RFC 3339 in UTC.
    pub zone: Option<Zone>,
}

impl Wording {
    fn speech(&self) -> &'static dyn Speech {
        match self.language {
            Language::English => &English,
            Language::Chinese => &Chinese,
        }
    }

    fn instant(&self, at: Timestamp) -> String {
        let zone = self.zone.as_ref();
        zone.map_or_else(|| whole_millisecond(at).to_string(), |zone| zone.full(at))
    }

    /// The word for a notice's kind, of which the API has another one.
    #[must_use]
    pub fn kind(&self, word: &'static str) -> &'static str {
        let known = NoticeKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.map_or(word, |kind| self.speech().kind(kind))
    }

    /// What holds a delivery, in words.
    #[must_use]
    pub fn hold(&self, by: &Hold) -> String {
        self.speech().hold(Holder { by, silence: None })
    }
}

/// What holds a delivery, and the silence if it is one that is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Holder<'a> {
    by: &'a Hold,
    silence: Option<&'a Silence>,
}

impl<'a> Known<'a> {
    fn holder(&self, by: &'a Hold) -> Holder<'a> {
        let silence = match by {
            Hold::Silence(number) => self.silences.iter().find(|one| one.number == *number),
            _ => None,
        };
        Holder { by, silence }
    }

    fn state(&self, sink: &Name) -> Option<&'a SinkState> {
        self.sinks.get(sink)
    }
}

/// A language that explains.
trait Speech {
    /// One step, without a full stop.
    fn event(&self, event: &Event<'_>, wording: &Wording) -> String;

    /// The sentence at the end.
    fn verdict(&self, verdict: &Verdict<'_>, wording: &Wording) -> String;

    /// The word for a kind of notices.
    fn kind(&self, kind: NoticeKind) -> &'static str;

    /// What holds, as the end of a step and the beginning of a reason.
    fn hold(&self, holder: Holder<'_>) -> String;
}

/// As stored and listed: an instant that is only in memory may be finer than that.
fn whole_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Explains a failure.
#[must_use]
pub fn explain(detail: &FailureDetail, known: Known<'_>, wording: &Wording) -> Explanation {
    let speech = wording.speech();
    let step = |(at, event): (Option<Timestamp>, Event<'_>)| Step {
        at: at.map(whole_millisecond),
        what: speech.event(&event, wording),
    };
    let verdict = verdict::of(detail, known);
    Explanation {
        steps: event::all(detail, known).into_iter().map(step).collect(),
        conclusion: speech.verdict(&verdict, wording),
        told: matches!(verdict, Verdict::Told { .. }),
    }
}

#[cfg(test)]
mod tests;
