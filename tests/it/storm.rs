//! A burst that is too much for a chat, with the real binary: few messages, everything accounted.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::Value;
use taskbell::sim::Scenario;

use super::stage::Stage;

/// An empty list, and a chat that is in storm above 50 failures, and hears of it every second.
async fn stage() -> Stage {
    let scenario = Scenario::parse("[[project]]\n").unwrap();
    let stage = Stage::of(scenario, "first_run = \"silent\"", "wait = \"0s\"").await;
    let text = fs::read_to_string(stage.config()).unwrap();
    let storm = "storm = { threshold = 50, update = \"1s\" }\nkind = \"webhook\"";
    let text = text.replace("kind = \"webhook\"", storm);
    fs::write(stage.config(), text.replace("\"chat\", \"mail\"", "\"chat\"")).unwrap();
    stage.finish().await;
    stage
}

async fn json(stage: &Stage, args: &[&str]) -> Value {
    let output = stage.run(&[args, &["-o", "json"]].concat()).await;
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the chat heard: type, total, id.
fn heard(stage: &Stage) -> Vec<(String, u64, String)> {
    let one = |arrival: taskbell::receiver::WebhookArrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap();
        let total = body.pointer("/data/total").and_then(Value::as_u64).unwrap();
        (arrival.kind, total, arrival.id)
    };
    stage.chat.received().into_iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_failures_are_three_messages_at_most_and_each_is_accounted_for() {
    let stage = stage().await;
    for number in 0..5_000 {
        stage.fail(&format!("node-{number}"));
    }
    stage.finish().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    stage.finish().await;

    let heard = heard(&stage);
    let kinds: Vec<(&str, u64)> =
        heard.iter().map(|(kind, total, _)| (kind.as_str(), *total)).collect();
    assert_eq!(kinds, [("storm.opened", 5_000), ("storm.closed", 0)]);

    let account = json(&stage, &["state", "verify"]).await;
    let figure = |key: &str| account.pointer(&format!("/sinks/0/{key}")).and_then(Value::as_i64);
    assert_eq!(figure("routed"), Some(5_000));
    assert_eq!(figure("told_in_digest"), Some(5_000));
    assert_eq!(figure("lost"), Some(0));

    let deliveries = json(&stage, &["delivery", "list", "--state", "delivered"]).await;
    let opened = deliveries.as_array().unwrap().iter().find(|one| one["type"] == "storm.opened");
    let id = opened.unwrap()["id"].to_string();
    let mut named = BTreeSet::new();
    let mut after = "0".to_owned();
    loop {
        let page = ["failure", "list", "--delivery", &id, "--limit", "1000", "--after", &after];
        let page = json(&stage, &page).await;
        let Some(last) = page.as_array().unwrap().last() else { break };
        after = last["id"].to_string();
        named.extend(page.as_array().unwrap().iter().map(|one| one["task_id"].to_string()));
    }
    assert_eq!(named.len(), 5_000, "the delivery knows all that it speaks for");

    let explained = json(&stage, &["failure", "explain", &after]).await;
    let sentence = explained["conclusion"].as_str().unwrap();
    assert!(sentence.starts_with("You were told at "), "{sentence}");
    assert!(sentence.ends_with("through chat in a storm notice of 5000."), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_the_way_of_a_storm_loses_nothing_and_repeats_under_the_same_id() {
    for place in [
        "dispatch.before_open",
        "dispatch.after_open",
        "dispatch.before_fold",
        "dispatch.after_fold",
        "deliver.before_send",
        "deliver.after_send",
        "deliver.before_settle",
        "deliver.after_settle",
    ] {
        let stage = stage().await;
        for number in 0..60 {
            stage.fail(&format!("node-{number}"));
        }
        let killed = stage.once_killed_at(place, 1).await;
        assert!(!killed.success(), "was not killed at {place}");
        stage.finish().await;
        let heard = heard(&stage);
        let told: BTreeSet<(&str, u64, &str)> = heard
            .iter()
            .map(|(kind, total, id)| (kind.as_str(), *total, id.as_str()))
            .filter(|(kind, ..)| *kind == "storm.opened")
            .collect();
        assert_eq!(told.len(), 1, "killed at {place}: {heard:?}");
        assert!(told.iter().all(|(_, total, _)| *total == 60), "killed at {place}: {heard:?}");
        let account = json(&stage, &["state", "verify"]).await;
        assert_eq!(account.pointer("/sinks/0/lost").and_then(Value::as_i64), Some(0), "{place}");
    }
}
