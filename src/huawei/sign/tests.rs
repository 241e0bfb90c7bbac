use super::*;

/// Made by the official Python client with a frozen clock. The keys are fakes.
const VECTORS: &str = include_str!("../../../tests/vectors/huawei-signing.jsonl");

/// The headers that the official client signs for a row. Some rows bring a date of their own.
fn headers(input: &serde_json::Value) -> Vec<(&str, &str)> {
    let given = input["headers"].as_object().unwrap();
    let has = |name: &str| given.keys().any(|key| key.eq_ignore_ascii_case(name));
    let mut headers: Vec<(&str, &str)> =
        given.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    if let Some(project) = input["project_id"].as_str() {
        headers.push(("X-Project-Id", project));
    }
    if let Some(token) = input["security_token"].as_str() {
        headers.push(("X-Security-Token", token));
    }
    let kind = given.get("Content-Type").map_or("application/json", |kind| kind.as_str().unwrap());
    if !kind.starts_with("application/json") {
        headers.push(("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD"));
    }
    if !has("host") {
        headers.push(("Host", input["host"].as_str().unwrap()));
    }
    headers
}

#[test]
fn every_vector_of_the_official_client_is_met() {
    use base64::{Engine, prelude::BASE64_STANDARD};

    let mut rows = 0;
    for line in VECTORS.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, input, expected) = (&row["id"], &row["input"], &row["expected"]);
        let query: Vec<(&str, &str)> = input["query"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let body = input["body_base64"].as_str().unwrap_or_default();
        let body = BASE64_STANDARD.decode(body).unwrap();
        let request = Request {
            method: input["method"].as_str().unwrap(),
            path: input["path"].as_str().unwrap(),
            query: &query,
            headers: &headers(input),
            body: &body,
        };
        let secret_key = Secret::new(input["sk"].as_str().unwrap().to_owned());
        let date = input["time"].as_str().unwrap();
        // Into the one form that jiff reads.
        let mut rfc3339 = date.to_owned();
        for (at, separator) in [(13, ':'), (11, ':'), (6, '-'), (4, '-')] {
            rfc3339.insert(at, separator);
        }
        let now: Timestamp = rfc3339.parse().unwrap();

        let signed = sign(&request, input["ak"].as_str().unwrap(), &secret_key, now);
        assert_eq!(signed.date, date, "{id}");
        assert_eq!(signed.request_target, expected["request_target"], "{id}");
        assert_eq!(signed.canonical_request, expected["canonical_request"], "{id}");
        assert_eq!(signed.string_to_sign, expected["string_to_sign"], "{id}");
        assert_eq!(signed.authorization, expected["authorization"], "{id}");
        rows += 1;
    }
    assert_eq!(rows, 40);
}

#[test]
fn debug_output_shows_neither_headers_nor_texts() {
    let request = Request {
        method: "GET",
        path: "/",
        query: &[],
        headers: &[("host", "h"), ("x-security-token", "s3cret")],
        body: b"",
    };
    let signed = sign(&request, "AK", &Secret::new("k".into()), Timestamp::UNIX_EPOCH);
    assert!(signed.canonical_request.contains("s3cret"));
    assert!(!format!("{request:?} {signed:?}").contains("s3cret"));
}
