//! The account of a large backlog, kept for a while.
//!
//! Adding up what is owed takes as long as there is something owed. Usually that is nothing, and
//! then it is done anew each time; behind a backlog of many thousands it is done every now and
//! then, and pages and scrapes are given the last sum.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Admin, AdminError};
use crate::{
    name::Name,
    store::{Owed, Reconciled, Store, StoreError},
};

/// A sum that takes longer than this is kept.
const CHEAP: Duration = Duration::from_millis(3);

/// What is kept is added up again after so many times the time that it took: the store does other
/// things in between.
const REST: u32 = 20;

/// What came of all failures, and what is owed.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) account: BTreeMap<Name, Reconciled>,
    pub(super) owed: BTreeMap<Name, Owed>,
}

impl Sums {
    async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self { account: store.reconcile().await?, owed: store.owed().await? })
    }
}

/// The last sums, if they were dear.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Arc<Sums>>>);

impl Kept {
    /// Adds up anew. Returns how long the store is to be left alone then.
    pub(super) async fn refresh(&self, store: &dyn Store) -> Result<Duration, StoreError> {
        let began = Instant::now();
        let sums = Sums::of(store).await?;
        let took = began.elapsed();
        let kept = (CHEAP < took).then(|| Arc::new(sums));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(took * REST)
    }

    fn get(&self) -> Option<Arc<Sums>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Admin {
    /// The kept sums, or new ones.
    pub(super) async fn sums(&self) -> Result<Arc<Sums>, AdminError> {
        match self.kept.as_ref().and_then(|kept| kept.get()) {
            Some(sums) => Ok(sums),
            None => Ok(Arc::new(Sums::of(&*self.worker.store).await?)),
        }
    }
}
