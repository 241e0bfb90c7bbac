//! How a group becomes a delivery, or waits: silences, mute windows, digests, storms, limits.
//!
//! The first that applies decides: a silence, a mute window of the route, the route's digest, a
//! sink that is disabled, a storm. What is held is told later in one notice; see
//! [`super::release`]. Only then a delivery is pending.

use std::{collections::BTreeMap, mem};

use jiff::Timestamp;

use super::{
    backlog::{Amended, Fate, Forming, Opened, Opening, Told},
    group::{Desk, Place},
    health::{Gate, SinkState},
    route::Subject,
};
use crate::{
    delivery::{Cleared, Delivery, DeliveryId, DeliveryState, Hold},
    failure::{Failure, FailureId},
    name::Name,
    notice::{Coverage, FAILURES_MAX, Member, NoticeId, NoticeKind},
};

impl Desk<'_> {
    /// What cleared: amends what was not told yet, and joins the groups of sinks that were told
    /// and want to hear of it.
    pub(super) fn cleared(&mut self, failures: &[&Failure], mass: bool) {
        let waiting = self.waiting();
        let mut amended: BTreeMap<DeliveryId, Amended> = BTreeMap::new();
        for failure in failures {
            let at = failure.cleared_at.unwrap_or(self.by.now);
            let cleared = Cleared { id: failure.id, at, ending: failure.ending };
            let told = self.told.get(&failure.id).cloned().unwrap_or_default();
            for one in &told {
                if one.fate == (Fate::Pending { amendable: true }) {
                    let fresh = || Amended { delivery: one.delivery, cleared: Vec::new() };
                    let change = amended.entry(one.delivery).or_insert_with(fresh);
                    change.cleared.push((cleared, failure.task.key));
                }
            }
            let groups = waiting.get(&failure.id).cloned().unwrap_or_default();
            let mut sinks: Vec<Name> = told.into_iter().map(|one| one.sink).collect();
            for key in groups {
                if let Some(group) = self.forming.get_mut(&key) {
                    group.cleared.push(cleared);
                    sinks.push(group.sink.clone());
                    self.joined.insert(key);
                }
            }
            sinks.sort_unstable();
            sinks.dedup();
            sinks.retain(|sink| self.by.rules.sink(sink).cleared);
            for sink in sinks {
                self.join_cleared(&sink, failure, mass);
            }
        }
        self.opening.amended.extend(amended.into_values());
    }

    fn join_cleared(&mut self, sink: &Name, failure: &Failure, mass: bool) {
        let rules = self.by.rules;
        let facts = self.facts(&failure.source);
        let info = facts.info();
        let subject = Subject::of(failure, &info, &facts.labels);
        let selected = rules.routes.select(&subject);
        let choice = selected.iter().find(|choice| choice.sink == sink);
        let kind = NoticeKind::TaskCleared;
        let mut place = match choice {
            Some(choice) => Place::of(rules, choice, kind, self.by.now),
            None => Place::alone(sink, kind, self.by.now),
        };
        if mass {
            place.max_items = usize::MAX;
        }
        self.join(&place, &subject, (failure, Member::from(failure)), "cleared");
    }

    /// The open groups in which each failure waits to be told.
    fn waiting(&self) -> BTreeMap<FailureId, Vec<String>> {
        let mut waiting: BTreeMap<FailureId, Vec<String>> = BTreeMap::new();
        for group in self.forming.values().filter(|group| group.kind == NoticeKind::TaskFailed) {
            for member in &group.members {
                waiting.entry(member.id).or_default().push(group.key.clone());
            }
        }
        waiting
    }

    /// When each failure that waits in an open group is told at the latest. Asked for only by
    /// groups of cleared failures, so without them it is empty.
    fn told_at(&self) -> BTreeMap<FailureId, Timestamp> {
        let mut latest: BTreeMap<FailureId, Timestamp> = BTreeMap::new();
        let groups = || self.forming.values();
        if groups().all(|group| group.kind != NoticeKind::TaskCleared) {
            return latest;
        }
        for group in groups().filter(|group| group.kind == NoticeKind::TaskFailed) {
            for member in &group.members {
                let at = latest.entry(member.id).or_insert(group.closes_at);
                *at = group.closes_at.max(*at);
            }
        }
        latest
    }

    /// Closes what is to close, and hands over what was decided.
    pub(super) fn finish(mut self) -> Opening {
        let before = self.sinks.clone();
        for (sink, count) in mem::take(&mut self.counts) {
            let rule = self.by.rules.sink(&sink).storm;
            if rule.is_some_and(|rule| rule.threshold < count) {
                self.sinks.entry(sink).or_default().begin_storm(self.by.now);
            }
        }
        let waiting = self.told_at();
        let mut opened = Vec::new();
        for group in mem::take(&mut self.full) {
            self.close(&group, &waiting, &mut opened);
        }
        for (key, group) in mem::take(&mut self.forming) {
            let storm = group.kind == NoticeKind::TaskFailed
                && self.sinks.get(&group.sink).is_some_and(|state| state.storm.is_some());
            let alone = !group.sightings.is_empty() && !self.has_company(&group);
            if self.by.close_all || storm || alone || group.closes_at <= self.by.now {
                self.close_key(&key);
                self.close(&group, &waiting, &mut opened);
            } else if self.joined.contains(&key) {
                self.opening.forming.push(group);
            }
        }
        self.limit(&mut opened);
        self.opening.deliveries.extend(opened);
        self.opening.sinks = mem::take(&mut self.sinks);
        self.opening.sinks.retain(|sink, state| {
            before.get(sink).map_or(*state != SinkState::default(), |old| old != state)
        });
        self.opening
    }

    fn close(
        &mut self,
        group: &Forming,
        waiting: &BTreeMap<FailureId, Timestamp>,
        opened: &mut Vec<Opened>,
    ) {
        if group.kind == NoticeKind::TaskCleared {
            self.close_cleared(group, waiting, opened);
            return;
        }
        if !group.sightings.is_empty() {
            self.close_sightings(group, opened);
            return;
        }
        let mut parts: BTreeMap<Option<u64>, Vec<Member>> = BTreeMap::new();
        for member in &group.members {
            parts.entry(self.silenced(member.id)).or_default().push(*member);
        }
        for (silence, members) in parts {
            let hold = match silence {
                Some(number) => Some(Hold::Silence(number)),
                None => self.hold(group),
            };
            opened.push(self.open(group, &members, hold));
        }
    }

    /// The silence that holds a member of a group that closes.
    fn silenced(&self, id: FailureId) -> Option<u64> {
        let failure = self.members.get(&id)?;
        let facts = self.facts(&failure.source);
        let info = facts.info();
        let subject = Subject::of(failure, &info, &facts.labels);
        self.by.silences.holder(&subject, self.by.now)
    }

    /// What holds a group as a whole.
    fn hold(&self, group: &Forming) -> Option<Hold> {
        let muted = self.muted_until(&group.mute);
        if let Some((name, until)) = muted {
            return Some(Hold::Window(name, until.as_millisecond()));
        }
        if let Some(due) = group.digest_at {
            return Some(Hold::Digest(due.as_millisecond()));
        }
        let state = self.sinks.get(&group.sink)?;
        if matches!(state.gate, Gate::Disabled { .. }) {
            return Some(Hold::Disabled);
        }
        state.storm.map(|_| Hold::Storm)
    }

    /// The mute window that holds now, and until when.
    pub(super) fn muted_until(&self, mute: &[Name]) -> Option<(Name, Timestamp)> {
        let until = |name: &Name, now| {
            self.by.rules.windows.get(name).and_then(|window| window.active_until(now))
        };
        let mut muted = None;
        let mut now = self.by.now;
        // Windows that follow upon one another are one; each may come once a week at most.
        for _ in 0..=2 * mute.len() {
            let next = mute.iter().filter_map(|name| Some((name, until(name, now)?)));
            let Some((name, end)) = next.max_by_key(|(_, end)| *end) else { break };
            muted = Some((name.clone(), end));
            now = end;
        }
        muted
    }

    /// A group of cleared failures: only those that the sink was told of, and behind that notice.
    fn close_cleared(
        &mut self,
        group: &Forming,
        waiting: &BTreeMap<FailureId, Timestamp>,
        opened: &mut Vec<Opened>,
    ) {
        let mut ready = Vec::new();
        let mut early = Vec::new();
        let mut not_before = group.closes_at;
        let mut after: Vec<DeliveryId> = Vec::new();
        for member in &group.members {
            if let Some(told_at) = waiting.get(&member.id) {
                early.push(*member);
                not_before = not_before.max(*told_at);
                continue;
            }
            let told = self.told.get(&member.id).map_or(&[][..], Vec::as_slice);
            match told.iter().rev().find(|told| told.sink == group.sink) {
                Some(Told { fate: Fate::Delivered, .. }) => ready.push(*member),
                Some(Told {
                    fate: Fate::Pending { .. } | Fate::Held(Hold::Storm | Hold::Disabled),
                    delivery,
                    ..
                }) => {
                    ready.push(*member);
                    after.push(*delivery);
                }
                // What is held otherwise is dropped when it is let go; the rest was not told.
                Some(Told { fate: Fate::Held(_) | Fate::Over, .. }) | None => {}
            }
        }
        if !early.is_empty() {
            let cleared = of_members(&group.cleared, &early);
            let closes_at = not_before;
            let rest = Forming { members: early, cleared, closes_at, ..group.clone() };
            self.opening.forming.push(rest);
            self.opening.closed.retain(|key| *key != group.key);
        }
        if ready.is_empty() {
            return;
        }
        after.sort_unstable();
        after.dedup();
        let mut open = self.open(group, &ready, None);
        if let Some((_, until)) = self.muted_until(&group.mute) {
            open.delivery.state = DeliveryState::Pending { due: until };
        }
        open.delivery.after = after;
        opened.push(open);
    }

    /// Keeps the sinks' limits: a sink that would get more is in storm.
    fn limit(&mut self, opened: &mut [Opened]) {
        let told = |one: &Opened| {
            one.delivery.kind == NoticeKind::TaskFailed
                && matches!(one.delivery.state, DeliveryState::Pending { .. })
        };
        let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
        for one in opened.iter().filter(|one| told(one)) {
            if self.by.rules.sink(&one.delivery.sink).limit.is_some() {
                *counts.entry(one.delivery.sink.clone()).or_default() += 1;
            }
        }
        for (sink, count) in counts {
            let Some(limit) = self.by.rules.sink(&sink).limit else { continue };
            let state = self.sinks.entry(sink.clone()).or_default();
            if count <= state.room(limit, self.by.now) {
                state.opened(count, self.by.now);
                continue;
            }
            state.begin_storm(self.by.now);
            for one in opened.iter_mut().filter(|one| one.delivery.sink == sink && told(one)) {
                one.delivery.state = DeliveryState::Held { since: self.by.now, by: Hold::Storm };
            }
        }
    }

    /// A notice about a source as a whole, named after the occasion.
    pub(super) fn about_source(
        &self,
        place: &Place<'_>,
        source: &Name,
        reason: &str,
        at: Timestamp,
    ) -> Opened {
        let group = Forming { reason: reason.to_owned(), ..place.group(source) };
        self.about(&group, &occasion(source, at))
    }

    /// A notice that is about no failures, named after the `occasion`.
    pub(super) fn about(&self, group: &Forming, occasion: &str) -> Opened {
        let disabled = self.sinks.get(&group.sink).map(|state| state.gate);
        let hold = matches!(disabled, Some(Gate::Disabled { .. })).then_some(Hold::Disabled);
        let opened = self.open(group, &[], hold);
        let notice_id = NoticeId::of(group.kind, &group.sink, [], occasion);
        Opened { delivery: Delivery { notice_id, ..opened.delivery }, ..opened }
    }

    fn open(&self, group: &Forming, members: &[Member], hold: Option<Hold>) -> Opened {
        let now = self.by.now;
        let view = self.sources.get(&group.source);
        let counted = match group.kind {
            // The cleared ones do not stand any more, so they are not among those that do.
            NoticeKind::TaskCleared => 0,
            _ => u64::try_from(members.len()).unwrap_or(u64::MAX),
        };
        let others = view.map_or(0, |view| view.standing).saturating_sub(counted);
        let named = members.iter().map(|member| (&group.source, *member));
        let mut ids: Vec<FailureId> = members.iter().map(|member| member.id).collect();
        ids.sort_unstable();
        let listed: Vec<FailureId> = ids.iter().copied().take(FAILURES_MAX).collect();
        let delivery = Delivery {
            id: DeliveryId::default(),
            notice_id: NoticeId::of(group.kind, &group.sink, named, ""),
            route: group.route,
            sink: group.sink.clone(),
            source: Some(group.source.clone()),
            sources: None,
            kind: group.kind,
            reason: group.reason.clone(),
            total: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            cleared: of_members(&group.cleared, members),
            created_at: now,
            revived_at: None,
            still_open: u32::try_from(others).unwrap_or(u32::MAX),
            so_far: 0,
            coverage: view.map_or_else(Coverage::default, |view| {
                view.coverage.figures(view.last_complete_at, now)
            }),
            tally: None,
            trouble: None,
            since: None,
            after: Vec::new(),
            remind: group.remind,
            state: match hold {
                Some(by) => DeliveryState::Held { since: now, by },
                None => DeliveryState::Pending { due: now },
            },
            attempts: 0,
            last: None,
            recipients: None,
            uncertain: false,
            alarmed: false,
            running: Vec::new(),
            failures: listed,
        };
        let all_listed = ids.len() <= FAILURES_MAX;
        Opened { delivery, members: if all_listed { Vec::new() } else { ids } }
    }
}

/// What tells one notice about a source from the next one.
pub(super) fn occasion(source: &Name, at: Timestamp) -> String {
    format!("{source} {}", at.as_millisecond())
}

/// Those of `cleared` that are about `members`.
fn of_members(cleared: &[Cleared], members: &[Member]) -> Vec<Cleared> {
    if cleared.is_empty() {
        return Vec::new();
    }
    let mine = |cleared: &&Cleared| members.iter().any(|member| member.id == cleared.id);
    cleared.iter().filter(mine).copied().collect()
}

#[cfg(test)]
mod tests;
