//! The clean-up of the cloud's list: only what was told, one by one, and nobody's news.

use std::process::{Output, Stdio};

use taskbell::{
    receiver::HttpAnswer,
    sim::{Fault, On, Reset, Scenario, SimTask},
};

use super::{json, rewrite, said, tell_cleared};
use crate::stage::{PROJECT, Stage};

/// Three tasks stood before the first poll; two failed since and were told.
async fn stage(cleanup: &str) -> (Stage, Vec<String>) {
    let source = format!("cleanup = {{ after = \"1h\"{cleanup} }}");
    let stage = Stage::of(Scenario::demo(), &source, "max_items = 1").await;
    tell_cleared(&stage);
    // A signature would not outlive the shift of the clock.
    rewrite(&stage, |text| {
        let token = "auth = { kind = \"token\", token = \"simulator-token\" }";
        let is_auth = |line: &str| line.trim_start().starts_with("auth = ");
        let lines = text.lines().map(|line| if is_auth(line) { token } else { line });
        lines.collect::<Vec<_>>().join("\n")
    });
    stage.finish().await;
    let ids = ["web-1", "web-2"].map(|server| stage.fail(server)).to_vec();
    stage.finish().await;
    (stage, ids)
}

/// Runs `once` two hours later, and a little.
async fn later(stage: &Stage, more_ms: u64, failpoint: Option<&str>) -> Output {
    let mut command = stage.command(&["-v", "once"]);
    command.env("TASKBELL_CLOCK_SHIFT", (7_200_000 + more_ms).to_string());
    if let Some(place) = failpoint {
        command.env("TASKBELL_FAILPOINT", place);
    }
    command.stdout(Stdio::piped());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The ids that were asked to be deleted.
fn deleted(stage: &Stage) -> Vec<String> {
    let requests = stage.cloud.requests().into_iter().filter(|one| one.on == On::Delete);
    requests
        .map(|one| {
            let (list, id) = one.path.rsplit_once('/').unwrap();
            assert_eq!(list, format!("/v3/{PROJECT}/failed-tasks"), "never the whole list");
            assert_eq!(id.len(), 36);
            id.to_owned()
        })
        .collect()
}

#[tokio::test]
async fn what_was_told_goes_and_nobody_hears_of_that() {
    let (stage, ids) = stage(", dry_run = false").await;
    assert!(deleted(&stage).is_empty(), "an hour has not passed");
    let output = later(&stage, 0, None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(deleted(&stage), ids, "in the order of recording");
    assert_eq!(stage.cloud.task_ids(PROJECT).len(), 3, "what stood at first was never told");
    for nth in 1..4 {
        later(&stage, 1000 * nth, None).await;
    }
    assert_eq!(said(&stage, "task.cleared").len(), 0);
    assert_eq!(deleted(&stage).len(), 2);
    let rows = json(&stage, &["failure", "list", "--state", "cleared"]).await;
    let rows = rows.as_array().unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|row| row["ending"] == "deleted"), "{rows:?}");
}

#[tokio::test]
async fn nothing_is_deleted_unless_it_is_said_twice() {
    let (stage, ids) = stage("").await;
    let output = later(&stage, 0, None).await;
    assert!(deleted(&stage).is_empty());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(ids.iter().all(|id| log.contains(id)) && log.contains("would delete"), "{log}");
}

#[tokio::test]
async fn what_somebody_is_owed_stays() {
    let (stage, _ids) = stage(", dry_run = false").await;
    stage.chat.set_answer(HttpAnswer::status(500));
    let owed = stage.fail("web-3");
    stage.run(&["once"]).await;
    later(&stage, 0, None).await;
    later(&stage, 1000, None).await;
    assert!(!deleted(&stage).contains(&owed));
}

#[tokio::test]
async fn what_nobody_had_to_be_told_of_goes_too_if_that_is_wanted() {
    let (stage, _ids) = stage(", dry_run = false, delivered = false").await;
    later(&stage, 0, None).await;
    assert!(stage.cloud.task_ids(PROJECT).is_empty());
}

#[tokio::test]
async fn that_it_is_gone_already_is_a_success() {
    let (stage, _ids) = stage(", dry_run = false").await;
    let gone = Fault {
        on: On::Delete,
        status: Some(400),
        error_code: Some("KPS.0005".into()),
        ..Fault::default()
    };
    stage.cloud.set_fault(gone);
    let output = later(&stage, 0, None).await;
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("deleted the record") && !log.contains("not deleted"), "{log}");
}

#[tokio::test]
async fn a_refusal_ends_the_round() {
    let (stage, _ids) = stage(", dry_run = false").await;
    stage.cloud.set_fault(Fault { on: On::Delete, status: Some(403), ..Fault::default() });
    let output = later(&stage, 0, None).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(deleted(&stage).len(), 1);
    assert_eq!(stage.cloud.task_ids(PROJECT).len(), 5);
}

#[tokio::test]
async fn an_answer_that_is_lost_and_a_kill_make_no_news_of_a_deletion() {
    // The record goes, the answer does not come.
    let (stage, _ids) = stage(", dry_run = false").await;
    let lost = Fault { on: On::Delete, reset: Some(Reset::Before), ..Fault::default() };
    stage.cloud.set_fault(lost);
    for nth in 0..5 {
        later(&stage, 1000 * nth, None).await;
    }
    stage.cloud.clear_faults();
    for nth in 5..8 {
        later(&stage, 1000 * nth, None).await;
    }
    assert_eq!((stage.cloud.task_ids(PROJECT).len(), said(&stage, "task.cleared").len()), (3, 0));

    // Killed before the request; somebody else deletes both records meanwhile, and one was noted.
    let (stage, ids) = self::stage(", dry_run = false").await;
    let killed = later(&stage, 0, Some("cleanup.before_delete:1")).await;
    assert!(!killed.status.success() && deleted(&stage).is_empty(), "{killed:?}");
    for id in &ids {
        stage.cloud.clear_task(PROJECT, id).unwrap();
    }
    for nth in 1..4 {
        later(&stage, 1000 * nth, None).await;
    }
    let told = said(&stage, "task.cleared");
    let told: Vec<_> = told.iter().map(|one| &one["data"]["failures"][0]["task_id"]).collect();
    assert_eq!(told, [ids[1].as_str()]);
}

#[tokio::test]
async fn an_id_that_is_none_is_never_asked_for() {
    let (stage, ids) = stage(", dry_run = false").await;
    for id in ["..", ".", "a/b", "x"] {
        let task = SimTask { id: Some(id.to_owned()), ..SimTask::default() };
        stage.cloud.add_task(PROJECT, &task).unwrap();
    }
    stage.finish().await;
    later(&stage, 0, None).await;
    later(&stage, 1000, None).await;
    assert_eq!(deleted(&stage), ids);
    assert_eq!(stage.cloud.task_ids(PROJECT).len(), 3 + 4);
}
