//! Names that the operator gives: of sources and of sinks.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};
use thiserror::Error;

/// The name of a source or a sink.
///
/// 1 to [`Name::BYTES_MAX`] of `A-Z a-z 0-9 . _ -`, so it can be a store key, a metric label, a
/// log field and a URL segment without escaping. [`Name::parse`] is the only constructor, and
/// serde uses it too. Cloning is cheap: every delivery carries two.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Arc<str>);

/// The rule that a name breaks.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("must be 1 to 64 characters, each a letter, a digit, `.`, `_` or `-`")]
pub struct NameError;

impl Name {
    /// Longest name. Names are part of store keys and of metric labels, both of which are
    /// read by people.
    pub const BYTES_MAX: usize = 64;

    /// Checks `raw`.
    ///
    /// # Errors
    ///
    /// [`NameError`] says the whole rule.
    pub fn parse(raw: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if raw.is_empty() || Self::BYTES_MAX < raw.len() || !raw.bytes().all(allowed) {
            return Err(NameError);
        }
        Ok(Self(raw.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not by way of a `String`: every record that is read has one or two names.
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, raw: &str) -> Result<Name, E> {
        Name::parse(raw).map_err(E::custom)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_names_are_taken() {
        for good in ["a", "prod-beijing", "cn-north-4.p_1", &"x".repeat(64)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "two words", "a/b", "名", "a\nb", &"x".repeat(65)] {
            assert_eq!(Name::parse(bad), Err(NameError), "{bad}");
        }
    }
}
