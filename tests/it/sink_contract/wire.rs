//! What goes over the wire beside the payload: paths, queries, keys and signatures.

use hyper::HeaderMap;
use serde_json::Value;
use taskbell::{
    receiver::WebhookArrival,
    sim::verify::{Signed, parse, verify},
};

use super::{build, example, examples, kind, now, send, services::answering};

/// What arrives when the sink of `table` sends the usual notice to a receiver that says `body`.
async fn arrival(table: impl FnOnce(&str) -> String, body: &str) -> WebhookArrival {
    let receiver = answering(200, body).await;
    let sink = build(&table(&receiver.address().to_string()));
    send(&*sink, &examples::one()).await.unwrap();
    receiver.received().remove(0)
}

async fn of_example(name: &str, body: &str) -> WebhookArrival {
    let table = |address: &str| example(kind(name), address.parse().unwrap());
    arrival(table, body).await
}

fn header<'a>(arrival: &'a WebhookArrival, name: &str) -> Option<&'a str> {
    let found = arrival.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn each_address_is_what_the_service_expects() {
    for (name, body, expected) in [
        ("slack", "ok", "/services/T0EXAMPLE/B0EXAMPLE/example-webhook-secret"),
        ("discord", r#"{"id":"1"}"#, "/api/webhooks/123456789/example-webhook-token?wait=true"),
        ("telegram", r#"{"ok":true}"#, "/bot123456:example-bot-token/sendMessage"),
        (
            "googlechat",
            r#"{"name":"x"}"#,
            "/v1/spaces/AAAAAAAA/messages?key=example-api-key&token=example-space-token\
             &messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD",
        ),
        // Workflows compare the query byte by byte.
        (
            "teams",
            "",
            "/workflows/0a1b2c3d/triggers/manual/paths/invoke?api-version=2016-06-01\
             &sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=example-signature",
        ),
        ("pagerduty", "", "/v2/enqueue"),
        ("alertmanager", "", "/api/v2/alerts"),
        ("ntfy", r#"{"id":"1"}"#, "/"),
        ("gotify", r#"{"id":1}"#, "/message"),
        ("pushover", r#"{"status":1}"#, "/1/messages.json"),
        (
            "smn",
            r#"{"message_id":"m"}"#,
            "/v2/0123456789abcdef0123456789abcdef/notifications/topics/\
             urn%3Asmn%3Acn-north-4%3A0123456789abcdef0123456789abcdef%3Aoncall/publish",
        ),
    ] {
        assert_eq!(of_example(name, body).await.target, expected, "{name}");
    }
}

#[tokio::test]
async fn keys_stand_where_the_service_looks_for_them() {
    for (name, body, key, expected) in [
        ("alertmanager", "", "authorization", "Basic dGFza2JlbGw6ZXhhbXBsZS1wYXNzd29yZA=="),
        ("ntfy", r#"{"id":"1"}"#, "authorization", "Bearer tk_example-access-token"),
        ("gotify", r#"{"id":1}"#, "x-gotify-key", "example-application-token"),
    ] {
        assert_eq!(header(&of_example(name, body).await, key), Some(expected), "{name}");
    }
    for (name, body, key, expected) in [
        ("ntfy", r#"{"id":"1"}"#, "topic", "example-secret-topic"),
        ("pushover", r#"{"status":1}"#, "token", "example-application-token"),
        ("pushover", r#"{"status":1}"#, "user", "example-user-key"),
        ("pagerduty", "", "routing_key", "0a1b2c3d4e5f-example-routing-key"),
    ] {
        let sent: Value = serde_json::from_slice(&of_example(name, body).await.body).unwrap();
        assert_eq!(sent[key], expected, "{name}");
    }
}

#[tokio::test]
async fn a_slack_bot_names_its_channel_and_shows_its_token() {
    let table = |address: &str| {
        format!(
            "name = 'a'\nkind = 'slack'\ntoken = 'xoxb-example'\nchannel = 'C1'\n\
             base_url = 'http://{address}/'"
        )
    };
    let sent = arrival(table, r#"{"ok":true}"#).await;
    assert_eq!(sent.target, "/api/chat.postMessage");
    assert_eq!(header(&sent, "authorization"), Some("Bearer xoxb-example"));
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["channel"], "C1");
}

#[tokio::test]
async fn a_robots_signature_renews_and_its_payload_does_not() {
    let sent = of_example("dingtalk", r#"{"errcode":0}"#).await;
    let expected = format!(
        "/robot/send?access_token=0a1b2c3d-example-token&timestamp={}&sign=",
        now().as_millisecond()
    );
    let sign = sent.target.strip_prefix(expected.as_str()).unwrap();
    assert!(sign.ends_with("%3D") && !sign.contains(['+', '/', '=']), "{sign}");
    assert!(!sign.contains("%25"), "{sign} is encoded twice");

    let sent = of_example("feishu", r#"{"code":0}"#).await;
    let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
    let fields = body.as_object_mut().unwrap();
    assert_eq!(fields.remove("timestamp").unwrap(), now().as_second().to_string());
    assert_eq!(fields.remove("sign").unwrap().as_str().unwrap().len(), 44);
    let sink = build(&example(kind("feishu"), super::ANYWHERE));
    let stored: Value = serde_json::from_slice(&sink.render(&examples::one())).unwrap();
    assert_eq!(body, stored);
}

#[tokio::test]
async fn the_gateway_believes_what_smn_was_signed_with() {
    let sent = of_example("smn", r#"{"message_id":"m"}"#).await;
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.headers {
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let (path, query) = (sent.target.as_str(), "");
    let signed = Signed { method: "POST", path, query, headers: &headers, body: &sent.body };
    let authorization = parse(header(&sent, "authorization").unwrap()).unwrap();
    assert_eq!(authorization.access, "EXAMPLEACCESSKEY0001");
    verify(&signed, &authorization, "example-secret-key", now()).unwrap();
}

#[tokio::test]
async fn a_keyword_stands_where_the_robot_looks_for_it() {
    for (name, url, body) in [
        ("feishu", "open-apis/bot/v2/hook/x", r#"{"code":0}"#),
        ("dingtalk", "robot/send?access_token=x", r#"{"errcode":0}"#),
    ] {
        let table = |address: &str| {
            format!("name = 'a'\nkind = '{name}'\nurl = 'http://{address}/{url}'\nkeyword = '监控'")
        };
        let sent: Value = serde_json::from_slice(&arrival(table, body).await.body).unwrap();
        let title = match name {
            "feishu" => &sent["card"]["header"]["title"]["content"],
            _ => &sent["markdown"]["title"],
        };
        assert!(title.as_str().unwrap().ends_with(" · 监控"), "{title}");
    }
}
