//! A hundred notices a second, one sink that refuses every tenth attempt, and one that is dead.
//!
//! The real steps on the store in memory, with a clock that the test moves, so an hour of load
//! takes as long as the work does. Counted, not timed:
//!
//! * Whatever is due is attempted within its second: neither the refused ones nor the dead sink
//!   keep others waiting.
//! * No more attempts are under way than the sink's concurrency, and a dead sink is hardly asked.
//! * The account is even, and `taskbell_oldest_undelivered_age_seconds` is the age of the oldest
//!   notice that was not taken.
//!
//! `TASKBELL_LOAD_SECONDS=3600` makes it the hour; a minute if it says nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use taskbell::{
    admin::Admin,
    clock::Clock,
    decide::{
        diff::{DiffPolicy, FirstRun, Situation, diff},
        retry::RetryPolicy,
        route::{Group, Route, Routes},
        rules::{Rules, SourceFacts},
        sift::Sift,
        sight::SightRule,
    },
    delivery::Verdict,
    name::Name,
    notice::{Notice, SourceInfo},
    sink::{Parcel, Receipt, Sink, SinkError},
    store::{self, PollRecord, Store},
    task::Row,
    worker::{Outlet, Worker, deliver::Lane, dispatch::Dispatcher},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Failures that come in each second.
const RATE: u64 = 100;

/// Attempts at the same time.
const CONCURRENCY: usize = 8;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<Timestamp>>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[derive(Debug, Default)]
struct Counts {
    attempts: u64,
    accepted: u64,
    under_way: usize,
    most_under_way: usize,
    /// By failure, when its notice was opened, until it is taken.
    owed: BTreeMap<u64, Timestamp>,
}

/// A sink that is dead, or refuses every tenth attempt.
#[derive(Clone, Debug)]
struct Busy {
    dead: bool,
    counts: Arc<Mutex<Counts>>,
}

#[async_trait]
impl Sink for Busy {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        assert_eq!(notice.kind.as_str(), "task.failed", "{notice:?}");
        let failure = notice.failures[0].id.0;
        self.counts.lock().unwrap().owed.insert(failure, notice.created_at);
        failure.to_be_bytes().to_vec()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let nth = {
            let mut counts = self.counts.lock().unwrap();
            counts.attempts += 1;
            counts.under_way += 1;
            counts.most_under_way = counts.most_under_way.max(counts.under_way);
            counts.attempts
        };
        tokio::task::yield_now().await;
        let mut counts = self.counts.lock().unwrap();
        counts.under_way -= 1;
        if self.dead || nth.is_multiple_of(10) {
            return Err(SinkError::new(Verdict::Retry { after: None }, "busy"));
        }
        counts.accepted += 1;
        let failure = u64::from_be_bytes(parcel.body.try_into().unwrap());
        counts.owed.remove(&failure);
        Ok(Receipt::Whole)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Load {
    worker: Worker,
    now: Hands,
    dispatcher: Dispatcher,
    live: Busy,
    dead: Busy,
}

fn rules() -> Rules {
    let info = SourceInfo {
        name: name("prod"),
        kind: "kps".into(),
        region: String::new(),
        project_id: String::new(),
    };
    let route = Route {
        to: vec![name("live"), name("dead")],
        group: Group { max_items: 1, wait: Duration::ZERO, ..Group::default() },
        ..Route::default()
    };
    let facts = SourceFacts::new(info, BTreeMap::new());
    Rules {
        routes: Routes(vec![route]),
        sources: BTreeMap::from([(name("prod"), facts)]),
        ..Rules::default()
    }
}

impl Load {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(store::open_memory().await.unwrap());
        let now = Hands(Arc::new(Mutex::new("2026-11-23T10:00:00Z".parse().unwrap())));
        let clock: Arc<dyn Clock> = Arc::new(now.clone());
        let rules = Arc::new(rules());
        let live = Busy { dead: false, counts: Arc::default() };
        let dead = Busy { dead: true, counts: Arc::default() };
        let lane = |label: &str, sink: &Busy| Lane {
            name: name(label),
            outlet: Outlet {
                sink: Arc::new(sink.clone()),
                timeout: Duration::from_secs(10),
                concurrency: CONCURRENCY,
            },
            retry: Arc::new(RetryPolicy::default()),
            rules: Arc::clone(&rules),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
        };
        let lanes = [lane("live", &live), lane("dead", &dead)].into();
        let worker = Worker {
            lanes,
            store,
            clock,
            rules,
            sources: [].into(),
            poll_concurrency: 1,
            shutdown_grace: Duration::ZERO,
            retention: Duration::from_secs(24 * 3600),
            checkpoint: Duration::from_secs(24 * 3600),
        };
        let dispatcher = worker.dispatcher();
        let load = Self { worker, now, dispatcher, live, dead };
        load.poll(0..0).await;
        load
    }

    /// A complete poll that lists these tasks.
    async fn poll(&self, listed: std::ops::Range<u64>) {
        let (source, at) = (name("prod"), self.now.now());
        let ledger = self.worker.store.ledger(&source).await.unwrap();
        let mut sift = Sift::new(Arc::clone(&ledger.roster));
        sift.begin_walk();
        for nth in listed {
            sift.row(&Row {
                task_id: Some(format!("task-{nth}").into()),
                operate_type: Some("FAILED_RESET".into()),
                failed_at_ms: Some(at.as_millisecond()),
                ..Row::default()
            });
        }
        let findings = sift.finish();
        let keys = findings.unknown.iter().map(|found| found.task.key).collect();
        let past = self.worker.store.past(&source, keys).await.unwrap();
        let has_baseline = ledger.state.baseline_at.is_some();
        let situation = Situation { complete: true, has_baseline, lost: false, deleting: &[] };
        let policy = DiffPolicy { first_run: FirstRun::Silent, ..DiffPolicy::default() };
        let changes = diff(findings, &past, situation, policy, at);
        let info = self.worker.rules.info(&source);
        let (outcome, detail) = ("complete".to_owned(), String::new());
        let record = PollRecord {
            info,
            began: at,
            at,
            changes,
            complete: true,
            outcome,
            detail,
            advice: String::new(),
            rule: SightRule::default(),
        };
        self.worker.store.record_poll(record).await.unwrap();
    }

    /// One second of load.
    async fn second(&mut self, nth: u64) {
        {
            let mut now = self.now.0.lock().unwrap();
            *now = now.checked_add(Duration::from_secs(1)).unwrap();
        }
        self.poll(nth * RATE..(nth + 1) * RATE).await;
        self.dispatcher.run(false).await.unwrap();
        for lane in self.worker.lanes.iter() {
            let (nudge, stop) = (Notify::new(), CancellationToken::new());
            lane.drain(&nudge, &stop, Duration::ZERO).await.unwrap();
        }
        for lane in self.worker.lanes.iter() {
            let due = self.worker.store.next_due(&lane.name).await.unwrap();
            let now = self.now.now();
            assert!(due.is_none_or(|due| now < due), "second {nth}: {} starves", lane.name);
        }
    }

    /// The metrics say what happened.
    async fn check(&self, nth: u64) {
        let admin = Admin::of(self.worker.clone());
        let metrics = admin.metrics().await.unwrap();
        let value = |line: &str| -> i64 {
            let found = metrics.lines().find_map(|one| one.strip_prefix(line));
            found.unwrap_or_else(|| panic!("{line} is not in\n{metrics}")).trim().parse().unwrap()
        };
        for (label, sink) in [("live", &self.live), ("dead", &self.dead)] {
            let counts = sink.counts.lock().unwrap();
            let lost = value(&format!("taskbell_failures_lost{{sink=\"{label}\"}}"));
            assert_eq!(lost, 0, "second {nth}: {label}");
            let routed = value(&format!("taskbell_failures{{sink=\"{label}\",state=\"routed\"}}"));
            assert_eq!(routed, i64::try_from((nth + 1) * RATE).unwrap(), "{label}");
            let told =
                value(&format!("taskbell_failures{{sink=\"{label}\",state=\"told_singly\"}}"));
            assert_eq!(told, i64::try_from(counts.accepted).unwrap(), "{label}");
            let age =
                value(&format!("taskbell_oldest_undelivered_age_seconds{{sink=\"{label}\"}}"));
            let oldest = counts.owed.values().min();
            let expected = oldest.map_or(0, |at| self.now.now().duration_since(*at).as_secs());
            assert_eq!(age, expected, "second {nth}: the age of the oldest to {label}");
            assert!(counts.most_under_way <= CONCURRENCY, "{label}");
        }
    }
}

#[tokio::test]
async fn a_steady_load_starves_nobody_beside_a_flaky_and_a_dead_sink() {
    let asked = taskbell::options::env("TASKBELL_LOAD_SECONDS");
    let seconds: u64 = asked.and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut load = Load::new().await;
    for nth in 0..seconds {
        load.second(nth).await;
        if nth % 60 == 9 || nth + 1 == seconds {
            load.check(nth).await;
        }
    }
    let (live, dead) = (load.live.counts.lock().unwrap(), load.dead.counts.lock().unwrap());
    println!(
        "{seconds} s: {} attempts at the flaky sink, {} taken; {} at the dead one",
        live.attempts, live.accepted, dead.attempts
    );
    assert_eq!(dead.accepted, 0);
    // Five fail before the breaker opens, and what was read ahead by then; from then on it is one
    // probe at a time, a quarter of an hour apart in the end.
    let probes = 8 + seconds / 600;
    let first = u64::try_from(5 + 8 * CONCURRENCY).unwrap();
    assert!(dead.attempts <= first + probes, "{} attempts at a dead sink", dead.attempts);
}
