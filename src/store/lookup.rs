//! The operator's side of the engine: lists, single records, and the account of all.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    DeliveryQuery, FailureDetail, FailureQuery, Owed, Reconciled, StoreError,
    engine::{Engine, deliveries, failures, mentions, roster, told},
    kv::{Tree, Txn},
    mention::{load, members},
    pages::decode,
};
use crate::{
    decide::{
        backlog::{Forming, Seed},
        diff::Past,
    },
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::{Failure, FailureId},
    name::Name,
    notice::NoticeKind,
    task::TaskKey,
};

impl Engine {
    pub(super) fn failure_list(
        &mut self,
        query: &FailureQuery,
    ) -> Result<Vec<Failure>, StoreError> {
        let mut found = Vec::new();
        if let Some(id) = query.delivery {
            let Some(delivery) = self.delivery(id)? else { return Ok(found) };
            let txn = Txn::new(&mut *self.kv);
            let ids = members(&txn, &delivery)?.into_iter().filter(|id| query.after < *id);
            let ids: Vec<u64> = ids.take(query.limit).map(|id| id.0).collect();
            return failures().get_many(&txn, ids);
        }
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
            let failed = group.kind == NoticeKind::TaskFailed;
            if failed && group.members.iter().any(|member| member.id == id) {
                forming.push((group.sink, group.closes_at));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let key = id.0.to_be_bytes();
        let suppressed = match self.kv.get(Tree::Suppressed, &key)? {
            Some(bytes) => decode(Tree::Suppressed, &bytes)?,
            None => Vec::new(),
        };
        let ack = match self.kv.get(Tree::Ack, &key)? {
            Some(bytes) => Some(decode(Tree::Ack, &bytes)?),
            None => None,
        };
        let deliveries = self.speaking_for(id)?;
        Ok(Some(FailureDetail {
            failure,
            missing,
            undispatched,
            suppressed,
            forming,
            deliveries,
            ack,
        }))
    }

    /// The deliveries that speak for a failure, ascending.
    fn speaking_for(&mut self, id: FailureId) -> Result<Vec<Delivery>, StoreError> {
        let txn = Txn::new(&mut *self.kv);
        let mention = mentions().get(&txn, id.0)?;
        let numbers = mention.into_iter().flat_map(|mention| mention.deliveries).collect();
        Ok(load(&txn, &numbers)?.into_values().collect())
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

    pub(super) fn reconcile(&self) -> Result<BTreeMap<Name, Reconciled>, StoreError> {
        let mut all: BTreeMap<Name, Reconciled> = BTreeMap::new();
        for (sink, totals) in &self.counters.totals {
            all.entry(sink.clone()).or_default().totals = *totals;
        }
        self.kv.scan(Tree::Forming, &[], &mut |_, bytes| {
            let group: Forming = decode(Tree::Forming, bytes)?;
            if group.kind == NoticeKind::TaskFailed {
                let members = u64::try_from(group.members.len()).unwrap_or(u64::MAX);
                all.entry(group.sink).or_default().forming += members;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        deliveries().scan(&*self.kv, 0, |delivery| {
            if delivery.kind.tells_failures() {
                let sink = all.entry(delivery.sink).or_default();
                let total = u64::from(delivery.total);
                match delivery.state {
                    DeliveryState::Pending { .. } => sink.pending += total,
                    DeliveryState::Held { .. } => sink.held += total,
                    DeliveryState::Dead { .. } => sink.dead += total,
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }
}
