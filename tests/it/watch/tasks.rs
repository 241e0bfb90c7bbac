//! What became of tasks that are no longer listed, and tasks that do not end.

use std::time::Duration;

use taskbell::{
    options::Period,
    sim::{Fault, On, Scenario, SimTask},
};

use super::{json, said, tell_cleared};
use crate::stage::{PROJECT, Stage};

fn read(name: &str) -> Scenario {
    let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    Scenario::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Three tasks failed and were told, each in a notice of its own.
async fn told(source: &str) -> (Stage, Vec<String>) {
    let stage = Stage::of(Scenario::demo(), source, "max_items = 1").await;
    tell_cleared(&stage);
    stage.finish().await;
    let ids = ["web-1", "web-2", "web-3"].map(|server| stage.fail(server)).to_vec();
    stage.finish().await;
    (stage, ids)
}

async fn clear(stage: &Stage, ids: &[String]) {
    stage.cloud.resolve_task(PROJECT, &ids[0]).unwrap();
    stage.cloud.clear_task(PROJECT, &ids[1]).unwrap();
    // Two polls in a row have to miss them.
    stage.finish().await;
    assert!(said(stage, "task.cleared").is_empty(), "one absence may be a page that drifted");
    stage.finish().await;
}

fn endings(stage: &Stage) -> Vec<(String, serde_json::Value)> {
    let told = said(stage, "task.cleared");
    let failures = told.iter().flat_map(|body| body["data"]["failures"].as_array().unwrap());
    failures
        .map(|one| (one["task_id"].as_str().unwrap().to_owned(), one["ending"].clone()))
        .collect()
}

#[tokio::test]
async fn the_cloud_says_what_became_of_what_is_no_longer_listed() {
    let (stage, ids) = told("verify_cleared = true").await;
    clear(&stage, &ids).await;
    let mut endings = endings(&stage);
    endings.sort_by_key(|(id, _)| ids.iter().position(|known| known == id));
    let expected = [(ids[0].clone(), "resolved".into()), (ids[1].clone(), "still_failed".into())];
    assert_eq!(endings, expected);
    assert_eq!(stage.cloud.counts()[&On::Task], 2, "asked once each");
    let rows = json(&stage, &["failure", "list", "--state", "cleared"]).await;
    assert!(rows.as_array().unwrap().iter().all(|row| row["ending"].is_string()), "{rows}");
}

#[tokio::test]
async fn nobody_is_asked_unless_that_is_wanted() {
    let (stage, ids) = told("").await;
    clear(&stage, &ids).await;
    assert_eq!(endings(&stage).len(), 2);
    assert!(endings(&stage).iter().all(|(_, ending)| ending.is_null()));
    assert!(!stage.cloud.counts().contains_key(&On::Task));
}

#[tokio::test]
async fn a_cloud_that_does_not_say_or_does_not_answer_is_not_waited_for() {
    for fault in [
        Fault { on: On::Task, status: Some(500), ..Fault::default() },
        Fault { on: On::Task, status: Some(403), ..Fault::default() },
        Fault { on: On::Task, delay: Some(Period(Duration::from_secs(3600))), ..Fault::default() },
    ] {
        let (stage, ids) = told("verify_cleared = true").await;
        stage.cloud.set_fault(fault);
        clear(&stage, &ids).await;
        assert_eq!(endings(&stage).len(), 2);
        assert!(endings(&stage).iter().all(|(_, ending)| ending.is_null()));
        assert_eq!(stage.cloud.counts()[&On::Task], 1, "a refusal is not asked for twice");
    }
}

#[tokio::test]
async fn a_task_that_fails_again_or_comes_back_is_told_as_what_it_is() {
    let (stage, ids) = told("").await;
    stage.cloud.refail_task(PROJECT, &ids[2]).unwrap();
    stage.finish().await;
    let told = said(&stage, "task.failed");
    let last = told.last().unwrap();
    assert_eq!(last["data"]["reason"], "refailed");
    assert_eq!(last["data"]["failures"][0]["generation"], 2);
    // Gone and back within the grace: nobody hears of it again.
    let named = told.iter().flat_map(|one| one["data"]["failures"].as_array().unwrap());
    let first = named.into_iter().find(|failure| failure["task_id"] == ids[0]).unwrap();
    let task = SimTask {
        id: Some(ids[0].clone()),
        failed_at: Some(first["failed_at"].as_str().unwrap().parse().unwrap()),
        ..SimTask::default()
    };
    stage.cloud.clear_task(PROJECT, &ids[0]).unwrap();
    stage.finish().await;
    stage.finish().await;
    stage.cloud.add_task(PROJECT, &task).unwrap();
    stage.finish().await;
    assert_eq!(said(&stage, "task.failed").len(), told.len());
    let rows = json(&stage, &["failure", "list", "--state", "open"]).await;
    let back = rows.as_array().unwrap().iter().find(|row| row["task_id"] == ids[0]).unwrap();
    assert_eq!(back["origin"], "reappeared");
}

#[tokio::test]
async fn a_list_that_is_emptied_is_told_as_one() {
    let stage = Stage::of(Scenario::demo(), "verify_cleared = true", "max_items = 2").await;
    tell_cleared(&stage);
    stage.finish().await;
    let ids: Vec<String> = (0..12).map(|nth| stage.fail(&format!("web-{nth}"))).collect();
    stage.finish().await;
    for id in stage.cloud.task_ids(PROJECT) {
        stage.cloud.clear_task(PROJECT, &id).unwrap();
    }
    stage.finish().await;
    stage.finish().await;
    let [one] = said(&stage, "task.cleared").try_into().unwrap();
    assert_eq!(one["data"]["total"], ids.len());
    assert!(!stage.cloud.counts().contains_key(&On::Task), "nobody asks about so many");
}

#[tokio::test]
async fn a_task_that_does_not_end_is_told_once_by_all_runs_together() {
    let stage = Stage::of(read("stuck"), "stuck_after = \"30m\"", "").await;
    for _ in 0..3 {
        stage.finish().await;
    }
    let [told] = said(&stage, "task.stuck").try_into().unwrap();
    let data = &told["data"];
    assert_eq!(data["total"], 1);
    assert_eq!(data["failures"][0]["task_id"], "aee8d2fe-5484-4753-9177-5a38dc15546c");
    assert_eq!(data["failures"][0]["server"]["name"], "web-01");
    assert!(said(&stage, "task.failed").is_empty());
    let mails = stage.mail.received();
    assert!(mails.iter().any(|mail| String::from_utf8_lossy(&mail.raw).contains("web-01")));
    // It ends, and another one gets too old.
    stage.cloud.end_task(PROJECT, "aee8d2fe-5484-4753-9177-5a38dc15546c").unwrap();
    let age = Some(Period(Duration::from_secs(3600)));
    stage.cloud.run_task(PROJECT, &SimTask { age, ..SimTask::default() }).unwrap();
    stage.finish().await;
    assert_eq!(said(&stage, "task.stuck").len(), 2);
}

#[tokio::test]
async fn nobody_looks_at_running_tasks_unless_that_is_wanted_and_trouble_there_is_no_blindness() {
    let stage = Stage::of(read("stuck"), "", "").await;
    stage.finish().await;
    assert!(!stage.cloud.counts().contains_key(&On::Running));
    let stage = Stage::of(read("stuck"), "stuck_after = \"30m\"", "").await;
    stage.cloud.set_fault(Fault { on: On::Running, status: Some(403), ..Fault::default() });
    stage.finish().await;
    assert!(said(&stage, "task.stuck").is_empty());
    assert_eq!(json(&stage, &["source", "list"]).await[0]["state"], "seen");
}

#[tokio::test]
async fn a_silence_holds_what_would_be_said_of_a_running_task() {
    let stage = Stage::of(read("stuck"), "stuck_after = \"30m\"", "").await;
    let add = ["silence", "add", "server_name = web-01", "--for", "1h", "--comment", "known"];
    assert!(stage.run(&add).await.status.success());
    stage.finish().await;
    assert!(said(&stage, "task.stuck").is_empty());
    assert!(stage.run(&["silence", "expire", "1"]).await.status.success());
    stage.finish().await;
    assert_eq!(said(&stage, "task.stuck").len(), 1);
}
