use serde_json::json;

use super::{reply::verdict, *};

#[test]
fn the_status_decides() {
    let after = Some(Duration::from_secs(7));
    let retry = Some(Verdict::Retry { after });
    for (statuses, expected) in [
        (&[200, 201, 202, 204, 299][..], None),
        (&[408, 425, 429, 500, 501, 502, 503, 504, 521, 599], retry),
        (&[301, 302, 303, 304, 307, 308], Some(Verdict::Suspect)),
        (&[400, 401, 402, 403, 404, 405, 406, 409], Some(Verdict::Suspect)),
        (&[411, 413, 414, 415, 418, 422, 431, 451], Some(Verdict::Suspect)),
        (&[100, 101, 199, 600, 999], Some(Verdict::Suspect)),
        (&[410], Some(Verdict::Gone)),
    ] {
        for status in statuses {
            assert_eq!(verdict(*status, after), expected, "{status}");
        }
    }
}

#[test]
fn seconds_are_read_however_a_service_writes_them() {
    for (value, expected) in [
        (json!(35), Some(35_000)),
        (json!(64.57), Some(64_570)),
        (json!("5"), Some(5_000)),
        (json!(0), Some(0)),
        (json!(-1), None),
        (json!(1e300), None),
        (json!("soon"), None),
        (json!(null), None),
    ] {
        let actual = seconds(Some(&value)).map(|wait| wait.as_millis());
        assert_eq!(actual, expected, "{value}");
    }
}

#[test]
fn fields_are_put_before_those_of_the_body_and_escaped() {
    let body = with_fields(b"{\"a\":1}", &[("key", "s\"e"), ("user", "u")]);
    assert_eq!(body, b"{\"key\":\"s\\\"e\",\"user\":\"u\",\"a\":1}");
}

#[track_caller]
fn check(answer: &str, expected: &str) {
    let url = "https://u5er:pa55word@h.example/services/T000AAAA/x%2Fy-secret?token=abcdefgh";
    let secrets = Redactor::new(&["whsec_c2VjcmV0c2VjcmV0", "c2VjcmV0c2VjcmV0"]);
    let endpoint = Endpoint::new(&Secret::new(url.into()), Clients::default(), secrets).unwrap();
    assert_eq!(endpoint.redactor.excerpt(answer), expected, "{answer}");
}

#[test]
fn an_excerpt_repeats_no_secret_however_it_is_echoed() {
    check(" plain words\r\n", "plain words");
    check("no such hook: /services/T000AAAA/x%2Fy-secret!", "no such hook: [secret]!");
    check("{\"path\":\"\\/services\\/T000AAAA\"}", "{\"path\":\"\\/[secret]\\/[secret]\"}");
    check("x/y-secret or abcdefgh", "[secret] or [secret]");
    check("token=abcdefgh pa55word", "[secret] [secret]");
    check("whsec_c2VjcmV0c2VjcmV0 c2VjcmV0c2VjcmV0", "[secret] [secret]");
    check("esc \u{1b}[31m\nBcc: x", "esc \u{FFFD}[31m Bcc: x");
    check(&"x".repeat(500), &"x".repeat(120));
}

#[test]
fn only_http_urls_are_taken_and_errors_do_not_repeat_them() {
    for (url, expected) in [
        ("ftp://h/secret", "must begin with https:// or http://"),
        ("not a url: secret", "is not a URL: it does not begin with https:// or http://"),
        ("http://", "is not a URL: empty host"),
    ] {
        let url = Secret::new(url.into());
        let error = Endpoint::new(&url, Clients::default(), Redactor::default());
        assert_eq!(error.expect_err("is refused"), expected);
    }
}

#[tokio::test]
async fn a_private_host_is_refused_by_its_address_and_by_its_name() {
    let clients = Clients::default().public_only();
    let endpoint =
        |url: &str| Endpoint::new(&Secret::new(url.into()), clients.clone(), Redactor::default());
    let expected = "the host has only private addresses, and allow_private is false";
    for url in ["http://169.254.169.254/latest", "https://[fd00::1]/", "http://localhost/"] {
        assert_eq!(endpoint(url).expect_err("is private"), expected, "{url}");
    }
    // A name is let through here and refused once it is resolved.
    let mut named = endpoint("http://example.com/").unwrap();
    named.url.set_host(Some("localhost")).unwrap();
    let error = named.probe().await.expect_err("is this host");
    assert_eq!(error.verdict, Verdict::Suspect);
    let error = named.post(Request::json(Vec::new())).await.expect_err("is this host");
    assert_eq!((error.verdict, error.uncertain), (Verdict::Suspect, false));
    assert!(crate::http::Chain(&error).to_string().contains(expected), "{error:?}");
}
