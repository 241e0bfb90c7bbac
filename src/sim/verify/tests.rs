use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

/// Requests that the official SDK signed.
const VECTORS: &str = include_str!("../../../tests/vectors/huawei-signing.jsonl");

struct Vector {
    id: String,
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
    secret: String,
    time: Timestamp,
}

impl Vector {
    fn read(row: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (input, sent) = (&row["input"], &row["expected"]);
        let mut headers = HeaderMap::new();
        for (name, value) in sent["headers_sent"].as_object().unwrap() {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_bytes(text(value).as_bytes()).unwrap());
        }
        let target = text(&sent["request_target"]);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let body = match input["body_base64"].as_str() {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => text(&input["body"]).into_bytes(),
        };
        let date = String::from_utf8_lossy(headers["x-sdk-date"].as_bytes()).into_owned();
        Self {
            id: text(&row["id"]),
            method: text(&input["method"]),
            path: path.to_owned(),
            query: query.to_owned(),
            body,
            secret: text(&input["sk"]),
            time: parse_date(date.as_bytes()).unwrap(),
            headers,
        }
    }

    fn verify(&self, later: SignedDuration) -> Result<(), Refusal> {
        let header = String::from_utf8_lossy(self.headers["authorization"].as_bytes()).into_owned();
        let authorization = parse(&header).expect("the SDK's own header");
        let request = Signed {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        };
        verify(&request, &authorization, &self.secret, self.time + later)
    }
}

fn vectors() -> Vec<Vector> {
    let rows: Vec<Vector> =
        VECTORS.lines().map(|line| Vector::read(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(rows.len(), 40);
    rows
}

#[test]
fn what_the_official_sdk_signed_is_accepted() {
    for vector in vectors() {
        assert_eq!(vector.verify(SignedDuration::ZERO), Ok(()), "{}", vector.id);
    }
}

#[test]
fn any_change_on_the_way_is_refused() {
    for mut vector in vectors() {
        vector.path.push('x');
        let refused = vector.verify(SignedDuration::ZERO);
        assert!(matches!(refused, Err(Refusal::Mismatch { .. })), "path of {}", vector.id);
    }
    for mut vector in vectors() {
        vector.secret.push('x');
        let refused = vector.verify(SignedDuration::ZERO);
        assert!(matches!(refused, Err(Refusal::Mismatch { .. })), "secret of {}", vector.id);
    }
}

#[test]
fn clocks_may_differ_by_fifteen_minutes_and_no_second_more() {
    for vector in vectors() {
        for (seconds, accepted) in [(900, true), (-900, true), (901, false), (-901, false)] {
            let result = vector.verify(SignedDuration::from_secs(seconds));
            assert_eq!(result.is_ok(), accepted, "{} after {seconds} s", vector.id);
        }
    }
}
