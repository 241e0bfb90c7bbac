//! Several messages as one body: each behind its length in bytes and a space.
//!
//! This is the octet counting of RFC 6587, so over TCP the body goes out as it is. Where each
//! message is a datagram, it is taken apart again.

use super::SinkError;
use crate::delivery::Verdict;

/// Appends `message` to `body`.
pub(super) fn push(body: &mut Vec<u8>, message: &[u8]) {
    body.extend_from_slice(message.len().to_string().as_bytes());
    body.push(b' ');
    body.extend_from_slice(message);
}

/// The messages in `body`.
///
/// # Errors
///
/// When it is something else: rendered by a sink that was of another kind then.
pub(super) fn messages(body: &[u8]) -> Result<Vec<&[u8]>, SinkError> {
    let other = "what is kept to be sent was made for another kind of sink";
    split(body).ok_or_else(|| SinkError::new(Verdict::Suspect, other))
}

fn split(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let (length, behind) = rest.split_at(space);
        let length: usize = str::from_utf8(length).ok()?.parse().ok()?;
        let (message, after) = behind.get(1..)?.split_at_checked(length)?;
        messages.push(message);
        rest = after;
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_together_comes_apart_and_nothing_else_does() {
        let mut body = Vec::new();
        for message in [&b"a b"[..], b"", b"3 x\n"] {
            push(&mut body, message);
        }
        assert_eq!(body, b"3 a b0 4 3 x\n");
        assert_eq!(split(&body).unwrap(), [&b"a b"[..], b"", b"3 x\n"]);
        assert_eq!(split(b""), Some(vec![]));
        for other in [&b"{}"[..], b"3 ab", b"x ab", b"3", b" a", b"-1 a", b"99999999999999999999 a"]
        {
            assert_eq!(split(other), None, "{other:?}");
        }
    }
}
