use std::time::Duration;

use super::*;

/// A resolver that knows nobody.
#[derive(Clone, Copy)]
struct Nobody;

impl reqwest::dns::Resolve for Nobody {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("no such host".into()) })
    }
}

#[tokio::test]
async fn a_name_that_is_not_found_is_told_from_a_broken_connection() {
    // Installs the process's TLS provider, which any client needs.
    Clients::default().get(&"http://localhost".parse().unwrap()).unwrap();
    let client = Client::builder().tls_certs_only([]).dns_resolver(Nobody).build().unwrap();
    let error = client.get("http://kms.example/v3/s3cret").send().await.unwrap_err();
    let fault = of_silence(error, "http://kms.example");
    assert_eq!(fault.error.class, FaultClass::Dns);
    assert!(fault.retryable);
    assert_eq!(fault.error.to_string(), "no answer from http://kms.example");
    assert!(!http::Chain(&fault.error).to_string().contains("s3cret"));
}

const DATE: &str = "Mon, 23 Nov 2026 10:00:00 GMT";

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn fault(status: u16, headers: &[(&'static str, &str)], body: &str) -> Fault {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let secrets = ["AKFAKEFAKEFAKEFAKE01", "tok3n"];
    let body = body.as_bytes();
    let who = "the cloud";
    of_refusal(&Refusal { who, status, headers: &headers, body, secrets: &secrets }, now())
}

/// Expectation: the class, and `retry` or `stop`.
#[track_caller]
fn check(status: u16, code: &str, message: &str, expected: &str) {
    let body = format!(r#"{{"error_code":"{code}","error_msg":"{message}"}}"#);
    let fault = fault(status, &[("date", DATE)], &body);
    let word = if fault.retryable { "retry" } else { "stop" };
    let actual = format!("{} {word}", fault.error.class.as_str());
    assert_eq!(actual, expected, "{status} {code} {message}");
}

#[test]
fn every_code_of_the_service_has_a_class() {
    for code in ["0001", "0002", "0005", "4016", "6004", "6005", "6008", "6010", "6011"] {
        check(400, &format!("KPS.{code}"), "m", "request stop");
    }
    check(400, "KPS.0006", "User not found", "auth stop");
    check(401, "KPS.9001", "token missing", "auth stop");
    check(401, "KPS.9002", "public test service denied", "permission stop");
    check(403, "KPS.6009", "Keypair verify failed", "request stop");
    check(403, "KPS.9003", "no permission", "permission stop");
    check(403, "KPS.9004", "frozen", "account_frozen stop");
    check(403, "KPS.9005", "restricted", "account_frozen stop");
    check(403, "KPS.9006", "unknown user type", "permission stop");
    for code in ["0003", "0004", "5001", "5002", "5003", "5004", "6007"] {
        check(500, &format!("KPS.{code}"), "m", "upstream retry");
    }
}

#[test]
fn every_code_of_the_gateway_has_a_class() {
    for prefix in ["APIGW", "APIG"] {
        let check = |status, code: &str, expected| {
            check(status, &format!("{prefix}.{code}"), "m", expected);
        };
        check(404, "0101", "not_in_region stop");
        for code in ["0103", "0104", "0105"] {
            for status in [400, 404, 500] {
                check(status, code, "upstream stop");
            }
        }
        for code in ["0106", "0602", "0607", "0204"] {
            check(400, code, "request stop");
        }
        for status in [400, 413, 414, 494] {
            check(status, "0201", "request stop");
        }
        for status in [500, 502, 504] {
            check(status, "0201", "upstream retry");
        }
        for code in ["0301", "0303", "0305", "0307"] {
            check(401, code, "auth stop");
        }
        for code in ["0302", "0304", "0306", "0402", "0802"] {
            check(403, code, "permission stop");
        }
        check(403, "0310", "not_in_region stop");
        check(429, "0308", "throttled retry");
        check(405, "0501", "throttled stop");
        check(405, "0502", "throttled stop");
        for code in ["0601", "0605", "0606", "0608", "0609", "0611", "0612", "0705"] {
            check(500, code, "upstream retry");
        }
        check(502, "0610", "upstream retry");
        check(503, "0613", "upstream retry");
    }
}

#[test]
fn identity_codes_follow_their_status() {
    for code in ["IAM.0001", "IAM.0066", "IAM.1108"] {
        check(401, code, "m", "auth stop");
    }
    check(403, "IAM.0002", "m", "permission stop");
    check(429, "IAM.0012", "m", "throttled retry");
}

#[test]
fn one_code_for_many_causes_is_told_apart_by_its_message() {
    let check = |message: &str, expected| {
        let message = format!("Incorrect IAM authentication information: {message}");
        check(401, "APIGW.0301", &message, expected);
    };
    check("verify aksk signature fail, canonicalRequest:GET|/v3/", "auth stop");
    check(
        "calc aksk signature fail:signature expired, signature time:20211217T064303Z,\
         server time:20211217T065804Z",
        "clock_skew stop",
    );
    check("ak XXX not exist", "auth stop");
    check("AK access failed to reach the limit,forbidden", "auth stop");
    check("decrypt token fail", "auth stop");
    check("x-auth-token not found", "auth stop");
    check("token expires, expires_at: 2026", "auth stop");
    check("current ip:192.0.2.7 is refused", "permission stop");
}

#[test]
fn a_refusal_is_classified_by_its_status_when_it_has_no_code() {
    for (status, expected) in [
        (301, "schema stop"),
        (302, "schema stop"),
        (304, "schema stop"),
        (400, "request stop"),
        (401, "auth stop"),
        (403, "permission stop"),
        (404, "not_in_region stop"),
        (405, "request stop"),
        (407, "network stop"),
        (408, "timeout retry"),
        (418, "request stop"),
        (429, "throttled retry"),
        (500, "upstream retry"),
        (501, "upstream stop"),
        (502, "upstream retry"),
        (503, "upstream retry"),
        (504, "upstream retry"),
        (599, "upstream stop"),
    ] {
        for body in ["", "<html><title>502 Bad Gateway</title></html>", "[1]", "null"] {
            let fault = fault(status, &[("date", DATE)], body);
            let word = if fault.retryable { "retry" } else { "stop" };
            assert_eq!(format!("{} {word}", fault.error.class.as_str()), expected, "{status}");
            let page =
                if status < 500 && body.starts_with('<') { "; it is a web page" } else { "" };
            assert_eq!(fault.error.to_string(), format!("the cloud answered {status}{page}"));
        }
    }
}

#[test]
fn every_shape_of_an_error_body_is_read() {
    for (body, expected) in [
        (r#"{"error_code":"KPS.1","error_msg":"m"}"#, "KPS.1: m"),
        (r#"{"error_msg":"m","error_code":"APIGW.1","request_id":"r"}"#, "APIGW.1: m (request r)"),
        (r#"{"error":{"error_code":"KMS.1","error_msg":"m"}}"#, "KMS.1: m"),
        (r#"{"error":{"code":401,"message":"m","title":"Unauthorized"}}"#, "401: m"),
        (r#"{"error":{"message":"m","title":"Unauthorized"}}"#, ": m"),
        (r#"{"error":{"code":"EPS.0003","message":"m"}}"#, "EPS.0003: m"),
        (r#"{"errorCode":"X.1","errorMsg":"m"}"#, "X.1: m"),
        (r#"{"code":"X.1","message":"m"}"#, "X.1: m"),
        (r#"{"error":"m"}"#, ": m"),
        (r#"{"code":500,"error":{"code":"X.1","message":"m"}}"#, "X.1: m"),
        (r#"{"error_code":null,"error_msg":["m"]}"#, ""),
    ] {
        let shown = fault(400, &[], body).error.to_string();
        let tail = shown.strip_prefix("the cloud answered 400").unwrap();
        assert_eq!(tail.trim_start_matches(' '), expected, "{body}");
    }
}

#[test]
fn what_the_cloud_only_hints_at_is_said() {
    let said = |status, headers: &[(&'static str, &str)], code: &str, message: &str| {
        let body = format!(r#"{{"error_code":"{code}","error_msg":"{message}"}}"#);
        fault(status, headers, &body).error.to_string()
    };
    for (status, code, message, expected) in [
        (401, "APIGW.0307", "The token must be updated.", "; the token has expired"),
        (401, "APIGW.0301", "AK access failed to reach the limit,forbidden", "; the key is locked"),
        (403, "KPS.9004", "账户已冻结", "; the account is frozen"),
        (403, "KPS.9005", "受限", "; the account is restricted"),
    ] {
        let said = said(status, &[], code, message);
        let message = message.trim_end_matches('.');
        assert!(said.contains(&format!("{message}{expected}")), "{said}");
    }
    assert_eq!(said(401, &[], "401", "m"), "the cloud answered 401: m");
    let portal = [("location", "http://portal.example/login?back=s3cret")];
    let redirected = said(302, &portal, "", "");
    assert_eq!(redirected, "the cloud answered 302; it sends us to http://portal.example");
    let echo = said(302, &[("location", "http://tok3n.portal.example/")], "", "");
    assert_eq!(echo, "the cloud answered 302; it sends us to http://***.portal.example");
}

#[test]
fn a_clock_that_is_off_is_told_from_bad_credentials_by_the_answers_date() {
    let class = |status, date| fault(status, &[("date", date)], "{}").error.class;
    assert_eq!(class(401, "Mon, 23 Nov 2026 10:15:00 GMT"), FaultClass::Auth);
    assert_eq!(class(401, "Mon, 23 Nov 2026 10:15:01 GMT"), FaultClass::ClockSkew);
    assert_eq!(class(401, "Mon, 23 Nov 2026 09:44:59 GMT"), FaultClass::ClockSkew);
    assert_eq!(class(401, "yesterday"), FaultClass::Auth);
    assert_eq!(class(403, "Mon, 23 Nov 2026 08:00:00 GMT"), FaultClass::Permission);
    let skewed = fault(401, &[("date", "Mon, 23 Nov 2026 12:00:00 GMT")], "{}");
    assert_eq!(
        skewed.error.to_string(),
        "the cloud answered 401; this host's clock is 2h behind the cloud's 2026-11-23T12:00:00Z"
    );
}

#[test]
fn what_we_sent_is_not_repeated() {
    let body = r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication
        information: verify aksk signature fail, canonicalRequest:GET|/v3/p/||x-security-token:s|"}"#
        .replace("\n       ", "");
    let shown = fault(401, &[("x-request-id", "r-1")], &body).error.to_string();
    assert_eq!(
        shown,
        "the cloud answered 401 APIGW.0301: Incorrect IAM authentication information: \
         verify aksk signature fail (request r-1)"
    );
    let body = r#"{"error_code":"APIGW.0301","error_msg":"ak AKFAKEFAKEFAKEFAKE01 not exist"}"#;
    let shown = fault(401, &[("x-request-id", "tok3n")], body).error.to_string();
    assert_eq!(shown, "the cloud answered 401 APIGW.0301: ak *** not exist (request ***)");
}

#[test]
fn hostile_messages_are_cleaned_and_bounded() {
    let body = format!(r#"{{"error_code":"a\r\nb","error_msg":"{}"}}"#, "x".repeat(60_000));
    let shown = fault(400, &[], &body).error.to_string();
    assert!(shown.starts_with("the cloud answered 400 a b: xxx"), "{shown}");
    assert!(shown.len() < 400, "{}", shown.len());
    let deep = format!("{}1{}", r#"{"error":"#.repeat(100), "}".repeat(100));
    assert_eq!(fault(400, &[], &deep).error.to_string(), "the cloud answered 400");
}

#[test]
fn the_services_wish_to_wait_is_kept() {
    let fault = fault(429, &[("retry-after", "7")], "");
    assert_eq!(fault.error.retry_after, Some(Duration::from_secs(7)));
}
