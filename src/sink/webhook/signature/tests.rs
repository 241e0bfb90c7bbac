use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../../tests/vectors/standard-webhooks.jsonl");

fn text<'a>(row: &'a Value, path: &str) -> &'a str {
    row.pointer(path).and_then(Value::as_str).unwrap()
}

#[test]
fn signatures_equal_those_of_the_reference_library() {
    let mut rows = 0;
    for line in VECTORS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (id, body) = (text(&row, "/msg_id"), text(&row, "/body").as_bytes());
        let timestamp = row["timestamp"].as_i64().unwrap();
        let seconds = timestamp.to_string();
        let key = Key::parse(text(&row, "/secret")).unwrap();
        let old = Key::parse(text(&row, "/rotation/secret_old")).unwrap();
        let one = signature(std::slice::from_ref(&key), id, &seconds, body);
        assert_eq!(one, text(&row, "/signature"), "{line}");
        let both = signature(&[key.clone(), old.clone()], id, &seconds, body);
        assert_eq!(both, text(&row, "/rotation/webhook_signature"), "{line}");

        let now = Timestamp::from_second(timestamp).unwrap();
        let headers = Headers { id, timestamp: &seconds, signature: &both };
        for keys in [vec![key.clone()], vec![old.clone()], vec![old, key]] {
            assert_eq!(verify(&keys, headers, body, now, TOLERANCE), Ok(()), "{line}");
        }
        rows += 1;
    }
    assert_eq!(rows, 20);
}

#[track_caller]
fn check(headers: Headers<'_>, now: i64, expected: Result<(), VerifyError>) {
    let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let now = Timestamp::from_second(now).unwrap();
    assert_eq!(verify(&[key], headers, b"{}", now, TOLERANCE), expected, "{headers:?} {now}");
}

#[test]
fn only_a_fresh_request_with_a_fitting_signature_is_believed() {
    let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let good = signature(&[key], "m", "1000000", b"{}");
    let headers = Headers { id: "m", timestamp: "1000000", signature: &good };
    for now in [1_000_000, 999_700, 1_000_300] {
        check(headers, now, Ok(()));
    }
    for now in [999_699, 1_000_301, 0] {
        check(headers, now, Err(VerifyError::Stale));
    }
    let among_others = format!("v1a,xx v1 v2,{good} v1,AAAA {good}");
    check(Headers { signature: &among_others, ..headers }, 1_000_000, Ok(()));
    for signature in ["", "v1,", "v1,AAAA", "v2,AAAA", "nonsense"] {
        let error = Err(VerifyError::Mismatch);
        check(Headers { signature, ..headers }, 1_000_000, error);
    }
    check(Headers { id: "n", ..headers }, 1_000_000, Err(VerifyError::Mismatch));
    check(Headers { id: "m.1", ..headers }, 1_000_000, Err(VerifyError::Id));
    check(Headers { timestamp: "1e6", ..headers }, 1_000_000, Err(VerifyError::Timestamp));
    check(Headers { timestamp: "-9223372036854775808", ..headers }, 0, Err(VerifyError::Stale));
}

#[test]
fn a_secret_stands_for_24_to_64_bytes_padded_or_not() {
    let of = |count: usize| format!("whsec_{}", STANDARD.encode(vec![7; count]));
    for good in [of(24), of(25), of(64), of(25).trim_end_matches('=').to_owned()] {
        assert!(Key::parse(&good).is_ok(), "{good}");
    }
    assert_eq!(Key::parse(&of(23)).unwrap_err(), KeyError::Length { bytes: 23 });
    assert_eq!(Key::parse(&of(65)).unwrap_err(), KeyError::Length { bytes: 65 });
    assert_eq!(Key::parse("whsec_no base64!").unwrap_err(), KeyError::NotBase64);
}

/// A key with its public half, and its signature of a request, from another implementation.
const PAIR: &str =
    "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const SIGNED: &str =
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

#[test]
fn an_ed25519_key_signs_as_others_do_and_its_public_half_verifies() {
    let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
    let bytes = STANDARD.decode(PAIR).unwrap();
    let (seed, public) = bytes.split_at(32);
    let pair = Key::parse(&format!("whsk_{PAIR}")).unwrap();
    let seed = Key::parse(&format!("whsk_{}", STANDARD.encode(seed))).unwrap();
    let public = Key::parse_verifying(&format!("whpk_{}", STANDARD.encode(public))).unwrap();
    for key in [&pair, &seed] {
        assert_eq!(signature(std::slice::from_ref(key), id, "1614265330", body), SIGNED);
    }
    assert_eq!(signature(std::slice::from_ref(&public), id, "1614265330", body), "");
    let shared = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let both = signature(&[shared.clone(), pair.clone()], id, "1614265330", body);
    let now = Timestamp::from_second(1_614_265_330).unwrap();
    let headers = Headers { id, timestamp: "1614265330", signature: &both };
    for key in [pair, seed, public.clone(), shared] {
        assert_eq!(verify(&[key], headers, body, now, TOLERANCE), Ok(()));
    }
    let wrong = Err(VerifyError::Mismatch);
    assert_eq!(verify(&[public], headers, b"{}", now, TOLERANCE), wrong);
}

#[test]
fn an_ed25519_key_is_refused_for_the_rule_it_breaks() {
    let of = |mark: &str, bytes: &[u8]| format!("{mark}{}", STANDARD.encode(bytes));
    let error = |text: &str| Key::parse_verifying(text).unwrap_err();
    assert_eq!(error(&of("whsk_", &[7; 31])), KeyError::NotEd25519);
    assert_eq!(error(&of("whsk_", &[7; 48])), KeyError::NotEd25519);
    assert_eq!(error(&of("whsk_", &[7; 64])), KeyError::Mismatch);
    assert_eq!(error(&of("whpk_", &[7; 31])), KeyError::NotEd25519);
    assert_eq!(error("whpk_!"), KeyError::NotBase64);
    assert_eq!(Key::parse(&of("whpk_", &[7; 32])).unwrap_err(), KeyError::Public);
}
