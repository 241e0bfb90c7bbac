//! How the words about many sources are written: `projects` of a source, `host_limit`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::http::{HostLimit, Rate};

/// Projects of one region, or of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a list of project ids, or a table with such a list for each region")]
pub(in crate::config) enum RawProjects {
    /// Of the source's region, or of each of its regions.
    Ids(Vec<String>),
    /// By region.
    ByRegion(BTreeMap<String, Vec<String>>),
}

/// What is said to who writes something else.
const EXPECTED: &str = "so many requests in a time, such as \"10/1s\", \"auto\" or \"none\"";

/// How a [`HostLimit`] is written: `"10/1s"`, `"auto"` or `"none"`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::config) struct RawHostLimit(pub(in crate::config) HostLimit);

impl RawHostLimit {
    /// Reads the words for a limit, in whatever range.
    fn parse(text: &str) -> Option<Self> {
        let limit = match text {
            "auto" => HostLimit::Auto,
            "none" => HostLimit::None,
            _ => {
                let (count, per) = text.split_once('/')?;
                let (count, per) = (count.parse().ok()?, humantime::parse_duration(per).ok()?);
                HostLimit::Every(Rate { count, per })
            }
        };
        Some(Self(limit))
    }
}

impl<'de> Deserialize<'de> for RawHostLimit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RawHostLimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawHostLimit, E> {
                RawHostLimit::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Visitor)
    }
}

impl JsonSchema for RawHostLimit {
    fn schema_name() -> Cow<'static, str> {
        "RawHostLimit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+/.+|auto|none)$",
            "description": "So many requests in a time, such as \"10/1s\": 1 to 1000 in 1 s to \
                            1 h. \"auto\": \"10/1s\" for other hosts, \"none\" for this one. \
                            \"none\": as many as there are."
        })
    }
}
