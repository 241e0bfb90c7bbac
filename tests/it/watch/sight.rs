//! Blindness without a daemon: each run is a poll, and the memory is on disk.

use std::time::Duration;

use taskbell::sim::{Fault, Scenario};

use super::{json, said};
use crate::stage::{PROJECT, Stage};

async fn seen(rule: &str) -> Stage {
    let source = format!("blind_after = {rule}");
    let stage = Stage::of(Scenario::demo(), &source, "").await;
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let text = text.replace("interval = \"5s\"", "interval = \"1s\"");
    std::fs::write(stage.config(), text.replace("timeout = \"4s\"", "timeout = \"1s\"")).unwrap();
    stage
}

async fn run(stage: &Stage) -> Option<i32> {
    stage.run(&["once"]).await.status.code()
}

#[tokio::test]
async fn blindness_and_its_end_are_told_once_each_by_runs_that_know_nothing_of_one_another() {
    let stage = seen("2").await;
    assert_eq!(run(&stage).await, Some(0));
    stage.cloud.set_fault(Fault { status: Some(403), ..Fault::default() });
    while said(&stage, "source.blind").is_empty() {
        assert_eq!(run(&stage).await, Some(77));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let rows = json(&stage, &["source", "list"]).await;
    assert_eq!((&rows[0]["state"], &rows[0]["class"]), (&"blind".into(), &"permission".into()));
    assert!(rows[0]["blind_since"].is_string() && rows[0]["advice"].is_string(), "{rows}");
    run(&stage).await;
    run(&stage).await;
    let [told] = said(&stage, "source.blind").try_into().unwrap();
    assert_eq!(told["data"]["trouble"]["class"], "permission");
    assert_eq!(told["data"]["reason"], "permission");
    let coverage = &told["data"]["coverage"];
    assert_eq!(coverage["polls_complete"], 1);
    assert!(coverage["polls_due"].as_u64().unwrap() > 1, "{coverage}");
    assert!(coverage["longest_gap_seconds"].as_u64().unwrap() > 0, "{coverage}");

    stage.cloud.clear_faults();
    assert_eq!(run(&stage).await, Some(0));
    assert_eq!(run(&stage).await, Some(0));
    let [over] = said(&stage, "source.sighted").try_into().unwrap();
    assert_eq!(over["data"]["reason"], "complete");
    assert_eq!(over["data"]["since"], told["data"]["since"]);
    let mails = stage.mail.received();
    assert!(mails.iter().any(|mail| String::from_utf8_lossy(&mail.raw).contains("Last 24 h")));
}

#[tokio::test]
async fn a_kill_between_noticing_and_telling_loses_nothing_and_repeats_nothing() {
    let stage = seen("1").await;
    assert_eq!(run(&stage).await, Some(0));
    stage.cloud.set_fault(Fault { status: Some(503), ..Fault::default() });
    let mut killed = false;
    // Until the poll that notices is the one that is killed.
    while said(&stage, "source.blind").is_empty() {
        let place = if killed { "never" } else { "poll.after_record" };
        stage.once_killed_at(place, 1).await;
        let rows = json(&stage, &["source", "list"]).await;
        killed |= rows[0]["state"] == "blind";
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(killed);
    run(&stage).await;
    assert_eq!(said(&stage, "source.blind").len(), 1);
}

#[tokio::test]
async fn a_source_that_was_never_seen_says_so() {
    let stage = seen("3").await;
    let output = stage.run(&["source", "list"]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("never polled"), "{shown}");
    stage.cloud.set_fault(Fault { status: Some(403), ..Fault::default() });
    run(&stage).await;
    let rows = json(&stage, &["source", "list"]).await;
    assert_eq!(rows[0]["state"], "troubled");
    assert!(rows[0]["last_complete_at"].is_null() && rows[0]["baseline_at"].is_null());
    assert_eq!(rows[0]["coverage"]["polls_complete"], 0);
}

#[tokio::test]
async fn the_table_of_sources_is_whole_in_a_pipe() {
    let stage = seen("3").await;
    run(&stage).await;
    let output = stage.run(&["source", "list"]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    for word in ["cloud", "kps", PROJECT, "1/1", "seen"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}
