//! What a config would have told of what was recorded: the same steps on a store in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::dispatch::Dispatcher;
use crate::{
    clock::Clock,
    decide::{
        diff::{Changes, NewFailure},
        rules::Rules,
        sift::Found,
        sight::SightRule,
    },
    delivery::{DeliveryId, DeliveryState, LastAttempt, Outcome},
    failure::{Failure, Origin},
    name::Name,
    notice::NoticeKind,
    progress::Measured,
    store::{self, PollRecord, Settled, Store, StoreError},
};

/// Most times that waiting things are woken between two records and after the last: a digest a
/// minute for a day.
const WAKES_MAX: usize = 2_000;

/// Deliveries that are taken at once.
const LEASES: usize = 256;

/// One notice that would have been told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToldThen {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub sink: Name,
    /// As what.
    pub kind: NoticeKind,
    /// The tasks that it lists.
    pub tasks: Vec<String>,
}

/// A clock that the replay moves.
#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<Timestamp>>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// Tells `failures`, which are in the order of recording, under `rules`. Receivers take
/// everything at once.
///
/// # Errors
///
/// The store's, which is in memory.
pub async fn replay(
    failures: &[Failure],
    rules: Arc<Rules>,
    until: Timestamp,
    work: &Measured<'_>,
) -> Result<Vec<ToldThen>, StoreError> {
    let store: Arc<dyn Store> = Arc::new(store::open_memory().await?);
    let clock = Hands(Arc::new(Mutex::new(Timestamp::MIN)));
    let hands: Arc<dyn Clock> = Arc::new(clock.clone());
    let mut replay = Replay {
        dispatcher: Dispatcher::new(Arc::clone(&store), Arc::clone(&rules), hands),
        store,
        rules,
        clock,
        told: Vec::new(),
    };
    let mut polls: BTreeMap<(Timestamp, Name), Vec<&Failure>> = BTreeMap::new();
    for failure in failures.iter().filter(|failure| failure.origin != Origin::Baseline) {
        let poll = (failure.first_seen_at, failure.source.clone());
        polls.entry(poll).or_default().push(failure);
    }
    for ((at, source), recorded) in polls {
        replay.wake_until(at).await?;
        replay.record(at, &source, &recorded).await?;
        work.add(u64::try_from(recorded.len()).unwrap_or_default());
    }
    replay.wake_until(until).await?;
    Ok(replay.told)
}

struct Replay {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    clock: Hands,
    dispatcher: Dispatcher,
    told: Vec<ToldThen>,
}

impl Replay {
    async fn record(
        &mut self,
        at: Timestamp,
        source: &Name,
        recorded: &[&Failure],
    ) -> Result<(), StoreError> {
        self.clock.set(at);
        let new = recorded.iter().map(|failure| NewFailure {
            found: Found::of(failure.task.clone()),
            generation: failure.generation,
            origin: failure.origin,
            tell: true,
            supersedes: None,
        });
        let changes = Changes { new: new.collect(), ..Changes::default() };
        let record = PollRecord {
            info: self.rules.info(source),
            began: at,
            at,
            changes,
            complete: true,
            outcome: "complete".to_owned(),
            detail: String::new(),
            advice: String::new(),
            // What is replayed are failures; how well it was seen is not.
            rule: SightRule { blind_after: u32::MAX, ..SightRule::default() },
        };
        self.store.record_poll(record).await
    }

    /// Does what is due until `until`, at the times at which it is due.
    async fn wake_until(&mut self, until: Timestamp) -> Result<(), StoreError> {
        for _ in 0..WAKES_MAX {
            let next = self.dispatcher.run(false).await?.next;
            self.deliver().await?;
            match next {
                Some(next) if next < until => self.clock.set(next.max(self.clock.now())),
                _ => break,
            }
        }
        self.clock.set(until);
        Ok(())
    }

    async fn deliver(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let sinks: Vec<Name> = self.store.owed().await?.into_keys().collect();
        for sink in sinks {
            loop {
                let leases = self.store.lease_due(&sink, now, LEASES).await?;
                if leases.is_empty() {
                    break;
                }
                let mut settled = Vec::with_capacity(leases.len());
                for lease in leases {
                    settled.push(accepted(lease.delivery.id, now));
                    self.told.push(ToldThen {
                        at: now,
                        sink: sink.clone(),
                        kind: lease.delivery.kind,
                        tasks: lease.failures.into_iter().map(|one| one.task.id).collect(),
                    });
                }
                self.store.settle(settled).await?;
            }
        }
        Ok(())
    }
}

fn accepted(id: DeliveryId, at: Timestamp) -> Settled {
    let (outcome, detail) = (Outcome::Accepted, String::new());
    Settled {
        id,
        state: DeliveryState::Delivered { at },
        last: LastAttempt { at, latency_ms: 0, outcome, detail },
        at,
        recipients: None,
        body: None,
        message: None,
        uncertain: false,
        asked: false,
        fallback_after: None,
    }
}
