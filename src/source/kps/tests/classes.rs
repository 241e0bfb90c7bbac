//! Every class of trouble, from bytes on a socket to the word and the advice.

use serde_json::json;

use super::*;
use crate::source::peer::{Asked, Server, answer};

/// An error in the service's own shape.
fn error(status: u16, code: &str) -> Vec<u8> {
    let body = json!({"error_code": code, "error_msg": "m"}).to_string();
    answer(status, "content-type: application/json\r\n", &body)
}

fn gateway(message: &str) -> Vec<u8> {
    let message = format!("Incorrect IAM authentication information: {message}");
    let body = json!({"error_code": "APIGW.0301", "error_msg": message, "request_id": "r-1"});
    answer(401, "", &body.to_string())
}

#[tokio::test]
async fn bytes_become_a_class() {
    let html = "<html><title>Log in to the network</title></html>";
    let dated = |date: &str| answer(401, &format!("date: {date}\r\n"), "{}");
    for (bytes, class) in [
        (gateway("verify aksk signature fail, canonicalRequest:GET|/v3/"), FaultClass::Auth),
        (gateway("ak AKs3cret not exist"), FaultClass::Auth),
        (gateway("decrypt token fail"), FaultClass::Auth),
        (error(401, "APIGW.0307"), FaultClass::Auth),
        (error(401, "IAM.0061"), FaultClass::Auth),
        (gateway("current ip:192.0.2.7"), FaultClass::Permission),
        (error(403, "KPS.9003"), FaultClass::Permission),
        (error(403, "APIGW.0302"), FaultClass::Permission),
        (error(403, "KPS.9004"), FaultClass::AccountFrozen),
        (error(403, "KPS.9005"), FaultClass::AccountFrozen),
        (error(404, "APIGW.0101"), FaultClass::NotInRegion),
        (error(403, "APIGW.0310"), FaultClass::NotInRegion),
        (error(429, "APIGW.0308"), FaultClass::Throttled),
        (answer(429, "retry-after: 1\r\n", ""), FaultClass::Throttled),
        (
            gateway("calc aksk signature fail:signature expired, signature time:20261123T100000Z"),
            FaultClass::ClockSkew,
        ),
        (dated("Mon, 23 Nov 2026 10:16:00 GMT"), FaultClass::ClockSkew),
        (dated("Mon, 23 Nov 2026 10:14:00 GMT"), FaultClass::Auth),
        (error(502, "APIGW.0201"), FaultClass::Upstream),
        (answer(502, "content-type: text/html\r\n", html), FaultClass::Upstream),
        (answer(200, "content-type: text/html\r\n", html), FaultClass::Schema),
        (answer(302, "location: http://portal.example/\r\n", ""), FaultClass::Schema),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), FaultClass::Network),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"tasks\":[".to_vec(),
            FaultClass::Network,
        ),
        (Vec::new(), FaultClass::Network),
        (error(400, "KPS.0002"), FaultClass::Request),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let script = move |_, _: &Asked| bytes.clone();
        let server = Server::start(script).await;
        let kps = source(&server.origin, KEYS);
        let fault = kps.walk(&mut sift()).await.unwrap_err();
        assert_eq!(fault.class, class, "{shown}: {fault}");
        assert!(fault.class.advice().ends_with('.'), "{shown}");
        let asked = server.asked().len();
        if matches!(class, FaultClass::Auth | FaultClass::ClockSkew | FaultClass::Permission) {
            assert_eq!(asked, 1, "a refused signature is sent once: {shown}");
        }
    }
}

#[tokio::test]
async fn the_skew_is_measured() {
    let body = r#"{"error_code":"APIGW.0301","error_msg":"signature expired"}"#;
    let bytes = answer(401, "date: Mon, 23 Nov 2026 08:59:30 GMT\r\n", body);
    let server = Server::start(move |_, _| bytes.clone()).await;
    let fault = source(&server.origin, KEYS).walk(&mut sift()).await.unwrap_err();
    let expected = "this host's clock is 1h 30s ahead of the cloud's 2026-11-23T08:59:30Z";
    assert!(fault.to_string().ends_with(expected), "{fault}");
}

#[test]
fn every_class_has_a_word_and_one_sentence_of_advice() {
    use FaultClass::{
        AccountFrozen, Auth, ClockSkew, Dns, Incomplete, Network, NotInRegion, Permission, Request,
        Schema, Throttled, Timeout, Tls, Upstream,
    };
    let all = [
        Auth,
        Permission,
        AccountFrozen,
        NotInRegion,
        Throttled,
        ClockSkew,
        Tls,
        Dns,
        Network,
        Timeout,
        Upstream,
        Schema,
        Incomplete,
        Request,
    ];
    let mut words: Vec<&str> = all.iter().map(|class| class.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all.len());
    for class in all {
        let advice = class.advice();
        assert!(advice.ends_with('.') && advice.matches(". ").count() == 0, "{advice}");
    }
}
