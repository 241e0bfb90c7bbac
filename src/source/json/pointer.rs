//! Where something is in a JSON text: a JSON Pointer (RFC 6901), followed without building a tree.
//!
//! Each look-up reads the text once and allocates nothing, so a page costs no memory but its own.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::source::scalar::Bytes;

/// Most steps of a pointer. Answers nest two or three deep.
const STEPS_MAX: usize = 16;

/// `/workflow_runs`, `/run/id`; empty for the whole text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// Reads a pointer. `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let steps: Option<Vec<_>> = text.strip_prefix('/')?.split('/').map(unescape).collect();
        steps.filter(|steps| steps.len() <= STEPS_MAX).map(Self)
    }

    /// What is there in `json`; `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// When what was read on the way is no JSON.
    pub(super) fn find<'t>(
        &self,
        json: &'t str,
    ) -> Result<Option<&'t RawValue>, serde_json::Error> {
        let mut found: &RawValue = whole(json)?;
        for step in &self.0 {
            let mut from = serde_json::Deserializer::from_str(found.get());
            match Step(step).deserialize(&mut from)? {
                Some(inner) => found = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }
}

/// The text as one value.
fn whole(json: &str) -> Result<&RawValue, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(json);
    let value = <&RawValue>::deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

/// `~1` stands for `/` and `~0` for `~`.
fn unescape(step: &str) -> Option<Box<str>> {
    let mut out = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out.into())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct PointerVisitor;
        impl Visitor<'_> for PointerVisitor {
            type Value = Pointer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a JSON Pointer such as \"/jobs\" or \"/run/id\", or \"\" for the whole answer",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pointer, E> {
                Pointer::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(PointerVisitor)
    }
}

impl JsonSchema for Pointer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(/([^~/]|~[01])*)*$",
            "description": "A JSON Pointer (RFC 6901) such as \"/jobs\" or \"/run/id\"."
        })
    }
}

/// One step down. The last of several keys of the same name counts, as everywhere.
struct Step<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(Bytes(key)) = map.next_key()? {
            if *key == *self.0.as_bytes() {
                found = Some(map.next_value()?);
            } else {
                let IgnoredAny = map.next_value()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let wanted: Option<usize> = self.0.parse().ok();
        let (mut found, mut at) = (None, 0);
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if Some(at) == wanted {
                found = Some(value);
            }
            at += 1;
        }
        Ok(found)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, pointer: &str, expected: Option<&str>) {
        let found = Pointer::parse(pointer).unwrap().find(json).unwrap();
        assert_eq!(found.map(RawValue::get), expected, "{pointer} in {json}");
    }

    #[test]
    fn a_pointer_leads_to_a_value_or_nowhere() {
        check("{\"a\":{\"b\":[1,2]}}", "/a/b/1", Some("2"));
        check("{\"a\":{\"b\":[1,2]}}", "/a/b/2", None);
        check("{\"a\":{\"b\":[1,2]}}", "/a/c", None);
        check("{\"a\":1}", "/a/b", None);
        check("{\"a\":\"x\"}", "/a/b", None);
        check("{\"a\":null}", "/a", Some("null"));
        check("{\"a\":null}", "/a/b", None);
        check(" [ {\"id\" : 7} ] ", "/0/id", Some("7"));
        check("[1]", "", Some("[1]"));
        check("{\"a/b\":1,\"m~n\":2}", "/a~1b", Some("1"));
        check("{\"a/b\":1,\"m~n\":2}", "/m~0n", Some("2"));
        check("{\"\\u0061\":1}", "/a", Some("1"));
        check("{\"\\ud800\":0,\"a\":1}", "/a", Some("1"));
        check("{\"\":3}", "/", Some("3"));
        check("{\"a\":1,\"a\":2}", "/a", Some("2"));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/~2", "/a~", &"/a".repeat(17)] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
        assert_eq!(Pointer::parse("/a~1b/m~0n").unwrap().to_string(), "/a~1b/m~0n");
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for json in ["", "{", "[1", "{\"a\":1} x", "<html>"] {
            assert!(Pointer::parse("/a").unwrap().find(json).is_err(), "{json}");
        }
        assert!(Pointer::default().find("{\"a\":").unwrap_err().is_eof());
    }
}
