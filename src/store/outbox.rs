//! The outbox's side of the engine: seeds become deliveries, deliveries become done.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use super::{
    Lease, Settled, StoreError,
    engine::{Engine, deliveries, failures, told},
    kv::{Tree, Txn},
    pages::{Edit, decode, encode},
};
use crate::{
    decide::group::{Backlog, Forming, Opening, Seed, Seeded, SourceView},
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::FailureId,
    name::Name,
};

/// Bytes of a stored body per value. Larger values would leave sled's pages.
const BODY_PART_BYTES: usize = 4 * 1024;

fn body_key(delivery: u64, part: u16) -> Vec<u8> {
    [delivery.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}

impl Engine {
    pub(super) fn undispatched(&mut self, limit: usize) -> Result<Backlog, StoreError> {
        self.check()?;
        let mut seeds: Vec<(u64, Seed)> = Vec::new();
        let mut count = 0;
        self.kv.scan(Tree::Seed, &[], &mut |key, bytes| {
            let number = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            let seed: Seed = decode(Tree::Seed, bytes)?;
            count += match &seed {
                Seed::Failed { failures, .. } | Seed::Cleared { failures, .. } => failures.len(),
                Seed::Watching { .. } => 1,
            };
            seeds.push((number, seed));
            Ok(if limit <= count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let mut forming = BTreeMap::new();
        self.kv.scan(Tree::Forming, &[], &mut |_, bytes| {
            let group: Forming = decode(Tree::Forming, bytes)?;
            forming.insert(group.key.clone(), group);
            Ok(ControlFlow::Continue(()))
        })?;
        let txn = Txn::new(&mut *self.kv);
        let seeds = seeds
            .into_iter()
            .map(|(number, seed)| {
                let failures = match &seed {
                    Seed::Failed { failures: ids, .. } | Seed::Cleared { failures: ids, .. } => {
                        failures().get_many(&txn, ids.iter().map(|id| id.0))?
                    }
                    Seed::Watching { .. } => Vec::new(),
                };
                Ok(Seeded { number, seed, failures })
            })
            .collect::<Result<_, StoreError>>()?;
        let views = self.sources.iter().map(|(name, state)| {
            let view = SourceView {
                standing: state.standing,
                coverage: state.coverage.clone(),
                last_complete_at: state.last_complete_at,
            };
            (name.clone(), view)
        });
        Ok(Backlog { seeds, forming, sources: views.collect() })
    }

    pub(super) fn open_deliveries(&mut self, opening: Opening) -> Result<(), StoreError> {
        self.check()?;
        let mut counters = self.counters;
        let mut opened = Vec::with_capacity(opening.deliveries.len());
        let mut txn = Txn::new(&mut *self.kv);
        for number in opening.consumed {
            txn.remove(Tree::Seed, number.to_be_bytes().to_vec());
        }
        for key in opening.closed {
            txn.remove(Tree::Forming, key.into_bytes());
        }
        for group in opening.forming {
            txn.put(Tree::Forming, group.key.clone().into_bytes(), encode(&group));
        }
        for (id, suppressed) in opening.suppressed {
            txn.put(Tree::Suppressed, id.0.to_be_bytes().to_vec(), encode(&suppressed));
        }
        let mut edits = Vec::with_capacity(opening.deliveries.len());
        for mut delivery in opening.deliveries {
            counters.delivery += 1;
            delivery.id = DeliveryId(counters.delivery);
            opened.push((delivery.sink.clone(), delivery.id, delivery.state.clone()));
            edits.push(Edit::Put(delivery));
        }
        let result = deliveries().edit(&mut txn, edits).and_then(|()| {
            Self::put_counters(&mut txn, &counters);
            txn.commit()
        });
        self.note(result)?;
        self.counters = counters;
        for (sink, id, state) in opened {
            self.index(&sink, id, &state);
        }
        Ok(())
    }

    /// Brings the memory of what is due up to date with a delivery's state.
    fn index(&mut self, sink: &Name, id: DeliveryId, state: &DeliveryState) {
        let lane = self.lanes.entry(sink.clone()).or_default();
        if let DeliveryState::Pending { due } = state {
            lane.due.insert((due.as_millisecond(), id.0));
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
        let until = (now.as_millisecond(), u64::MAX);
        let chosen: Vec<(i64, u64)> = lane.due.range(..=until).take(limit).copied().collect();
        for (due, number) in &chosen {
            lane.due.remove(&(*due, *number));
            lane.leased.insert(*number, *due);
        }
        let by_number: BTreeSet<u64> = chosen.iter().map(|(_, number)| *number).collect();
        let txn = Txn::new(&mut *self.kv);
        let mut found: BTreeMap<u64, Delivery> = deliveries()
            .get_many(&txn, by_number)?
            .into_iter()
            .map(|delivery| (delivery.id.0, delivery))
            .collect();
        let named: BTreeSet<u64> =
            found.values().flat_map(|delivery| &delivery.failures).map(|id| id.0).collect();
        let records: BTreeMap<FailureId, _> = failures()
            .get_many(&txn, named)?
            .into_iter()
            .map(|failure| (failure.id, failure))
            .collect();
        let mut leases = Vec::with_capacity(chosen.len());
        for (_, number) in chosen {
            let Some(delivery) = found.remove(&number) else { continue };
            let named = delivery.failures.iter().filter_map(|id| records.get(id).cloned());
            let failures = named.collect();
            let body = if delivery.attempts == 0 { None } else { Self::body(&txn, delivery.id)? };
            leases.push(Lease { delivery, failures, body });
        }
        Ok(leases)
    }

    fn body(txn: &Txn<'_>, id: DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
        let mut body = None;
        for part in 0..=u16::MAX {
            match txn.get(Tree::Body, &body_key(id.0, part))? {
                Some(bytes) => body.get_or_insert_with(Vec::new).extend(bytes),
                None => break,
            }
        }
        Ok(body)
    }

    pub(super) fn next_due(&self, sink: &Name) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        let first = self.lanes.get(sink).and_then(|lane| lane.due.first());
        Ok(first.and_then(|(due, _)| Timestamp::from_millisecond(*due).ok()))
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

    pub(super) fn settle(&mut self, mut settled: Vec<Settled>) -> Result<(), StoreError> {
        self.check()?;
        settled.sort_unstable_by_key(|settled| settled.id);
        settled.dedup_by_key(|settled| settled.id);
        let mut next = Vec::with_capacity(settled.len());
        let mut txn = Txn::new(&mut *self.kv);
        let result = apply(&mut txn, settled, &mut next).and_then(|()| txn.commit());
        self.note(result)?;
        for (sink, id, state) in next {
            if let Some(lane) = self.lanes.get_mut(&sink) {
                lane.leased.remove(&id.0);
            }
            self.index(&sink, id, &state);
        }
        Ok(())
    }

    pub(super) fn retry(
        &mut self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.check()?;
        let ids: BTreeSet<u64> = ids.into_iter().map(|id| id.0).collect();
        let lanes = &self.lanes;
        let leased = |id: &u64| lanes.values().any(|lane| lane.leased.contains_key(id));
        let ids = ids.into_iter().filter(|id| !leased(id));
        let mut txn = Txn::new(&mut *self.kv);
        let mut records = deliveries().get_many(&txn, ids)?;
        for record in &mut records {
            if matches!(record.state, DeliveryState::Dead { .. } | DeliveryState::Held { .. }) {
                record.revived_at = Some(now);
            }
            record.state = DeliveryState::Pending { due: now };
        }
        let revived: Vec<(Name, DeliveryId)> =
            records.iter().map(|record| (record.sink.clone(), record.id)).collect();
        let edits = records.into_iter().map(Edit::Put).collect();
        let result = deliveries().edit(&mut txn, edits).and_then(|()| txn.commit());
        self.note(result)?;
        for (sink, id) in &revived {
            let lane = self.lanes.entry(sink.clone()).or_default();
            lane.due.retain(|(_, number)| *number != id.0);
            lane.due.insert((now.as_millisecond(), id.0));
        }
        Ok(revived.into_iter().map(|(_, id)| id).collect())
    }
}

/// A delivery's sink, number and state after it was settled.
type Next = (Name, DeliveryId, DeliveryState);

/// Stages what `settled` says, which is ascending.
fn apply(txn: &mut Txn<'_>, settled: Vec<Settled>, next: &mut Vec<Next>) -> Result<(), StoreError> {
    let records = deliveries().get_many(txn, settled.iter().map(|settled| settled.id.0))?;
    let mut by_number: BTreeMap<DeliveryId, Settled> =
        settled.into_iter().map(|settled| (settled.id, settled)).collect();
    let mut edits = Vec::with_capacity(records.len());
    let mut done = Vec::new();
    for mut record in records {
        let Some(settled) = by_number.remove(&record.id) else { continue };
        let had_body = 0 < record.attempts;
        record.attempts = record.attempts.saturating_add(1);
        record.state = settled.state;
        record.last = Some(settled.last);
        record.recipients = settled.recipients.or(record.recipients);
        next.push((record.sink.clone(), record.id, record.state.clone()));
        if matches!(record.state, DeliveryState::Delivered { .. }) {
            if had_body {
                remove_body(txn, record.id)?;
            }
            edits.push(Edit::Remove(record.id.0));
            done.push(Edit::Put(record));
        } else {
            if let Some(body) = settled.body.filter(|_| !had_body) {
                put_body(txn, record.id, &body);
            }
            edits.push(Edit::Put(record));
        }
    }
    deliveries().edit(txn, edits)?;
    told().edit(txn, done)
}

fn put_body(txn: &mut Txn<'_>, id: DeliveryId, body: &[u8]) {
    for (part, bytes) in (0..=u16::MAX).zip(body.chunks(BODY_PART_BYTES)) {
        txn.put(Tree::Body, body_key(id.0, part), bytes.to_vec());
    }
}

fn remove_body(txn: &mut Txn<'_>, id: DeliveryId) -> Result<(), StoreError> {
    for part in 0..=u16::MAX {
        let key = body_key(id.0, part);
        if txn.get(Tree::Body, &key)?.is_none() {
            break;
        }
        txn.remove(Tree::Body, key);
    }
    Ok(())
}
