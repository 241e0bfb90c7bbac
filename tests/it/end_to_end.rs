//! The whole way: simulated cloud, real binary, real receivers.

use std::{collections::BTreeSet, process::Stdio};

use taskbell::receiver::HttpAnswer;

use crate::stage::Stage;

#[tokio::test]
async fn once_tells_each_new_failure_once_and_then_is_silent() {
    let stage = Stage::new("max_items = 1").await;
    let first = stage.run(&["once"]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert!(stage.told().is_empty(), "what stands at first is not told singly");
    assert_eq!(stage.chat.received().first().unwrap().kind, "source.watching");

    let new = BTreeSet::from([stage.fail("web-01"), stage.fail("web-02")]);
    let second = stage.run(&["once", "--detailed-exitcode"]).await;
    assert_eq!(second.status.code(), Some(10), "{second:?}");
    let told: BTreeSet<String> = stage.told().into_iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!((told, stage.told().len()), (new, 2));
    let mails = stage.mail.received();
    assert_eq!(mails.len(), 3, "one for the baseline, one for each failure");
    assert!(mails.iter().all(|mail| mail.to.len() == 2));

    let third = stage.run(&["once"]).await;
    assert_eq!(third.status.code(), Some(0));
    assert!(third.stdout.is_empty() && third.stderr.is_empty(), "{third:?}");
    assert_eq!(stage.told().len(), 2);
}

#[tokio::test]
async fn the_daemon_tells_and_answers_and_stops_when_asked() {
    let stage = Stage::new("wait = \"0s\"").await;
    let mut daemon = stage.command(&["run"]).stderr(Stdio::null()).spawn().unwrap();
    stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
    let id = stage.fail("web-01");
    stage.see("the failure", |stage| !stage.told().is_empty()).await;
    let (_, ids) = stage.told().remove(0);
    assert_eq!(ids, [id.as_str()]);

    let explained = stage.run(&["failure", "explain", &id]).await;
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(text.contains("You were told at"), "{text}");
    let listed = stage.run(&["-o", "json", "failure", "list"]).await;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows.len(), 4);

    let pid = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || daemon.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_refused_notice_is_sent_again_with_the_same_bytes_and_the_same_id() {
    let stage = Stage::new("max_items = 1").await;
    stage.run(&["once"]).await;
    stage.fail("web-01");
    stage.chat.set_answer(HttpAnswer::status(503));
    let refused = stage.run(&["once"]).await;
    assert_eq!(refused.status.code(), Some(75), "{refused:?}");
    stage.chat.set_answer(HttpAnswer::status(204));
    stage.finish().await;
    let told = stage.told();
    assert!(2 <= told.len());
    let distinct: BTreeSet<_> =
        told.iter().map(|(arrival, _)| (&arrival.id, &arrival.body)).collect();
    assert_eq!(distinct.len(), 1);
    assert_eq!(stage.mail.received().len(), 2, "the mail was not held up and not repeated");
}

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_store() {
    let stage = Stage::new("").await;
    let lock = taskbell::store::StoreLock::take(&stage.store(), "`a test`").unwrap();
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(73));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("is held by `a test`"), "{text}");
    drop(lock);
}

#[tokio::test]
async fn a_sink_can_be_tested_with_each_kind_of_message_and_nothing_is_recorded() {
    let stage = Stage::new("").await;
    for (kind, sent) in [
        ("test", "test"),
        ("failed", "task.failed"),
        ("cleared", "task.cleared"),
        ("watching", "source.watching"),
        ("reminder", "task.reminder"),
        ("stuck", "task.stuck"),
        ("digest", "digest"),
        ("storm", "storm.opened"),
        ("storm-updated", "storm.updated"),
        ("storm-closed", "storm.closed"),
        ("blind", "source.blind"),
        ("sighted", "source.sighted"),
        ("failing", "sink.failing"),
        ("state-lost", "state.lost"),
        ("store-failed", "store.failed"),
    ] {
        let output = stage.run(&["sink", "test", "chat", "--kind", kind]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stage.chat.received().last().unwrap().kind, sent);
    }
    let listed = stage.run(&["-o", "json", "delivery", "list"]).await;
    assert_eq!(String::from_utf8(listed.stdout).unwrap().trim(), "[]");
    stage.chat.set_answer(HttpAnswer::status(404));
    let refused = stage.run(&["sink", "test", "chat"]).await;
    assert_eq!(refused.status.code(), Some(1));
}
