//! Standard Webhooks signatures, version 1: HMAC-SHA256 over `{id}.{timestamp}.{body}`.
//!
//! Both sides are here. We sign; the demo's receiver and `taskbell verify` check. A request may
//! carry one signature per secret, so that a secret can be replaced without a gap.

use std::{fmt, time::Duration};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// How far a request's timestamp may be from the receiver's clock. What the reference libraries
/// allow.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Marks the text form of a secret. Some tools hand secrets out without it.
const PREFIX: &str = "whsec_";

/// Some tools leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret, ready to sign with.
///
/// Keeps the state of the hash after the key went in, so that a signature costs two blocks less.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// The rule that a secret breaks.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum KeyError {
    /// It is not text that stands for bytes.
    #[error("must be `whsec_` and base64")]
    NotBase64,
    /// Too short to be safe, or longer than the standard allows.
    #[error("must stand for 24 to 64 bytes, but stands for {bytes}")]
    Length {
        /// After decoding.
        bytes: usize,
    },
}

impl Key {
    /// Fewest bytes that the standard allows.
    pub const BYTES_MIN: usize = 24;
    /// Most bytes that the standard allows.
    pub const BYTES_MAX: usize = 64;

    /// Reads `whsec_` and base64, padded or not.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = Zeroizing::new(LENIENT.decode(text).map_err(|_| KeyError::NotBase64)?);
        if !(Self::BYTES_MIN..=Self::BYTES_MAX).contains(&bytes.len()) {
            return Err(KeyError::Length { bytes: bytes.len() });
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| KeyError::NotBase64)
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The value of `webhook-signature`: one `v1,<base64>` per key, separated by spaces.
///
/// `timestamp` is the instant of the attempt in seconds since 1970, as sent in
/// `webhook-timestamp`.
#[must_use]
pub fn signature(keys: &[Key], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut out = String::with_capacity(48 * keys.len());
    for key in keys {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str("v1,");
        STANDARD.encode_string(key.mac(id, timestamp, body).finalize().into_bytes(), &mut out);
    }
    out
}

/// The three headers of a signed request, as they arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Why a request is not to be believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum VerifyError {
    /// The id is absent, or holds a dot and could be read in two ways.
    #[error("webhook-id is missing or holds a dot")]
    Id,
    /// The timestamp is not whole seconds.
    #[error("webhook-timestamp is not a number of seconds")]
    Timestamp,
    /// The timestamp is too far from the clock: a replay, or a clock that is wrong.
    #[error("webhook-timestamp is too far from this clock")]
    Stale,
    /// No signature of version 1 fits any of the keys.
    #[error("no signature fits")]
    Mismatch,
}

/// Checks that a request was signed with one of `keys` about `now`.
///
/// Signatures are compared in constant time. Those of other versions are passed over.
///
/// # Errors
///
/// The first check that failed, in the order of [`VerifyError`].
pub fn verify(
    keys: &[Key],
    headers: Headers<'_>,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    if headers.id.is_empty() || headers.id.contains('.') {
        return Err(VerifyError::Id);
    }
    let sent_at: i64 = headers.timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if tolerance.as_secs() < now.as_second().abs_diff(sent_at) {
        return Err(VerifyError::Stale);
    }
    for signature in headers.signature.split(' ') {
        let Some(encoded) = signature.strip_prefix("v1,") else { continue };
        let Ok(signature) = STANDARD.decode(encoded) else { continue };
        for key in keys {
            let mac = key.mac(headers.id, headers.timestamp, body);
            if mac.verify_slice(&signature).is_ok() {
                return Ok(());
            }
        }
    }
    Err(VerifyError::Mismatch)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const VECTORS: &str = include_str!("../../../tests/vectors/standard-webhooks.jsonl");

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
}
