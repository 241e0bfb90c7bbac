//! What attempts came to, and what that means for the sink.

use std::collections::BTreeMap;

use super::{
    Settled, Settlement, StoreError,
    engine::{Counters, Engine, Lane, deliveries, told},
    kv::{Tree, Txn},
    original::put_message,
    pages::Edit,
};
use crate::{
    decide::{
        health::{Attempted, Gate, SinkState},
        remind,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, Hold, Outcome},
    name::Name,
    notice::NoticeKind,
};

/// Bytes of a stored body per value. Larger values would leave sled's pages.
const BODY_PART_BYTES: usize = 4 * 1024;

fn body_key(delivery: u64, part: u16) -> Vec<u8> {
    [delivery.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}

/// The bytes of an earlier attempt.
pub(super) fn body(txn: &Txn<'_>, id: DeliveryId) -> Result<Option<Vec<u8>>, StoreError> {
    let mut body = None;
    for part in 0..=u16::MAX {
        match txn.get(Tree::Body, &body_key(id.0, part))? {
            Some(bytes) => body.get_or_insert_with(Vec::new).extend(bytes),
            None => break,
        }
    }
    Ok(body)
}

fn put_body(txn: &mut Txn<'_>, id: DeliveryId, body: &[u8]) {
    for (part, bytes) in (0..=u16::MAX).zip(body.chunks(BODY_PART_BYTES)) {
        txn.put(Tree::Body, body_key(id.0, part), bytes.to_vec());
    }
}

/// Stages the end of a delivery's stored bytes.
pub(super) fn remove_body(txn: &mut Txn<'_>, id: DeliveryId) -> Result<(), StoreError> {
    for part in 0..=u16::MAX {
        let key = body_key(id.0, part);
        if txn.get(Tree::Body, &key)?.is_none() {
            break;
        }
        txn.remove(Tree::Body, key);
    }
    Ok(())
}

/// When to remind of which delivery; the key alone says all.
pub(super) fn remind_key(due_ms: i64, delivery: DeliveryId) -> Vec<u8> {
    let due = u64::try_from(due_ms).unwrap_or_default();
    [due.to_be_bytes(), delivery.0.to_be_bytes()].concat()
}

/// One group of settled attempts on its way into the store.
struct Settling<'a> {
    txn: Txn<'a>,
    lanes: &'a BTreeMap<Name, Lane>,
    counters: Counters,
    sinks: BTreeMap<Name, SinkState>,
    /// Sinks whose state changed.
    changed: BTreeMap<Name, bool>,
    edits: Vec<Edit<Delivery>>,
    done: Vec<Edit<Delivery>>,
    moved: Vec<Moved>,
}

/// A delivery whose state changed, as the memory of what is due wants it.
struct Moved {
    id: DeliveryId,
    sink: Name,
    total: u32,
    before: DeliveryState,
    after: DeliveryState,
}

impl Moved {
    fn new(before: DeliveryState, record: &Delivery) -> Self {
        let Delivery { id, total, .. } = *record;
        Self { id, sink: record.sink.clone(), total, before, after: record.state.clone() }
    }
}

impl Engine {
    pub(super) fn settle(&mut self, mut settled: Vec<Settled>) -> Result<Settlement, StoreError> {
        self.check()?;
        settled.sort_unstable_by_key(|settled| settled.id);
        settled.dedup_by_key(|settled| settled.id);
        let mut settling = Settling {
            txn: Txn::new(&mut *self.kv),
            lanes: &self.lanes,
            counters: self.counters.clone(),
            sinks: self.sinks.clone(),
            changed: BTreeMap::new(),
            edits: Vec::with_capacity(settled.len()),
            done: Vec::new(),
            moved: Vec::with_capacity(settled.len()),
        };
        let result = settling.run(settled);
        let Settling { counters, sinks, changed, moved, .. } = settling;
        self.note(result)?;
        self.counters = counters;
        self.sinks = sinks;
        for Moved { id, sink, total, before, after } in moved {
            let lane = self.lanes.entry(sink).or_default();
            lane.forget(id.0, &before);
            lane.doubtful.remove(&id.0);
            lane.file(id.0, &after, total);
        }
        Ok(Settlement { dispatch: changed.into_values().any(|chores| chores) })
    }
}

impl Settling<'_> {
    fn run(&mut self, settled: Vec<Settled>) -> Result<(), StoreError> {
        let records = deliveries().get_many(&self.txn, settled.iter().map(|one| one.id.0))?;
        let mut by_number: BTreeMap<DeliveryId, Settled> =
            settled.into_iter().map(|settled| (settled.id, settled)).collect();
        for record in records {
            if let Some(settled) = by_number.remove(&record.id) {
                self.one(record, settled)?;
            }
        }
        self.disable()?;
        self.edits.sort_by_key(Edit::number);
        deliveries().edit(&mut self.txn, std::mem::take(&mut self.edits))?;
        told().edit(&mut self.txn, std::mem::take(&mut self.done))?;
        for sink in self.changed.keys() {
            let state = self.sinks.get(sink).cloned().unwrap_or_default();
            Engine::put_sink(&mut self.txn, sink, &state);
        }
        Engine::put_counters(&mut self.txn, &self.counters);
        self.txn.commit()
    }

    fn one(&mut self, mut record: Delivery, settled: Settled) -> Result<(), StoreError> {
        self.health(&record, &settled);
        let tried_before = 0 < record.attempts;
        record.attempts = record.attempts.saturating_add(1);
        let before = std::mem::replace(&mut record.state, settled.state);
        self.moved.push(Moved::new(before, &record));
        record.last = Some(settled.last);
        record.uncertain |= settled.uncertain | self.is_doubtful(&record);
        record.recipients = settled.recipients.or(record.recipients);
        if let DeliveryState::Delivered { at } = record.state {
            if tried_before {
                remove_body(&mut self.txn, record.id)?;
            }
            self.count(&record);
            // Only what tells of failures is followed up.
            if let Some(message) = settled.message.filter(|_| record.kind.tells_failures()) {
                put_message(&mut self.txn, record.id, &message);
            }
            let due = record.remind.as_ref().and_then(|remind| remind::next(remind, at));
            if let Some(due) = due.filter(|_| 0 < record.total) {
                let key = remind_key(due.as_millisecond(), record.id);
                self.txn.put(Tree::Remind, key, Vec::new());
            }
            self.edits.push(Edit::Remove(record.id.0));
            self.done.push(Edit::Put(record));
        } else {
            if let Some(body) = &settled.body {
                put_body(&mut self.txn, record.id, body);
            }
            self.edits.push(Edit::Put(record));
        }
        Ok(())
    }

    fn is_doubtful(&self, record: &Delivery) -> bool {
        self.lanes.get(&record.sink).is_some_and(|lane| lane.doubtful.contains(&record.id.0))
    }

    /// Counts what was told.
    fn count(&mut self, record: &Delivery) {
        if !record.kind.tells_failures() {
            return;
        }
        let totals = self.counters.of(&record.sink);
        let told = u64::from(record.total);
        if record.kind == NoticeKind::TaskFailed {
            totals.told_singly += told;
        } else {
            totals.told_in_digest += told;
        }
    }

    fn health(&mut self, record: &Delivery, settled: &Settled) {
        let state = self.sinks.get(&record.sink);
        let accepted = settled.last.outcome == Outcome::Accepted;
        if accepted && state.is_none_or(SinkState::is_well) {
            return;
        }
        let due = match settled.state {
            DeliveryState::Pending { due } => Some(due),
            _ => None,
        };
        let attempted = Attempted {
            outcome: settled.last.outcome,
            detail: &settled.last.detail,
            due,
            asked: settled.asked,
            born: record.revived_at.unwrap_or(record.created_at),
            fallback_after: settled.fallback_after,
            dead: matches!(settled.state, DeliveryState::Dead { .. }),
        };
        let backlog = self
            .lanes
            .get(&record.sink)
            .map_or(0, |lane| (lane.due.len() + lane.leased.len()).saturating_sub(1));
        let state = state.cloned().unwrap_or_default();
        let was_open = state.gate == Gate::Open;
        let next = state.after(&attempted, backlog, settled.at);
        // An opened gate lets others go; a one-shot run must look again.
        let opened = !was_open && next.gate == Gate::Open;
        let chores = opened || next.gate == Gate::CatchUp || next.alarm_at.is_some();
        self.changed.insert(record.sink.clone(), chores);
        self.sinks.insert(record.sink.clone(), next);
    }

    /// Holds everything that is owed to a sink that was disabled just now.
    fn disable(&mut self) -> Result<(), StoreError> {
        for sink in self.changed.keys() {
            let Some(Gate::Disabled { since }) = self.sinks.get(sink).map(|state| state.gate)
            else {
                continue;
            };
            let Some(lane) = self.lanes.get(sink) else { continue };
            let numbers: std::collections::BTreeSet<u64> =
                lane.due.iter().map(|(_, number)| *number).collect();
            for mut record in deliveries().get_many(&self.txn, numbers)? {
                let held = DeliveryState::Held { since, by: Hold::Disabled };
                let before = std::mem::replace(&mut record.state, held);
                record.uncertain |= lane.doubtful.contains(&record.id.0);
                self.moved.push(Moved::new(before, &record));
                self.edits.push(Edit::Put(record));
            }
        }
        Ok(())
    }
}
