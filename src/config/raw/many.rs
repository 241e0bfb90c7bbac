//! How the words about many sources are written: `projects` of a source, `host_limit`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::http::Rate;

/// Projects of one region, or of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a list of project ids, or a table with such a list for each region")]
pub(in crate::config) enum RawProjects {
    /// Of the source's region, or of each of its regions.
    Ids(Vec<String>),
    /// By region.
    ByRegion(BTreeMap<String, Vec<String>>),
}

/// How a [`Rate`] is written: `"10/1s"`, or `"none"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) struct RawRate(pub(in crate::config) Option<Rate>);

impl RawRate {
    /// Reads the words for a rate, in whatever range.
    fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self(None));
        }
        let (count, per) = text.split_once('/')?;
        let rate = Rate { count: count.parse().ok()?, per: humantime::parse_duration(per).ok()? };
        Some(Self(Some(rate)))
    }
}

impl<'de> Deserialize<'de> for RawRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RawRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("so many requests in a time, such as \"10/1s\", or \"none\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawRate, E> {
                RawRate::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Visitor)
    }
}

impl JsonSchema for RawRate {
    fn schema_name() -> Cow<'static, str> {
        "RawRate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+/.+|none)$",
            "description": "So many requests in a time, such as \"10/1s\": 1 to 1000 in 1 s to \
                            1 h. \"none\": as many as there are."
        })
    }
}
