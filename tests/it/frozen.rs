//! Stores of every format that there was: each is opened, read, and gone on with.
//!
//! `TASKBELL_FREEZE=format-1 cargo test --test it frozen` makes one of the present format, with
//! something of everything in it. It is made once and never again: what lies in `tests/stores` is
//! what an operator has on disk.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use taskbell::{
    clock::{Clock as _, SystemClock},
    options,
    receiver::HttpAnswer,
    sim::{Scenario, SimTask},
};

use crate::stage::{PROJECT, Stage};

fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

fn shell(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

async fn json(stage: &Stage, args: &[&str]) -> Value {
    let output = stage.run(&[&["-o", "json"], args].concat()).await;
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is on record, as far as it will be called the same in years.
async fn on_record(stage: &Stage) -> Value {
    let picked = |rows: Value, keys: &[&str]| -> Value {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| keys.iter().map(|key| ((*key).to_owned(), row[*key].clone())).collect())
            .collect::<Vec<Value>>()
            .into()
    };
    let failures = json(stage, &["failure", "list"]).await;
    let mut looked_after = Vec::new();
    for failure in failures.as_array().unwrap() {
        let detail = json(stage, &["failure", "show", &failure["id"].to_string()]).await;
        looked_after.push(detail["acknowledged"]["by"].clone());
    }
    json!({
        "failures": picked(failures, &[
            "id", "task_id", "source", "state", "origin", "generation", "operate_type", "failed_at",
            "error_code", "error_message", "server", "keypair",
        ]),
        "looked_after_by": looked_after,
        "deliveries": picked(json(stage, &["delivery", "list"]).await, &[
            "id", "notice_id", "type", "sink", "state", "failures", "total", "attempts",
        ]),
        "silences": picked(json(stage, &["silence", "list"]).await, &[
            "id", "matchers", "ends_at", "author", "comment",
        ]),
    })
}

/// A store in which three failures stood at first, and in which since then one was told, one is
/// dead at the chat, one is held, one cleared, and one is owed after a refusal.
async fn fill(stage: &Stage) {
    stage.finish().await;
    let told = stage.fail("told");
    stage.finish().await;
    json(stage, &["failure", "ack", &told, "--by", "mei", "--comment", "on it"]).await;
    let cleared = stage.fail("cleared");
    stage.finish().await;
    stage.cloud.clear_task(PROJECT, &cleared).unwrap();
    stage.finish().await;
    stage.finish().await;
    let silence = ["silence", "add", "server_name = held", "--for", "3000h", "--author", "mei"];
    json(stage, &[&silence[..], &["--comment", "moving"]].concat()).await;
    stage.fail("held");
    stage.finish().await;
    stage.edit("[delivery]", "[delivery]\nmax_age = \"1s\"");
    stage.chat.set_answer(HttpAnswer::status(500));
    stage.fail("dead");
    while json(stage, &["dead", "list"]).await.as_array().unwrap().is_empty() {
        stage.run(&["once"]).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    stage.edit("max_age = \"1s\"", "max_age = \"72h\"");
    stage.edit("backoff = [\"100ms\"]", "backoff = [\"1m\"]");
    stage.fail("owed");
    stage.run(&["once"]).await;
}

/// Only ever for a format that has none.
async fn freeze(folder: &Path) {
    assert!(!folder.exists(), "{} is frozen already", folder.display());
    let stage = Stage::new("wait = \"0s\", max_items = 1").await;
    fill(&stage).await;
    fs::create_dir_all(folder).unwrap();
    let archive = folder.join("store.archive");
    json(&stage, &["state", "export", archive.to_str().unwrap()]).await;
    let mut was = on_record(&stage).await;
    was["frozen_at"] = json!(SystemClock.now());
    fs::write(folder.join("record.json"), serde_json::to_string_pretty(&was).unwrap()).unwrap();
    let store = stage.store();
    let packed = folder.join("store.tar.gz");
    let (parent, packed) = (store.parent().unwrap().to_str().unwrap(), packed.to_str().unwrap());
    let what = ["--owner=0", "--group=0", "--exclude=store/lock", "store", "store.marker"];
    shell("tar", &[&["-czf", packed, "-C", parent], &what[..]].concat());
}

/// A cloud that lists what stood then, at the time of then.
async fn scene(was: &Value) -> Stage {
    // With a seed of its own, or what fails here would have the ids of what failed then.
    let nothing = "title = \"nothing\"\nseed = 99\n[[project]]\ngenerate = { count = 0 }";
    let stage =
        Stage::of(Scenario::parse(nothing).unwrap(), "", "wait = \"0s\", max_items = 1").await;
    let frozen_at: Timestamp = was["frozen_at"].as_str().unwrap().parse().unwrap();
    stage.shift(frozen_at.duration_since(SystemClock.now()) + SignedDuration::from_mins(5));
    for failure in was["failures"].as_array().unwrap() {
        if failure["state"] != "open" {
            continue;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let task = SimTask {
            id: text(&failure["task_id"]),
            operate_type: text(&failure["operate_type"]),
            failed_at: text(&failure["failed_at"]).map(|at| at.parse().unwrap()),
            error_code: text(&failure["error_code"]),
            error_message: text(&failure["error_message"]),
            server_name: text(&failure["server"]["name"]),
            server_id: text(&failure["server"]["id"]),
            keypair: text(&failure["keypair"]),
            ..SimTask::default()
        };
        stage.cloud.add_task(PROJECT, &task).unwrap();
    }
    stage
}

/// The task of this server.
fn task(was: &Value, server: &str) -> String {
    let failures = was["failures"].as_array().unwrap();
    let found = failures.iter().find(|failure| failure["server"]["name"] == server).unwrap();
    found["task_id"].as_str().unwrap().to_owned()
}

/// The notice that the chat is owed, or was to be given, in this state.
fn notice(was: &Value, state: &str) -> String {
    let deliveries = was["deliveries"].as_array().unwrap();
    let found = deliveries.iter().find(|one| one["sink"] == "chat" && one["state"] == state);
    found.unwrap()["notice_id"].as_str().unwrap().to_owned()
}

/// Which notice told the chat of which tasks.
fn told(stage: &Stage) -> BTreeSet<(String, Vec<String>)> {
    let told = stage.told_of(&["task.failed", "digest", "task.cleared", "source.watching"]);
    told.into_iter().map(|(arrival, tasks)| (arrival.id, tasks)).collect()
}

async fn sound(stage: &Stage) {
    let output = stage.run(&["state", "verify"]).await;
    assert!(output.status.success(), "{output:?}");
}

async fn goes_on(stage: &Stage, was: &Value) {
    sound(stage).await;
    let mut expected = was.clone();
    expected.as_object_mut().unwrap().remove("frozen_at");
    assert_eq!(on_record(stage).await, expected);

    // What was owed is delivered as it was to be, what is new is told, and nothing else is.
    let after = stage.fail("after");
    stage.finish().await;
    let first = told(stage);
    let ids: BTreeSet<&Vec<String>> = first.iter().map(|(_, tasks)| tasks).collect();
    assert_eq!(ids, BTreeSet::from([&vec![task(was, "owed")], &vec![after]]));
    assert!(first.contains(&(notice(was, "pending"), vec![task(was, "owed")])), "{first:?}");

    // What was given up, and what was held.
    json(stage, &["dead", "replay"]).await;
    json(stage, &["silence", "expire", &was["silences"][0]["id"].to_string()]).await;
    stage.finish().await;
    let all = told(stage);
    let then: BTreeSet<&(String, Vec<String>)> = all.difference(&first).collect();
    assert_eq!(then.len(), 2, "{then:?}");
    assert!(then.contains(&(notice(was, "dead"), vec![task(was, "dead")])), "{then:?}");
    assert!(then.iter().any(|(_, tasks)| *tasks == [task(was, "held")]), "{then:?}");
    sound(stage).await;
}

#[tokio::test]
async fn each_frozen_store_is_opened_and_gone_on_with() {
    if let Some(name) = options::env("TASKBELL_FREEZE") {
        freeze(&stores().join(name)).await;
    }
    let folders: Vec<PathBuf> =
        fs::read_dir(stores()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!folders.is_empty(), "there is one of the first format");
    for folder in folders {
        let was = fs::read_to_string(folder.join("record.json")).unwrap();
        let was: Value = serde_json::from_str(&was).unwrap();

        let stage = scene(&was).await;
        let packed = folder.join("store.tar.gz");
        let parent = stage.store().parent().unwrap().to_owned();
        shell("tar", &["-xzf", packed.to_str().unwrap(), "-C", parent.to_str().unwrap()]);
        goes_on(&stage, &was).await;

        let stage = scene(&was).await;
        let archive = folder.join("store.archive");
        json(&stage, &["state", "import", archive.to_str().unwrap()]).await;
        goes_on(&stage, &was).await;
    }
}

#[test]
fn each_format_has_a_frozen_store() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let formats = fs::read_dir(formats).unwrap().map(|entry| entry.unwrap().path());
    let formats = formats.filter(|path| path.extension().is_some_and(|it| it == "toml")).count();
    let frozen = fs::read_dir(stores()).unwrap().count();
    assert_eq!(frozen, formats, "tests/it/frozen.rs says how to make one");
}
