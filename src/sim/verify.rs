//! Checks `SDK-HMAC-SHA256` signatures, as the gateway in front of the cloud does.
//!
//! Works from the request as it came over the wire: raw path, raw query, and the headers that
//! the request itself names in `SignedHeaders`. Shares no code with the signer that the worker
//! uses, so that one error cannot hide in both. `now` and the secret are arguments.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

/// The only algorithm that is checked.
const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// How far the client's clock may be off, either way.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Upper case.
    pub method: &'a str,
    /// As received, still percent-encoded.
    pub path: &'a str,
    /// As received, without the question mark; empty if there was none.
    pub query: &'a str,
    /// All headers received.
    pub headers: &'a HeaderMap,
    /// All bytes of the body.
    pub body: &'a [u8],
}

/// A taken-apart `Authorization` header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization<'a> {
    /// The access key.
    pub access: &'a str,
    /// Lower-case names, in order.
    pub signed_headers: Vec<&'a str>,
    /// Hexadecimal.
    pub signature: &'a str,
}

/// Why a signature is refused. The messages are the gateway's own.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// `X-Sdk-Date` is absent or unreadable.
    #[error("calc aksk signature fail:x-sdk-date not found or malformed")]
    Date,
    /// The clocks differ by more than 15 min.
    #[error(
        "calc aksk signature fail:signature expired, signature time:{signed},server time:{server}"
    )]
    Skew {
        /// The client's time.
        signed: String,
        /// Ours, in the same form.
        server: String,
    },
    /// Another signature would be right. Holds our canonical request, with `|` for line breaks.
    #[error("verify aksk signature fail, canonicalRequest:{canonical}")]
    Mismatch {
        /// What we signed.
        canonical: String,
    },
}

/// Reads `SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`.
#[must_use]
pub fn parse(header: &str) -> Option<Authorization<'_>> {
    let mut found = (None, None, None);
    for part in header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(',') {
        match part.trim().split_once('=')? {
            ("Access", value) => found.0 = Some(value),
            ("SignedHeaders", value) => found.1 = Some(value),
            ("Signature", value) => found.2 = Some(value),
            _ => return None,
        }
    }
    let (access, names, signature) = (found.0?, found.1?, found.2?);
    Some(Authorization { access, signed_headers: names.split(';').collect(), signature })
}

/// Checks the signature of `request`.
///
/// # Errors
///
/// [`Refusal`], in the order of its variants.
///
/// # Panics
///
/// Never: HMAC takes keys of any length.
pub fn verify(
    request: &Signed<'_>,
    authorization: &Authorization<'_>,
    secret: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let date = header(request.headers, "x-sdk-date");
    let signed_at = parse_date(date).ok_or(Refusal::Date)?;
    if SKEW_MAX < now.duration_since(signed_at).abs() {
        let server = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        return Err(Refusal::Skew { signed: lossy(date), server });
    }
    let canonical = canonical_request(request, &authorization.signed_headers);
    let mut to_sign = format!("{ALGORITHM}\n").into_bytes();
    to_sign.extend_from_slice(date);
    to_sign.push(b'\n');
    to_sign.extend_from_slice(hex(&Sha256::digest(&canonical)).as_bytes());
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(&to_sign);
    let signature = hex(&mac.finalize().into_bytes());
    if signature == authorization.signature && body_is_as_declared(request) {
        return Ok(());
    }
    Err(Refusal::Mismatch { canonical: lossy(&canonical).replace('\n', "|") })
}

/// The canonical request, in bytes because header values need not be UTF-8.
fn canonical_request(request: &Signed<'_>, signed_headers: &[&str]) -> Vec<u8> {
    // A signer that forgot to sort must not pass.
    let mut names = signed_headers.to_vec();
    names.sort_unstable();
    let mut canonical = Vec::new();
    for line in [request.method, &canonical_path(request.path), &canonical_query(request.query)] {
        canonical.extend_from_slice(line.as_bytes());
        canonical.push(b'\n');
    }
    for name in &names {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        canonical.extend_from_slice(header(request.headers, name).trim_ascii());
        canonical.push(b'\n');
    }
    canonical.push(b'\n');
    canonical.extend_from_slice(names.join(";").as_bytes());
    canonical.push(b'\n');
    match declared_hash(request.headers) {
        Some(hash) => canonical.extend_from_slice(hash),
        None => canonical.extend_from_slice(hex(&Sha256::digest(request.body)).as_bytes()),
    }
    canonical
}

/// Every segment decoded and encoded again, and one slash at the end.
fn canonical_path(raw: &str) -> String {
    let mut path =
        raw.split('/').map(|segment| recode(segment.as_bytes())).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// Every key and value decoded and encoded again, sorted by what they are decoded.
fn canonical_query(raw: &str) -> String {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A plus stays a plus: signers must write a space as %20.
            (percent_decode_str(key).collect(), percent_decode_str(value).collect())
        })
        .collect();
    pairs.sort_unstable();
    let encoded: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    encoded.join("&")
}

fn recode(raw: &[u8]) -> String {
    encode(&percent_encoding::percent_decode(raw).collect::<Vec<u8>>())
}

/// Percent-encodes all but RFC 3986's unreserved characters, in upper case.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    text
}

/// The value of `X-Sdk-Content-Sha256`, which stands in for the body's hash.
fn declared_hash(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("x-sdk-content-sha256").map(|value| value.as_bytes().trim_ascii())
}

/// Whether a declared hash is that of the body, or says that none was made.
fn body_is_as_declared(request: &Signed<'_>) -> bool {
    declared_hash(request.headers).is_none_or(|declared| {
        declared == b"UNSIGNED-PAYLOAD"
            || declared.eq_ignore_ascii_case(hex(&Sha256::digest(request.body)).as_bytes())
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    headers.get(name).map(hyper::header::HeaderValue::as_bytes).unwrap_or_default()
}

/// Reads `20240229T235959Z`.
fn parse_date(text: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(text).ok()?;
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
