//! Where a service keeps a message that it took, for what is said about it later.
//!
//! Never needed to deliver: whatever knows none of this becomes a message of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service's own name for a message, as its sink wrote it down.
///
/// 1 to [`MessageRef::BYTES_MAX`] bytes of visible ASCII, and no secret: it is stored as it is.
/// Only the kind of sink that made it reads it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageRef(String);

impl MessageRef {
    /// Longest one. The channel and the message's number fit several times; an answer of a
    /// receiver gone mad does not fill the store.
    pub const BYTES_MAX: usize = 200;

    /// Takes `text`, unless it is empty, too long or not visible ASCII.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageRef {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text).ok_or("must be 1 to 200 bytes of visible ASCII")
    }
}

impl From<MessageRef> for String {
    fn from(message: MessageRef) -> Self {
        message.0
    }
}

impl fmt::Display for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The message by which a sink was told of all that a later notice lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Original {
    /// Where it is.
    pub message: MessageRef,
    /// Whether the notice says of all that it told that it cleared.
    pub over: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_short_and_visible() {
        for (text, fits) in [
            ("7".to_owned(), true),
            ("C0123/1732356005.000100".to_owned(), true),
            (String::new(), false),
            ("a b".to_owned(), false),
            ("北京".to_owned(), false),
            ("x".repeat(MessageRef::BYTES_MAX), true),
            ("x".repeat(MessageRef::BYTES_MAX + 1), false),
        ] {
            assert_eq!(MessageRef::parse(text.clone()).is_some(), fits, "{text}");
            let json = serde_json::Value::from(text);
            assert_eq!(serde_json::from_value::<MessageRef>(json).is_ok(), fits);
        }
    }
}
