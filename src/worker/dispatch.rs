//! From what has to be told to deliveries, and from what was held to what is told.
//!
//! A pass does two things until nothing is left to do now: it turns seeds into groups and groups
//! into deliveries, and, once no seed is left, it folds what is due beside groups. So a storm's
//! first notice counts the whole poll that began it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::info;

use crate::{
    clock::Clock,
    decide::{
        fold::FoldOrder,
        group::{Dispatching, dispatch},
        release::Releasing,
        rules::Rules,
        silence::Silences,
    },
    failpoint,
    silence::Silence,
    store::{Store, StoreError},
};

/// Failures per transaction. Bounds memory and the time that the store is busy at once.
const BATCH: usize = 1_000;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dispatched {
    /// Deliveries opened.
    pub opened: usize,
    /// Folds carried out. One may let deliveries go without opening any.
    pub folds: usize,
    /// When something is due next.
    pub next: Option<Timestamp>,
}

/// The step, with the silences that it has compiled.
#[derive(Debug)]
pub struct Dispatcher {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    stored: Arc<Vec<Silence>>,
    silences: Arc<Silences>,
    opened: Arc<Notify>,
}

impl Dispatcher {
    /// Nothing compiled yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, rules: Arc<Rules>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            rules,
            clock,
            stored: Arc::default(),
            silences: Arc::default(),
            opened: Arc::default(),
        }
    }

    /// Is told of each batch of deliveries as soon as they can be made, while a pass goes on.
    #[must_use]
    pub fn opened(&self) -> Arc<Notify> {
        Arc::clone(&self.opened)
    }

    /// Dispatches until nothing is left to do now.
    ///
    /// With `close_all`, open groups do not wait for company.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn run(&mut self, close_all: bool) -> Result<Dispatched, StoreError> {
        let mut done = Dispatched::default();
        loop {
            let next_close = self.dispatch(close_all, &mut done).await?;
            let (folded, next_due) = self.release(&mut done).await?;
            if !folded {
                done.next = [next_close, next_due].into_iter().flatten().min();
                return Ok(done);
            }
        }
    }

    /// Seeds become groups, groups become deliveries. Returns when the next group closes.
    async fn dispatch(
        &mut self,
        close_all: bool,
        done: &mut Dispatched,
    ) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let now = self.clock.now();
            let closing = if close_all { Timestamp::MAX } else { now };
            let backlog = self.store.undispatched(BATCH, closing).await?;
            if backlog.seeds.is_empty() && backlog.forming.is_empty() {
                return Ok(None);
            }
            self.compile(&backlog.silences);
            let waiting = backlog.forming.values().map(|group| group.closes_at).min();
            let by = Dispatching { rules: &self.rules, silences: &self.silences, close_all, now };
            let opening = dispatch(backlog, by);
            if opening.is_empty() {
                return Ok(waiting);
            }
            let opened = opening.deliveries.len();
            failpoint::hit("dispatch.before_open");
            self.store.open_deliveries(opening).await?;
            failpoint::hit("dispatch.after_open");
            if 0 < opened {
                info!(deliveries = opened, "dispatched");
                self.opened.notify_one();
            }
            done.opened += opened;
        }
    }

    /// Folds what is due. Returns whether anything was, and when something is due next.
    async fn release(
        &mut self,
        done: &mut Dispatched,
    ) -> Result<(bool, Option<Timestamp>), StoreError> {
        let now = self.clock.now();
        let waiting = self.store.waiting(now).await?;
        if waiting.sinks.is_empty() && waiting.reminders.is_empty() {
            return Ok((false, waiting.next_reminder));
        }
        let stored = self.store.silences().await?;
        self.compile(&stored);
        let releasing =
            Releasing { rules: Arc::clone(&self.rules), silences: Arc::clone(&self.silences), now };
        let orders = releasing.due(&waiting);
        let folded = !orders.is_empty();
        for order in orders {
            failpoint::hit("dispatch.before_fold");
            let told = Told::of(&order);
            let opened = self.store.fold(order).await?;
            done.folds += 1;
            failpoint::hit("dispatch.after_fold");
            told.log(opened);
            done.opened += opened;
        }
        Ok((folded, releasing.next(&waiting)))
    }

    fn compile(&mut self, stored: &Arc<Vec<Silence>>) {
        if !Arc::ptr_eq(&self.stored, stored) {
            let before = Arc::unwrap_or_clone(std::mem::take(&mut self.silences));
            self.silences = Arc::new(Silences::compile(stored, before));
            self.stored = Arc::clone(stored);
        }
    }
}

/// What a fold is about, for the log.
struct Told {
    sink: String,
    kind: &'static str,
    reason: String,
}

impl Told {
    fn of(order: &FoldOrder) -> Self {
        Self {
            sink: order.from.to_string(),
            kind: order.kind.as_str(),
            reason: order.reason.clone(),
        }
    }

    fn log(&self, opened: usize) {
        if 0 < opened {
            let Self { sink, kind, reason } = self;
            info!(%sink, kind, reason, deliveries = opened, "folded");
        }
    }
}
