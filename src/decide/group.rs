//! Who is told, and with whom: from seeds to groups.
//!
//! A failure joins one open group per sink that its routes select. A group closes when its time
//! is up or when it is full; how a closed one becomes a delivery is decided in [`super::close`].
//! Joining, closing and the end of a seed are one transaction of the store.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    backlog::{Backlog, Forming, Opening, Seed, Seeded, SourceView, Told},
    health::SinkState,
    route::{Group, Route, Selected, Subject, Tried},
    rules::{Rules, SourceFacts},
    silence::Silences,
};
use crate::{
    delivery::{Cleared, DeliveryId, Reason, Remind, Suppressed},
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Member, NoticeKind},
};

/// What dispatch decides by, beside the backlog.
#[derive(Clone, Copy, Debug)]
pub struct Dispatching<'a> {
    /// The config.
    pub rules: &'a Rules,
    /// Compiled from the backlog's.
    pub silences: &'a Silences,
    /// Whether every group closes now: in one-shot mode the poll is the group.
    pub close_all: bool,
    /// The present.
    pub now: Timestamp,
}

/// Members of a group that a new one is compared with. All of an ordinary group; of one that tells
/// a mass clearing, enough, since a failure cannot clear twice in one poll.
const LOOKED_AT: usize = 2 * crate::notice::FAILURES_MAX;

/// Decides what becomes of a backlog.
#[must_use]
pub fn dispatch(backlog: Backlog, by: Dispatching<'_>) -> Opening {
    let mut desk = Desk {
        by,
        stored: backlog.forming.keys().cloned().collect(),
        forming: backlog.forming,
        joined: BTreeSet::new(),
        full: Vec::new(),
        counts: BTreeMap::new(),
        members: backlog.members,
        told: backlog.told,
        blind: backlog.blind,
        informed: backlog.informed,
        sources: backlog.sources,
        sinks: backlog.sinks,
        opening: Opening::default(),
    };
    desk.begin_waits_anew();
    let watch = by.silences.any_active(by.now);
    for seeded in backlog.seeds {
        desk.seed(&seeded);
        if watch {
            let mine = seeded.failures.into_iter().map(|failure| (failure.id, failure));
            desk.members.extend(mine);
        }
    }
    desk.finish()
}

/// The state of one [`dispatch`].
pub(super) struct Desk<'a> {
    pub(super) by: Dispatching<'a>,
    /// Keys of groups that the store holds.
    pub(super) stored: BTreeSet<String>,
    pub(super) forming: BTreeMap<String, Forming>,
    /// Keys of groups that changed.
    pub(super) joined: BTreeSet<String>,
    /// Groups that have no room left.
    pub(super) full: Vec<Forming>,
    /// Failures that joined, by sink.
    pub(super) counts: BTreeMap<Name, usize>,
    pub(super) members: BTreeMap<FailureId, Failure>,
    pub(super) told: BTreeMap<FailureId, Vec<Told>>,
    pub(super) blind: BTreeMap<Name, Vec<(Name, DeliveryId)>>,
    pub(super) informed: BTreeMap<Name, Vec<Name>>,
    pub(super) sources: BTreeMap<Name, SourceView>,
    pub(super) sinks: BTreeMap<Name, SinkState>,
    pub(super) opening: Opening,
}

impl<'a> Desk<'a> {
    /// A group that would wait for longer than its route lets one wait was opened before the clock
    /// was set back, or before the config changed. Its wait begins anew: otherwise it, and all that
    /// join it, would wait until the clock shows that time again. Nobody was told of it yet, so
    /// nothing is told twice.
    fn begin_waits_anew(&mut self) {
        for (key, group) in &mut self.forming {
            let Some(route) = self.by.rules.routes.get(group.route) else { continue };
            let latest = self.by.now.saturating_add(route.group.wait).unwrap_or(Timestamp::MAX);
            if group.kind == NoticeKind::TaskFailed && latest < group.closes_at {
                group.closes_at = latest;
                self.joined.insert(key.clone());
            }
        }
    }

    fn seed(&mut self, seeded: &Seeded) {
        self.opening.consumed.push(seeded.number);
        match &seeded.seed {
            Seed::Failed { episodes, .. } => {
                for failure in &seeded.failures {
                    let episode = episodes.get(&failure.id).copied().unwrap_or_default();
                    self.failed(failure, episode);
                }
            }
            Seed::Cleared { mass, .. } => {
                // Whoever was not told that it failed is not told that it cleared; and what is
                // listed again meanwhile has not cleared.
                let told = |failure: &&Failure| {
                    failure.origin != Origin::Baseline && failure.cleared_at.is_some()
                };
                let told: Vec<&Failure> = seeded.failures.iter().filter(told).collect();
                self.cleared(&told, *mass);
            }
            Seed::Watching { .. }
            | Seed::Blind { .. }
            | Seed::Sighted { .. }
            | Seed::Stuck { .. } => self.about_watch(&seeded.seed),
        }
    }

    pub(super) fn facts(&self, source: &Name) -> Cow<'a, SourceFacts> {
        match self.by.rules.sources.get(source) {
            Some(facts) => Cow::Borrowed(facts),
            // A source that was taken out of the config still gets its last failures told.
            None => Cow::Owned(SourceFacts::new(self.by.rules.info(source), BTreeMap::new())),
        }
    }

    fn failed(&mut self, failure: &Failure, episode: u32) {
        let member = Member { episode, ..Member::from(failure) };
        let reason = match (episode == failure.episode, episode, failure.generation) {
            (true, ..) => failure.origin,
            (false, 1.., _) => Origin::Reappeared,
            (false, 0, 2..) => Origin::Refailed,
            (false, 0, _) => Origin::New,
        };
        let rules = self.by.rules;
        let facts = self.facts(&failure.source);
        let info = facts.info();
        let subject = Subject::of(failure, &info, &facts.labels);
        let selected = rules.routes.select(&subject);
        if selected.is_empty() {
            let tried = rules.routes.explain(&subject);
            let route = tried.iter().rposition(|tried| matches!(tried, Tried::Matched));
            let why = route.map_or(Reason::NoRoute, |route| Reason::NullRoute(ordinal(route)));
            let suppressed = Suppressed { at: self.by.now, sink: None, why };
            self.opening.suppressed.push((failure.id, suppressed));
        }
        for choice in selected {
            let place = Place::of(rules, &choice, NoticeKind::TaskFailed, self.by.now);
            self.join(&place, &subject, (failure, member), reason.as_str());
            count(&mut self.counts, choice.sink);
            count(&mut self.opening.routed, choice.sink);
        }
    }

    /// Puts a failure into the group of `place`.
    pub(super) fn join(
        &mut self,
        place: &Place<'_>,
        subject: &Subject<'_>,
        (failure, member): (&Failure, Member),
        reason: &str,
    ) {
        let key = place.key(subject);
        let group = self.forming.entry(key).or_insert_with_key(|key| Forming {
            key: key.clone(),
            reason: reason.to_owned(),
            ..place.group(&failure.source)
        });
        if group.reason != reason {
            "mixed".clone_into(&mut group.reason);
        }
        let known = group.members.iter_mut().rev().take(LOOKED_AT).find(|one| one.id == member.id);
        if let Some(known) = known {
            // It came back, or cleared again, before anybody heard of it: that is said once.
            *known = member;
            group.cleared.retain(|cleared| cleared.id != member.id);
            if place.kind == NoticeKind::TaskFailed {
                count(&mut self.opening.merged, place.sink);
            }
        } else {
            group.members.push(member);
        }
        if place.kind == NoticeKind::TaskCleared {
            let at = failure.cleared_at.unwrap_or(self.by.now);
            group.cleared.push(Cleared { id: failure.id, at, ending: failure.ending });
        }
        let full = place.max_items <= group.members.len();
        let key = group.key.clone();
        if full && let Some(group) = self.forming.remove(&key) {
            self.close_key(&key);
            self.full.push(group);
        } else {
            self.joined.insert(key);
        }
    }

    /// Notes that a group is no longer open.
    pub(super) fn close_key(&mut self, key: &str) {
        self.joined.remove(key);
        if self.stored.remove(key) {
            self.opening.closed.push(key.to_owned());
        }
    }
}

fn count<N: From<u8> + std::ops::AddAssign>(counts: &mut BTreeMap<Name, N>, sink: &Name) {
    match counts.get_mut(sink) {
        Some(count) => *count += N::from(1),
        None => drop(counts.insert(sink.clone(), N::from(1))),
    }
}

/// Where a failure joins.
pub(super) struct Place<'a> {
    pub(super) route: u32,
    pub(super) sink: &'a Name,
    pub(super) kind: NoticeKind,
    pub(super) max_items: usize,
    by: Option<&'a Group>,
    closes_at: Timestamp,
    mute: &'a [Name],
    digest_at: Option<Timestamp>,
    remind: Option<Remind>,
}

impl<'a> Place<'a> {
    pub(super) fn of(
        rules: &'a Rules,
        choice: &Selected<'a>,
        kind: NoticeKind,
        now: Timestamp,
    ) -> Self {
        let route: Option<&Route> = rules.routes.get(choice.route);
        let digest_at = route.and_then(|route| Some(route.digest.as_ref()?.next(now)));
        // What the digest holds has company enough. If it waited for more as well, it could miss
        // the digest that it was meant for.
        let waits = digest_at.is_none() || kind == NoticeKind::TaskCleared;
        let wait = if waits { choice.group.wait } else { Duration::ZERO };
        Self {
            route: choice.route,
            sink: choice.sink,
            kind,
            max_items: choice.group.max_items,
            by: Some(choice.group),
            closes_at: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
            mute: route.map_or(&[], |route| &route.mute),
            digest_at,
            remind: route.and_then(|route| route.remind),
        }
    }

    /// A group by itself for a sink that no route selects any more, but that was told before.
    pub(super) fn alone(sink: &'a Name, kind: NoticeKind, now: Timestamp) -> Self {
        Self {
            route: 0,
            sink,
            kind,
            max_items: Group::default().max_items,
            by: None,
            closes_at: now,
            mute: &[],
            digest_at: None,
            remind: None,
        }
    }

    fn key(&self, subject: &Subject<'_>) -> String {
        let place = format!("{}\u{1f}{}\u{1f}{}", self.route, self.sink, self.kind.as_str());
        let by = self.by.map_or_else(|| vec![subject.source], |group| group.key(subject));
        by.iter().fold(place, |key, value| key + "\u{1f}" + value)
    }

    /// An empty group of this place.
    pub(super) fn group(&self, source: &Name) -> Forming {
        Forming {
            key: String::new(),
            route: self.route,
            sink: self.sink.clone(),
            source: source.clone(),
            kind: self.kind,
            reason: String::new(),
            members: Vec::new(),
            cleared: Vec::new(),
            sightings: Vec::new(),
            closes_at: self.closes_at,
            mute: self.mute.to_vec(),
            digest_at: self.digest_at,
            remind: self.remind,
        }
    }
}

/// Routes are counted from 1 where people read it.
fn ordinal(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
