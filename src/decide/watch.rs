//! Notices about the watch itself: a source is blind, or seen again; tasks run for too long.
//!
//! They are few and wait for nobody: they join no group, no storm and no digest. No silence holds
//! them here: whether one hushes a running task is asked when the task is found.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    backlog::{Opened, Seed},
    group::{Desk, Place},
    route::Subject,
};
use crate::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::Failure,
    name::Name,
    notice::{NoticeId, NoticeKind, Trouble},
    task::Task,
};

/// What is said about the sight of a source.
struct Sighting<'a> {
    kind: NoticeKind,
    source: &'a Name,
    at: Timestamp,
    since: Timestamp,
    reason: &'a str,
    trouble: Option<&'a Trouble>,
}

impl Desk<'_> {
    /// Opens what a seed about the watch is to become.
    pub(super) fn about_watch(&mut self, seed: &Seed) {
        match seed {
            Seed::Blind { source, at, since, trouble } => {
                let (kind, reason) = (NoticeKind::SourceBlind, trouble.class.as_str());
                let (at, since, trouble) = (*at, *since, Some(trouble));
                self.sighting(&Sighting { kind, source, at, since, reason, trouble });
            }
            Seed::Sighted { source, at, since, reason, trouble } => {
                let (kind, trouble) = (NoticeKind::SourceSighted, trouble.as_ref());
                let (at, since) = (*at, *since);
                self.sighting(&Sighting { kind, source, at, since, reason, trouble });
            }
            Seed::Stuck { source, at, tasks } => self.stuck(source, *at, tasks),
            Seed::Failed { .. } | Seed::Cleared { .. } | Seed::Watching { .. } => {}
        }
    }

    /// Goes where a failure of the source without any particulars would.
    fn sighting(&mut self, one: &Sighting<'_>) {
        let rules = self.by.rules;
        let facts = self.facts(one.source);
        let info = facts.info();
        let subject = Subject::of_source(&info, &facts.labels);
        let ahead = self.blind.get(one.source).cloned().unwrap_or_default();
        for choice in rules.routes.select(&subject) {
            let place = Place::of(rules, &choice, one.kind, self.by.now);
            let opened = self.about_source(&place, one.source, one.reason, one.at);
            // That it is seen again never overtakes that it is blind.
            let mine = ahead.iter().filter(|(sink, _)| sink == choice.sink);
            let after: Vec<DeliveryId> = match one.kind {
                NoticeKind::SourceSighted => mine.map(|(_, id)| *id).collect(),
                _ => Vec::new(),
            };
            let (trouble, since) = (one.trouble.cloned(), Some(one.since));
            let delivery = Delivery { trouble, since, after, ..opened.delivery };
            self.opening.deliveries.push(Opened { delivery, ..opened });
        }
    }

    /// Each task goes where its failure would, with the others that go there.
    fn stuck(&mut self, source: &Name, at: Timestamp, tasks: &[Task]) {
        let rules = self.by.rules;
        let facts = self.facts(source);
        let info = facts.info();
        let mut by_place: BTreeMap<(u32, Name), Vec<Task>> = BTreeMap::new();
        for task in tasks {
            let failure = Failure::of_task(source.clone(), task.clone(), at);
            let subject = Subject::of(&failure, &info, &facts.labels);
            for choice in rules.routes.select(&subject) {
                let place = (choice.route, choice.sink.clone());
                by_place.entry(place).or_default().push(task.clone());
            }
        }
        for ((route, sink), running) in by_place {
            let kind = NoticeKind::TaskStuck;
            let mut place = Place::alone(&sink, kind, self.by.now);
            place.route = route;
            let opened = self.about_source(&place, source, "stuck", at);
            let keys = running.iter().map(|task| format!("{:?}", task.key));
            let occasion = keys.fold(source.to_string(), |all, key| all + " " + &key);
            let mute = rules.routes.get(route).map_or(&[][..], |route| &route.mute);
            let state = match (self.muted_until(mute), opened.delivery.state) {
                // There is nothing to hold it for: once the window ends, it is told as it is.
                (Some((_, due)), DeliveryState::Pending { .. }) => DeliveryState::Pending { due },
                (_, state) => state,
            };
            let delivery = Delivery {
                notice_id: NoticeId::of(kind, &sink, [], &occasion),
                total: u32::try_from(running.len()).unwrap_or(u32::MAX),
                running,
                state,
                ..opened.delivery
            };
            self.opening.deliveries.push(Opened { delivery, ..opened });
        }
    }
}

#[cfg(test)]
mod tests;
