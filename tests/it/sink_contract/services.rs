//! What holds for every service over HTTP, tried against a receiver that answers as it is told.

use std::{sync::Arc, time::Duration};

use taskbell::{
    clock::FixedClock,
    http::Chain,
    receiver::{HttpAnswer, HttpReply, WebhookReceiver},
    sink::{Sink, SinkError},
};

use super::{ANYWHERE, KINDS, Kind, build, example, examples, kind, now, occasions, send, word};

/// What is known about a service.
pub(super) struct Service {
    pub(super) kind: &'static str,
    /// How it says yes.
    yes: (u16, &'static str),
    /// Whether a yes stands in the body.
    in_body: bool,
    /// How it says no with a status that says yes.
    no: &'static [&'static str],
    /// What of its example is secret.
    secrets: &'static [&'static str],
}

pub(super) const SERVICES: &[Service] = &[
    Service {
        kind: "webhook",
        yes: (204, ""),
        in_body: false,
        no: &[],
        secrets: &["whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE="],
    },
    Service {
        kind: "feishu",
        yes: (200, r#"{"code":0,"msg":"success"}"#),
        in_body: true,
        no: &[r#"{"code":19001,"msg":"x"}"#, r#"{"StatusCode":9499}"#],
        secrets: &["0a1b2c3d-example-hook", "example-signing-secret"],
    },
    Service {
        kind: "dingtalk",
        yes: (200, r#"{"errcode":0,"errmsg":"ok"}"#),
        in_body: true,
        no: &[r#"{"errcode":310000,"errmsg":"x"}"#, r#"{"errcode":7}"#],
        secrets: &["0a1b2c3d-example-token", "SECexample-signing-secret"],
    },
    Service {
        kind: "wecom",
        yes: (200, r#"{"errcode":0,"errmsg":"ok"}"#),
        in_body: true,
        no: &[r#"{"errcode":93000,"errmsg":"x"}"#, r#"{"errcode":7}"#],
        secrets: &["0a1b2c3d-example-key"],
    },
    Service {
        kind: "slack",
        yes: (200, "ok"),
        in_body: true,
        no: &["invalid_blocks", "no_text"],
        secrets: &["T0EXAMPLE", "example-webhook-secret"],
    },
    Service {
        kind: "teams",
        yes: (202, ""),
        in_body: false,
        no: &[],
        secrets: &["example-signature"],
    },
    Service {
        kind: "discord",
        yes: (200, r#"{"id":"1","channel_id":"2"}"#),
        in_body: true,
        no: &[],
        secrets: &["example-webhook-token"],
    },
    Service {
        kind: "telegram",
        yes: (200, r#"{"ok":true,"result":{"message_id":7}}"#),
        in_body: true,
        no: &[r#"{"ok":false,"error_code":400,"description":"x"}"#],
        secrets: &["123456:example-bot-token"],
    },
    Service {
        kind: "mattermost",
        yes: (200, "ok"),
        in_body: true,
        no: &[],
        secrets: &["example-webhook-id"],
    },
    Service {
        kind: "rocketchat",
        yes: (200, r#"{"success":true}"#),
        in_body: true,
        no: &[r#"{"success":false,"error":"x"}"#],
        secrets: &["0a1b2c3d4e", "example-integration-token"],
    },
    Service {
        kind: "googlechat",
        yes: (200, r#"{"name":"spaces/A/messages/B"}"#),
        in_body: true,
        no: &[],
        secrets: &["example-api-key", "example-space-token"],
    },
    Service {
        kind: "pagerduty",
        yes: (202, r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#),
        in_body: false,
        no: &[],
        secrets: &["0a1b2c3d4e5f-example-routing-key"],
    },
    Service {
        kind: "alertmanager",
        yes: (200, ""),
        in_body: false,
        no: &[],
        secrets: &["example-password"],
    },
    Service {
        kind: "ntfy",
        yes: (200, r#"{"id":"a","event":"message"}"#),
        in_body: true,
        no: &[],
        secrets: &["example-secret-topic", "tk_example-access-token"],
    },
    Service {
        kind: "gotify",
        yes: (200, r#"{"id":25,"appid":5}"#),
        in_body: true,
        no: &[],
        secrets: &["example-application-token"],
    },
    Service {
        kind: "pushover",
        yes: (200, r#"{"status":1,"request":"r"}"#),
        in_body: true,
        no: &[r#"{"status":0,"errors":["x"],"request":"r"}"#],
        secrets: &["example-application-token", "example-user-key"],
    },
    Service {
        kind: "smn",
        yes: (200, r#"{"request_id":"r","message_id":"m"}"#),
        in_body: true,
        no: &[],
        secrets: &["EXAMPLEACCESSKEY0001", "example-secret-key"],
    },
];

/// A receiver that answers `status` with `body`.
pub(super) async fn answering(status: u16, body: &str) -> WebhookReceiver {
    let clock = Arc::new(FixedClock(now()));
    let receiver = WebhookReceiver::start(ANYWHERE, Vec::new(), clock).await.unwrap();
    receiver.set_answer(reply(status, body));
    receiver
}

fn reply(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer::Reply(HttpReply { status, body: body.as_bytes().to_vec(), ..HttpReply::default() })
}

impl Service {
    fn sink(&self, receiver: &WebhookReceiver) -> Box<dyn Sink> {
        build(&example(kind(self.kind), receiver.address()))
    }

    /// One attempt to send the usual notice to a receiver that answers so.
    async fn attempt(&self, answer: HttpAnswer) -> Result<(), SinkError> {
        let receiver = answering(200, "").await;
        receiver.set_answer(answer);
        send(&*self.sink(&receiver), &examples::one()).await.map(drop)
    }

    #[track_caller]
    fn check(&self, result: &Result<(), SinkError>, expected: &str) {
        let actual = result.as_ref().map_or_else(|error| error.verdict.as_str(), |()| "taken");
        assert_eq!(actual, expected, "{}: {result:?}", self.kind);
    }
}

#[test]
fn every_kind_over_http_is_known_here() {
    let mut known: Vec<&str> = SERVICES.iter().map(|service| service.kind).collect();
    let is_over_http = |kind: &&&Kind| {
        let schema = serde_json::to_value((kind.schema)()).unwrap();
        schema["properties"].get("allow_private").is_some()
    };
    let mut kinds: Vec<&str> = KINDS.iter().filter(is_over_http).map(|kind| kind.name).collect();
    known.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(known, kinds);
    let others = KINDS.iter().map(|kind| kind.name).filter(|name| !known.contains(name));
    assert_eq!(others.collect::<Vec<_>>(), ["email", "file", "exec", "syslog", "journald"]);
}

#[tokio::test]
async fn a_yes_is_believed_whatever_the_notice_says() {
    for service in SERVICES {
        let (status, body) = service.yes;
        let receiver = answering(status, body).await;
        let sink = service.sink(&receiver);
        for (case, notice) in occasions::every() {
            let result = send(&*sink, &notice).await;
            assert_eq!(word(&result), "taken", "{} {case} {result:?}", service.kind);
        }
        for arrival in receiver.received() {
            let kind = arrival.headers.iter().find(|(name, _)| name == "content-type");
            let json = kind.is_some_and(|(_, value)| value.starts_with("application/json"));
            assert!(json, "{} {kind:?}", service.kind);
            serde_json::from_slice::<serde_json::Value>(&arrival.body).unwrap();
        }
    }
}

#[tokio::test]
async fn a_status_that_says_yes_above_a_body_that_says_no_is_a_no() {
    for service in SERVICES {
        for body in service.no {
            let error = service.attempt(reply(200, body)).await.expect_err(body);
            assert!(!error.uncertain, "{}: {body} is an answer", service.kind);
        }
        if !service.in_body {
            continue;
        }
        for body in ["", "<html>502</html>", "{}", "[]", "null", "{\"code\":"] {
            let result = service.attempt(reply(200, body)).await;
            service.check(&result, "retry");
            assert!(result.expect_err("is unclear").uncertain, "{}: {body}", service.kind);
        }
    }
}

#[tokio::test]
async fn a_status_without_words_decides() {
    for service in SERVICES {
        for (status, expected) in [
            (301, "suspect"),
            (400, "suspect"),
            (401, "suspect"),
            (403, "suspect"),
            (405, "suspect"),
            (408, "retry"),
            (413, "suspect"),
            (425, "retry"),
            (500, "retry"),
            (502, "retry"),
            (503, "retry"),
            (504, "retry"),
        ] {
            let result = service.attempt(reply(status, "")).await;
            service.check(&result, expected);
            assert!(!result.expect_err("is refused").uncertain, "{} {status}", service.kind);
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_left_and_is_no_yes_where_the_body_counts() {
    for service in SERVICES {
        let flood = |status| {
            let body = vec![b'{'; 512 * 1024];
            HttpAnswer::Reply(HttpReply { status, body, ..HttpReply::default() })
        };
        let expected = if service.in_body { "retry" } else { "taken" };
        service.check(&service.attempt(flood(200)).await, expected);
        service.check(&service.attempt(flood(503)).await, "retry");
        service.check(&service.attempt(flood(403)).await, "suspect");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_doubt_and_a_dropped_send_leaves_nothing() {
    for service in SERVICES {
        let (status, body) = service.yes;
        let receiver = answering(status, body).await;
        let (sink, notice) = (service.sink(&receiver), examples::one());
        receiver.set_answer(HttpAnswer::Reset);
        let error = send(&*sink, &notice).await.expect_err("the answer was lost");
        assert_eq!((error.verdict.as_str(), error.uncertain), ("retry", true), "{}", service.kind);
        receiver.set_answer(HttpAnswer::Hang);
        let sending = send(&*sink, &notice);
        tokio::time::timeout(Duration::from_millis(100), sending).await.expect_err("it hangs");
        receiver.set_answer(reply(status, body));
        assert_eq!(word(&send(&*sink, &notice).await), "taken", "{}", service.kind);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for service in SERVICES {
        let elsewhere = answering(service.yes.0, service.yes.1).await;
        for status in [302, 307] {
            let location = format!("http://{}/", elsewhere.address());
            let headers = vec![("location", location)];
            let answer = HttpReply { status, headers, ..HttpReply::default() };
            let result = service.attempt(HttpAnswer::Reply(answer)).await;
            service.check(&result, "suspect");
        }
        assert_eq!(elsewhere.received(), [], "{}", service.kind);
    }
}

#[tokio::test]
async fn the_wish_to_wait_is_heard() {
    for service in SERVICES {
        for (value, expected) in [("120", 120), ("Mon, 23 Nov 2026 10:02:05 GMT", 120)] {
            let headers = vec![("retry-after", value.to_owned())];
            let answer = HttpReply { status: 503, headers, ..HttpReply::default() };
            let error = service.attempt(HttpAnswer::Reply(answer)).await.expect_err("is busy");
            let after = Some(Duration::from_secs(expected));
            assert_eq!(error.verdict, taskbell::delivery::Verdict::Retry { after });
        }
    }
}

#[tokio::test]
async fn an_answer_that_repeats_every_secret_shows_none_of_them() {
    for service in SERVICES {
        let text = kind(service.kind).example;
        let echo = service.secrets.join(" or ");
        let [plain, code, errcode] = [
            echo.clone(),
            format!(r#"{{"code":7,"msg":"{echo}","message":"{echo}","error":"{echo}"}}"#),
            format!(r#"{{"errcode":7,"errmsg":"{echo}","description":"{echo}","ok":false}}"#),
        ];
        for (status, body) in [(200, &plain), (403, &plain), (400, &code), (200, &errcode)] {
            let receiver = answering(status, body).await;
            let sink = service.sink(&receiver);
            let shown = match send(&*sink, &examples::one()).await {
                Ok(receipt) => format!("{sink:?} {receipt:?}"),
                Err(error) => format!("{sink:?} {error:?} {}", Chain(&error)),
            };
            for secret in service.secrets {
                assert!(text.contains(secret), "{}: {secret} is not in the example", service.kind);
                assert!(!shown.contains(secret), "{}: {secret} in {shown}", service.kind);
            }
        }
    }
}

#[test]
fn what_is_stored_holds_no_secret() {
    for service in SERVICES {
        let sink = build(&example(kind(service.kind), ANYWHERE));
        let body = String::from_utf8(sink.render(&examples::one())).unwrap();
        for secret in service.secrets {
            assert!(!body.contains(secret), "{}: {secret}", service.kind);
        }
    }
}

#[test]
fn a_private_receiver_is_refused_when_the_operator_says_so() {
    for service in SERVICES {
        let table = format!("{}\nallow_private = false", example(kind(service.kind), ANYWHERE));
        let error = super::try_build(&table).expect_err("is this host").to_string();
        assert!(error.ends_with("and allow_private is false"), "{}: {error}", service.kind);
    }
}
