//! What a sink is told, how much of it, and who is told in its place.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use super::{Check, DAY, SECOND, unknown};
use crate::{
    config::{
        Sink,
        locate::join,
        raw::{RawLimit, RawSink, RawStorm, RawStormRule},
    },
    decide::{
        route::Routes,
        rules::{Limit, SinkRules, StormRule},
    },
    name::Name,
    options::Period,
    sink::{Kind, Reader},
};

/// Thresholds of a storm. A poll of more failures than that is a storm by any measure.
const THRESHOLD: RangeInclusive<usize> = 1..=100_000;

impl Check {
    /// Reads what the table at `path` says about telling a sink. A limit or a storm that is wrong
    /// counts as none: its problem is noted, and such a config is not used.
    pub(super) fn sink_rules(
        &mut self,
        path: &str,
        raw: &RawSink,
        kind: Option<&Kind>,
        sinks: &BTreeMap<Name, usize>,
    ) -> Option<SinkRules> {
        let limit = raw.limit.or_else(|| kind?.limit.and_then(RawLimit::parse));
        let limit = self.limit(&join(path, "limit"), limit);
        let people = kind.is_some_and(|kind| matches!(kind.reader, Reader::People));
        let storm = raw.storm.unwrap_or(RawStorm::Switch(people));
        let storm = self.storm(&join(path, "storm"), storm);
        let fallback = self.fallback(&join(path, "fallback"), raw, sinks);
        let after = self.period(&join(path, "fallback_after"), raw.fallback_after, SECOND..=DAY);
        Some(SinkRules {
            cleared: raw.cleared.unwrap_or_else(|| kind.is_some_and(|kind| kind.cleared)),
            limit,
            storm,
            fallback: fallback?,
            fallback_after: after?,
            keeps_open: kind.is_some_and(|kind| kind.cleared),
        })
    }

    fn limit(&mut self, path: &str, raw: Option<RawLimit>) -> Option<Limit> {
        let RawLimit(limit) = raw?;
        let limit = limit?;
        if (1..=Limit::COUNT_MAX).contains(&limit.count) && (SECOND..=DAY).contains(&limit.per) {
            return Some(limit);
        }
        let (from, to, most) = (Period(SECOND), Period(DAY), Limit::COUNT_MAX);
        self.problem(path, &format!("must be between 1 and {most} notices in {from} to {to}"));
        None
    }

    fn storm(&mut self, path: &str, raw: RawStorm) -> Option<StormRule> {
        let RawStormRule { threshold, update } = match raw {
            RawStorm::Switch(false) => return None,
            RawStorm::Switch(true) => RawStormRule::default(),
            RawStorm::Rule(rule) => rule,
        };
        let threshold = self.count(&join(path, "threshold"), threshold, THRESHOLD);
        let update = self.period(&join(path, "update"), update, SECOND..=DAY);
        Some(StormRule { threshold: threshold?, update: update? })
    }

    fn fallback(
        &mut self,
        path: &str,
        raw: &RawSink,
        sinks: &BTreeMap<Name, usize>,
    ) -> Option<Vec<Name>> {
        let itself = raw.fallback.iter().position(|name| *name == raw.name);
        if let Some(nth) = itself {
            self.problem(&format!("{path}[{nth}]"), "is the sink itself; name another one");
        }
        let found = self.known_sinks(path, &raw.fallback, sinks);
        found.filter(|_| itself.is_none())
    }

    /// The sinks of the list at `path`, none of them twice.
    pub(super) fn known_sinks(
        &mut self,
        path: &str,
        names: &[String],
        sinks: &BTreeMap<Name, usize>,
    ) -> Option<Vec<Name>> {
        let one = |(nth, name): (usize, &String)| {
            let path = format!("{path}[{nth}]");
            if names.iter().take(nth).any(|earlier| earlier == name) {
                self.problem(&path, &format!("`{name}` is listed already"));
            }
            let found = sinks.keys().find(|sink| sink.as_str() == name).cloned();
            // Without any good name, what is wrong is told elsewhere.
            if found.is_none() && !sinks.is_empty() {
                let known: Vec<_> = sinks.keys().map(Name::as_str).collect();
                self.problem(&path, &unknown("sink", name, &known));
            }
            found
        };
        let found: Vec<_> = names.iter().enumerate().map(one).collect();
        found.into_iter().collect()
    }

    /// Fallbacks that come back to where they began would tell of each other's trouble for ever.
    pub(super) fn circles(&mut self, sinks: &[Sink]) {
        let fallbacks: Fallbacks<'_> =
            sinks.iter().map(|sink| (&sink.name, sink.rules.fallback.as_slice())).collect();
        let mut told: Vec<&Name> = Vec::new();
        for (nth, sink) in sinks.iter().enumerate() {
            // Each circle is told once, by the first of its sinks.
            if told.contains(&&sink.name) {
                continue;
            }
            if let Some(circle) = circle(&sink.name, &fallbacks) {
                let names: Vec<_> = circle.iter().map(|name| name.as_str()).collect();
                let problem = format!("leads back to where it began: {}", names.join(" -> "));
                self.problem(&format!("sink[{nth}].fallback"), &problem);
                told.extend(circle);
            }
        }
    }

    /// A sink that nothing leads to is most likely a slip.
    pub(super) fn never_told(&mut self, sinks: &[Sink], routes: &Routes) {
        for (nth, sink) in sinks.iter().enumerate() {
            let name = &sink.name;
            let told = routes.0.iter().any(|route| route.to.contains(name))
                || sinks.iter().any(|other| other.rules.fallback.contains(name));
            if !told {
                let problem = "is never told anything: no route and no fallback names it";
                self.warn(&format!("sink[{nth}]"), problem);
            }
        }
    }
}

/// Each sink and who is told in its place.
type Fallbacks<'a> = BTreeMap<&'a Name, &'a [Name]>;

/// The shortest way over fallbacks from a sink back to itself, with it at both ends.
fn circle<'a>(start: &'a Name, fallbacks: &Fallbacks<'a>) -> Option<Vec<&'a Name>> {
    let mut reached_from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in fallbacks.get(at).copied().unwrap_or_default() {
            if next == start {
                let mut way = vec![start];
                let mut step = Some(&at);
                while let Some(name) = step {
                    way.push(name);
                    step = reached_from.get(name);
                }
                way.reverse();
                return Some(way);
            }
            if !reached_from.contains_key(next) {
                reached_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}
