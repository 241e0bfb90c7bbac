//! The store over months: a million failures come, are told, clear and are forgotten.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use taskbell::{
    clock::{Clock, SystemClock},
    decide::{
        diff::{Changes, NewFailure},
        rules::Rules,
        sift::Found,
        sight::SightRule,
    },
    delivery::{DeliveryState, LastAttempt, Outcome},
    failure::Origin,
    heap,
    store::{self, Access, Lease, PollRecord, Settled, Store},
    task::Row,
    worker::dispatch::Dispatcher,
};

use crate::{dispatch, peers::status_kib};

/// New failures of one day.
const A_DAY: usize = 5_000;

const DAYS: usize = 200;

/// Cleared failures are remembered so long.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Sweeps of one day: one each quarter of an hour, as a daemon does.
const SWEEPS: usize = 96;

/// Stands where it was put.
#[derive(Debug)]
struct Calendar(AtomicI64);

impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn new_failure(nth: usize) -> NewFailure {
    let id =
        format!("{:08x}-0000-4000-8000-{nth:012x}", nth.wrapping_mul(2_654_435_761) & 0xffff_ffff);
    let server = format!("web-{}", nth % 500);
    let row = Row {
        task_id: Some(id.into()),
        operate_type: Some("FAILED_RESET".into()),
        error_message: Some("Update public key error".into()),
        server_id: Some(format!("{nth:032x}").into()),
        server_name: Some(server.into()),
        keypair: Some("KeyPair-ops".into()),
        ..Row::default()
    };
    NewFailure {
        found: Found::of(row.to_task()),
        generation: 1,
        origin: Origin::New,
        tell: true,
        supersedes: None,
    }
}

fn accepted(lease: &Lease, at: Timestamp) -> Settled {
    let (outcome, detail) = (Outcome::Accepted, "accepted".to_owned());
    Settled {
        id: lease.delivery.id,
        state: DeliveryState::Delivered { at },
        last: LastAttempt { at, latency_ms: 1, outcome, detail },
        at,
        recipients: None,
        body: None,
        message: None,
        uncertain: false,
        asked: false,
        fallback_after: None,
    }
}

/// A store that lives through days.
pub(crate) struct History {
    store: Arc<dyn Store>,
    clock: Arc<Calendar>,
    rules: Arc<Rules>,
    dispatcher: Dispatcher,
}

impl History {
    /// In how many days so many failures come.
    pub(crate) fn days_of(failures: usize) -> usize {
        failures / A_DAY
    }

    /// An empty one, so many days ago.
    pub(crate) async fn begin(path: &Path, rules: Arc<Rules>, days: usize) -> Self {
        let ago = DAY_MS * i64::try_from(days).unwrap();
        let began = SystemClock.now().as_millisecond() - ago;
        let clock = Arc::new(Calendar(AtomicI64::new(began)));
        let store: Arc<dyn Store> =
            Arc::new(store::open_sled(access(path, clock.now())).await.unwrap());
        let dispatcher = Dispatcher::new(Arc::clone(&store), Arc::clone(&rules), clock.clone());
        Self { store, clock, rules, dispatcher }
    }

    /// Writes the files anew, as upkeep does once they are mostly garbage.
    pub(crate) async fn compact(&self) {
        self.store.compact().await.unwrap();
    }

    /// One day: yesterday's failures clear, today's are told. Without a `retention` nothing is forgotten,
    /// copied or written anew.
    pub(crate) async fn live(&mut self, day: usize, retention: Option<Duration>) {
        let Self { store, clock, rules, dispatcher, .. } = self;
        let source = rules.sources.keys().next().unwrap().clone();
        let now = clock.now();
        let standing = store.ledger(&source).await.unwrap().roster;
        let changes = Changes {
            new: (day * A_DAY..(day + 1) * A_DAY).map(new_failure).collect(),
            cleared: standing.to_vec(),
            ..Changes::default()
        };
        let record = PollRecord {
            info: rules.info(&source),
            began: now,
            at: now,
            changes,
            complete: true,
            outcome: "complete".to_owned(),
            detail: String::new(),
            advice: String::new(),
            rule: SightRule::default(),
        };
        store.record_poll(record).await.unwrap();
        dispatcher.run(true).await.unwrap();
        for sink in rules.sinks.keys() {
            loop {
                let leases = store.lease_due(sink, now, 256).await.unwrap();
                if leases.is_empty() {
                    break;
                }
                let settled = leases.iter().map(|lease| accepted(lease, now)).collect();
                store.settle(settled).await.unwrap();
            }
        }
        let Some(retention) = retention else {
            clock.0.fetch_add(DAY_MS, Ordering::SeqCst);
            return;
        };
        for _ in 0..SWEEPS {
            store.sweep(now.checked_sub(retention).unwrap()).await.unwrap();
        }
        // Four times a day, as by default; all that a day brings came before the first of them.
        for _ in 0..4 {
            clock.0.fetch_add(DAY_MS / 4, Ordering::SeqCst);
            store.upkeep(Duration::from_secs(6 * 3600), clock.now()).await.unwrap();
            heap::give_back();
        }
    }
}

fn access(folder: &Path, now: Timestamp) -> Access<'_> {
    Access { folder, holder: "the bench", repair: true, now }
}

pub(crate) async fn months() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut history = History::begin(&path, Arc::new(dispatch::rules()), DAYS).await;
    let began = Instant::now();
    let mut largest = 0;
    for day in 0..DAYS {
        history.live(day, Some(RETENTION)).await;
        largest = largest.max(history.store.inspect(false).await.unwrap().disk_bytes);
    }
    let took = began.elapsed();
    let seen = history.store.inspect(true).await.unwrap();
    assert_eq!(seen.problems, Vec::<String>::new());
    let live = seen.checkpoint.unwrap().0.bytes;
    let mib = |bytes: u64| bytes / (1024 * 1024);
    let most = status_kib(std::process::id(), "VmHWM:") / 1024;
    heap::give_back();
    let rss = status_kib(std::process::id(), "VmRSS:") / 1024;
    println!(
        "footprint, {} failures over {DAYS} days in {} s: {} MiB on disk, {} at most, of {} MiB \
         that are live; {rss} MiB of memory, {most} at most",
        DAYS * A_DAY,
        took.as_secs(),
        mib(seen.disk_bytes),
        mib(largest),
        mib(live),
    );
    let now = history.clock.now();
    drop(history);
    let began = Instant::now();
    let store = store::open_sled(access(&path, now)).await.unwrap();
    store.sources().await.unwrap();
    println!("footprint, opening that store: {}", crate::ms(began.elapsed()));
}
