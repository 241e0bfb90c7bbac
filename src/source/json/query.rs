//! What is asked for: the words of the query, and times that move with the clock.

use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::options::Period;

/// One value of `query`: a word, or a time so long ago.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Word(String),
    Ago(Moment),
}

/// `{ ago = "7d", form = "rfc3339", before = ">=" }`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Moment {
    /// How long before the poll.
    #[serde(deserialize_with = "period")]
    #[schemars(with = "Period")]
    ago: Period,
    /// How it is written. Default: "rfc3339".
    #[serde(default)]
    form: Form,
    /// Written before it. Default: nothing.
    #[serde(default)]
    before: String,
}

fn period<'de, D: Deserializer<'de>>(from: D) -> Result<Period, D::Error> {
    Period::deserialize(from)
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// `2026-11-23T10:00:00Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    S,
    /// Milliseconds since 1970.
    Ms,
}

impl Value {
    /// The word, as of `now`.
    pub(super) fn at(&self, now: Timestamp) -> String {
        let Moment { ago, form, before } = match self {
            Self::Word(word) => return word.clone(),
            Self::Ago(ago) => ago,
        };
        let then = now.saturating_sub(ago.0).unwrap_or(Timestamp::MIN);
        match form {
            Form::Rfc3339 => format!("{before}{then:.0}"),
            Form::S => format!("{before}{}", then.as_second()),
            Form::Ms => format!("{before}{}", then.as_millisecond()),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> de::Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false, or { ago = \"7d\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Word(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Word(number.to_string()))
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
                Ok(Value::Word(truth.to_string()))
            }

            fn visit_map<M: de::MapAccess<'de>>(self, map: M) -> Result<Value, M::Error> {
                Moment::deserialize(de::value::MapAccessDeserializer::new(map)).map(Value::Ago)
            }
        }
        from.deserialize_any(ValueVisitor)
    }
}

impl JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QueryValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let ago = generator.subschema_for::<Moment>();
        json_schema!({
            "description": "A word, or a time so long before the poll.",
            "anyOf": [{ "type": ["string", "integer", "boolean"] }, ago]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn times_move_with_the_poll_and_words_do_not() {
        let now = "2026-11-23T10:00:00.5Z".parse().unwrap();
        for (written, expected) in [
            ("'Failed'", "Failed"),
            ("100", "100"),
            ("true", "true"),
            ("{ ago = '7d' }", "2026-11-16T10:00:00Z"),
            ("{ ago = '1h', before = '>=' }", ">=2026-11-23T09:00:00Z"),
            ("{ ago = '0s', form = 's' }", "1795428000"),
            ("{ ago = '1s', form = 'ms' }", "1795427999500"),
        ] {
            let table: BTreeMap<String, Value> = toml::from_str(&format!("x = {written}")).unwrap();
            assert_eq!(table["x"].at(now), expected, "{written}");
        }
    }

    #[test]
    fn a_misspelt_time_is_refused() {
        for written in ["{ agoo = '7d' }", "{ ago = '7' }", "{ ago = '7d', form = 'iso' }", "1.5"] {
            let table = toml::from_str::<BTreeMap<String, Value>>(&format!("x = {written}"));
            assert!(table.is_err(), "{written}");
        }
    }
}
