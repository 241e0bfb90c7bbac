//! What every store promises, on each of them.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use taskbell::{
    decide::{
        diff::{DiffPolicy, FirstRun, Situation, diff},
        group::{Dispatching, dispatch},
        route::{Group, Route, Routes},
        rules::{Rules, SinkRules},
        sift::Sift,
        sight::SightRule,
        silence::Silences,
    },
    delivery::{DeliveryId, DeliveryState, LastAttempt, Outcome},
    failure::FailureId,
    message::MessageRef,
    name::Name,
    notice::SourceInfo,
    store::{self, Access, FailureQuery, PollRecord, Settled, Store},
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A complete poll that listed these tasks, as the poll step would record it.
async fn poll(store: &dyn Store, second: i64, ids: &[&str]) {
    let source = name("prod");
    let ledger = store.ledger(&source).await.unwrap();
    let mut sift = Sift::new(Arc::clone(&ledger.roster));
    sift.begin_walk();
    for id in ids {
        // `a` failed before `b`.
        let failed_at_ms = id.bytes().next().map(i64::from);
        sift.row(&Row { task_id: Some((*id).into()), failed_at_ms, ..Row::default() });
    }
    let findings = sift.finish();
    let keys = findings.unknown.iter().map(|found| found.task.key).collect();
    let past = store.past(&source, keys).await.unwrap();
    let situation = Situation {
        complete: true,
        has_baseline: ledger.state.baseline_at.is_some(),
        lost: ledger.state.lost,
        deleting: &[],
    };
    let policy = DiffPolicy { first_run: FirstRun::Notify, ..DiffPolicy::default() };
    let changes = diff(findings, &past, situation, policy, at(second));
    let info = SourceInfo {
        name: source,
        kind: "kps".into(),
        region: String::new(),
        project_id: String::new(),
    };
    let outcome = "complete".to_owned();
    let record = PollRecord {
        info,
        began: at(second),
        at: at(second),
        changes,
        complete: true,
        outcome,
        detail: String::new(),
        advice: String::new(),
        rule: SightRule::default(),
    };
    store.record_poll(record).await.unwrap();
}

/// Dispatches everything to one sink, a failure a notice.
async fn dispatch_all(store: &dyn Store, second: i64) {
    let group = Group { max_items: 1, ..Group::default() };
    let route = Route { to: vec![name("chat")], group, ..Route::default() };
    let rules = Rules { routes: Routes(vec![route]), ..Rules::default() };
    let backlog = store.undispatched(1_000, Timestamp::MAX).await.unwrap();
    let silences = Silences::default();
    let now = at(second);
    let by = Dispatching { rules: &rules, silences: &silences, close_all: true, now };
    store.open_deliveries(dispatch(backlog, by)).await.unwrap();
}

fn settled(id: DeliveryId, state: DeliveryState) -> Settled {
    let outcome = match state {
        DeliveryState::Delivered { .. } => Outcome::Accepted,
        _ => Outcome::Retry,
    };
    let last = LastAttempt { at: at(0), latency_ms: 1, outcome, detail: "said so".into() };
    Settled {
        id,
        state,
        last,
        at: at(0),
        recipients: None,
        body: Some(b"bytes".to_vec()),
        message: None,
        uncertain: false,
        asked: false,
        fallback_after: None,
    }
}

async fn lease(store: &dyn Store, second: i64) -> Vec<(DeliveryId, Option<Vec<u8>>)> {
    let leases = store.lease_due(&name("chat"), at(second), 100).await.unwrap();
    leases.into_iter().map(|lease| (lease.delivery.id, lease.body)).collect()
}

/// The promise. `reopen` gives the store back as a next process would find it.
async fn contract(open: impl AsyncFn(Option<Box<dyn Store>>) -> Box<dyn Store>) {
    let chat = name("chat");
    let mut store = open(None).await;
    poll(&*store, 10, &["a", "b"]).await;
    poll(&*store, 11, &["a", "b"]).await;
    let all = FailureQuery { limit: 10, ..FailureQuery::default() };
    assert_eq!(store.failures(all.clone()).await.unwrap().len(), 2, "recorded once");
    dispatch_all(&*store, 12).await;
    dispatch_all(&*store, 12).await;

    store = open(Some(store)).await;
    let first = lease(&*store, 12).await;
    assert_eq!(first, [(DeliveryId(1), None), (DeliveryId(2), None)], "opened once, in order");
    assert!(lease(&*store, 12).await.is_empty(), "leased is hidden");
    store.release(vec![DeliveryId(2)]).await.unwrap();
    assert_eq!(lease(&*store, 12).await.len(), 1, "released is due again");

    let later = DeliveryState::Pending { due: at(50) };
    store.settle(vec![settled(DeliveryId(1), later)]).await.unwrap();
    let done = DeliveryState::Delivered { at: at(13) };
    store.settle(vec![settled(DeliveryId(2), done)]).await.unwrap();

    store = open(Some(store)).await;
    assert!(lease(&*store, 49).await.is_empty(), "the due time is kept");
    assert_eq!(store.next_due(&chat).await.unwrap(), Some(at(50)));
    let again = lease(&*store, 50).await;
    assert_eq!(again, [(DeliveryId(1), Some(b"bytes".to_vec()))], "the first bytes are kept");
    store.settle(vec![settled(DeliveryId(1), DeliveryState::Dead { at: at(51) })]).await.unwrap();
    assert!(lease(&*store, 1_000_000).await.is_empty(), "the dead rest");
    assert_eq!(store.owed().await.unwrap()[&chat].dead, 1);
    assert_eq!(
        store.retry(vec![DeliveryId(1), DeliveryId(2)], at(60)).await.unwrap(),
        [DeliveryId(1)]
    );
    assert_eq!(lease(&*store, 60).await.len(), 1, "until the operator calls");
    store
        .settle(vec![settled(DeliveryId(1), DeliveryState::Delivered { at: at(61) })])
        .await
        .unwrap();

    for second in [70, 71] {
        poll(&*store, second, &["b"]).await;
    }
    store = open(Some(store)).await;
    let detail = store.failure(FailureId(1)).await.unwrap().unwrap();
    assert_eq!(detail.failure.cleared_at, Some(at(71)));
    assert_eq!(detail.deliveries.len(), 1);
    assert_eq!(
        store.sweep(at(71)).await.unwrap(),
        1,
        "what tells of a failure that stands is kept"
    );
    assert_eq!(
        store.sweep(at(72)).await.unwrap(),
        1,
        "what cleared is forgotten, what stands is not"
    );
    assert_eq!(store.failures(all).await.unwrap().len(), 1);
}

/// Dispatches what cleared, to a sink that wants to hear of it, a failure a notice.
async fn dispatch_cleared(store: &dyn Store, second: i64) {
    let group = Group { max_items: 1, ..Group::default() };
    let route = Route { to: vec![name("chat")], group, ..Route::default() };
    let wants = SinkRules { cleared: true, ..SinkRules::default() };
    let sinks = [(name("chat"), wants)].into_iter().collect();
    let rules = Rules { routes: Routes(vec![route]), sinks, ..Rules::default() };
    let backlog = store.undispatched(1_000, Timestamp::MAX).await.unwrap();
    let silences = Silences::default();
    let now = at(second);
    let by = Dispatching { rules: &rules, silences: &silences, close_all: true, now };
    store.open_deliveries(dispatch(backlog, by)).await.unwrap();
}

/// Where a message is kept, until nothing can follow it.
async fn messages(open: impl AsyncFn(Option<Box<dyn Store>>) -> Box<dyn Store>) {
    let mut store = open(None).await;
    poll(&*store, 10, &["a", "b", "c"]).await;
    dispatch_all(&*store, 12).await;
    let leases = store.lease_due(&name("chat"), at(12), 100).await.unwrap();
    assert!(leases.iter().all(|lease| lease.original.is_none()), "nothing was told before");
    // Of the third one the service did not say where it is.
    let place = |id: DeliveryId| MessageRef::parse(format!("m{id}")).filter(|_| id.0 < 3);
    let done = leases.iter().map(|lease| {
        let id = lease.delivery.id;
        Settled { message: place(id), ..settled(id, DeliveryState::Delivered { at: at(13) }) }
    });
    store.settle(done.collect()).await.unwrap();

    store = open(Some(store)).await;
    for second in [20, 21] {
        poll(&*store, second, &["b"]).await;
    }
    dispatch_cleared(&*store, 22).await;
    store = open(Some(store)).await;
    let leases = store.lease_due(&name("chat"), at(30), 100).await.unwrap();
    let originals = leases.iter().map(|lease| {
        let original = lease.original.as_ref();
        (
            lease.failures.iter().map(|failure| failure.task.id.clone()).collect::<Vec<_>>(),
            original.map(|one| (one.message.as_str().to_owned(), one.over)),
        )
    });
    let originals: Vec<_> = originals.collect();
    let of = |id: &str, original| (vec![id.to_owned()], original);
    assert_eq!(originals, [of("a", Some(("m1".to_owned(), true))), of("c", None)]);
}

#[tokio::test]
async fn the_store_in_memory_finds_messages_again() {
    messages(async |old: Option<Box<dyn Store>>| match old {
        Some(old) => old,
        None => open_memory().await,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_on_disk_finds_messages_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    messages(async |old: Option<Box<dyn Store>>| {
        drop(old);
        open_sled(&path).await
    })
    .await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    contract(async |old: Option<Box<dyn Store>>| match old {
        Some(old) => old,
        None => open_memory().await,
    })
    .await;
}

async fn open_memory() -> Box<dyn Store> {
    Box::new(store::open_memory().await.unwrap())
}

fn opening(folder: &Path) -> Access<'_> {
    Access { folder, holder: "`a test`", repair: false, now: at(0) }
}

async fn open_sled(folder: &Path) -> Box<dyn Store> {
    Box::new(store::open_sled(opening(folder)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_on_disk_keeps_the_contract_over_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    contract(async |old: Option<Box<dyn Store>>| {
        drop(old);
        open_sled(&path).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_failures_are_recorded_and_cleared_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open_sled(&path).await;
    let ids: Vec<String> = (0..5_000).map(|number| format!("task-{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    poll(&*store, 1, &ids).await;
    dispatch_all(&*store, 2).await;
    drop(store);
    let store = open_sled(&path).await;
    assert_eq!(store.ledger(&name("prod")).await.unwrap().roster.len(), 5_000);
    for second in [3, 4] {
        poll(&*store, second, &[]).await;
    }
    assert!(store.ledger(&name("prod")).await.unwrap().roster.is_empty());
    poll(&*store, 4 + 3_600, &ids[..10]).await;
    let sources = store.sources().await.unwrap();
    assert_eq!((sources[0].1.standing, sources[0].1.past), (10, 4_990));
}
