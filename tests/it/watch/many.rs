//! Many sources that go blind at once are one notice, and a sink that fails does not keep it from
//! its fallback.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use taskbell::sim::{Fault, Scenario};

use super::said;
use crate::stage::{PROJECT, Stage};

/// So many sources, each blind after two intervals of this length. The chat counts as read by people.
async fn fleet(count: u128, interval: &str) -> Stage {
    let scenario =
        Scenario::parse(&format!("[[project]]\ncount = {count}\ngenerate = {{ count = 1 }}\n"))
            .unwrap();
    let stage = Stage::of(scenario, "blind_after = 2", "wait = \"0s\"").await;
    let first = u128::from_str_radix(PROJECT, 16).unwrap();
    let projects: Vec<_> = (0..count).map(|nth| format!("{:032x}", first + nth)).collect();
    stage.edit(&format!("project_id = \"{PROJECT}\""), &format!("projects = {projects:?}"));
    stage.edit("interval = \"5s\"", &format!("interval = \"{interval}\""));
    stage.edit("timeout = \"4s\"", &format!("timeout = \"{interval}\""));
    stage.edit("/hook\"", "/hook\"\nstorm = true");
    stage
}

fn refused() -> Fault {
    toml::from_str("on = 'any'\nstatus = 403\nerror_code = 'KPS.9003'").unwrap()
}

fn mails(stage: &Stage, word: &str) -> usize {
    // Lines are broken for the way.
    let text = |raw: &[u8]| String::from_utf8_lossy(raw).replace("=\r\n", "");
    stage.mail.received().iter().filter(|mail| text(&mail.raw).contains(word)).count()
}

impl Stage {
    /// Runs, a little more than a minute apart by all clocks, until it is so.
    async fn until(&self, run: &mut i64, so: impl Fn(&Self) -> bool) {
        for _ in 0..10 {
            if so(self) {
                return;
            }
            *run += 1;
            self.shift(SignedDuration::from_secs(*run * 61));
            self.run(&["once"]).await;
        }
        panic!("never so: {:#?}", self.chat.received());
    }
}

#[track_caller]
fn one_about(stage: &Stage, kind: &str, count: u64) -> Value {
    let told = said(stage, kind);
    let [one] = told.as_slice() else { panic!("{} of {kind}: {told:#?}", told.len()) };
    assert_eq!(one["data"]["sources"]["count"], count, "{one:#}");
    assert_eq!(one["data"]["sources"]["names"].as_array().unwrap().len(), 10);
    assert!(one["data"]["source"].is_null());
    one.clone()
}

#[tokio::test]
async fn three_hundred_sources_behind_one_credential_are_one_notice_of_each_run() {
    let stage = fleet(300, "60s").await;
    let run = async |minute: i64, code: i32| {
        stage.shift(SignedDuration::from_mins(minute));
        assert_eq!(stage.run(&["once"]).await.status.code(), Some(code), "minute {minute}");
    };
    run(0, 0).await;
    let watching = one_about(&stage, "source.watching", 300);
    assert_eq!(watching["data"]["still_open"], 300);
    assert_eq!(mails(&stage, "300 sources are watched; 300 failures stand already"), 1);
    stage.cloud.set_fault(refused());
    run(1, 77).await;
    assert_eq!(said(&stage, "source.blind").len(), 0);
    run(2, 77).await;
    let blind = one_about(&stage, "source.blind", 300);
    assert_eq!(blind["data"]["trouble"]["class"], "permission");
    assert_eq!(mails(&stage, "300 sources cannot be seen"), 1);
    stage.cloud.clear_faults();
    run(3, 0).await;
    run(4, 0).await;
    let again = one_about(&stage, "source.sighted", 300);
    assert_eq!(again["data"]["since"], blind["data"]["since"]);
    assert_eq!(mails(&stage, "300 sources seen again after"), 1);
}

#[tokio::test]
async fn a_daemon_waits_until_the_last_of_them_is_blind() {
    let stage = fleet(24, "2s").await;
    let _daemon = stage.daemon();
    stage.see("the first polls", |stage| !said(stage, "source.watching").is_empty()).await;
    stage.cloud.set_fault(refused());
    stage.see("blindness", |stage| !said(stage, "source.blind").is_empty()).await;
    stage.cloud.clear_faults();
    stage.see("its end", |stage| !said(stage, "source.sighted").is_empty()).await;
    // Whatever else there was to tell would come with the next polls.
    tokio::time::sleep(Duration::from_secs(3)).await;
    one_about(&stage, "source.watching", 24);
    one_about(&stage, "source.blind", 24);
    one_about(&stage, "source.sighted", 24);
}

#[tokio::test]
async fn a_fallback_is_told_of_the_blindness_that_its_sink_was_not() {
    let (stage, mut run) = (fleet(12, "60s").await, 0);
    stage.edit("storm = true", "storm = true\nfallback = [\"mail\"]\nfallback_after = \"1s\"");
    stage.edit("to = [\"chat\", \"mail\"]", "to = [\"chat\"]");
    assert_eq!(stage.run(&["once"]).await.status.code(), Some(0));
    stage.cloud.set_fault(refused());
    stage.chat.set_answer(taskbell::receiver::HttpAnswer::status(500));
    stage.until(&mut run, |stage| 0 < mails(stage, "sink chat does not take its notices")).await;
    assert_eq!(mails(&stage, "It was not told that 12 sources cannot be seen"), 1);
    assert_eq!(mails(&stage, "and 2 more; `taskbell source list` shows all"), 1);
    // The sink is back before the sources are: who was told in its place hears of the end, once.
    stage.chat.set_answer(taskbell::receiver::HttpAnswer::status(200));
    stage.until(&mut run, |stage| !said(stage, "source.blind").is_empty()).await;
    stage.cloud.clear_faults();
    stage.until(&mut run, |stage| !said(stage, "source.sighted").is_empty()).await;
    one_about(&stage, "source.sighted", 12);
    stage.run(&["once"]).await;
    assert_eq!(mails(&stage, "12 sources seen again after"), 1);
}
