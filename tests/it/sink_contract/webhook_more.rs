//! What the operator may add to a webhook: formats, headers, and who we are.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use taskbell::{
    clock::FixedClock,
    notice::{Notice, NoticeKind},
    receiver::{HttpAnswer, HttpReply, WebhookArrival, WebhookReceiver},
    sink::{Sink, signature::Key},
};

use super::{ANYWHERE, build, examples, kinds, now, send, try_build, word};

const SECRET: &str = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE=";
const PRIVATE: &str = "whsk_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

async fn receiver(keys: &[&str]) -> WebhookReceiver {
    let keys = keys.iter().map(|key| Key::parse(key).unwrap()).collect();
    WebhookReceiver::start(ANYWHERE, keys, Arc::new(FixedClock(now()))).await.unwrap()
}

fn sink(receiver: &WebhookReceiver, more: &str) -> Box<dyn Sink> {
    let address = receiver.address();
    build(&format!("name = 'a'\nkind = 'webhook'\nurl = 'http://{address}/'\n{more}"))
}

/// What arrives of the usual notice.
async fn arrival(more: &str) -> WebhookArrival {
    let receiver = receiver(&[]).await;
    send(&*sink(&receiver, more), &examples::one()).await.unwrap();
    receiver.received().swap_remove(0)
}

fn header<'a>(arrival: &'a WebhookArrival, name: &str) -> Vec<&'a str> {
    let found = arrival.headers.iter().filter(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn every_format_is_signed_as_it_is_sent() {
    for format in ["standard", "cloudevents", "alertmanager"] {
        for key in [SECRET, PRIVATE] {
            let receiver = receiver(&[key]).await;
            let sink = sink(&receiver, &format!("format = '{format}'\nsecret = '{key}'"));
            for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
                assert_eq!(word(&send(&*sink, &notice).await), "taken", "{format} {case}");
                let arrival = receiver.received().pop().unwrap();
                assert_eq!(arrival.body, sink.render(&notice), "{format} {case}");
            }
        }
    }
}

#[tokio::test]
async fn a_cloudevent_says_so_and_names_itself() {
    let arrival = arrival("format = 'cloudevents'").await;
    let content_type = "application/cloudevents+json; charset=utf-8";
    assert_eq!(header(&arrival, "content-type"), [content_type]);
    let event: Value = serde_json::from_slice(&arrival.body).unwrap();
    assert_eq!(event["id"], examples::one().id.as_str());
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["source"], "/taskbell/prod-beijing");
    assert_eq!(event["type"], "taskbell.task.failed");
    assert_eq!(event["data"]["failures"].as_array().unwrap().len(), 1);
}

fn group(notice: &Notice) -> Value {
    let table = "name = 'a'\nkind = 'webhook'\nurl = 'http://h'\nformat = 'alertmanager'";
    serde_json::from_slice(&build(table).render(notice)).unwrap()
}

#[test]
fn an_alert_has_the_same_labels_when_it_fires_and_when_it_is_resolved() {
    let all: BTreeMap<&str, Notice> = kinds::all().into_iter().collect();
    for (fires, resolves) in [
        (NoticeKind::TaskFailed, NoticeKind::TaskCleared),
        (NoticeKind::StormOpened, NoticeKind::StormClosed),
        (NoticeKind::SourceBlind, NoticeKind::SourceSighted),
    ] {
        let (fired, resolved) = (group(&all[fires.as_str()]), group(&all[resolves.as_str()]));
        assert_eq!((&fired["status"], &resolved["status"]), (&"firing".into(), &"resolved".into()));
        let (one, two) = (&fired["alerts"][0], &resolved["alerts"][0]);
        for key in ["labels", "fingerprint"] {
            assert_eq!(one[key], two[key], "{fires:?} {key}");
        }
        assert_eq!(one["endsAt"], "0001-01-01T00:00:00Z");
        assert_eq!(two["status"], "resolved");
        assert_eq!(fired["groupKey"], resolved["groupKey"]);
    }
}

#[test]
fn each_notice_has_at_least_one_alert_with_a_name() {
    for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
        let group = group(&notice);
        let alerts = group["alerts"].as_array().unwrap();
        assert!(!alerts.is_empty(), "{case}");
        for alert in alerts {
            for (name, value) in alert["labels"].as_object().unwrap() {
                assert!(!value.as_str().unwrap().is_empty(), "{case}: {name}");
            }
            assert!(alert["labels"].get("alertname").is_some(), "{case}");
            assert!(!alert["annotations"]["summary"].as_str().unwrap().is_empty(), "{case}");
        }
        assert_eq!(group["truncatedAlerts"], notice.omitted(), "{case}");
    }
}

#[tokio::test]
async fn headers_and_authorization_arrive_as_written() {
    let more = "headers = { x-team = 'platform', X-Key = 's3cret' }\n\
                auth = { kind = 'basic', username = 'user', password = 'pa55word' }";
    let arrived = arrival(more).await;
    assert_eq!(header(&arrived, "x-team"), ["platform"]);
    assert_eq!(header(&arrived, "x-key"), ["s3cret"]);
    assert_eq!(header(&arrived, "authorization"), ["Basic dXNlcjpwYTU1d29yZA=="]);
    let arrived = arrival("auth = { kind = 'bearer', token = 't0ken' }").await;
    assert_eq!(header(&arrived, "authorization"), ["Bearer t0ken"]);
    let arrived = arrival("headers = { authorization = 'Key abc' }").await;
    assert_eq!(header(&arrived, "authorization"), ["Key abc"]);
}

#[tokio::test]
async fn nothing_shows_what_was_added() {
    let receiver = receiver(&[]).await;
    let sink = sink(
        &receiver,
        "headers = { x-key = 's3cret' }\n\
         auth = { kind = 'basic', username = 'user', password = 'pa55word' }",
    );
    receiver.set_answer(HttpAnswer::Reply(HttpReply {
        status: 403,
        body: b"s3cret, pa55word, Basic dXNlcjpwYTU1d29yZA==?".to_vec(),
        ..HttpReply::default()
    }));
    let error = send(&*sink, &examples::one()).await.expect_err("is refused");
    let shown = format!("{error} {error:?} {sink:?}");
    assert!(error.to_string().ends_with("[secret], [secret], Basic [secret]?"), "{error}");
    for secret in ["s3cret", "pa55word", "dXNlcjpwYTU1d29yZA"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let ours = |name: &str| format!("headers.{name}: is set by taskbell itself");
    let line = "must not hold a line break or another control character";
    for (table, expected) in [
        ("headers = { content-type = 'x' }".to_owned(), ours("content-type")),
        ("headers = { Host = 'x' }".to_owned(), ours("Host")),
        ("headers = { webhook-id = 'x' }".to_owned(), ours("webhook-id")),
        ("headers = { 'a b' = 'x' }".to_owned(), "headers.a b: is not the name of a header".into()),
        ("headers = { a = \"x\\r\\nb: c\" }".to_owned(), format!("headers.a: {line}")),
        ("headers = { a = '1', A = '2' }".to_owned(), "headers.a: is given twice".to_owned()),
        (
            "headers = { authorization = 'x' }\nauth = { kind = 'bearer', token = 't' }".to_owned(),
            "headers.authorization: is set by auth; leave out one of them".to_owned(),
        ),
        ("auth = { kind = 'bearer', token = \"a\\nb\" }".to_owned(), format!("auth.token: {line}")),
        (
            "auth = { kind = 'basic', username = 'a:b', password = 'p' }".to_owned(),
            "auth.username: must not hold a colon or a control character".to_owned(),
        ),
        (
            "secret = 'whpk_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE='".to_owned(),
            "secret: is a public key (whpk_), which can only verify".to_owned(),
        ),
        (
            "format = 'cloudevent'".to_owned(),
            "format: unknown variant `cloudevent`, expected one of `standard`, `cloudevents`, \
             `alertmanager`"
                .to_owned(),
        ),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'webhook'\nurl = 'http://h'\n{table}"));
        assert_eq!(error.unwrap_err().to_string(), expected, "{table}");
    }
    let table = "name='a'\nkind='webhook'\nurl='http://h'\nauth={ kind='digest' }";
    let error = try_build(table).unwrap_err().to_string();
    assert!(error.starts_with("auth") && error.contains("`digest`"), "{error}");
}
