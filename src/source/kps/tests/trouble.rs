//! What a walk makes of errors, breaks and nonsense.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::source::peer::{Asked, Server, answer, ok, slice};

#[tokio::test]
async fn a_throttled_page_is_asked_for_again() {
    for header in ["", "retry-after: 0\r\n", "retry-after: 3600\r\n"] {
        let script = move |number: usize, asked: &Asked| match number {
            1 | 2 => answer(429, header, r#"{"error_code":"APIGW.0308"}"#),
            _ => ok(&json!({"total": 4, "tasks": slice(&tasks(4), asked, 3)})),
        };
        let (walk, sift, server) = walk("", script).await;
        check(&walk.unwrap(), &sift, "EmptyPage: 3 pages, 4 rows, 4 distinct, complete");
        assert_eq!(server.offsets(), [0, 3, 3, 3, 4]);
    }
}

#[tokio::test]
async fn rows_before_an_error_stay() {
    let script = |_, asked: &Asked| match asked.offset {
        0 => ok(&json!({"total": 9, "tasks": tasks(3)})),
        _ => answer(503, "x-request-id: r-1\r\nretry-after: 30\r\n", "<html>busy</html>"),
    };
    let (walk, sift, server) = walk("", script).await;
    let error = walk.unwrap_err();
    assert_eq!(error.class, FaultClass::Upstream);
    assert_eq!(error.to_string(), "after 3 rows: the cloud answered 503 (request r-1)");
    assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(sift.distinct(), 3);
    assert_eq!(server.offsets(), [0, 3, 3, 3, 3]);
}

#[tokio::test]
async fn what_cannot_get_better_is_asked_for_once() {
    for (status, class) in [
        (302, FaultClass::Schema),
        (400, FaultClass::Request),
        (401, FaultClass::Auth),
        (403, FaultClass::Permission),
        (404, FaultClass::NotInRegion),
    ] {
        let script = move |_, _: &Asked| answer(status, "location: http://127.0.0.1:9/\r\n", "{}");
        let (walk, _, server) = walk("", script).await;
        let error = walk.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        let to = if status == 302 { "; it sends us to http://127.0.0.1:9" } else { "" };
        assert_eq!(error.to_string(), format!("the cloud answered {status}{to}"));
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_no_empty_list() {
    let no_page = "the answer is no page of tasks";
    for (body, tries, expected) in [
        ("<html>Please log in</html>", 1, "the answer is no page of tasks; it is a web page"),
        ("[]", 1, no_page),
        ("", TRIES, no_page),
        (r#"{"tasks":[{"task_id":"a"},{"#, TRIES, no_page),
        ("{}", 1, "the answer holds no tasks"),
        (r#"{"total":5}"#, 1, "the answer holds no tasks"),
        (
            r#"{"error_code":"KPS.0003","error_msg":"busy s3cret"}"#,
            1,
            "the answer holds no tasks, but says KPS.0003: busy ***",
        ),
    ] {
        let script = move |_, _: &Asked| answer(200, "", body);
        let (walk, _, server) = walk("", script).await;
        let error = walk.unwrap_err();
        assert_eq!(error.class, FaultClass::Schema, "{body}");
        assert_eq!(error.to_string(), expected, "{body}");
        assert_eq!(server.asked().len(), tries, "{body}");
    }
}

#[tokio::test]
async fn a_page_that_broke_off_is_not_taken_for_a_repeat() {
    // All rows of the first try are met; the second try brings nothing that it did not.
    let whole = json!({"tasks": tasks(3), "total": 3}).to_string();
    let cut = answer(200, "", whole.strip_suffix('}').unwrap());
    let reset = {
        let mut bytes = answer(200, "", &whole);
        bytes.truncate(bytes.len() - 5);
        bytes
    };
    for broken in [cut, reset] {
        let script = move |number: usize, asked: &Asked| match number {
            0 => broken.clone(),
            _ => ok(&json!({"total": 3, "tasks": slice(&tasks(3), asked, 9)})),
        };
        let (walk, sift, server) = walk("", script).await;
        check(&walk.unwrap(), &sift, "EmptyPage: 2 pages, 3 rows, 3 distinct, complete");
        assert_eq!(server.offsets(), [0, 0, 3]);
    }
}

#[tokio::test]
async fn a_page_beyond_every_measure_is_refused() {
    let whole = json!({"total": 9, "tasks": tasks(9)}).to_string();
    let stated = answer(200, "", &whole);
    let unstated = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{whole}").into_bytes();
    for bytes in [stated, unstated] {
        let server = Server::start(move |_, _| bytes.clone()).await;
        let mut kps = source(&server.origin, TOKEN);
        kps.list.limits.page_bytes = 100;
        let error = kps.walk(&mut sift()).await.unwrap_err();
        assert_eq!(error.class, FaultClass::Schema);
        assert!(Chain(&error).to_string().contains("longer than 100 bytes"), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn every_try_is_signed_anew() {
    #[derive(Debug)]
    struct Ticking(AtomicUsize);
    impl Clock for Ticking {
        fn now(&self) -> Timestamp {
            let tick = self.0.fetch_add(1, Ordering::Relaxed);
            Timestamp::from_second(tick.try_into().unwrap()).unwrap()
        }
    }
    let server = Server::start(|number, _| match number {
        0 => answer(500, "", ""),
        _ => ok(&json!({"tasks": []})),
    })
    .await;
    let mut kps = source(&server.origin, KEYS);
    kps.client.clock = Arc::new(Ticking(AtomicUsize::new(0)));
    kps.walk(&mut sift()).await.unwrap();
    let asked = server.asked();
    let header = |name| [asked[0].header(name).unwrap(), asked[1].header(name).unwrap()];
    let [first, second] = header("x-sdk-date");
    assert_ne!(first, second);
    let [first, second] = header("authorization");
    assert_ne!(first, second);
    assert_eq!(asked[0].header("host"), server.origin.strip_prefix("http://"));
}

#[tokio::test]
async fn silence_is_classified_by_its_cause() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = source(&format!("http://{closed}"), TOKEN).walk(&mut sift()).await.unwrap_err();
    assert_eq!(error.class, FaultClass::Network, "{}", Chain(&error));

    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut kps = source(&format!("http://{}", mute.local_addr().unwrap()), TOKEN);
    kps.client.patience.answer = Duration::from_millis(20);
    let error = kps.walk(&mut sift()).await.unwrap_err();
    assert_eq!(error.class, FaultClass::Timeout, "{}", Chain(&error));

    // A server that speaks plain HTTP where TLS is expected.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", plain.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = plain.accept().await.unwrap();
            let refusal = answer(400, "", "plain HTTP only");
            drop(tokio::io::AsyncWriteExt::write_all(&mut stream, &refusal).await);
        }
    });
    let error = source(&origin, TOKEN).walk(&mut sift()).await.unwrap_err();
    assert_eq!(error.class, FaultClass::Tls, "{}", Chain(&error));
}

#[tokio::test]
async fn no_error_and_no_debug_output_shows_the_secret() {
    for auth in [TOKEN, KEYS] {
        let server = Server::start(|_, asked| {
            let echo = asked.head.replace("\r\n", "|");
            answer(401, "", &json!({"error_code": "APIGW.0301", "error_msg": echo}).to_string())
        })
        .await;
        let kps = source(&server.origin, auth);
        let error = kps.walk(&mut sift()).await.unwrap_err();
        let shown = format!("{kps:?} {error:?} {}", Chain(&error));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("APIGW.0301"), "{shown}");
    }
}

#[test]
fn a_wait_is_the_longer_of_ours_and_the_services_up_to_a_cap() {
    let wait = |tries, retryable, retry_after| {
        let mut fault = Fault::new(FaultClass::Throttled, retryable, "");
        fault.error.retry_after = Option::map(retry_after, Duration::from_secs);
        PATIENCE.wait(tries, &fault).map(|wait| wait.as_millis())
    };
    assert_eq!(
        [1, 2, 3, 4].map(|tries| wait(tries, true, None)),
        [Some(500), Some(1000), Some(2000), None]
    );
    assert_eq!(wait(1, true, Some(0)), Some(500));
    assert_eq!(wait(1, true, Some(3)), Some(3000));
    assert_eq!(wait(1, true, Some(3600)), Some(10_000));
    assert_eq!(wait(1, false, Some(1)), None);
}

#[tokio::test]
async fn a_single_call_is_authorised_and_as_patient_as_a_walk() {
    let server = Server::start(|number, _| match number {
        0 => answer(503, "", ""),
        1 => answer(200, "", "{\"task_status\":\"FAILED_RESET\"}"),
        _ => answer(400, "", r#"{"error_code":"KPS.0005","error_msg":"not found"}"#),
    })
    .await;
    let kps = source(&server.origin, TOKEN);
    let query = [("limit", "1"), ("offset", "0")];
    let mut ask = Ask::object(Method::GET, "/v3/{project_id}/tasks/t-1");
    ask.query = &query;
    let body = kps.client.ask(&ask).await.unwrap();
    assert_eq!(body, br#"{"task_status":"FAILED_RESET"}"#);
    ask.method = Method::DELETE;
    let fault = kps.client.ask(&ask).await.unwrap_err();
    assert_eq!(fault.error.class, FaultClass::Request);
    assert_eq!(fault.code, "KPS.0005");
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].head.starts_with("DELETE /v3/p1/tasks/t-1?limit=1&offset=0 HTTP/1.1"));
    assert_eq!(asked[2].header("x-auth-token"), Some("s3cret"));
}
