//! `SDK-HMAC-SHA256`, the cloud's request signature.
//!
//! Pure: a request and a time go in, the header goes out, together with the texts it was made
//! from, because "the signature does not match" can be explained by nothing else. What is signed
//! must be what is sent, so the request target comes out as well and is sent as it is.
//!
//! The secret key signs directly: there is no chain of derived keys and no scope of region or
//! service. The gateway accepts a date within 15 minutes of its own clock.

use std::{borrow::Cow, fmt};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Name of the algorithm, in the header and in the string to sign.
pub const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// The header that carries the signature's date.
pub const DATE_HEADER: &str = "x-sdk-date";

/// Replaces the hash of the body when the sender states it himself.
const CONTENT_HASH_HEADER: &str = "x-sdk-content-sha256";

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is signed.
///
/// `Debug` leaves out the headers: one of them may be a security token.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// In any case; signed in upper case.
    pub method: &'a str,
    /// As it goes over the wire: percent-encoded, beginning with `/`.
    pub path: &'a str,
    /// Not encoded, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// Names in any case; `host` must be among them. All are signed, except [`DATE_HEADER`],
    /// which the signer makes, and those with a `_`, which proxies drop. Few is better: a proxy
    /// that rewrites a signed header breaks the signature.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes that are sent.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// A signature and what it was made from.
///
/// `Debug` shows nothing: the canonical request repeats the security token.
#[derive(Clone, Eq, PartialEq)]
pub struct Signed {
    /// Value of the `Authorization` header.
    pub authorization: String,
    /// Value of [`DATE_HEADER`], to be sent as well.
    pub date: String,
    /// Path and query as they must go over the wire.
    pub request_target: String,
    /// What the gateway computes too; it quotes its own in a refusal.
    pub canonical_request: String,
    /// What the key signs.
    pub string_to_sign: String,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed(..)")
    }
}

/// Signs `request` with the key pair, as of `now`.
#[must_use]
pub fn sign(
    request: &Request<'_>,
    access_key: &str,
    secret_key: &Secret,
    now: Timestamp,
) -> Signed {
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let query = canonical_query(request.query);
    let headers = canonical_headers(request.headers, &date);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed_headers = names.join(";");

    let stated = headers.iter().find(|(name, _)| name == CONTENT_HASH_HEADER);
    let body_hash = match stated {
        Some((_, value)) => Cow::Borrowed(*value),
        None => Cow::Owned(hex(&Sha256::digest(request.body))),
    };
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical_request = [
        &request.method.to_ascii_uppercase(),
        &canonical_path(request.path),
        &query,
        // Each ends in a line break of its own, so a blank line follows.
        &lines.concat(),
        &signed_headers,
        body_hash.as_ref(),
    ]
    .join("\n");

    let hash = hex(&Sha256::digest(canonical_request.as_bytes()));
    let string_to_sign = format!("{ALGORITHM}\n{date}\n{hash}");
    let signature = hex(&hmac(secret_key, string_to_sign.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Access={access_key}, SignedHeaders={signed_headers}, Signature={signature}"
    );
    let request_target = join(request.path, &query);
    Signed { authorization, date, request_target, canonical_request, string_to_sign }
}

/// Path and query as they must go over the wire, signed or not. See [`Request`] for the arguments.
#[must_use]
pub fn request_target(path: &str, query: &[(&str, &str)]) -> String {
    join(path, &canonical_query(query))
}

fn join(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Each segment decoded and encoded anew, and always with a slash at the end, which the path on
/// the wire need not have.
fn canonical_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    for (at, segment) in path.split('/').enumerate() {
        if at != 0 {
            out.push('/');
        }
        let plain: Cow<'_, [u8]> = percent_decode_str(segment).into();
        out.extend(percent_encode(&plain, RESERVED));
    }
    if !out.ends_with('/') {
        out.push('/');
    }
    out
}

/// Sorted before it is encoded: all official clients do so, and the gateway agrees with them.
fn canonical_query(pairs: &[(&str, &str)]) -> String {
    let mut pairs = pairs.to_vec();
    pairs.sort_unstable();
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    pairs.join("&")
}

fn canonical_headers<'a>(headers: &[(&str, &'a str)], date: &'a str) -> Vec<(String, &'a str)> {
    let mut headers: Vec<(String, &str)> = headers
        .iter()
        .filter(|(name, _)| !name.contains('_') && !name.eq_ignore_ascii_case(DATE_HEADER))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .chain([(DATE_HEADER.to_owned(), date)])
        .collect();
    headers.sort_unstable();
    headers
}

fn hmac(key: &Secret, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|nibble| char::from_digit(nibble.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

#[cfg(test)]
mod tests;
