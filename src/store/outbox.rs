//! The outbox's side of the engine: seeds become deliveries, deliveries become due.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Lease, StoreError,
    engine::{Counters, Engine, Lane, deliveries, failures},
    kv::{Tree, Txn},
    mention::{NewMentions, fates, load, mention, put_members},
    original::original,
    pages::{Edit, decode, encode},
    settle::{body, remove_body},
    watch::is_answered,
};
use crate::{
    decide::{
        backlog::{Amended, Backlog, Forming, Opened, Opening, Seed, Seeded, SourceView},
        health::Gate,
    },
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::FailureId,
    name::Name,
    notice::NoticeKind,
};

/// How long a delivery waits for the one that must come first before it is looked at again.
const AFTER_WAIT: Duration = Duration::from_secs(5);

/// Oldest deliveries that are looked at for one to probe with. Only a cleared notice waits for
/// another one, and that is mostly the one in front of it.
const PROBES_MAX: usize = 64;

/// What was staged for deliveries, to be noted in memory once it is committed.
#[derive(Default)]
pub(super) struct Staged {
    filed: Vec<(Name, DeliveryId, DeliveryState, u32)>,
    edits: Vec<Edit<Delivery>>,
    mentions: NewMentions,
}

impl Staged {
    /// Gives a delivery its number and stages it.
    pub(super) fn open(
        &mut self,
        txn: &mut Txn<'_>,
        counters: &mut Counters,
        opened: Opened,
    ) -> DeliveryId {
        counters.delivery += 1;
        let id = DeliveryId(counters.delivery);
        for failure in opened.all() {
            self.mentions.entry(failure.0).or_default().push(id.0);
        }
        put_members(txn, id, &opened.members);
        let delivery = Delivery { id, ..opened.delivery };
        self.filed.push((delivery.sink.clone(), id, delivery.state.clone(), delivery.total));
        self.edits.push(Edit::Put(delivery));
        id
    }

    /// Stages a delivery that has a number already and is to be filed under its state.
    pub(super) fn resume(&mut self, delivery: Delivery) {
        let Delivery { id, total, .. } = delivery;
        self.filed.push((delivery.sink.clone(), id, delivery.state.clone(), total));
        self.edits.push(Edit::Put(delivery));
    }

    /// Stages a change to a delivery that is not done.
    pub(super) fn change(&mut self, edit: Edit<Delivery>) {
        self.edits.push(edit);
    }

    /// Stages pages and mentions. Returns what to note in memory after the commit.
    pub(super) fn write(
        mut self,
        txn: &mut Txn<'_>,
    ) -> Result<Vec<(Name, DeliveryId, DeliveryState, u32)>, StoreError> {
        self.edits.sort_by_key(Edit::number);
        deliveries().edit(txn, self.edits)?;
        mention(txn, self.mentions)?;
        Ok(self.filed)
    }
}

impl Engine {
    pub(super) fn views(&self) -> BTreeMap<Name, SourceView> {
        let views = self.sources.iter().map(|(name, state)| {
            let view = SourceView {
                standing: state.standing,
                coverage: state.coverage.clone(),
                last_complete_at: state.last_complete_at,
                outcome: state.outcome.clone(),
                blind: state.sight.blind_since().is_some(),
                has_baseline: state.baseline_at.is_some(),
            };
            (name.clone(), view)
        });
        views.collect()
    }

    pub(super) fn undispatched(
        &mut self,
        limit: usize,
        closing: Timestamp,
    ) -> Result<Backlog, StoreError> {
        self.check()?;
        let seeds = self.seeds(limit)?;
        let mut forming = BTreeMap::new();
        self.kv.scan(Tree::Forming, &[], &mut |_, bytes| {
            let group: Forming = decode(Tree::Forming, bytes)?;
            forming.insert(group.key.clone(), group);
            Ok(ControlFlow::Continue(()))
        })?;
        let closes = |group: &&Forming| group.closes_at <= closing;
        let mut silenceable = BTreeSet::new();
        let mut cleared = BTreeSet::new();
        for group in forming.values().filter(closes) {
            let ids = group.members.iter().map(|member| member.id);
            match group.kind {
                NoticeKind::TaskCleared => cleared.extend(ids),
                _ if self.silences.is_empty() => {}
                _ => silenceable.extend(ids),
            }
        }
        let sources = self.views();
        let blind = self.blind_deliveries(&seeds, &forming)?;
        let informed = self.informed(&seeds)?;
        let txn = Txn::new(&mut *self.kv);
        let mut known = Vec::with_capacity(seeds.len());
        for (number, seed) in seeds {
            let ids: &[FailureId] = match &seed {
                Seed::Failed { failures, .. } => failures,
                Seed::Cleared { failures, .. } => {
                    cleared.extend(failures.iter().copied());
                    failures
                }
                Seed::Watching { .. }
                | Seed::Blind { .. }
                | Seed::Sighted { .. }
                | Seed::Stuck { .. } => &[],
            };
            let failures = failures().get_many(&txn, ids.iter().map(|id| id.0))?;
            known.push(Seeded { number, seed, failures });
        }
        let members = failures().get_many(&txn, silenceable.iter().map(|id| id.0))?;
        let cleared: Vec<FailureId> = cleared.into_iter().collect();
        let told = fates(&txn, &self.lanes, &cleared)?;
        Ok(Backlog {
            seeds: known,
            forming,
            members: members.into_iter().map(|failure| (failure.id, failure)).collect(),
            told,
            blind,
            informed,
            sources,
            sinks: self.sinks.clone(),
            silences: Arc::clone(&self.silences),
        })
    }

    /// The oldest seeds, with about `limit` failures.
    fn seeds(&self, limit: usize) -> Result<Vec<(u64, Seed)>, StoreError> {
        let mut seeds: Vec<(u64, Seed)> = Vec::new();
        let mut count = 0;
        self.kv.scan(Tree::Seed, &[], &mut |key, bytes| {
            let number = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            let seed: Seed = decode(Tree::Seed, bytes)?;
            count += match &seed {
                Seed::Failed { failures, .. } | Seed::Cleared { failures, .. } => failures.len(),
                Seed::Stuck { tasks, .. } => tasks.len(),
                Seed::Watching { .. } | Seed::Blind { .. } | Seed::Sighted { .. } => 1,
            };
            if is_answered(&seeds, &seed) {
                return Ok(ControlFlow::Break(()));
            }
            seeds.push((number, seed));
            Ok(if limit <= count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(seeds)
    }

    pub(super) fn open_deliveries(&mut self, opening: Opening) -> Result<(), StoreError> {
        self.check()?;
        let mut counters = self.counters.clone();
        let mut states = self.sinks.clone();
        let mut staged = Staged::default();
        let mut txn = Txn::new(&mut *self.kv);
        for number in opening.consumed {
            txn.remove(Tree::Seed, number.to_be_bytes().to_vec());
        }
        for source in opening.uninformed {
            txn.remove(Tree::Informed, source.as_str().as_bytes().to_vec());
        }
        for key in opening.closed {
            txn.remove(Tree::Forming, key.into_bytes());
        }
        for group in opening.forming {
            txn.put(Tree::Forming, group.key.clone().into_bytes(), encode(&group));
        }
        for (id, suppressed) in opening.suppressed {
            suppress(&mut txn, id, suppressed)?;
        }
        for (sink, routed) in opening.routed {
            counters.of(&sink).routed += routed;
        }
        for (sink, merged) in opening.merged {
            counters.of(&sink).merged += merged;
        }
        for (sink, decided) in opening.sinks {
            // Only what dispatch decides about: the rest may have changed since it looked.
            let state = states.entry(sink.clone()).or_default();
            state.storm = decided.storm;
            state.recent = decided.recent;
            Self::put_sink(&mut txn, &sink, state);
        }
        for opened in opening.deliveries {
            staged.open(&mut txn, &mut counters, opened);
        }
        amend(&mut txn, &self.lanes, opening.amended, &mut staged)?;
        let result = staged.write(&mut txn).and_then(|filed| {
            Self::put_counters(&mut txn, &counters);
            txn.commit().map(|()| filed)
        });
        let filed = self.note(result)?;
        self.counters = counters;
        self.sinks = states;
        self.file(filed);
        Ok(())
    }

    /// Brings the memory of what is due up to date.
    pub(super) fn file(&mut self, filed: Vec<(Name, DeliveryId, DeliveryState, u32)>) {
        for (sink, id, state, total) in filed {
            self.lanes.entry(sink).or_default().file(id.0, &state, total);
        }
    }

    pub(super) fn lease_due(
        &mut self,
        sink: &Name,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        self.check()?;
        let Some(lane) = self.lanes.get_mut(sink) else { return Ok(Vec::new()) };
        let gate = self.sinks.get(sink).map(|state| state.gate).unwrap_or_default();
        let (chosen, most) = choose(lane, gate, now, limit);
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(error) = self.begin_attempts() {
            self.file_again(sink, chosen);
            return Err(error);
        }
        let Some(lane) = self.lanes.get_mut(sink) else { return Ok(Vec::new()) };
        let by_number: BTreeSet<u64> = chosen.iter().map(|(_, number)| *number).collect();
        let txn = Txn::new(&mut *self.kv);
        let found = deliveries().get_many(&txn, by_number)?;
        let mut found: BTreeMap<u64, Delivery> =
            found.into_iter().map(|delivery| (delivery.id.0, delivery)).collect();
        let listed = || found.values().flat_map(|delivery| &delivery.failures).map(|id| id.0);
        let named: BTreeSet<u64> = listed().collect();
        // Mostly each is named once, and then it need not be copied.
        let shared = named.len() < listed().count();
        let mut records: BTreeMap<FailureId, _> = failures()
            .get_many(&txn, named)?
            .into_iter()
            .map(|failure| (failure.id, failure))
            .collect();
        let mut record = |id: &FailureId| {
            if shared { records.get(id).cloned() } else { records.remove(id) }
        };
        let mut leases = Vec::with_capacity(chosen.len());
        for (due, number) in chosen {
            let Some(delivery) = found.remove(&number) else { continue };
            if leases.len() == most {
                lane.due.insert((due, number));
                continue;
            }
            if !comes_next(&txn, &delivery)? {
                let later = now.saturating_add(AFTER_WAIT).unwrap_or(Timestamp::MAX);
                lane.due.insert((later.as_millisecond(), number));
                continue;
            }
            lane.leased.insert(number, due);
            let failures = delivery.failures.iter().filter_map(&mut record).collect();
            let body = if delivery.attempts == 0 { None } else { body(&txn, delivery.id)? };
            let original = original(&txn, &delivery)?;
            leases.push(Lease { delivery, failures, body, original });
        }
        if let Some(Gate::Shut { probe_at, .. }) =
            self.sinks.get_mut(sink).map(|state| &mut state.gate).filter(|_| leases.is_empty())
        {
            // All have to wait for another one; do not ask again at once.
            *probe_at = now.saturating_add(AFTER_WAIT).unwrap_or(Timestamp::MAX);
        }
        Ok(leases)
    }

    fn file_again(&mut self, sink: &Name, chosen: Vec<(i64, u64)>) {
        if let Some(lane) = self.lanes.get_mut(sink) {
            lane.due.extend(chosen);
        }
    }

    pub(super) fn next_due(&self, sink: &Name) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        let Some(lane) = self.lanes.get(sink) else { return Ok(None) };
        let first = lane.due.first().map(|(due, _)| *due);
        let gate = self.sinks.get(sink).map(|state| state.gate).unwrap_or_default();
        Ok(match gate {
            Gate::Open => first.and_then(|due| Timestamp::from_millisecond(due).ok()),
            Gate::Shut { probe_at, .. } if lane.leased.is_empty() => first.map(|_| probe_at),
            Gate::Shut { .. } | Gate::CatchUp | Gate::Disabled { .. } => None,
        })
    }

    pub(super) fn release(&mut self, ids: &[DeliveryId]) {
        for id in ids {
            for lane in self.lanes.values_mut() {
                if let Some(due) = lane.leased.remove(&id.0) {
                    lane.due.insert((due, id.0));
                }
            }
        }
    }
}

/// Takes what may be attempted out of the due ones. The number says how many of them at most.
fn choose(lane: &mut Lane, gate: Gate, now: Timestamp, limit: usize) -> (Vec<(i64, u64)>, usize) {
    let until = (now.as_millisecond(), u64::MAX);
    let (chosen, most): (Vec<(i64, u64)>, usize) = match gate {
        Gate::Open => (lane.due.range(..=until).take(limit).copied().collect(), limit),
        // One probe at a time, with the oldest delivery that waits for no other, whenever that
        // one was due itself.
        Gate::Shut { probe_at, .. } if probe_at <= now && lane.leased.is_empty() => {
            let mut oldest: Vec<(i64, u64)> = lane.due.iter().copied().collect();
            oldest.sort_unstable_by_key(|(_, number)| *number);
            oldest.truncate(PROBES_MAX);
            (oldest, 1)
        }
        Gate::Shut { .. } | Gate::CatchUp | Gate::Disabled { .. } => (Vec::new(), 0),
    };
    for one in &chosen {
        lane.due.remove(one);
    }
    (chosen, most)
}

/// Whether nothing has to be delivered before this one.
fn comes_next(txn: &Txn<'_>, delivery: &Delivery) -> Result<bool, StoreError> {
    let mut ahead: BTreeSet<u64> = delivery.after.iter().map(|id| id.0).collect();
    while !ahead.is_empty() {
        let mut next = BTreeSet::new();
        for record in load(txn, &ahead)?.into_values() {
            match record.state {
                DeliveryState::Pending { .. } | DeliveryState::Held { .. } => return Ok(false),
                // It went into a later one, so this ends.
                DeliveryState::Folded { into, .. } if record.id < into => {
                    next.insert(into.0);
                }
                _ => {}
            }
        }
        ahead = next;
    }
    Ok(true)
}

/// Stages new content for deliveries that were not told yet. One that was taken up since, or may
/// have been accepted, stays as it is.
fn amend(
    txn: &mut Txn<'_>,
    lanes: &BTreeMap<Name, Lane>,
    amended: Vec<Amended>,
    staged: &mut Staged,
) -> Result<(), StoreError> {
    let mut by_number: BTreeMap<u64, Amended> =
        amended.into_iter().map(|one| (one.delivery.0, one)).collect();
    let records = deliveries().get_many(txn, by_number.keys().copied())?;
    for mut record in records {
        let sent = |lane: &Lane| {
            lane.leased.contains_key(&record.id.0) || lane.doubtful.contains(&record.id.0)
        };
        let fixed = record.uncertain
            || lanes.get(&record.sink).is_some_and(sent)
            || !matches!(record.state, DeliveryState::Pending { .. });
        let Some(change) = by_number.remove(&record.id.0).filter(|_| !fixed) else { continue };
        let keys: Vec<_> = change.cleared.iter().map(|(_, key)| *key).collect();
        record.notice_id = record.notice_id.amended(&keys);
        record.cleared.extend(change.cleared.into_iter().map(|(cleared, _)| cleared));
        remove_body(txn, record.id)?;
        staged.change(Edit::Put(record));
    }
    Ok(())
}

/// Stages one more reason why somebody is not told.
pub(super) fn suppress(
    txn: &mut Txn<'_>,
    id: FailureId,
    suppressed: crate::delivery::Suppressed,
) -> Result<(), StoreError> {
    let key = id.0.to_be_bytes().to_vec();
    let mut all: Vec<crate::delivery::Suppressed> = match txn.get(Tree::Suppressed, &key)? {
        Some(bytes) => decode(Tree::Suppressed, &bytes)?,
        None => Vec::new(),
    };
    all.push(suppressed);
    txn.put(Tree::Suppressed, key, encode(&all));
    Ok(())
}
