//! The three steps and what runs them.
//!
//! Each step is *read, decide, write*: [`poll`] compares a list with the ledger, [`dispatch`]
//! turns what is new into deliveries, [`deliver`] makes attempts. They never call one another;
//! they meet only in the store, so each can crash, be slow or be switched off without the others
//! noticing. A step takes no input: it looks at the store and does what is due. So the daemon,
//! cron, and a restart after a crash are one code path.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    decide::{diff::DiffPolicy, rules::Rules, sight::SightRule},
    name::Name,
    sink::Sink,
    source::Source,
    store::{Store, StoreError},
};

pub mod after;
pub mod budget;
pub mod cleanup;
pub mod daemon;
pub mod deliver;
pub mod dispatch;
pub mod last_words;
pub mod once;
pub mod plan;
pub mod poll;
pub mod replay;
mod rota;
mod running;
mod verify;
pub mod watch;

/// A source and how it is polled.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The list.
    pub source: Arc<dyn Source>,
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    /// For a whole poll.
    pub timeout: Duration,
    /// What its rows mean.
    pub policy: DiffPolicy,
    /// See [`SightRule::blind_after`].
    pub blind_after: u32,
    /// Who hears of each poll outside this host.
    pub pulse: Option<after::Pulse>,
    /// How far cleaning up has come.
    pub round: cleanup::Round,
}

impl Watched {
    /// When it counts as blind.
    #[must_use]
    pub fn sight_rule(&self) -> SightRule {
        SightRule { interval: self.interval, blind_after: self.blind_after }
    }
}

/// Everything the steps work with. Cheap to clone: all of it is shared.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where failures come from.
    pub sources: Arc<[Watched]>,
    /// Where notices go.
    pub lanes: Arc<[deliver::Lane]>,
    /// Who is told.
    pub rules: Arc<Rules>,
    /// Sources polled at the same time.
    pub poll_concurrency: usize,
    /// What is in flight gets so long to finish when the daemon stops.
    pub shutdown_grace: Duration,
    /// Cleared failures and finished deliveries are remembered so long.
    pub retention: Duration,
    /// From one copy of the store to the next.
    pub checkpoint: Duration,
}

impl Worker {
    /// Takes over what the store remembers of the sources beside their failures: which projects
    /// were found. To be called before the first step.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn recall(&self) -> Result<(), StoreError> {
        for (_, state) in self.store.sources().await? {
            state.info.iter().for_each(|info| self.rules.learn(info));
        }
        Ok(())
    }

    /// The dispatch step of this worker.
    #[must_use]
    pub fn dispatcher(&self) -> dispatch::Dispatcher {
        let (store, rules) = (Arc::clone(&self.store), Arc::clone(&self.rules));
        dispatch::Dispatcher::new(store, rules, Arc::clone(&self.clock))
    }

    /// The same worker on another store: one that passes on to this one.
    #[must_use]
    pub fn on(mut self, store: Arc<dyn Store>) -> Self {
        for lane in Arc::make_mut(&mut self.lanes) {
            lane.store = Arc::clone(&store);
        }
        self.store = store;
        self
    }

    /// Each sink, for those who send it something themselves.
    #[must_use]
    pub fn outlets(&self) -> Vec<(Name, Outlet)> {
        self.lanes.iter().map(|lane| (lane.name.clone(), lane.outlet.clone())).collect()
    }

    /// The lane of a sink.
    #[must_use]
    pub fn lane(&self, sink: &str) -> Option<&deliver::Lane> {
        self.lanes.iter().find(|lane| lane.name.as_str() == sink)
    }
}

/// A sink and how it is used.
#[derive(Clone, Debug)]
pub struct Outlet {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// For one attempt.
    pub timeout: Duration,
    /// Attempts at the same time. With 1, notices arrive in the order of their opening.
    pub concurrency: usize,
}
