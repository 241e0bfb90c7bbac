//! What the operator changes: retries, cancels, silences, acknowledgements, sinks.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    StoreError,
    engine::{Engine, deliveries, failures, told},
    kv::{Tree, Txn},
    pages::{Edit, encode},
    settle::remove_body,
};
use crate::{
    decide::health::{Gate, SinkState},
    delivery::{Delivery, DeliveryId, DeliveryState, Reason},
    failure::{Ack, FailureId},
    name::Name,
    silence::Silence,
};

impl Engine {
    fn is_leased(&self, id: u64) -> bool {
        self.lanes.values().any(|lane| lane.leased.contains_key(&id))
    }

    /// Those of `ids` that are not done and not being attempted.
    fn at_rest(&mut self, ids: Vec<DeliveryId>) -> Result<Vec<Delivery>, StoreError> {
        let ids: BTreeSet<u64> = ids.into_iter().map(|id| id.0).collect();
        let ids: Vec<u64> = ids.into_iter().filter(|id| !self.is_leased(*id)).collect();
        deliveries().get_many(&Txn::new(&mut *self.kv), ids)
    }

    pub(super) fn retry(
        &mut self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.check()?;
        let before = self.at_rest(ids)?;
        let mut after = before.clone();
        let mut sinks: BTreeMap<Name, SinkState> = BTreeMap::new();
        for record in &mut after {
            if matches!(record.state, DeliveryState::Dead { .. } | DeliveryState::Held { .. }) {
                record.revived_at = Some(now);
            }
            record.state = DeliveryState::Pending { due: now };
            // Whoever asks for a try knows that the receiver is back, or wants to know.
            if let Some(state) =
                self.sinks.get(&record.sink).filter(|state| state.gate != Gate::Open)
            {
                let gate = match state.gate {
                    Gate::Shut { since, .. } => Gate::Shut { since, probe_at: now },
                    Gate::Disabled { .. } => Gate::Open,
                    other => other,
                };
                sinks.insert(record.sink.clone(), SinkState { gate, ..state.clone() });
            }
        }
        let mut txn = Txn::new(&mut *self.kv);
        let edits = after.iter().cloned().map(Edit::Put).collect();
        for (sink, state) in &sinks {
            Self::put_sink(&mut txn, sink, state);
        }
        let result = deliveries().edit(&mut txn, edits).and_then(|()| txn.commit());
        self.note(result)?;
        self.sinks.extend(sinks);
        self.refile(&before, &after);
        Ok(after.into_iter().map(|record| record.id).collect())
    }

    fn refile(&mut self, before: &[Delivery], after: &[Delivery]) {
        for (before, after) in before.iter().zip(after) {
            let lane = self.lanes.entry(after.sink.clone()).or_default();
            lane.forget(before.id.0, &before.state);
            lane.file(after.id.0, &after.state, after.total);
        }
    }

    /// Ends deliveries untold. Returns those that were.
    pub(super) fn cancel(
        &mut self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.check()?;
        let before = self.at_rest(ids)?;
        let mut counters = self.counters.clone();
        let mut txn = Txn::new(&mut *self.kv);
        let mut after = Vec::with_capacity(before.len());
        for record in &before {
            let state = DeliveryState::Suppressed { at: now, why: Reason::Operator };
            if record.kind.tells_failures() {
                counters.of(&record.sink).suppressed += u64::from(record.total);
            }
            after.push(Delivery { state, ..record.clone() });
        }
        let result = (|| {
            for record in &before {
                remove_body(&mut txn, record.id)?;
            }
            let gone = before.iter().map(|record| Edit::Remove(record.id.0)).collect();
            deliveries().edit(&mut txn, gone)?;
            told().edit(&mut txn, after.iter().cloned().map(Edit::Put).collect())?;
            Self::put_counters(&mut txn, &counters);
            txn.commit()
        })();
        self.note(result)?;
        self.counters = counters;
        self.refile(&before, &after);
        Ok(after.into_iter().map(|record| record.id).collect())
    }

    /// Adds a silence and gives it its number.
    pub(super) fn add_silence(&mut self, mut silence: Silence) -> Result<u64, StoreError> {
        self.check()?;
        let mut counters = self.counters.clone();
        counters.silence += 1;
        silence.number = counters.silence;
        let mut txn = Txn::new(&mut *self.kv);
        txn.put(Tree::Silence, silence.number.to_be_bytes().to_vec(), encode(&silence));
        Self::put_counters(&mut txn, &counters);
        let result = txn.commit();
        self.note(result)?;
        self.counters = counters;
        let number = silence.number;
        let mut all = self.silences.as_ref().clone();
        all.push(silence);
        self.silences = Arc::new(all);
        Ok(number)
    }

    /// Ends a silence now. Returns it, if there is one that had not ended.
    pub(super) fn expire_silence(
        &mut self,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<Silence>, StoreError> {
        self.check()?;
        let mut all = self.silences.as_ref().clone();
        let active = all.iter_mut().find(|one| one.number == number && now < one.ends_at);
        let Some(silence) = active else { return Ok(None) };
        silence.ends_at = now.max(silence.starts_at);
        let silence = silence.clone();
        let mut txn = Txn::new(&mut *self.kv);
        txn.put(Tree::Silence, number.to_be_bytes().to_vec(), encode(&silence));
        let result = txn.commit();
        self.note(result)?;
        self.silences = Arc::new(all);
        Ok(Some(silence))
    }

    /// Sets or takes away the acknowledgement of a failure that stands. Returns whether it does.
    pub(super) fn acknowledge(
        &mut self,
        id: FailureId,
        ack: Option<&Ack>,
    ) -> Result<bool, StoreError> {
        self.check()?;
        let mut txn = Txn::new(&mut *self.kv);
        let standing = failures().get(&txn, id.0)?.filter(|failure| failure.cleared_at.is_none());
        if standing.is_none() {
            return Ok(false);
        }
        let key = id.0.to_be_bytes().to_vec();
        match ack {
            Some(ack) => txn.put(Tree::Ack, key, encode(ack)),
            None => txn.remove(Tree::Ack, key),
        }
        let result = txn.commit();
        self.note(result)?;
        Ok(true)
    }

    /// Opens the gate of a sink that took a probe, and makes what is owed to it due.
    pub(super) fn revive(&mut self, sink: &Name, now: Timestamp) -> Result<(), StoreError> {
        self.check()?;
        let Some(state) = self.sinks.get(sink) else { return Ok(()) };
        let backlog = self.lanes.get(sink).map_or(0, |lane| lane.due.len());
        let catch_up = crate::decide::health::CATCH_UP_ABOVE < backlog;
        let next = SinkState {
            gate: if catch_up { Gate::CatchUp } else { Gate::Open },
            failures_in_row: 0,
            failing_since: None,
            last_error: String::new(),
            last_outcome: None,
            alarm_at: None,
            ..state.clone()
        };
        let numbers: BTreeSet<u64> = self
            .lanes
            .get(sink)
            .into_iter()
            .flat_map(|lane| &lane.due)
            .map(|(_, number)| *number)
            .collect();
        let mut txn = Txn::new(&mut *self.kv);
        let before = deliveries().get_many(&txn, numbers)?;
        let after: Vec<Delivery> = before
            .iter()
            .map(|record| Delivery { state: DeliveryState::Pending { due: now }, ..record.clone() })
            .collect();
        Self::put_sink(&mut txn, sink, &next);
        let edits = after.iter().cloned().map(Edit::Put).collect();
        let result = deliveries().edit(&mut txn, edits).and_then(|()| txn.commit());
        self.note(result)?;
        self.sinks.insert(sink.clone(), next);
        self.refile(&before, &after);
        Ok(())
    }

    /// The dead, to one sink or to all, that died at or after `since`, ascending.
    pub(super) fn dead(
        &self,
        sink: Option<&Name>,
        since: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let mut found = Vec::new();
        deliveries().scan(&*self.kv, 0, |record| {
            if let DeliveryState::Dead { at } = record.state
                && since <= at
                && sink.is_none_or(|sink| record.sink == *sink)
            {
                found.push(record.id);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
