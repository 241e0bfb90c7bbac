//! Reads the strings and numbers of a row that somebody else wrote.
//!
//! Leniently: the types of fields differ from their description, so a number may be a string and
//! the other way round, and a name may hold what is no text.

use std::{borrow::Cow, fmt};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use serde_json::value::RawValue;

/// A string or the digits of a number.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match json.as_bytes() {
        [b'"', .., b'"'] => Some(unquote(json)),
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

/// The string that `json` writes. Escapes that stand for no character, such as half of a
/// surrogate pair that a cut name left behind, become U+FFFD: one odd name must not hide the
/// whole list.
fn unquote(json: &str) -> Cow<'_, str> {
    let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<Bytes<'_>>(json) {
        Ok(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()),
        Err(_) => Cow::Borrowed(inner),
    }
}

/// A whole number, written as a number or as a string. A fraction is rounded away.
pub(super) fn number(value: &RawValue) -> Option<i64> {
    let text = text(value)?;
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{:.0}", text.parse::<f64>().ok()?).parse().ok())
}

/// A time such as `2026-11-23T10:00:00.123Z`, in milliseconds since 1970. Without an offset it is
/// taken as UTC.
pub(super) fn time(value: &RawValue) -> Option<i64> {
    let text = text(value)?;
    let text = text.trim();
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    });
    at.map(Timestamp::as_millisecond)
}

/// A string as it is written, whether or not it is Unicode.
pub(super) struct Bytes<'a>(pub(super) Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Owned(bytes.to_owned())))
            }
        }
        from.deserialize_bytes(BytesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_services_write() {
        for (json, expected) in [
            ("\"2019-01-21T12:56:35.754Z\"", Some(1_548_075_395_754)),
            ("\"2019-01-21T20:56:35+0800\"", Some(1_548_075_395_000)),
            ("\"2019-01-21T20:56:35.754+08:00\"", Some(1_548_075_395_754)),
            ("\"2019-01-21T12:56:35\"", Some(1_548_075_395_000)),
            ("\"2019-01-21 12:56:35\"", Some(1_548_075_395_000)),
            ("\"2026-11-23T10:00:00.123456+00:00\"", Some(1_795_428_000_123)),
            ("\"\"", None),
            ("\"yesterday\"", None),
            ("null", None),
            ("1548075395754", None),
        ] {
            assert_eq!(time(serde_json::from_str(json).unwrap()), expected, "{json}");
        }
    }
}
