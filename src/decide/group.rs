//! Who is told, and with whom: from seeds to deliveries.
//!
//! A failure joins one open group per sink that its routes select. A group closes when its time
//! is up or when it is full; closed, it is a delivery, and its content never changes again. That
//! is why joining, closing and the end of a seed are one transaction of the store.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    mem,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    coverage::CoverageLog,
    route::{Group, Subject, Tried},
    rules::{Rules, SourceFacts},
};
use crate::{
    delivery::{Delivery, DeliveryId, DeliveryState, Reason, Suppressed},
    failure::{Failure, FailureId, Origin},
    name::Name,
    notice::{Coverage, Member, NoticeId, NoticeKind},
};

/// What has to be told, before anybody decided to whom. Written with what caused it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Seed {
    /// Failures were recorded or reappeared.
    Failed {
        /// Of one source.
        source: Name,
        /// Ascending.
        failures: Vec<FailureId>,
    },
    /// Failures are no longer listed.
    Cleared {
        /// Of one source.
        source: Name,
        /// Ascending.
        failures: Vec<FailureId>,
    },
    /// A source got its baseline.
    Watching {
        /// The source.
        source: Name,
        /// When.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// Failures that stand and are not told singly.
        standing: u64,
        /// Whether an earlier store was lost.
        lost: bool,
    },
}

/// A seed and the failures it names.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// Its number in the store.
    pub number: u64,
    /// What has to be told.
    pub seed: Seed,
    /// In its order. One that was forgotten meanwhile is missing.
    pub failures: Vec<Failure>,
}

/// A group that is still open. This is the stored form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forming {
    /// What its members have in common; its key in the store.
    pub key: String,
    /// As in [`Delivery`].
    pub route: u32,
    /// As in [`Delivery`].
    pub sink: Name,
    /// As in [`Delivery`].
    pub source: Name,
    /// As in [`Delivery`].
    pub kind: NoticeKind,
    /// As in [`Delivery`].
    pub reason: String,
    /// In the order of joining.
    pub members: Vec<Member>,
    /// When it closes.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub closes_at: Timestamp,
}

/// What is known about a source when its notices are closed.
#[derive(Clone, Debug, Default)]
pub struct SourceView {
    /// Failures that stand.
    pub standing: u64,
    /// Its polls lately.
    pub coverage: CoverageLog,
    /// Its last complete poll.
    pub last_complete_at: Option<Timestamp>,
}

/// Everything that dispatch has to work on.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Oldest first.
    pub seeds: Vec<Seeded>,
    /// Open groups by key.
    pub forming: BTreeMap<String, Forming>,
    /// Each source that a seed or a group names.
    pub sources: BTreeMap<Name, SourceView>,
}

/// What dispatch decided: one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opening {
    /// Seeds that are done.
    pub consumed: Vec<u64>,
    /// Groups that were opened or joined, as they are now.
    pub forming: Vec<Forming>,
    /// Keys of groups that closed.
    pub closed: Vec<String>,
    /// Deliveries to open. Their numbers are given by the store.
    pub deliveries: Vec<Delivery>,
    /// Failures that nobody is told about.
    pub suppressed: Vec<(FailureId, Suppressed)>,
}

impl Opening {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides what becomes of a backlog.
///
/// With `close_all`, every group closes now: in one-shot mode the poll is the group.
#[must_use]
pub fn dispatch(backlog: Backlog, rules: &Rules, close_all: bool, now: Timestamp) -> Opening {
    let mut desk = Desk {
        rules,
        now,
        stored: backlog.forming.keys().cloned().collect(),
        forming: backlog.forming,
        joined: BTreeSet::new(),
        sources: backlog.sources,
        opening: Opening::default(),
    };
    for seeded in &backlog.seeds {
        desk.seed(seeded);
    }
    desk.finish(close_all)
}

/// The state of one [`dispatch`].
struct Desk<'a> {
    rules: &'a Rules,
    now: Timestamp,
    /// Keys of groups that the store holds.
    stored: BTreeSet<String>,
    forming: BTreeMap<String, Forming>,
    /// Keys of groups that changed.
    joined: BTreeSet<String>,
    sources: BTreeMap<Name, SourceView>,
    opening: Opening,
}

impl<'a> Desk<'a> {
    fn seed(&mut self, seeded: &Seeded) {
        self.opening.consumed.push(seeded.number);
        match &seeded.seed {
            Seed::Failed { .. } => seeded.failures.iter().for_each(|failure| self.failed(failure)),
            Seed::Cleared { .. } => {
                // Whoever was not told that it failed is not told that it cleared.
                let told = |failure: &&Failure| failure.origin != Origin::Baseline;
                seeded.failures.iter().filter(told).for_each(|failure| self.cleared(failure));
            }
            Seed::Watching { source, at, standing, lost } => {
                self.watching(source, *at, *standing, *lost);
            }
        }
    }

    fn facts(&self, source: &Name) -> Cow<'a, SourceFacts> {
        match self.rules.sources.get(source) {
            Some(facts) => Cow::Borrowed(facts),
            // A source that was taken out of the config still gets its last failures told.
            None => {
                Cow::Owned(SourceFacts { info: self.rules.info(source), labels: BTreeMap::new() })
            }
        }
    }

    fn failed(&mut self, failure: &Failure) {
        let rules = self.rules;
        let facts = self.facts(&failure.source);
        let subject = Subject::of(failure, &facts.info, &facts.labels);
        let selected = rules.routes.select(&subject);
        if selected.is_empty() {
            let tried = rules.routes.explain(&subject);
            let route = tried.iter().rposition(|tried| matches!(tried, Tried::Matched));
            let why = route.map_or(Reason::NoRoute, |route| Reason::NullRoute(ordinal(route)));
            let suppressed = Suppressed { at: self.now, sink: None, why };
            self.opening.suppressed.push((failure.id, suppressed));
        }
        for choice in selected {
            let place = Place {
                route: choice.route,
                sink: choice.sink,
                kind: NoticeKind::TaskFailed,
                group: choice.group,
            };
            self.join(&place, &subject, failure, failure.origin.as_str());
        }
    }

    fn cleared(&mut self, failure: &Failure) {
        let rules = self.rules;
        let facts = self.facts(&failure.source);
        let subject = Subject::of(failure, &facts.info, &facts.labels);
        let selected = rules.routes.select(&subject);
        for choice in selected.iter().filter(|choice| rules.sink(choice.sink).cleared) {
            let place = Place {
                route: choice.route,
                sink: choice.sink,
                kind: NoticeKind::TaskCleared,
                group: choice.group,
            };
            self.join(&place, &subject, failure, "cleared");
        }
    }

    /// A notice about the source as a whole goes where a failure without any particulars would.
    fn watching(&mut self, source: &Name, at: Timestamp, standing: u64, lost: bool) {
        let rules = self.rules;
        let facts = self.facts(source);
        let subject = Subject::of_source(&facts.info, &facts.labels);
        let kind = if lost { NoticeKind::StateLost } else { NoticeKind::SourceWatching };
        for choice in rules.routes.select(&subject) {
            let occasion = at.as_millisecond().to_string();
            let delivery = Delivery {
                notice_id: NoticeId::of(kind, choice.sink, [], &format!("{source} {occasion}")),
                still_open: u32::try_from(standing).unwrap_or(u32::MAX),
                ..self.delivery(&Forming {
                    key: String::new(),
                    route: choice.route,
                    sink: choice.sink.clone(),
                    source: source.clone(),
                    kind,
                    reason: if lost { "state_lost" } else { "first_run" }.to_owned(),
                    members: Vec::new(),
                    closes_at: self.now,
                })
            };
            self.opening.deliveries.push(delivery);
        }
    }

    fn join(&mut self, place: &Place<'_>, subject: &Subject<'_>, failure: &Failure, reason: &str) {
        let key = place.key(subject);
        let group = self.forming.entry(key.clone()).or_insert_with(|| Forming {
            key: key.clone(),
            route: place.route,
            sink: place.sink.clone(),
            source: failure.source.clone(),
            kind: place.kind,
            reason: reason.to_owned(),
            members: Vec::new(),
            closes_at: self.now.saturating_add(place.group.wait).unwrap_or(Timestamp::MAX),
        });
        if group.reason != reason {
            "mixed".clone_into(&mut group.reason);
        }
        group.members.push(Member::from(failure));
        let full = place.group.max_items <= group.members.len();
        if full && let Some(group) = self.forming.remove(&key) {
            self.close(&group);
        } else {
            self.joined.insert(key);
        }
    }

    fn close(&mut self, group: &Forming) {
        self.joined.remove(&group.key);
        if self.stored.remove(&group.key) {
            self.opening.closed.push(group.key.clone());
        }
        let delivery = self.delivery(group);
        self.opening.deliveries.push(delivery);
    }

    fn delivery(&self, group: &Forming) -> Delivery {
        let view = self.sources.get(&group.source);
        let members = match group.kind {
            // The cleared ones do not stand any more, so they are not among those that do.
            NoticeKind::TaskCleared => 0,
            _ => u64::try_from(group.members.len()).unwrap_or(u64::MAX),
        };
        let others = view.map_or(0, |view| view.standing).saturating_sub(members);
        Delivery {
            id: DeliveryId::default(),
            notice_id: NoticeId::of(
                group.kind,
                &group.sink,
                group.members.iter().map(|member| (&group.source, *member)),
                "",
            ),
            route: group.route,
            sink: group.sink.clone(),
            source: Some(group.source.clone()),
            kind: group.kind,
            reason: group.reason.clone(),
            failures: group.members.iter().map(|member| member.id).collect(),
            total: u32::try_from(group.members.len()).unwrap_or(u32::MAX),
            cleared: Vec::new(),
            tally: None,
            trouble: None,
            since: None,
            remind: None,
            uncertain: false,
            alarmed: false,
            created_at: self.now,
            revived_at: None,
            still_open: u32::try_from(others).unwrap_or(u32::MAX),
            coverage: view.map_or_else(Coverage::default, |view| {
                view.coverage.figures(view.last_complete_at, self.now)
            }),
            state: DeliveryState::Pending { due: self.now },
            attempts: 0,
            last: None,
            recipients: None,
        }
    }

    fn finish(mut self, close_all: bool) -> Opening {
        let forming = mem::take(&mut self.forming);
        for (key, group) in forming {
            if close_all || group.closes_at <= self.now {
                self.close(&group);
            } else if self.joined.contains(&key) {
                self.opening.forming.push(group);
            }
        }
        self.opening
    }
}

/// Where a failure joins.
struct Place<'a> {
    route: u32,
    sink: &'a Name,
    kind: NoticeKind,
    group: &'a Group,
}

impl Place<'_> {
    fn key(&self, subject: &Subject<'_>) -> String {
        let place = format!("{}\u{1f}{}\u{1f}{}", self.route, self.sink, self.kind.as_str());
        self.group.key(subject).iter().fold(place, |key, value| key + "\u{1f}" + value)
    }
}

/// Routes are counted from 1 where people read it.
fn ordinal(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
