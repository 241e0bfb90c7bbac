//! Forgetting: what cleared or was delivered before a time and is needed no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    StoreError,
    engine::{Engine, deliveries, failures, mentions, told},
    kv::{Tree, Txn},
    mention::{members, remove_members},
    original::remove_message,
    pages::{Edit, decode},
};
use crate::{decide::diff::Past, delivery::Delivery, failure::Failure};

/// Records of each kind that one sweep looks at. Some hundred pages: a few milliseconds.
const SWEEP_RECORDS: usize = 5_000;

/// Where the next sweep goes on. At the end it begins at the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swept {
    failures: u64,
    deliveries: u64,
}

impl Engine {
    pub(super) fn sweep(&mut self, cutoff: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        let old = self.old_failures(cutoff)?;
        let done = self.old_deliveries(cutoff)?;
        let silences: Vec<u64> = self
            .silences
            .iter()
            .filter(|silence| silence.ends_at < cutoff)
            .filter(|silence| {
                let hold = crate::delivery::Hold::Silence(silence.number);
                !self.lanes.values().any(|lane| lane.held.contains_key(&hold))
            })
            .map(|silence| silence.number)
            .collect();
        let count = old.len() + done.len() + silences.len();
        let result = self.forget(&old, &done, &silences);
        self.note(result)?;
        if !silences.is_empty() {
            let mut left = self.silences.as_ref().clone();
            left.retain(|silence| !silences.contains(&silence.number));
            self.silences = Arc::new(left);
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// Cleared long ago, and in no delivery that is not done.
    fn old_failures(&mut self, cutoff: Timestamp) -> Result<Vec<Failure>, StoreError> {
        let mut old = Vec::new();
        let mut looked_at = 0;
        let mut next = 0;
        failures().scan(&*self.kv, self.swept.failures, |failure| {
            looked_at += 1;
            next = failure.id.0.saturating_add(1);
            if failure.cleared_at.is_some_and(|at| at < cutoff) {
                old.push(failure);
            }
            if looked_at < SWEEP_RECORDS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        self.swept.failures = if looked_at < SWEEP_RECORDS { 0 } else { next };
        if old.is_empty() {
            return Ok(old);
        }
        let mut open = Vec::new();
        deliveries().scan(&*self.kv, 0, |delivery| {
            open.push(delivery);
            ControlFlow::Continue(())
        })?;
        let txn = Txn::new(&mut *self.kv);
        let mut needed = BTreeSet::new();
        for delivery in open {
            needed.extend(members(&txn, &delivery)?);
        }
        old.retain(|failure| !needed.contains(&failure.id));
        Ok(old)
    }

    /// Done long ago, and about nothing that stands: whoever is told that it cleared must be
    /// known to have been told that it failed.
    fn old_deliveries(&mut self, cutoff: Timestamp) -> Result<Vec<Delivery>, StoreError> {
        let mut done = Vec::new();
        let mut looked_at = 0;
        let mut next = 0;
        let mut young = false;
        told().scan(&*self.kv, self.swept.deliveries, |delivery| {
            let Some(at) = delivery.state.done_at() else { return ControlFlow::Continue(()) };
            looked_at += 1;
            next = delivery.id.0.saturating_add(1);
            // In order of opening, so what follows was opened later still.
            young = cutoff <= at && cutoff <= delivery.created_at;
            if at < cutoff {
                done.push(delivery);
            }
            if young || SWEEP_RECORDS <= looked_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.swept.deliveries = if young || looked_at < SWEEP_RECORDS { 0 } else { next };
        let txn = Txn::new(&mut *self.kv);
        let mut old = Vec::new();
        for delivery in done {
            let ids = members(&txn, &delivery)?;
            let named = failures().get_many(&txn, ids.iter().map(|id| id.0))?;
            if named.iter().all(|failure| failure.cleared_at.is_some()) {
                old.push(delivery);
            }
        }
        Ok(old)
    }

    fn forget(
        &mut self,
        old: &[Failure],
        done: &[Delivery],
        silences: &[u64],
    ) -> Result<(), StoreError> {
        let mut past = BTreeMap::new();
        let mut txn = Txn::new(&mut *self.kv);
        for delivery in done {
            remove_members(&mut txn, delivery)?;
            remove_message(&mut txn, delivery.id)?;
        }
        told().edit(&mut txn, done.iter().map(|one| Edit::Remove(one.id.0)).collect())?;
        failures().edit(&mut txn, old.iter().map(|one| Edit::Remove(one.id.0)).collect())?;
        mentions().edit(&mut txn, old.iter().map(|one| Edit::Remove(one.id.0)).collect())?;
        for number in silences {
            txn.remove(Tree::Silence, number.to_be_bytes().to_vec());
        }
        for failure in old {
            txn.remove(Tree::Suppressed, failure.id.0.to_be_bytes().to_vec());
            let Some(state) = self.sources.get(&failure.source) else { continue };
            let key = [state.number.to_be_bytes().as_slice(), &failure.task.key.0].concat();
            // A later generation may have taken the place.
            if let Some(bytes) = txn.get(Tree::Past, &key)?
                && decode::<Past>(Tree::Past, &bytes)?.id == failure.id
            {
                txn.remove(Tree::Past, key);
                *past.entry(failure.source.clone()).or_insert(0_u64) += 1;
            }
        }
        txn.commit()?;
        for (source, gone) in past {
            if let Some(state) = self.sources.get_mut(&source) {
                state.past = state.past.saturating_sub(gone);
            }
        }
        Ok(())
    }
}
