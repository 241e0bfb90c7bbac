//! The real steps on a store in memory, and what the model knows beside them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use taskbell::{
    clock::Clock,
    decide::{
        diff::{DiffPolicy, FirstRun, Situation, diff},
        retry::RetryPolicy,
        route::{Group, Matcher, Route, Routes, Subject},
        rules::{Limit, Rules, SinkRules, SourceFacts, StormRule},
        schedule::Schedule,
        sift::{Found, Sift},
        sight::SightRule,
        stuck,
        window::Window,
    },
    delivery::{DeliveryId, DeliveryState, Remind, Verdict},
    failure::{Ack, FailureId},
    name::Name,
    notice::{Notice, NoticeKind, SourceInfo},
    silence::{OnExpire, Silence},
    sink::{Parcel, Receipt, Sink, SinkError},
    store::{
        self, DeliveryQuery, FailureQuery, MemoryDisk, PollRecord, RunningRecord, Store,
        StoreError, TimePassed,
    },
    task::Row,
    worker::{Outlet, deliver::Lane, dispatch::Dispatcher},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ops::{How, Op};

const SINKS: [&str; 3] = ["chat", "hook", "mail"];
const ACTIONS: [&str; 3] = ["RESET", "REPLACE", "BIND"];

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

/// What a notice said, as the sink read it.
type Said = (String, Vec<u64>);

/// A receiver: how it answers, and what it heard.
#[derive(Debug, Default)]
struct Heard {
    how: Option<How>,
    bodies: BTreeMap<String, Vec<u8>>,
    /// For each failure, the ids of the notices that told of it.
    told: BTreeMap<u64, BTreeSet<String>>,
    /// For each kind of notice about the watch and its occasion, the ids of those that came.
    watch: BTreeMap<(String, String), BTreeSet<String>>,
    problems: Vec<String>,
}

#[derive(Clone, Debug)]
struct Ear(Arc<Mutex<Heard>>);

#[async_trait]
impl Sink for Ear {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        let members: Vec<u64> = notice.failures.iter().map(|failure| failure.id.0).collect();
        let cleared: Vec<_> = notice.failures.iter().map(|failure| failure.cleared_at).collect();
        let said: Said = (notice.kind.as_str().to_owned(), members);
        let tasks = notice.failures.iter().map(|failure| failure.task.id.clone());
        let occasion: String = match notice.kind {
            NoticeKind::TaskStuck => tasks.collect::<Vec<_>>().join(","),
            NoticeKind::SourceBlind | NoticeKind::SourceSighted => format!("{:?}", notice.since),
            _ => String::new(),
        };
        let rest = format!("{} {:?} {}", notice.reason, cleared, notice.total);
        let all = (said, rest, occasion);
        serde_json::to_vec(&all).unwrap()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let mut heard = self.0.lock().unwrap();
        let id = parcel.id.as_str().to_owned();
        let before = heard.bodies.entry(id.clone()).or_insert_with(|| parcel.body.to_vec()).clone();
        if before != parcel.body {
            let (was, is) =
                (String::from_utf8_lossy(&before), String::from_utf8_lossy(parcel.body));
            heard.problems.push(format!("{id} said {was} and then {is}"));
        }
        let how = heard.how.unwrap_or(How::Accepts);
        if matches!(how, How::Accepts | How::Mute) {
            let ((kind, members), _, occasion): (Said, String, String) =
                serde_json::from_slice(parcel.body).unwrap();
            if !occasion.is_empty() {
                let heard = heard.watch.entry((kind.clone(), occasion)).or_default();
                heard.insert(id.clone());
            }
            let telling = NoticeKind::ALL
                .iter()
                .any(|known| known.as_str() == kind && known.tells_failures());
            for member in members.into_iter().filter(|_| telling) {
                heard.told.entry(member).or_default().insert(id.clone());
            }
        }
        let refused = |verdict| Err(SinkError::new(verdict, "no"));
        match how {
            How::Accepts => Ok(Receipt::Whole),
            How::Busy => refused(Verdict::Retry { after: None }),
            How::Refuses => refused(Verdict::Suspect),
            How::Gone => refused(Verdict::Gone),
            How::Mute => Err(SinkError {
                uncertain: true,
                ..SinkError::new(Verdict::Retry { after: None }, "no answer")
            }),
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

pub(crate) struct World {
    disk: MemoryDisk,
    store: Arc<dyn Store>,
    now: Hands,
    ears: Vec<Ear>,
    rules: Arc<Rules>,
    dispatcher: Dispatcher,
    /// When each of the eight tasks failed last, in milliseconds.
    failed_at: [i64; 8],
    /// Failures and episodes that were recorded and not dispatched.
    fresh: BTreeSet<(u64, u32)>,
    /// What must be told: failure, episode, sink.
    expected: BTreeSet<(u64, u32, usize)>,
    /// When this process began.
    started: Timestamp,
    /// Running tasks that were told and have left the list since.
    ended: usize,
}

fn rules(variant: u8) -> Rules {
    let route = |matchers: &[&str], to: &[&str], max_items: usize, wait: u64| Route {
        matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        to: to.iter().map(|sink| name(sink)).collect(),
        group: Group { max_items, wait: Duration::from_secs(wait), ..Group::default() },
        ..Route::default()
    };
    let first = Route { continues: true, ..route(&["action = reset"], &["chat"], 1, 0) };
    let routes = match variant {
        0 => vec![first, route(&[], &["hook", "mail"], 2, 30)],
        1 => vec![route(&["action = bind"], &[], 100, 0), route(&[], &["chat", "hook"], 3, 0)],
        2 => vec![route(&[], &["mail", "chat", "hook"], 100, 60)],
        _ => {
            let remind = Remind {
                first: Duration::from_secs(300),
                max: Duration::from_secs(600),
                count: 3,
                ..Remind::default()
            };
            let muted = Route {
                mute: vec![name("half-past")],
                remind: Some(remind),
                ..route(&["action != reset"], &["mail", "hook"], 2, 0)
            };
            let hourly = Schedule::parse("0 * * * *", "UTC").unwrap();
            vec![muted, Route { digest: Some(hourly), ..route(&[], &["chat"], 2, 0) }]
        }
    };
    let chat = SinkRules {
        limit: Some(Limit { count: 2, per: Duration::from_secs(600) }),
        storm: Some(StormRule { threshold: 3, update: Duration::from_secs(900) }),
        ..SinkRules::default()
    };
    let hook = SinkRules { cleared: true, fallback: vec![name("mail")], ..SinkRules::default() };
    let info = SourceInfo {
        name: name("prod"),
        kind: "kps".into(),
        region: String::new(),
        project_id: String::new(),
    };
    let hours = (0..24).map(|hour| format!("mon-sun {hour:02}:30-{hour:02}:45"));
    let mute = Window::parse(&hours.collect::<Vec<_>>(), "UTC").unwrap();
    let facts = SourceFacts::new(info, BTreeMap::new());
    Rules {
        routes: Routes(routes),
        sinks: BTreeMap::from([(name("chat"), chat), (name("hook"), hook)]),
        sources: BTreeMap::from([(name("prod"), facts)]),
        windows: BTreeMap::from([(name("half-past"), mute)]),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let disk = MemoryDisk::default();
        let store: Arc<dyn Store> = Arc::new(store::open_memory_on(&disk).await.unwrap());
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let now = Hands(Arc::new(Mutex::new(start)));
        let rules = Arc::new(rules(0));
        let clock: Arc<dyn Clock> = Arc::new(now.clone());
        let dispatcher = Dispatcher::new(Arc::clone(&store), Arc::clone(&rules), clock);
        let ears = (0..3).map(|_| Ear(Arc::default())).collect();
        let mut world = Self {
            disk,
            store,
            now,
            ears,
            rules,
            dispatcher,
            failed_at: [start.as_millisecond(); 8],
            fresh: BTreeSet::new(),
            expected: BTreeSet::new(),
            started: start,
            ended: 0,
        };
        world.poll(0, true).await.unwrap();
        world
    }

    fn build(&mut self) {
        let (store, rules) = (Arc::clone(&self.store), Arc::clone(&self.rules));
        self.dispatcher = Dispatcher::new(store, rules, Arc::new(self.now.clone()));
    }

    /// The process is killed and started again.
    async fn crash(&mut self) {
        // A process that is killed says no farewell to its store.
        self.disk.fail_after(Some(0));
        self.store = Arc::new(store::open_memory().await.unwrap());
        self.build();
        self.disk.fail_after(None);
        self.store = Arc::new(store::open_memory_on(&self.disk).await.unwrap());
        self.started = self.now.now();
        self.build();
    }

    pub(crate) async fn step(&mut self, op: Op) {
        if self.attempt(op).await.is_err() {
            self.crash().await;
            if matches!(op, Op::Dispatch { .. }) {
                // Under the same rules, so that it is known what was to be told.
                self.attempt(op).await.unwrap();
            }
            self.note_recorded().await;
        }
    }

    async fn attempt(&mut self, op: Op) -> Result<(), StoreError> {
        let now = self.now.now();
        match op {
            Op::Poll { listed, complete } => self.poll(listed, complete).await?,
            Op::Watch => {
                let source = name("prod");
                let (started, rule) = (self.started, SightRule::default());
                let advice = String::new();
                let passed = TimePassed { source, now, started, rule, advice };
                self.store.pass_time(passed).await?;
            }
            Op::Running { listed, complete } => self.running(listed, complete).await?,
            Op::Refail { which } => {
                for (nth, at) in self.failed_at.iter_mut().enumerate() {
                    if which & (1 << nth) != 0 {
                        *at += 1_000;
                    }
                }
            }
            Op::Clock { seconds } => self.pass(i64::from(seconds)),
            Op::Dispatch { close_all } => self.dispatch(close_all).await?,
            Op::Drain { sink } => self.drain(usize::from(sink)).await?,
            Op::Answers { sink, how } => {
                self.ears[usize::from(sink)].0.lock().unwrap().how = Some(how);
            }
            Op::Silence { action, minutes, drop } => {
                let action = ACTIONS[usize::from(action)].to_lowercase();
                let silence = Silence {
                    number: 0,
                    matchers: vec![format!("action = {action}")],
                    starts_at: now,
                    ends_at: now + Duration::from_secs(60 * u64::from(minutes)),
                    author: "model".into(),
                    comment: "a test".into(),
                    on_expire: if drop { OnExpire::Drop } else { OnExpire::Digest },
                };
                self.store.add_silence(silence).await?;
            }
            Op::Expire => {
                let newest = self.store.silences().await?.last().map(|silence| silence.number);
                self.store.expire_silence(newest.unwrap_or(0), now).await?;
            }
            Op::Ack { task } => {
                let ack = Ack { at: now, by: "model".into(), comment: String::new() };
                self.store.acknowledge(FailureId(u64::from(task) + 1), Some(ack)).await?;
            }
            Op::Retry => self.retry_all().await?,
            Op::Revive { sink } => {
                self.store.revive(&name(SINKS[usize::from(sink)]), now).await?;
            }
            Op::Reload { variant } => {
                self.rules = Arc::new(rules(variant));
                self.build();
            }
            Op::Crash => self.crash().await,
            Op::DiskFails { commits } => self.disk.fail_after(Some(u32::from(commits))),
        }
        Ok(())
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.now.0.lock().unwrap();
        *now = Timestamp::from_second(now.as_second() + seconds).unwrap();
    }

    async fn retry_all(&self) -> Result<(), StoreError> {
        let query = DeliveryQuery { limit: 1_000, ..DeliveryQuery::default() };
        let all = self.store.deliveries(query).await?;
        let ended = |state: &DeliveryState| {
            matches!(state, DeliveryState::Pending { .. } | DeliveryState::Dead { .. })
        };
        let ids: Vec<DeliveryId> =
            all.iter().filter(|one| ended(&one.state)).map(|one| one.id).collect();
        self.store.retry(ids, self.now.now()).await.map(drop)
    }

    /// A look at the running tasks: each of the eight may run, since long ago.
    async fn running(&mut self, listed: u8, complete: bool) -> Result<(), StoreError> {
        let source = name("prod");
        let ids = (0..8_usize).filter(|nth| listed & (1 << nth) != 0);
        let found = ids.map(|nth| {
            let row = Row {
                task_id: Some(format!("running-{nth}").into()),
                operate_type: Some(format!("RUNNING_{}", ACTIONS[nth % 3]).into()),
                failed_at_ms: Some(0),
                ..Row::default()
            };
            Found::of(row.to_task())
        });
        let before = self.store.running(&source).await?;
        let (at, hour) = (self.now.now(), Duration::from_secs(3_600));
        let outlook = stuck::look(&before, (found.collect(), complete), hour, at, |_| false);
        let gone =
            before.iter().filter(|mark| !outlook.marks.iter().any(|one| one.key == mark.key));
        let gone = gone.count();
        let (marks, stuck) = (outlook.marks, outlook.stuck);
        self.store.record_running(RunningRecord { source, at, marks, stuck }).await?;
        self.ended += gone;
        Ok(())
    }

    async fn poll(&mut self, listed: u8, complete: bool) -> Result<(), StoreError> {
        let source = name("prod");
        let ledger = self.store.ledger(&source).await?;
        let mut sift = Sift::new(Arc::clone(&ledger.roster));
        sift.begin_walk();
        for nth in (0..8_usize).filter(|nth| listed & (1 << nth) != 0) {
            sift.row(&Row {
                task_id: Some(format!("task-{nth}").into()),
                operate_type: Some(format!("FAILED_{}", ACTIONS[nth % 3]).into()),
                failed_at_ms: Some(self.failed_at[nth]),
                ..Row::default()
            });
        }
        let findings = sift.finish();
        let keys = findings.unknown.iter().map(|found| found.task.key).collect();
        let past = self.store.past(&source, keys).await?;
        let situation = Situation {
            complete,
            has_baseline: ledger.state.baseline_at.is_some(),
            lost: false,
            deleting: &ledger.state.deleting,
        };
        let policy = DiffPolicy {
            first_run: FirstRun::Silent,
            reopen_grace: Duration::from_secs(600),
            ..DiffPolicy::default()
        };
        let at = self.now.now();
        let changes = diff(findings, &past, situation, policy, at);
        let info = self.rules.info(&source);
        let outcome = if complete { "complete" } else { "incomplete" }.to_owned();
        let (detail, advice) = (String::new(), String::new());
        let (began, rule) = (at, SightRule::default());
        let record =
            PollRecord { info, began, at, changes, complete, outcome, detail, advice, rule };
        self.store.record_poll(record).await?;
        self.note_recorded().await;
        Ok(())
    }

    /// Finds what was recorded to be told.
    async fn note_recorded(&mut self) {
        let query = FailureQuery { limit: 1_000, ..FailureQuery::default() };
        for failure in self.store.failures(query).await.unwrap() {
            let detail = self.store.failure(failure.id).await.unwrap().unwrap();
            if detail.undispatched {
                self.fresh.insert((failure.id.0, failure.episode));
            }
        }
    }

    async fn dispatch(&mut self, close_all: bool) -> Result<(), StoreError> {
        for (id, episode) in std::mem::take(&mut self.fresh) {
            let detail = self.store.failure(FailureId(id)).await?.unwrap();
            let facts = &self.rules.sources[&name("prod")];
            let info = facts.info();
            let subject = Subject::of(&detail.failure, &info, &facts.labels);
            for choice in self.rules.routes.select(&subject) {
                let sink = SINKS.iter().position(|known| *known == choice.sink.as_str());
                self.expected.insert((id, episode, sink.unwrap()));
            }
        }
        self.dispatcher.run(close_all).await.map(drop)
    }

    async fn drain(&self, sink: usize) -> Result<(), StoreError> {
        let lane = Lane {
            name: name(SINKS[sink]),
            outlet: Outlet {
                sink: Arc::new(self.ears[sink].clone()),
                timeout: Duration::from_secs(10),
                concurrency: 2,
            },
            retry: Arc::new(RetryPolicy::default()),
            rules: Arc::clone(&self.rules),
            store: Arc::clone(&self.store),
            clock: Arc::new(self.now.clone()),
        };
        let (nudge, stop) = (Notify::new(), CancellationToken::new());
        lane.drain(&nudge, &stop, Duration::ZERO).await.map(drop)
    }

    /// What must be true after each step.
    pub(crate) async fn check(&self) -> Result<(), String> {
        for (ear, sink) in self.ears.iter().zip(SINKS) {
            let heard = ear.0.lock().unwrap();
            if let Some(problem) = heard.problems.first() {
                return Err(format!("{sink}: {problem}"));
            }
        }
        if self.store.ledger(&name("prod")).await.is_err() {
            // The disk has just failed; the next step is the next process.
            return Ok(());
        }
        for (ear, sink) in self.ears.iter().zip(SINKS) {
            let heard = ear.0.lock().unwrap();
            for ((kind, occasion), ids) in &heard.watch {
                if 1 < ids.len() {
                    return Err(format!("{sink} heard {kind} of {occasion} as {ids:?}"));
                }
            }
            let stuck = heard.watch.keys().filter(|(kind, _)| kind == "task.stuck");
            let named: usize = stuck.map(|(_, tasks)| tasks.split(',').count()).sum();
            if 8 + self.ended < named {
                return Err(format!("{sink} heard {named} times of running tasks"));
            }
        }
        for (sink, account) in self.store.reconcile().await.unwrap() {
            if account.difference() != 0 {
                return Err(format!("the account of {sink} is not even: {account:?}"));
            }
        }
        let query = FailureQuery { limit: 1_000, ..FailureQuery::default() };
        for failure in self.store.failures(query).await.unwrap() {
            let detail = self.store.failure(failure.id).await.unwrap().unwrap();
            for (ear, sink) in self.ears.iter().zip(SINKS) {
                let told = ear.0.lock().unwrap().told.get(&failure.id.0).cloned();
                let ids = told.unwrap_or_default();
                if usize::try_from(failure.episode).unwrap() + 1 < ids.len() {
                    return Err(format!("{sink} was told of {} as {ids:?}", failure.id));
                }
            }
            for sink in SINKS.map(name) {
                let folded = |state: &DeliveryState| matches!(state, DeliveryState::Folded { .. });
                let telling = detail.deliveries.iter().filter(|one| {
                    one.sink == sink && one.kind.tells_failures() && !folded(&one.state)
                });
                let forming = detail.forming.iter().filter(|(to, _)| *to == sink);
                let places = telling.count() + forming.count();
                // Each time that it came back it may be told once more.
                let most = usize::try_from(failure.episode).unwrap() + 1;
                if most < places {
                    return Err(format!("{} is in {places} places for {sink}", failure.id));
                }
            }
        }
        Ok(())
    }

    /// Everything answers, and time passes until nothing is left to do.
    pub(crate) async fn settle_down(&mut self) {
        self.crash().await;
        for ear in &self.ears {
            ear.0.lock().unwrap().how = Some(How::Accepts);
        }
        self.note_recorded().await;
        self.retry_all().await.unwrap();
        for _ in 0..12 {
            for sink in SINKS {
                self.store.revive(&name(sink), self.now.now()).await.unwrap();
            }
            self.dispatch(false).await.unwrap();
            for sink in 0..SINKS.len() {
                self.drain(sink).await.unwrap();
            }
            self.pass(3_600);
        }
    }

    /// What must be true when nothing is left to do.
    pub(crate) async fn check_at_rest(&self) -> Result<(), String> {
        for (sink, owed) in self.store.owed().await.unwrap() {
            if 0 < owed.pending + owed.held + owed.dead {
                return Err(format!("{sink} is still owed {owed:?}"));
            }
        }
        for (id, episode, sink) in &self.expected {
            let told = self.ears[*sink].0.lock().unwrap().told.contains_key(id);
            let detail = self.store.failure(FailureId(*id)).await.unwrap().unwrap();
            let to = name(SINKS[*sink]);
            let reason = detail.suppressed.iter().any(|one| one.sink.as_ref() == Some(&to));
            if !told && !reason {
                // One that came back is one notice with what went before, if that was not told.
                let merged = detail
                    .deliveries
                    .iter()
                    .any(|one| one.sink == to && matches!(one.state, DeliveryState::Folded { .. }));
                if !merged || detail.failure.episode == 0 {
                    return Err(format!("{id} in episode {episode} was never told to {to}"));
                }
            }
        }
        Ok(())
    }
}
