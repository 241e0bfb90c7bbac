//! Signs of life to a receiver outside: after each poll, and never in its way.

use std::{net::SocketAddr, process::Stdio, sync::Arc};

use taskbell::{
    clock::SystemClock,
    receiver::{HttpAnswer, HttpReply, WebhookReceiver},
    sim::{Fault, Scenario},
};

use super::rewrite;
use crate::stage::Stage;

async fn stage(group: &str) -> (Stage, WebhookReceiver) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let pulse = WebhookReceiver::start(any, vec![], Arc::new(SystemClock)).await.unwrap();
    let stage = Stage::of(Scenario::demo(), "", group).await;
    let url = format!("http://{}/ping/s3cret-uuid?rid=1", pulse.address());
    let place = stage.store().with_file_name("heartbeat");
    std::fs::write(&place, format!("{url}\n")).unwrap();
    let key = format!("interval = \"5s\"\nheartbeat_url = {{ file = \"{}\" }}", place.display());
    rewrite(&stage, |text| text.replace("interval = \"5s\"", &key));
    (stage, pulse)
}

#[tokio::test]
async fn a_complete_poll_is_a_sign_of_life_and_another_one_says_what_is_wrong() {
    let (stage, pulse) = stage("").await;
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    stage.cloud.set_fault(Fault { status: Some(503), ..Fault::default() });
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let signs: Vec<(String, Vec<u8>)> =
        pulse.received().into_iter().map(|sign| (sign.target, sign.body)).collect();
    let good = ("/ping/s3cret-uuid?rid=1".to_owned(), vec![]);
    let bad = ("/ping/s3cret-uuid/fail?rid=1".to_owned(), b"upstream".to_vec());
    assert_eq!(signs, [good, bad]);
}

#[tokio::test]
async fn a_receiver_that_refuses_or_leads_elsewhere_changes_nothing_and_its_url_stays_secret() {
    let (stage, pulse) = stage("").await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let elsewhere = WebhookReceiver::start(any, vec![], Arc::new(SystemClock)).await.unwrap();
    let location = format!("http://{}/", elsewhere.address());
    for answer in [
        HttpAnswer::status(404),
        HttpAnswer::Reset,
        HttpAnswer::Reply(HttpReply {
            status: 302,
            headers: vec![("location", location)],
            ..HttpReply::default()
        }),
    ] {
        pulse.set_answer(answer);
        let output = stage.run(&["once"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains("the heartbeat was not taken"), "{log}");
        assert!(!log.contains("s3cret") && !log.contains("rid=1"), "{log}");
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_no_poll() {
    let (stage, pulse) = stage("wait = \"0s\"").await;
    pulse.set_answer(HttpAnswer::Hang);
    rewrite(&stage, |text| {
        text.replace("interval = \"5s\"", "interval = \"1s\"").replace("\"4s\"", "\"1s\"")
    });
    let mut daemon = stage.command(&["run"]).stderr(Stdio::null()).spawn().unwrap();
    stage.see("the first sign", |_| !pulse.received().is_empty()).await;
    let id = stage.fail("web-01");
    // Told before the first sign was given up, which takes ten seconds; or the second poll, which
    // found it, waited for that.
    stage.see("the failure", |stage| stage.told().iter().any(|(_, ids)| ids.contains(&id))).await;
    stage.see("more signs", |_| pulse.received().len() > 1).await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_by_its_key_and_not_shown() {
    let (stage, _pulse) = stage("").await;
    std::fs::write(stage.store().with_file_name("heartbeat"), "s3cret\n").unwrap();
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("heartbeat_url") && log.contains("must be an http"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
