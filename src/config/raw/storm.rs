//! How the words about too many notices are written: `limit` and `storm` of a sink.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    decide::rules::{Limit, StormRule},
    options::Period,
};

/// How a [`Limit`] is written: `"10/10m"`, or `"none"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) struct RawLimit(pub(in crate::config) Option<Limit>);

impl RawLimit {
    /// Reads the words for a limit, in whatever range.
    pub(in crate::config) fn parse(text: &str) -> Option<Self> {
        if matches!(text, "" | "none") {
            return Some(Self(None));
        }
        let (count, per) = text.split_once('/')?;
        let limit = Limit { count: count.parse().ok()?, per: humantime::parse_duration(per).ok()? };
        Some(Self(Some(limit)))
    }
}

impl<'de> Deserialize<'de> for RawLimit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RawLimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("so many notices in a time, such as \"10/10m\", or \"none\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawLimit, E> {
                RawLimit::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Visitor)
    }
}

impl JsonSchema for RawLimit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+/.+|none|)$",
            "description": "So many notices in a time, such as \"10/10m\": 1 to 1000 in 1 s to \
                            1 d. \"none\": as many as there are."
        })
    }
}

/// How a [`StormRule`] is written: a table, or whether there is one at all.
#[derive(Clone, Copy, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum RawStorm {
    /// `true` for the default rule, `false` for none.
    Switch(bool),
    /// When, and how often.
    Rule(RawStormRule),
}

/// When a burst of failures is told as a storm.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawStormRule {
    /// More failures than this from one poll are a storm, 1 to 100000. Default 50.
    #[schemars(range(min = 1, max = 100_000))]
    pub(in crate::config) threshold: usize,
    /// From one notice about the storm to the next, 1 s to 1 d. Default "15m".
    pub(in crate::config) update: Period,
}

impl Default for RawStormRule {
    fn default() -> Self {
        let StormRule { threshold, update } = StormRule::default();
        Self { threshold, update: Period(update) }
    }
}

impl<'de> Deserialize<'de> for RawStorm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RawStorm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or { threshold = 50, update = \"15m\" }")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<RawStorm, E> {
                Ok(RawStorm::Switch(on))
            }

            fn visit_map<M: de::MapAccess<'de>>(self, map: M) -> Result<RawStorm, M::Error> {
                RawStormRule::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(RawStorm::Rule)
            }
        }
        from.deserialize_any(Visitor)
    }
}
