//! Webhooks against a receiver that verifies, refuses and misbehaves.

use std::{fs, sync::Arc, time::Duration};

use taskbell::{
    clock::FixedClock,
    delivery::Verdict,
    http::Chain,
    receiver::{HttpAnswer, HttpReply, WebhookReceiver},
    sink::{Sink, signature::Key},
};

use super::{ANYWHERE, build, examples, now, send, try_build, word};

const NEW: &str = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE=";
const OLD: &str = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDI";

async fn receiver(keys: &[&str]) -> WebhookReceiver {
    let keys = keys.iter().map(|key| Key::parse(key).unwrap()).collect();
    WebhookReceiver::start(ANYWHERE, keys, Arc::new(FixedClock(now()))).await.unwrap()
}

fn sink(receiver: &WebhookReceiver, more: &str) -> Box<dyn Sink> {
    let address = receiver.address();
    build(&format!("name = 'a'\nkind = 'webhook'\nurl = 'http://{address}/hooks/s3cret'\n{more}"))
}

#[tokio::test]
async fn a_signed_notice_is_believed_by_a_receiver_with_either_secret() {
    for (signed_with, known, expected) in [
        (format!("secret = '{NEW}'"), NEW, "taken"),
        (format!("secret = ['{NEW}', '{OLD}']"), OLD, "taken"),
        (format!("secret = ['{NEW}', '{OLD}']"), NEW, "taken"),
        (format!("secret = '{NEW}'"), OLD, "suspect"),
        (String::new(), NEW, "suspect"),
    ] {
        let receiver = receiver(&[known]).await;
        let result = send(&*sink(&receiver, &signed_with), &examples::one()).await;
        assert_eq!(word(&result), expected, "{signed_with} {known} {result:?}");
    }
}

#[tokio::test]
async fn the_request_carries_the_id_the_time_and_the_rendered_bytes() {
    let receiver = receiver(&[]).await;
    let mut watch = receiver.subscribe();
    let (sink, notice) = (sink(&receiver, ""), examples::one());
    send(&*sink, &notice).await.unwrap();
    let arrival = watch.recv().await.unwrap();
    let header = |name: &str| {
        arrival.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("webhook-id"), Some(notice.id.as_str()));
    assert_eq!(header("webhook-timestamp"), Some(now().as_second().to_string().as_str()));
    assert_eq!(header("webhook-signature"), None);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("user-agent"), Some(taskbell::http::USER_AGENT));
    assert_eq!(arrival.body, sink.render(&notice));
    assert_eq!((arrival.kind.as_str(), arrival.answered), ("task.failed", Some(204)));
    assert_eq!(receiver.received(), [arrival]);
}

#[tokio::test]
async fn a_body_of_the_operators_own_is_sent_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.j2");
    let receiver = receiver(&[]).await;
    let body = |more: &str| format!("body = '{}'\n{more}", file.display());
    for (template, more, sent) in [
        (
            "{\"text\": {{ title }}}",
            "",
            r#"{"text": "prod-beijing: reset failed on web-01 (KPS.6009)"}"#,
        ),
        ("<{{ type }}>", "content_type = 'text/plain; charset=utf-8'", "<task.failed>"),
    ] {
        fs::write(&file, template).unwrap();
        let sink = sink(&receiver, &body(more));
        send(&*sink, &examples::one()).await.unwrap();
        let arrival = receiver.received().pop().unwrap();
        assert_eq!(String::from_utf8_lossy(&arrival.body), sent);
        let (_, value) = arrival.headers.iter().find(|(name, _)| name == "content-type").unwrap();
        assert_eq!(value, more.split('\'').nth(1).unwrap_or("application/json"));
    }
    let refused = |more: &str| {
        let table = format!("name = 'a'\nkind = 'webhook'\nurl = 'http://h'\n{more}");
        let error = try_build(&table).expect_err(more).to_string();
        error.replace(&file.display().to_string(), "body.j2")
    };
    let error = refused(&body(""));
    assert!(error.starts_with("body: body.j2: does not give JSON: expected value"), "{error}");
    let expected = "content_type: must be a media type such as application/json";
    assert_eq!(refused(&body("content_type = 'json'")), expected);
    let expected = "content_type: is of use with body only";
    assert_eq!(refused("content_type = 'text/plain'"), expected);
    fs::write(&file, "{}").unwrap();
    assert_eq!(refused(&body("format = 'cloudevents'")), "format: is of no use with body");
}

#[tokio::test]
async fn the_status_decides_over_a_real_socket() {
    let receiver = receiver(&[]).await;
    let sink = sink(&receiver, "");
    for (status, expected) in [
        (200, "taken"),
        (202, "taken"),
        (301, "suspect"),
        (400, "suspect"),
        (401, "suspect"),
        (404, "suspect"),
        (408, "retry"),
        (410, "gone"),
        (413, "suspect"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (503, "retry"),
    ] {
        receiver.set_answer(HttpAnswer::status(status));
        let result = send(&*sink, &examples::one()).await;
        assert_eq!(word(&result), expected, "{status}");
    }
}

#[tokio::test]
async fn the_receivers_wish_to_wait_is_handed_on() {
    let receiver = receiver(&[]).await;
    for (value, expected) in [("120", 120), ("Mon, 23 Nov 2026 10:01:05 GMT", 60)] {
        receiver.set_answer(HttpAnswer::Reply(HttpReply {
            status: 429,
            headers: vec![("retry-after", value.to_owned())],
            ..HttpReply::default()
        }));
        let error = send(&*sink(&receiver, ""), &examples::one()).await.expect_err("is throttled");
        let after = Some(Duration::from_secs(expected));
        assert_eq!(error.verdict, Verdict::Retry { after }, "{value}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (first, second) = (receiver(&[]).await, receiver(&[]).await);
    for status in [301, 302, 303, 307, 308] {
        first.set_answer(HttpAnswer::Reply(HttpReply {
            status,
            headers: vec![("location", format!("http://{}/", second.address()))],
            ..HttpReply::default()
        }));
        let result = send(&*sink(&first, ""), &examples::one()).await;
        assert_eq!(word(&result), "suspect", "{status}");
    }
    assert_eq!(second.received(), []);
}

#[tokio::test]
async fn an_endless_answer_changes_no_verdict() {
    let receiver = receiver(&[]).await;
    let sink = sink(&receiver, "");
    for (status, expected) in [(200, "taken"), (500, "retry"), (403, "suspect")] {
        let body = vec![b'x'; 20 * 1024 * 1024];
        receiver.set_answer(HttpAnswer::Reply(HttpReply { status, body, ..HttpReply::default() }));
        let result = send(&*sink, &examples::one()).await;
        assert_eq!(word(&result), expected, "{status}");
    }
}

#[tokio::test]
async fn a_reset_is_retried_and_a_silent_receiver_is_left_to_the_caller() {
    let receiver = receiver(&[]).await;
    let (sink, notice) = (sink(&receiver, ""), examples::one());
    receiver.set_answer(HttpAnswer::Reset);
    let error = send(&*sink, &notice).await.expect_err("the answer was lost");
    assert_eq!((error.verdict.as_str(), error.uncertain), ("retry", true));
    receiver.set_answer(HttpAnswer::status(503));
    let error = send(&*sink, &notice).await.expect_err("it says so");
    assert_eq!((error.verdict.as_str(), error.uncertain), ("retry", false));
    receiver.set_answer(HttpAnswer::Hang);
    let sending = send(&*sink, &notice);
    tokio::time::timeout(Duration::from_millis(200), sending).await.expect_err("it hangs");
    receiver.set_answer(HttpAnswer::status(200));
    assert_eq!(word(&send(&*sink, &notice).await), "taken");
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn an_error_quotes_the_receiver_but_no_secret() {
    let receiver = receiver(&[]).await;
    receiver.set_answer(HttpAnswer::Reply(HttpReply {
        status: 403,
        body: format!("POST /hooks/s3cret: not\r\nsigned with {NEW}").into_bytes(),
        ..HttpReply::default()
    }));
    let sink = sink(&receiver, &format!("secret = '{NEW}'"));
    let error = send(&*sink, &examples::one()).await.expect_err("is refused");
    let expected = format!(
        "http://{} answered 403 Forbidden: POST [secret]: not signed with [secret]",
        receiver.address()
    );
    assert_eq!(Chain(&error).to_string(), expected);
}

#[tokio::test]
async fn a_probe_connects_and_sends_nothing() {
    let receiver = receiver(&[]).await;
    sink(&receiver, "").probe().await.unwrap();
    assert_eq!(receiver.received(), []);
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let length = "secret: must stand for 24 to 64 bytes, but stands for 3";
    for (table, expected) in [
        ("", "url: is required"),
        ("url = 'ftp://h'", "url: must begin with https:// or http://"),
        ("url = 'h'", "url: is not a URL: it does not begin with https:// or http://"),
        ("url = { env = 'TASKBELL_UNSET' }", "url: environment variable TASKBELL_UNSET is not set"),
        ("url = { fil = 'x' }", "url.fil: is not a known key; did you mean `file`?"),
        ("url = 'http://h'\nsecret = 'whsec_AAAA'", length),
        ("url = 'http://h'\nsecret = 'p w'", "secret: must be `whsec_` or `whsk_` and base64"),
        (
            "url = 'http://10.0.0.1/'\nallow_private = false",
            "url: the host has only private addresses, and allow_private is false",
        ),
        ("url = 'http://h'\nsecret = []", "secret: a list holds 1 to 4 secrets"),
        (
            "url = 'http://h'\nsecret = [{ env = 'TASKBELL_UNSET' }]",
            "secret: environment variable TASKBELL_UNSET is not set",
        ),
        (
            "url = 'http://h'\nca_file = '/nonexistent'",
            "ca_file: cannot read /nonexistent: No such file or directory (os error 2)",
        ),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'webhook'\n{table}")).expect_err(table);
        assert_eq!(error.to_string(), expected, "{table}");
    }
}
