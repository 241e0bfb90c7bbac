//! The store as a whole, for the operator.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Admin, AdminError};
use crate::store::{Compacted, Inspected, StoreError};

impl Admin {
    /// `state info`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn state_info(&self) -> Result<Value, AdminError> {
        let Inspected { format, disk_bytes, checkpoint, aside, .. } =
            self.worker.store.inspect(false).await?;
        let copy = checkpoint.map(|(archived, path)| {
            json!({ "path": path, "made_at": archived.made_at, "bytes": archived.bytes })
        });
        let kept: Vec<_> = aside.iter().map(|one| &one.path).collect();
        Ok(json!({
            "format": format,
            "disk_bytes": disk_bytes,
            "checkpoint": copy,
            "kept_aside": kept,
            "kept_aside_bytes": aside.iter().map(|one| one.bytes).sum::<u64>(),
        }))
    }

    /// `state verify`: reads every record.
    ///
    /// # Errors
    ///
    /// The store's. That of a record is part of the answer.
    pub async fn inspect(&self) -> Result<Value, AdminError> {
        let Inspected { entries, failures, deliveries, problems, .. } =
            self.worker.store.inspect(true).await?;
        Ok(json!({
            "entries": entries,
            "failures": failures,
            "deliveries": deliveries,
            "problems": problems,
        }))
    }

    /// `state export`: makes a copy of the store now.
    ///
    /// # Errors
    ///
    /// The store's, and that there is no room for a copy.
    pub async fn checkpoint(&self) -> Result<Value, AdminError> {
        let store = &self.worker.store;
        let kept = store.upkeep(Duration::ZERO, self.worker.clock.now()).await?;
        let made = kept.checkpoint.zip(store.inspect(false).await?.checkpoint);
        let Some((archived, (_, path))) = made else {
            let what = kept.trouble.unwrap_or_else(|| "the store was not copied".to_owned());
            return Err(StoreError::NotDurable { what, cause: None }.into());
        };
        Ok(json!({
            "path": path,
            "made_at": archived.made_at,
            "entries": archived.entries,
            "bytes": archived.bytes,
        }))
    }

    /// `state compact`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn compact(&self) -> Result<Value, AdminError> {
        let Compacted { before, after } = self.worker.store.compact().await?;
        Ok(json!({ "before_bytes": before, "after_bytes": after }))
    }
}
