//! What a poll changes about failures that stood: their texts, and that they stand no more.

use std::collections::BTreeMap;

use super::{
    super::{
        StoreError,
        engine::{failures, roster},
        kv::Tree,
        pages::{Edit, encode},
    },
    Gone, Recording, STEP, past_key,
};
use crate::{
    decide::{backlog::Seed, diff::Past, sift::RosterEntry},
    failure::FailureId,
    task::TaskText,
};

impl Recording<'_> {
    pub(super) fn touch(&mut self, mut touched: Vec<RosterEntry>) -> Result<(), StoreError> {
        touched.sort_unstable_by_key(|entry| entry.id);
        for step in touched.chunks(STEP) {
            let edits = step.iter().map(|entry| Edit::Put(*entry)).collect();
            roster(self.state.number).edit(&mut self.txn, edits)?;
            self.end_step(false)?;
        }
        Ok(())
    }

    pub(super) fn retext(
        &mut self,
        mut texts: Vec<(FailureId, TaskText)>,
    ) -> Result<(), StoreError> {
        texts.sort_unstable_by_key(|(id, _)| *id);
        for step in texts.chunks(STEP) {
            let mut by_id: BTreeMap<_, _> = step.iter().cloned().collect();
            let mut records = failures().get_many(&self.txn, by_id.keys().map(|id| id.0))?;
            for record in &mut records {
                record.changed = by_id.remove(&record.id).or(record.changed.take());
            }
            failures().edit(&mut self.txn, records.into_iter().map(Edit::Put).collect())?;
            self.end_step(false)?;
        }
        Ok(())
    }

    pub(super) fn clear(
        &mut self,
        mut cleared: Vec<RosterEntry>,
        gone: Gone<'_>,
    ) -> Result<(), StoreError> {
        cleared.sort_unstable_by_key(|entry| entry.id);
        for step in cleared.chunks(STEP) {
            let ids: Vec<u64> = step.iter().map(|entry| entry.id.0).collect();
            let episodes: BTreeMap<u64, u32> = failures()
                .get_many(&self.txn, ids.iter().copied())?
                .into_iter()
                .map(|record| (record.id.0, record.episode))
                .collect();
            self.leave(&ids, gone)?;
            for entry in step {
                let past = Past {
                    id: entry.id,
                    failed_at_ms: entry.failed_at_ms,
                    generation: entry.generation,
                    episode: episodes.get(&entry.id.0).copied().unwrap_or_default(),
                    cleared_at: self.at,
                };
                let key = past_key(self.state.number, entry.key);
                self.txn.put(Tree::Past, key, encode(&past));
                self.state.past += 1;
            }
            if gone.ours {
                self.state.deleting.retain(|id| !step.iter().any(|entry| entry.id == *id));
            } else {
                let failures = step.iter().map(|entry| entry.id).collect();
                let (source, mass) = (self.name.clone(), gone.mass);
                self.seed(&Seed::Cleared { source, failures, mass });
            }
            self.end_step(false)?;
        }
        Ok(())
    }
}
