//! Standard Webhooks signatures over `{id}.{timestamp}.{body}`: `v1` is HMAC-SHA256 with a shared
//! secret, `v1a` is Ed25519 with a key that the receiver knows the public half of.
//!
//! Both sides are here. We sign; the demo's receiver and `taskbell verify` check. A request may
//! carry one signature per secret, so that a secret can be replaced without a gap.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use thiserror::Error;

mod key;

pub(super) use key::unmarked;
pub use key::{Key, KeyError};

/// How far a request's timestamp may be from the receiver's clock. What the reference libraries
/// allow.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The value of `webhook-signature`: one `v1,<base64>` or `v1a,<base64>` per key, separated by
/// spaces. A public key signs nothing.
///
/// `timestamp` is the instant of the attempt in seconds since 1970, as sent in
/// `webhook-timestamp`.
#[must_use]
pub fn signature(keys: &[Key], id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let mut out = String::with_capacity(96 * keys.len());
    for key in keys {
        let Some(signature) = key.sign(&parts) else { continue };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(key.version());
        out.push(',');
        STANDARD.encode_string(signature, &mut out);
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
    /// No signature of version 1 or 1a fits any of the keys.
    #[error("no signature fits")]
    Mismatch,
}

/// Checks that a request was signed with one of `keys` about `now`.
///
/// Signatures are compared in constant time. Those of other versions than a key's are passed
/// over.
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
    let parts = [headers.id.as_bytes(), b".", headers.timestamp.as_bytes(), b".", body];
    for signature in headers.signature.split(' ') {
        let Some((version, encoded)) = signature.split_once(',') else { continue };
        let mut fitting = keys.iter().filter(|key| key.version() == version).peekable();
        if fitting.peek().is_none() {
            continue;
        }
        let Ok(signature) = STANDARD.decode(encoded) else { continue };
        if fitting.any(|key| key.fits(&parts, &signature)) {
            return Ok(());
        }
    }
    Err(VerifyError::Mismatch)
}

#[cfg(test)]
mod tests;
