//! Notices about the watch itself: a source is watched from now on, is blind, or is seen again; tasks
//! run for too long.
//!
//! They join no storm and no digest, and wait for nobody but their like: see [`super::company`]. No
//! silence holds them here: whether one hushes a running task is asked when the task is found.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    backlog::{Forming, Opened, Seed, Sighting},
    close::occasion,
    group::{Desk, Place},
    route::Subject,
};
use crate::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::Failure,
    name::Name,
    notice::{NoticeId, NoticeKind},
    task::Task,
};

impl Desk<'_> {
    /// Opens what a seed about the watch is to become, or lets it wait for its like.
    pub(super) fn about_watch(&mut self, seed: &Seed) {
        match seed.clone() {
            Seed::Watching { source, at, standing, lost, as_of } => {
                let (kind, reason) = match (lost, as_of) {
                    (false, _) => (NoticeKind::SourceWatching, "first_run"),
                    (true, None) => (NoticeKind::StateLost, "state_lost"),
                    (true, Some(_)) => (NoticeKind::StateLost, "state_restored"),
                };
                let one = Sighting { source, at, since: as_of, trouble: None, standing };
                self.sighting(kind, reason, &one);
            }
            Seed::Blind { source, at, since, trouble } => {
                let class = trouble.class.clone();
                let (since, trouble) = (Some(since), Some(trouble));
                let one = Sighting { source, at, since, trouble, standing: 0 };
                self.sighting(NoticeKind::SourceBlind, &class, &one);
            }
            Seed::Sighted { source, at, since, reason, trouble } => {
                let since = Some(since);
                let one = Sighting { source, at, since, trouble, standing: 0 };
                self.not_blind_any_more(&one.source);
                self.sighting(NoticeKind::SourceSighted, &reason, &one);
            }
            Seed::Stuck { source, at, tasks } => self.stuck(&source, at, &tasks),
            Seed::Failed { .. } | Seed::Cleared { .. } => {}
        }
    }

    /// Goes where a failure of the source without any particulars would, and that it is seen again
    /// to whoever was told that it is blind because another sink failed.
    fn sighting(&mut self, kind: NoticeKind, reason: &str, one: &Sighting) {
        let rules = self.by.rules;
        let facts = self.facts(&one.source);
        let info = facts.info();
        let subject = Subject::of_source(&info, &facts.labels);
        let selected = rules.routes.select(&subject);
        let chosen = selected.iter().map(|choice| Place::of(rules, choice, kind, self.by.now));
        let mut places: Vec<Place<'_>> = chosen.collect();
        let informed = match kind {
            NoticeKind::SourceSighted => self.informed.remove(&one.source),
            _ => None,
        };
        self.opening.uninformed.extend(informed.is_some().then(|| one.source.clone()));
        let informed = informed.unwrap_or_default();
        let others = informed.iter().filter(|sink| {
            rules.sinks.contains_key(*sink) && !selected.iter().any(|choice| choice.sink == *sink)
        });
        places.extend(others.map(|sink| Place::alone(sink, kind, self.by.now)));
        for place in places {
            let group = Forming { reason: reason.to_owned(), ..place.group(&one.source) };
            if self.may_be_many(place.sink) {
                self.gather(group, one);
            } else {
                let opened = self.tell(&group, one);
                self.opening.deliveries.push(opened);
            }
        }
    }

    /// A notice about one source, which is the one of `group`.
    pub(super) fn tell(&self, group: &Forming, one: &Sighting) -> Opened {
        let opened = self.about(group, &occasion(&one.source, one.at));
        let after = self.ahead(group, &one.source).collect();
        let (trouble, since) = (one.trouble.clone(), one.since);
        let still_open = match group.kind {
            NoticeKind::SourceWatching | NoticeKind::StateLost => {
                u32::try_from(one.standing).unwrap_or(u32::MAX)
            }
            _ => opened.delivery.still_open,
        };
        let delivery = Delivery { still_open, trouble, since, after, ..opened.delivery };
        Opened { delivery, ..opened }
    }

    /// What has to be delivered before `group` tells of a source: that it is seen again never
    /// overtakes that it is blind.
    pub(super) fn ahead<'a>(
        &'a self,
        group: &'a Forming,
        source: &Name,
    ) -> impl Iterator<Item = DeliveryId> + 'a {
        let blind = self.blind.get(source).filter(|_| group.kind == NoticeKind::SourceSighted);
        let mine = |(sink, id): &(Name, DeliveryId)| (*sink == group.sink).then_some(*id);
        blind.into_iter().flatten().filter_map(mine)
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
