//! What is written about time: mute windows, and the digests and reminders of routes.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use crate::{delivery::Remind, options::Period};

/// Weekly times at which routes may be muted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawMute {
    /// Unique among the mute windows: 1 to 64 letters, digits, `.`, `_` or `-`.
    #[expect(dead_code, reason = "checked before the table is read")]
    pub(in crate::config) name: String,
    /// Weekdays and times such as "mon-fri 18:00-08:00" or "sat,sun 00:00-24:00". An end that is
    /// not after its start is on the next day.
    #[schemars(length(min = 1, max = 64))]
    pub(in crate::config) times: Vec<String>,
    /// The IANA name of the zone that they are in. Default "UTC".
    #[serde(default = "utc")]
    pub(in crate::config) tz: String,
}

/// When a route tells everything that came since the last time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawDigest {
    /// Minute, hour, day of the month, month, weekday: "0 9 * * 1-5".
    pub(in crate::config) cron: String,
    /// The IANA name of the zone that they are in. Default "UTC".
    #[serde(default = "utc")]
    pub(in crate::config) tz: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// How often what was told and still stands is told again.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawReminders {
    /// The wait after the notice was delivered, 1 s to 30 d. Default "4h".
    pub(in crate::config) first: Period,
    /// Each wait is so many times the one before it, 1 to 10.
    #[schemars(range(min = 1, max = 10))]
    pub(in crate::config) factor: f64,
    /// Longest wait, `first` to 30 d. Default "24h".
    pub(in crate::config) max: Period,
    /// Most reminders, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) count: u32,
}

impl Default for RawReminders {
    fn default() -> Self {
        let Remind { first, factor_percent, max, count, sent: _, of: _ } = Remind::default();
        let factor = f64::from(factor_percent) / 100.0;
        Self { first: Period(first), factor, max: Period(max), count }
    }
}

/// Whether there are reminders, and which: `true`, `false`, or a table.
#[derive(Clone, Copy)]
pub(in crate::config) struct RawRemind(pub(in crate::config) Option<RawReminders>);

impl<'de> Deserialize<'de> for RawRemind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Option<RawReminders>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a table such as { first = \"4h\", count = 5 }")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(on.then(RawReminders::default))
            }

            fn visit_map<M: de::MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
                RawReminders::deserialize(MapAccessDeserializer::new(map)).map(Some)
            }
        }
        from.deserialize_any(Visitor).map(Self)
    }
}

impl JsonSchema for RawRemind {
    fn schema_name() -> Cow<'static, str> {
        "Remind".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawReminders>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, table] })
    }
}
