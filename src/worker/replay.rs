//! What a config would have told of what was recorded: the same steps on a store in memory.
//!
//! Of each failure the record keeps when it was recorded and when it cleared. What cleared and came
//! back is replayed as if it had stood all the time, and silences are not replayed: they were about
//! their day, not about the config.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::dispatch::Dispatcher;
use crate::{
    clock::Clock,
    decide::{
        diff::{Changes, NewFailure, is_mass},
        rules::Rules,
        sift::{Found, RosterEntry},
        sight::SightRule,
    },
    delivery::{DeliveryId, DeliveryState, LastAttempt, Outcome},
    failure::{Ending, Failure, FailureId, Origin},
    name::Name,
    notice::NoticeKind,
    progress::Measured,
    store::{self, PollRecord, Settled, Store, StoreError},
    task::TaskKey,
};

/// Most times that waiting things are woken between two records and after the last: a digest a
/// minute for a day.
const WAKES_MAX: usize = 2_000;

/// How long what waits at the end of a replay is waited for: a monthly digest comes within that time.
const PLAYED_ON_MAX: Duration = Duration::from_secs(35 * 24 * 3600);

/// Seeds that are asked for where only groups are of interest.
const NO_SEEDS: usize = 0;

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
    /// The failures that it speaks for, listed or not.
    pub total: u32,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replayed {
    /// What would have been told, in the order of time; what waited at the end included.
    pub told: Vec<ToldThen>,
    /// Notices that wait for still longer than a replay is played on.
    pub waiting: usize,
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

/// What one poll of a source found.
#[derive(Debug, Default)]
struct Recorded<'a> {
    new: Vec<&'a Failure>,
    cleared: Vec<&'a Failure>,
}

/// Polls in the order of time.
type Polls<'a> = BTreeMap<(Timestamp, Name), Recorded<'a>>;

/// The polls that found something, up to `until`.
fn polls(failures: &[Failure], until: Timestamp) -> Polls<'_> {
    let mut polls = Polls::new();
    for failure in failures.iter().filter(|failure| failure.origin != Origin::Baseline) {
        let poll = |at| (at, failure.source.clone());
        polls.entry(poll(failure.first_seen_at)).or_default().new.push(failure);
        if let Some(at) = failure.cleared_at.filter(|at| *at <= until) {
            polls.entry(poll(at)).or_default().cleared.push(failure);
        }
    }
    polls
}

/// Tells `failures`, which are in the order of recording, under `rules`. Receivers take
/// everything at once. What waits at `until` is played on until it is told.
///
/// # Errors
///
/// The store's, which is in memory.
pub async fn replay(
    failures: &[Failure],
    rules: Arc<Rules>,
    until: Timestamp,
    work: &Measured<'_>,
) -> Result<Replayed, StoreError> {
    let store: Arc<dyn Store> = Arc::new(store::open_memory().await?);
    let clock = Hands(Arc::new(Mutex::new(Timestamp::MIN)));
    let hands: Arc<dyn Clock> = Arc::new(clock.clone());
    let mut replay = Replay {
        dispatcher: Dispatcher::new(Arc::clone(&store), Arc::clone(&rules), hands),
        store,
        rules,
        clock,
        recorded: 0,
        standing: BTreeMap::new(),
        told: Vec::new(),
    };
    for ((at, source), recorded) in polls(failures, until) {
        replay.wake_until(at).await?;
        replay.record(at, &source, &recorded).await?;
        work.add(u64::try_from(recorded.new.len()).unwrap_or_default());
    }
    replay.wake_until(until).await?;
    let waiting = replay.play_on(until).await?;
    Ok(Replayed { told: replay.told, waiting })
}

struct Replay {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    clock: Hands,
    dispatcher: Dispatcher,
    /// How many failures were recorded. The store numbers them in this order.
    recorded: u64,
    /// What stands of each source, by the number that it has in the record.
    standing: BTreeMap<Name, BTreeMap<FailureId, RosterEntry>>,
    told: Vec<ToldThen>,
}

impl Replay {
    async fn record(
        &mut self,
        at: Timestamp,
        source: &Name,
        recorded: &Recorded<'_>,
    ) -> Result<(), StoreError> {
        self.clock.set(at);
        let changes = self.changes(source, recorded);
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

    fn changes(&mut self, source: &Name, recorded: &Recorded<'_>) -> Changes {
        let standing = self.standing.entry(source.clone()).or_default();
        let stood = standing.len();
        let mut changes = Changes::default();
        let mut gone: BTreeMap<(TaskKey, u32), RosterEntry> = BTreeMap::new();
        for failure in &recorded.cleared {
            let Some(entry) = standing.remove(&failure.id) else { continue };
            match failure.ending {
                Some(Ending::Deleted) => changes.deleted.push(entry),
                ending => {
                    changes.endings.extend(ending.map(|ending| (entry.id, ending)));
                    gone.insert((entry.key, entry.generation), entry);
                }
            }
        }
        for failure in &recorded.new {
            let found = Found::of(failure.task.clone());
            self.recorded += 1;
            let entry = RosterEntry {
                key: failure.task.key,
                id: FailureId(self.recorded),
                failed_at_ms: found.failed_at_ms,
                generation: failure.generation,
                text_crc: failure.task.text_crc,
                missing: 0,
            };
            standing.insert(failure.id, entry);
            let before = failure.generation.saturating_sub(1);
            changes.new.push(NewFailure {
                found,
                generation: failure.generation,
                origin: failure.origin,
                tell: true,
                // It did not clear: it failed again.
                supersedes: gone.remove(&(failure.task.key, before)),
            });
        }
        changes.mass_cleared = is_mass(gone.len(), stood);
        changes.cleared = gone.into_values().collect();
        changes
    }
    /// Does what is due until `until`, at the times at which it is due.
    async fn wake_until(&mut self, until: Timestamp) -> Result<(), StoreError> {
        for _ in 0..WAKES_MAX {
            match self.work().await? {
                Some(next) if next < until => self.clock.set(next.max(self.clock.now())),
                _ => break,
            }
        }
        self.clock.set(until);
        Ok(())
    }

    /// Goes on after `until`, until nobody waits to be told of what was recorded. Returns how many
    /// notices still wait when that takes too long. Reminders go on for their own time, and are
    /// left out.
    async fn play_on(&mut self, until: Timestamp) -> Result<usize, StoreError> {
        let end = until.saturating_add(PLAYED_ON_MAX).unwrap_or(Timestamp::MAX);
        let so_far = self.told.len();
        let mut waiting = 0;
        for _ in 0..WAKES_MAX {
            let next = self.work().await?;
            waiting = self.waiting().await?;
            match next {
                Some(next) if 0 < waiting && next <= end => {
                    self.clock.set(next.max(self.clock.now()));
                }
                _ => break,
            }
        }
        let later = self.told.split_off(so_far);
        self.told.extend(later.into_iter().filter(|one| one.kind != NoticeKind::TaskReminder));
        Ok(waiting)
    }

    /// Groups that are open, deliveries that are held, and storms that go on.
    async fn waiting(&self) -> Result<usize, StoreError> {
        let forming = self.store.undispatched(NO_SEEDS, Timestamp::MIN).await?.forming.len();
        let owed = self.store.owed().await?;
        let owed: u64 = owed.values().map(|owed| owed.pending + owed.held).sum();
        let storms = self.store.sinks().await?;
        let storms = storms.values().filter(|state| state.storm.is_some()).count();
        Ok(forming + storms + usize::try_from(owed).unwrap_or(usize::MAX))
    }

    /// Does all that is due now. Returns when something is due next.
    async fn work(&mut self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let next = self.dispatcher.run(false).await?.next;
            let before = self.told.len();
            self.deliver().await?;
            // What was delivered may be due to be told again, or to be told to have cleared.
            if self.told.len() == before {
                return Ok(next.into_iter().chain(self.next_due().await?).min());
            }
        }
    }

    /// When a delivery is due that has to wait, for instance for another one.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        for sink in self.rules.sinks.keys() {
            next = next.into_iter().chain(self.store.next_due(sink).await?).min();
        }
        Ok(next)
    }

    async fn deliver(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let rules = Arc::clone(&self.rules);
        for sink in rules.sinks.keys() {
            loop {
                let leases = self.store.lease_due(sink, now, LEASES).await?;
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
                        total: lease.delivery.total,
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
