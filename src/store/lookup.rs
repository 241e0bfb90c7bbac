//! The operator's side of the engine: lists, single records, and forgetting.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use super::{
    DeliveryQuery, FailureDetail, FailureQuery, Owed, StoreError,
    engine::{Engine, deliveries, failures, roster, told},
    kv::{Tree, Txn},
    pages::{Edit, decode},
};
use crate::{
    decide::{
        diff::Past,
        group::{Forming, Seed},
    },
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::{Failure, FailureId},
    name::Name,
    task::TaskKey,
};

/// Failures that one sweep looks at. Some hundred pages: a few milliseconds.
const SWEEP_RECORDS: usize = 5_000;

impl Engine {
    pub(super) fn failure_list(&self, query: &FailureQuery) -> Result<Vec<Failure>, StoreError> {
        let mut found = Vec::new();
        failures().scan(&*self.kv, query.after.0.saturating_add(1), |failure| {
            let wanted = query.source.as_ref().is_none_or(|source| failure.source == *source)
                && query.standing.is_none_or(|standing| standing == failure.cleared_at.is_none());
            if wanted {
                found.push(failure);
            }
            if found.len() < query.limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(found)
    }

    pub(super) fn failure(&mut self, id: FailureId) -> Result<Option<FailureDetail>, StoreError> {
        let Some(failure) = failures().get(&Txn::new(&mut *self.kv), id.0)? else {
            return Ok(None);
        };
        let missing = match self.sources.get(&failure.source) {
            Some(state) => {
                let number = state.number;
                let entry = roster(number).get(&Txn::new(&mut *self.kv), id.0)?;
                entry.map(|entry| entry.missing)
            }
            None => None,
        };
        let mut undispatched = false;
        self.kv.scan(Tree::Seed, &[], &mut |_, bytes| {
            if let Seed::Failed { failures, .. } = decode(Tree::Seed, bytes)? {
                undispatched |= failures.contains(&id);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut forming = Vec::new();
        self.kv.scan(Tree::Forming, &[], &mut |_, bytes| {
            let group: Forming = decode(Tree::Forming, bytes)?;
            if group.members.iter().any(|member| member.id == id) {
                forming.push((group.sink, group.closes_at));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let suppressed = match self.kv.get(Tree::Suppressed, &id.0.to_be_bytes())? {
            Some(bytes) => Some(decode(Tree::Suppressed, &bytes)?),
            None => None,
        };
        let mut mine = Vec::new();
        self.each_delivery(DeliveryId::default(), |delivery| {
            if delivery.failures.contains(&id) {
                mine.push(delivery);
            }
            ControlFlow::Continue(())
        })?;
        let deliveries = mine;
        Ok(Some(FailureDetail { failure, missing, undispatched, suppressed, forming, deliveries }))
    }

    pub(super) fn find_task(&self, key: TaskKey) -> Result<Vec<FailureId>, StoreError> {
        let mut found = Vec::new();
        for state in self.sources.values() {
            roster(state.number).scan(&*self.kv, 0, |entry| {
                found.extend((entry.key == key).then_some(entry.id));
                ControlFlow::Continue(())
            })?;
            let past = [state.number.to_be_bytes().as_slice(), &key.0].concat();
            if let Some(bytes) = self.kv.get(Tree::Past, &past)? {
                found.push(decode::<Past>(Tree::Past, &bytes)?.id);
            }
        }
        Ok(found)
    }

    /// Visits deliveries, done or not, in ascending order.
    fn each_delivery(
        &self,
        after: DeliveryId,
        mut visit: impl FnMut(Delivery) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let from = after.0.saturating_add(1);
        // What is not done is few; what is done is many and already in order.
        let mut open = Vec::new();
        deliveries().scan(&*self.kv, from, |delivery| {
            open.push(delivery);
            ControlFlow::Continue(())
        })?;
        let mut open = open.into_iter().peekable();
        let mut ended = false;
        told().scan(&*self.kv, from, |delivery| {
            while let Some(earlier) = open.next_if(|earlier| earlier.id < delivery.id) {
                if visit(earlier).is_break() {
                    ended = true;
                    return ControlFlow::Break(());
                }
            }
            let flow = visit(delivery);
            ended |= flow.is_break();
            flow
        })?;
        if !ended {
            let _stopped = open.try_for_each(visit);
        }
        Ok(())
    }

    pub(super) fn delivery_list(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let mut found = Vec::new();
        self.each_delivery(query.after, |delivery| {
            let wanted = query.sink.as_ref().is_none_or(|sink| delivery.sink == *sink)
                && query.state.as_deref().is_none_or(|state| delivery.state.as_str() == state);
            if wanted {
                found.push(delivery);
            }
            if found.len() < query.limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(found)
    }

    pub(super) fn delivery(&mut self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let txn = Txn::new(&mut *self.kv);
        match deliveries().get(&txn, id.0)? {
            Some(delivery) => Ok(Some(delivery)),
            None => told().get(&txn, id.0),
        }
    }

    pub(super) fn owed(&self) -> Result<BTreeMap<Name, Owed>, StoreError> {
        let mut owed: BTreeMap<Name, Owed> = BTreeMap::new();
        deliveries().scan(&*self.kv, 0, |delivery| {
            let sink = owed.entry(delivery.sink).or_default();
            match delivery.state {
                DeliveryState::Pending { .. } => {
                    sink.pending += 1;
                    let oldest = sink.oldest.unwrap_or(delivery.created_at);
                    sink.oldest = Some(oldest.min(delivery.created_at));
                }
                DeliveryState::Held { .. } => sink.held += 1,
                DeliveryState::Dead { .. } => sink.dead += 1,
                DeliveryState::Delivered { .. }
                | DeliveryState::Folded { .. }
                | DeliveryState::Suppressed { .. } => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(owed)
    }

    pub(super) fn sweep(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        let mut needed = BTreeSet::new();
        deliveries().scan(&*self.kv, 0, |delivery| {
            needed.extend(delivery.failures);
            ControlFlow::Continue(())
        })?;
        let mut old = Vec::new();
        let mut looked_at = 0;
        let mut next = 0;
        failures().scan(&*self.kv, self.swept_to, |failure| {
            looked_at += 1;
            next = failure.id.0.saturating_add(1);
            let forgotten = failure.cleared_at.is_some_and(|at| at < cutoff);
            if forgotten && !needed.contains(&failure.id) {
                old.push(failure);
            }
            if looked_at < SWEEP_RECORDS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        // At the end, the next sweep begins at the beginning.
        self.swept_to = if looked_at < SWEEP_RECORDS { 0 } else { next };
        let mut done = Vec::new();
        told().scan(&*self.kv, 0, |delivery| {
            let DeliveryState::Delivered { at } = delivery.state else {
                return ControlFlow::Continue(());
            };
            if cutoff <= at || SWEEP_RECORDS <= done.len() {
                return ControlFlow::Break(());
            }
            done.push(delivery.id.0);
            ControlFlow::Continue(())
        })?;
        let count = u64::try_from(old.len() + done.len()).unwrap_or(u64::MAX);
        let result = self.forget(&old, &done);
        self.note(result)?;
        Ok(count)
    }

    fn forget(&mut self, old: &[Failure], done: &[u64]) -> Result<(), StoreError> {
        let mut txn = Txn::new(&mut *self.kv);
        let edits = done.iter().map(|number| Edit::Remove(*number)).collect();
        told().edit(&mut txn, edits)?;
        let edits = old.iter().map(|failure| Edit::Remove(failure.id.0)).collect();
        failures().edit(&mut txn, edits)?;
        for failure in old {
            txn.remove(Tree::Suppressed, failure.id.0.to_be_bytes().to_vec());
            let Some(state) = self.sources.get_mut(&failure.source) else { continue };
            let key = [state.number.to_be_bytes().as_slice(), &failure.task.key.0].concat();
            // A later generation may have taken the place.
            if let Some(bytes) = txn.get(Tree::Past, &key)?
                && decode::<Past>(Tree::Past, &bytes)?.id == failure.id
            {
                txn.remove(Tree::Past, key);
                state.past = state.past.saturating_sub(1);
            }
        }
        txn.commit()
    }
}
