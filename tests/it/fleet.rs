//! Many sources in one worker: what they cost, what they are called, and that none hurts another.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use jiff::Timestamp;
use taskbell::{
    clock::SystemClock,
    decide::{
        diff::{DiffPolicy, Situation, diff},
        sift::Sift,
        sight::SightRule,
    },
    name::Name,
    notice::SourceInfo,
    receiver::WebhookReceiver,
    sim::{Fault, Scenario, SimTask, Simulator},
    store::{self, MemoryDisk, PollRecord, Store, StoreError},
    task::Row,
};
use tokio::task::JoinSet;

use crate::stage::Stage;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A complete poll that listed these tasks.
async fn poll(
    store: &dyn Store,
    source: &str,
    second: i64,
    ids: &[&str],
) -> Result<(), StoreError> {
    let source = name(source);
    let ledger = store.ledger(&source).await?;
    let mut sift = Sift::new(Arc::clone(&ledger.roster));
    sift.begin_walk();
    for id in ids {
        sift.row(&Row { task_id: Some((*id).into()), failed_at_ms: Some(1), ..Row::default() });
    }
    let has_baseline = ledger.state.baseline_at.is_some();
    let situation = Situation { complete: true, has_baseline, lost: false, deleting: &[] };
    let at = Timestamp::from_second(second).unwrap();
    let changes = diff(sift.finish(), &BTreeMap::new(), situation, DiffPolicy::default(), at);
    store
        .record_poll(PollRecord {
            info: SourceInfo {
                name: source,
                kind: "kps".into(),
                region: "r".into(),
                project_id: "p".into(),
            },
            began: at,
            at,
            changes,
            complete: true,
            outcome: "complete".into(),
            detail: String::new(),
            advice: String::new(),
            rule: SightRule::default(),
        })
        .await
}

async fn polls(store: &dyn Store, source: &str) -> u64 {
    store.ledger(&name(source)).await.unwrap().state.polls
}

#[tokio::test]
async fn polls_that_change_nothing_share_a_commit_and_the_others_have_their_own() {
    let disk = MemoryDisk::default();
    let store = store::open_memory_on(&disk).await.unwrap();
    for (second, source) in [(0, "a"), (1, "b"), (2, "c")] {
        poll(&store, source, second, &["t"]).await.unwrap();
    }
    // No commit is let through, and none is needed.
    disk.fail_after(Some(0));
    for second in 3..10 {
        for source in ["a", "b", "c"] {
            poll(&store, source, second, &["t"]).await.unwrap();
        }
    }
    assert_eq!(polls(&store, "b").await, 8);
    // A process that is killed now forgets those figures and nothing else.
    let killed = store::open_memory_on(&disk).await.unwrap();
    let ledger = killed.ledger(&name("b")).await.unwrap();
    assert_eq!((ledger.state.polls, ledger.roster.len()), (1, 1));
    // What has to be told is on disk before the call returns, or the call fails.
    let error = poll(&store, "a", 9, &["t", "u"]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotDurable { .. }), "{error:?}");
}

#[tokio::test]
async fn figures_are_saved_together_after_a_while_and_at_the_end() {
    let disk = MemoryDisk::default();
    let store = store::open_memory_on(&disk).await.unwrap();
    for source in ["a", "b", "c"] {
        poll(&store, source, 0, &[]).await.unwrap();
    }
    for second in [1, 2, 3, 10] {
        for source in ["a", "b", "c"] {
            // The first poll that is late enough saves those of all; one commit for each round.
            if source == "a" {
                disk.fail_after(Some(u32::from(second == 10)));
            }
            poll(&store, source, second, &[]).await.unwrap();
        }
    }
    let other = store::open_memory_on(&disk).await.unwrap();
    assert_eq!((polls(&other, "a").await, polls(&other, "b").await), (5, 4));
    disk.fail_after(None);
    poll(&store, "c", 11, &[]).await.unwrap();
    drop(store);
    let next = store::open_memory_on(&disk).await.unwrap();
    assert_eq!((polls(&next, "b").await, polls(&next, "c").await), (5, 6));
}

/// The projects that the simulator makes of the reference one.
fn project(nth: u128) -> String {
    format!("{:032x}", u128::from_str_radix(crate::stage::PROJECT, 16).unwrap() + nth)
}

/// Three projects, watched twice: as `keys.<project>` and as `recovery.<project>`.
async fn fleet() -> Stage {
    let scenario = Scenario::parse("[[project]]\ncount = 3\n").unwrap();
    let stage = Stage::of(scenario, "", "wait = \"0s\"").await;
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let projects = format!("projects = {:?}", [project(0), project(1), project(2)]);
    let text = text.replace(&format!("project_id = \"{}\"", crate::stage::PROJECT), &projects);
    let (before, rest) = text.split_once("[[source]]").unwrap();
    let (source, sinks) = rest.split_once("[[sink]]").unwrap();
    let keys = source.replace("name = \"cloud\"", "name = \"keys\"");
    let recovery = source
        .replace("name = \"cloud\"", "name = \"recovery\"")
        .replace("kind = \"kps\"", "kind = \"sdrs\"");
    let text = format!("{before}[[source]]{keys}[[source]]{recovery}[[sink]]{sinks}");
    std::fs::write(stage.config(), text).unwrap();
    stage
}

#[tokio::test]
async fn tables_stand_for_sources_of_both_kinds_that_do_not_hurt_each_other() {
    let stage = fleet().await;
    let checked = stage.run(&["check"]).await;
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), "ok: 6 sources, 2 sinks\n");
    // One project is out of reach from the start.
    let forbidden: Fault = toml::from_str(&format!(
        "on = 'any'\nproject = '{}'\nstatus = 403\nerror_code = 'KPS.9003'",
        project(1)
    ))
    .unwrap();
    stage.cloud.set_fault(forbidden);
    assert_eq!(stage.run(&["once"]).await.status.code(), Some(77));
    let task = SimTask { server_name: Some("web".into()), ..SimTask::default() };
    let id = stage.cloud.add_task(&project(2), &task).unwrap();
    stage.run(&["once"]).await;
    let listed = stage.run(&["-o", "json", "failure", "list"]).await;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let sources: BTreeSet<_> = rows.iter().map(|row| row["source"].as_str().unwrap()).collect();
    let expected = ["keys", "recovery"].map(|base| format!("{base}.{}", project(2)));
    assert_eq!(sources, expected.iter().map(String::as_str).collect());
    assert!(rows.iter().all(|row| row["task_id"] == id.as_str()), "{rows:?}");
    let told: Vec<_> = stage.told().into_iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(told, [id.as_str(), id.as_str()], "each source tells its own");
    let listed = stage.run(&["-o", "json", "source", "list"]).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    for base in ["keys", "recovery"] {
        for nth in 0..3 {
            assert!(text.contains(&format!("{base}.{}", project(nth))), "{text}");
        }
    }
}

/// A host that takes connections and never says a word. For each connection, how many were open.
async fn silent_host() -> (JoinSet<()>, SocketAddr, Arc<std::sync::Mutex<Vec<usize>>>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (counts, open) = (Arc::clone(&seen), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let mut host = JoinSet::new();
    host.spawn(async move {
        let mut talks = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counts, open) = (Arc::clone(&counts), Arc::clone(&open));
            talks.spawn(async move {
                use std::sync::atomic::Ordering::SeqCst;
                open.fetch_add(1, SeqCst);
                // Until the end of the one before is known here, too.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                counts.lock().unwrap().push(open.load(SeqCst));
                drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
                open.fetch_sub(1, SeqCst);
            });
        }
    });
    (host, address, seen)
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_asked_by_one_source_at_a_time() {
    let stage = Stage::of(Scenario::demo(), "", "wait = \"0s\"").await;
    let (_host, address, seen) = silent_host().await;
    let projects: Vec<String> = (0..8).map(project).collect();
    let silent = format!(
        "[worker]\npoll_concurrency = 4\n[[source]]\nname = \"silent\"\nkind = \"kps\"\n\
         endpoint = \"http://{address}\"\nprojects = {projects:?}\ninterval = \"1s\"\n\
         timeout = \"1s\"\nauth = {{ kind = \"token\", token = \"t\" }}\n[[source]]\n"
    );
    stage.edit("[[source]]", &silent);
    assert_eq!(stage.run(&["once"]).await.status.code(), Some(69));
    let counts = seen.lock().unwrap().clone();
    assert_eq!(counts.len(), 8, "each is asked: {counts:?}");
    assert_eq!(counts[4..], [1, 1, 1, 1], "{counts:?}");
    // The one at another host was polled all the same.
    let listed = stage.run(&["-o", "json", "source", "list"]).await;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let seen: Vec<_> = rows.iter().filter(|row| row["state"] == "seen").collect();
    assert_eq!(seen.len(), 1, "{rows:?}");
    assert_eq!(seen[0]["name"], "cloud");
}

#[tokio::test]
async fn a_host_that_has_had_enough_is_left_alone_by_all_of_its_sources() {
    let scenario = Scenario::parse("[[project]]\ncount = 8\n").unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let clock = Arc::new(SystemClock);
    let cloud = Simulator::start(scenario, any, clock.clone()).await.unwrap();
    let hook = WebhookReceiver::start(any, vec![], clock).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let projects: Vec<String> = (0..8).map(project).collect();
    let text = format!(
        "worker = {{ poll_concurrency = 1 }}\n[store]\npath = \"{}\"\n[[source]]\nname = \"k\"\n\
         kind = \"kps\"\nendpoint = \"{}\"\nprojects = {projects:?}\n\
         auth = {{ kind = \"token\", token = \"simulator-token\" }}\n\
         [[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{}/\"\n\
         [[route]]\nto = [\"hook\"]\n",
        folder.path().join("store").display(),
        cloud.url(),
        hook.address()
    );
    let config = folder.path().join("config.toml");
    std::fs::write(&config, text).unwrap();
    // A whole minute is beyond what a poll waits for its turn.
    cloud.set_fault(toml::from_str("status = 429\nretry_after = '60'").unwrap());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.arg("--config").arg(&config).args(["once"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert_eq!(cloud.requests().len(), 1, "the first refusal stops the other seven too");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("is not asked for another"), "{log}");
}
