//! One request for each failure, and what happens when only some are taken.

use std::time::Duration;

use serde_json::Value;
use taskbell::{
    delivery::Verdict,
    notice::{Notice, NoticeKind},
    receiver::{HttpAnswer, HttpReply, WebhookReceiver},
    sink::{Receipt, Sink},
};

use super::{build, example, examples, kind, send, send_to, services::answering};

fn sink(receiver: &WebhookReceiver) -> Box<dyn Sink> {
    build(&example(kind("pagerduty"), receiver.address()))
}

/// Action and key of each event that arrived.
fn arrived(receiver: &WebhookReceiver) -> Vec<(String, String)> {
    let events = receiver.received();
    let field = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let read = |body: &[u8]| {
        let event: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(field(&event, "routing_key"), "0a1b2c3d4e5f-example-routing-key");
        (field(&event, "event_action"), field(&event, "dedup_key"))
    };
    events.iter().map(|arrival| read(&arrival.body)).collect()
}

#[tokio::test]
async fn a_cleared_failure_resolves_the_incident_that_it_opened() {
    let receiver = answering(202, "").await;
    let sink = sink(&receiver);
    let told = examples::many(3);
    let one = examples::notice(NoticeKind::TaskCleared, "cleared", told.failures[1..2].to_vec());
    for notice in [&told, &one] {
        send(&*sink, notice).await.unwrap();
    }
    let arrived = arrived(&receiver);
    let actions: Vec<&str> = arrived.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions, ["trigger", "trigger", "trigger", "resolve"]);
    assert_eq!(arrived[1].1, arrived[3].1);
    assert!(arrived[0].1 != arrived[1].1 && arrived[1].1 != arrived[2].1);
}

#[tokio::test]
async fn what_cleared_before_it_was_told_is_opened_and_closed() {
    let receiver = answering(202, "").await;
    let mut notice = examples::one();
    notice.failures[0].cleared_at = Some(examples::created_at());
    send(&*sink(&receiver), &notice).await.unwrap();
    let actions: Vec<String> = arrived(&receiver).into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again() {
    let receiver = answering(202, "").await;
    let delay = Duration::from_millis(100);
    receiver.set_answer(HttpAnswer::Reply(HttpReply {
        status: 202,
        delay,
        ..HttpReply::default()
    }));
    let mut watch = receiver.subscribe();
    let (sink, notice) = (sink(&receiver), examples::many(3));
    let turn = async {
        watch.recv().await.unwrap();
        receiver.set_answer(HttpAnswer::status(429));
    };
    let (receipt, ()) = tokio::join!(send(&*sink, &notice), turn);
    let Receipt::Part { owed, error, verdict } = receipt.unwrap() else { panic!("is not whole") };
    assert_eq!(verdict, Verdict::Retry { after: None });
    assert!(error.contains("429"), "{error}");
    let first = arrived(&receiver);
    assert_eq!((first.len(), owed.len()), (2, 2));
    assert_eq!(owed[0], first[1].1);

    receiver.set_answer(HttpAnswer::status(202));
    assert_eq!(send_to(&*sink, &notice, Some(&owed)).await.unwrap(), Receipt::Whole);
    let all = arrived(&receiver);
    assert_eq!(
        all[2..].iter().map(|(_, key)| key).collect::<Vec<_>>(),
        owed.iter().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_storm_is_one_incident_from_beginning_to_end() {
    let receiver = answering(202, "").await;
    let sink = sink(&receiver);
    for kind in [NoticeKind::StormOpened, NoticeKind::StormUpdated, NoticeKind::StormClosed] {
        let failures = examples::many(3).failures;
        let since = Some(examples::created_at());
        let notice = Notice { total: 99, since, ..examples::notice(kind, "storm", failures) };
        send(&*sink, &notice).await.unwrap();
    }
    let arrived = arrived(&receiver);
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|event| *event == arrived[0]), "{arrived:?}");
}
