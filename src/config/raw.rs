//! The file as it is written, before anything is checked but spelling.
//!
//! These structs mirror the tables of the file. Serde refuses unknown keys and wrong types, and
//! the same structs give the JSON Schema, so their docs are what an editor shows. What a value
//! must be beyond its type is the business of `check`. No other module sees a `Raw` type.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

mod times;

pub(super) use times::{RawDigest, RawMute, RawRemind};

use crate::{
    decide::{diff::FirstRun, retry::RetryPolicy, rules::SinkRules, sight::SightRule},
    options::{Period, SecretRef},
    render::Language,
};

mod many;
mod storm;

pub(super) use many::{RawHostLimit, RawProjects};

pub(super) use storm::{RawLimit, RawStorm, RawStormRule};

/// The configuration of taskbell.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; each table is parsed by itself")]
pub(super) struct RawFile {
    #[schemars(default)]
    store: RawStore,
    /// The lists that are watched. At least one.
    #[schemars(length(min = 1))]
    source: Vec<RawSource>,
    /// Where notices go. At least one.
    #[schemars(length(min = 1))]
    sink: Vec<RawSink>,
    /// Which failures go where, tried in this order. The last one takes what is left.
    #[schemars(length(min = 1), extend("items" = top_route()))]
    route: Vec<RawRoute>,
    /// Weekly times at which routes may be muted.
    #[schemars(default)]
    mute: Vec<RawMute>,
    #[schemars(default)]
    delivery: RawDelivery,
    #[schemars(default)]
    worker: RawWorker,
    #[schemars(default)]
    status: RawStatus,
    #[schemars(default)]
    text: RawText,
    /// Templates for all sinks of a kind.
    #[schemars(default)]
    template: BTreeMap<String, RawTemplate>,
    /// What to do about a failure, by error code or `re:<pattern>` for messages: a text, or a
    /// table. An empty text takes a built-in hint away.
    #[schemars(default)]
    hints: BTreeMap<String, HintForm>,
}

/// A route that has none around it to take `to` from.
fn top_route() -> Value {
    json!({ "$ref": "#/$defs/RawRoute", "required": ["to"] })
}

/// Where the ledger and the deliveries are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    /// Only "sled" so far.
    #[schemars(extend("enum" = ["sled"]))]
    pub(super) kind: String,
    /// A folder. Relative to the working directory.
    pub(super) path: String,
    /// How long a cleared failure is remembered, 1 h to 10 years. Default "90d".
    pub(super) retention: Period,
    /// From one copy of the whole store, beside it, to the next; 1 min to 30 days. Default "6h".
    pub(super) checkpoint: Period,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            kind: "sled".to_owned(),
            path: "taskbell-data".to_owned(),
            retention: Period(Duration::from_secs(90 * 24 * 3600)),
            checkpoint: Period(Duration::from_secs(6 * 3600)),
        }
    }
}

/// The keys that all kinds of sources share.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    /// Unique among the sources: 1 to 64 letters, digits, `.`, `_` or `-`.
    pub(super) name: String,
    /// What kind of source it is.
    #[expect(dead_code, reason = "looked up before the table is read, to know its own keys")]
    pub(super) kind: String,
    /// Regions: the table stands for one source each, called `<name>.<region>`.
    pub(super) regions: Option<Vec<String>>,
    /// Ids of projects: the table stands for one source each, called `<name>.<project>`, or
    /// `<name>.<region>.<project>` with regions. Either a list, or a list for each region.
    pub(super) projects: Option<RawProjects>,
    /// Time from the start of one poll to the start of the next, 1 s to 1 h. Default "60s".
    #[serde(default = "minute")]
    pub(super) interval: Period,
    /// Time allowed for a whole poll, 1 s to 10 min and at most `interval`. Default "30s", or
    /// `interval` if that is shorter.
    pub(super) timeout: Option<Period>,
    /// What to do with the failures that stand when the source is first polled. Default
    /// "summary".
    #[serde(default)]
    pub(super) first_run: RawFirstRun,
    /// So many intervals without a complete poll, 1 to 10080, and it is told that the source is
    /// not seen. Default 3.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10_080))]
    pub(super) blind_after: u32,
    /// Fetched after each complete poll; after any other, the class of the trouble is posted to it
    /// with `/fail` behind its path. For a dead man's switch outside this host. Default: none.
    pub(super) heartbeat_url: Option<SecretRef>,
    /// Free words about the source, for routes: `labels.team`.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

fn three() -> u32 {
    SightRule::default().blind_after
}

fn minute() -> Period {
    Period(Duration::from_secs(60))
}

/// The keys that all kinds of sinks share.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSink {
    /// Unique among the sinks: 1 to 64 letters, digits, `.`, `_` or `-`.
    pub(super) name: String,
    /// What kind of sink it is.
    #[expect(dead_code, reason = "looked up before the table is read, to know its own keys")]
    pub(super) kind: String,
    /// Time allowed for one attempt, 1 s to 2 min. Default "15s".
    #[serde(default = "quarter_minute")]
    pub(super) timeout: Period,
    /// Most attempts at the same time, 1 to 256. 1 keeps strict order.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 256))]
    pub(super) concurrency: usize,
    /// Whether it is told when a failure is no longer listed. Default: on for kinds that keep
    /// something open until then, off for the others.
    pub(super) cleared: Option<bool>,
    /// Most notices in a time; what is more is told together. Default: depends on the kind.
    pub(super) limit: Option<RawLimit>,
    /// When a burst of failures is told as one storm. Default: on for kinds that people read, off
    /// for those that programs read.
    pub(super) storm: Option<RawStorm>,
    /// Names of the sinks that are told when this one does not take its notices. Default: none.
    #[serde(default)]
    pub(super) fallback: Vec<String>,
    /// How old a delivery gets before the fallback is told, 1 s to 1 d. Default "10m".
    #[serde(default = "ten_minutes")]
    pub(super) fallback_after: Period,
    /// The language of its notices: "en" or "zh". Default: that of `[text]`.
    pub(super) language: Option<RawLanguage>,
    /// The zone of all times in its notices. Default: that of `[text]`.
    pub(super) time_zone: Option<String>,
    /// Templates for its notices. Default: those of `[template.<kind>]`.
    pub(super) template: Option<RawTemplate>,
}

fn ten_minutes() -> Period {
    Period(SinkRules::default().fallback_after)
}

fn quarter_minute() -> Period {
    Period(Duration::from_secs(15))
}

fn eight() -> usize {
    8
}

/// Which failures go where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    /// Conditions such as `action =~ "reset|replace"`; all must hold. None: takes everything.
    #[serde(default, rename = "match")]
    pub(super) matchers: Vec<String>,
    /// Names of sinks. An empty list drops what matches, on purpose. Left out: those of the route
    /// around it.
    pub(super) to: Option<Vec<String>>,
    /// Which failures share a notice.
    #[serde(default)]
    pub(super) group: RawGroup,
    /// Whether the routes behind it are tried as well.
    #[serde(default, rename = "continue")]
    pub(super) continues: bool,
    /// Names of `[[mute]]` windows. While one is active, what the route tells is held; when it
    /// ends, what still stands is told in one digest. Routes within this one have their own.
    pub(super) mute: Option<Vec<String>>,
    /// Tells everything that came since the last time at once, at these times.
    pub(super) digest: Option<RawDigest>,
    /// Tells again what was told and still stands. `true`: with all defaults.
    pub(super) remind: Option<RawRemind>,
    /// Routes for parts of what this one matches, tried in this order. What none of them takes is
    /// left to this one.
    #[serde(default)]
    #[expect(dead_code, reason = "taken out before the table is read; each is read by itself")]
    pub(super) route: Vec<RawRoute>,
}

/// Which failures share a notice. What is left out is as in the route around it, if there is one.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroup {
    /// Failures that are equal in all of these go together. A notice is always about one source,
    /// so `source` counts even where it is not listed. Default `["source"]`.
    pub(super) by: Option<Vec<String>>,
    /// How long the first failure of a group waits for others, up to 1 h. Default "30s".
    pub(super) wait: Option<Period>,
    /// A larger group becomes several notices. 1 to 100. Default 100.
    #[schemars(range(min = 1, max = 100))]
    pub(super) max_items: Option<usize>,
}

/// How long and how often a delivery is tried.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDelivery {
    /// Older deliveries are dead, 1 s to 30 d. Default "72h".
    pub(super) max_age: Period,
    /// The wait after a failure that looks like configuration, 100 ms to 1 d. Default "15m".
    pub(super) slow_lane: Period,
    /// A service's own wish to wait is obeyed up to this, at most 1 d. Default "1h".
    pub(super) retry_after_max: Period,
    /// The waits after the first, second, … failed attempt; the last one repeats. 1 to 32 of
    /// 100 ms to 1 d. Default "5s", "30s", "2m", "10m", "30m", "1h", "2h", "4h".
    pub(super) backoff: Vec<Period>,
}

impl Default for RawDelivery {
    fn default() -> Self {
        let RetryPolicy { backoff, slow_lane, retry_after_max, max_age } = RetryPolicy::default();
        Self {
            max_age: Period(max_age),
            slow_lane: Period(slow_lane),
            retry_after_max: Period(retry_after_max),
            backoff: backoff.into_iter().map(Period).collect(),
        }
    }
}

/// The worker itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWorker {
    /// Most sources polled at the same time, 1 to 256.
    #[schemars(range(min = 1, max = 256))]
    pub(super) poll_concurrency: usize,
    /// Most requests to one host in a time, over all sources: 1 to 1000 in 1 s to 1 h, "none", or
    /// "auto": "10/1s" for other hosts, "none" for this one. Default "auto".
    pub(super) host_limit: RawHostLimit,
    /// How long a stop waits for what is in flight, up to 5 min. Default "20s".
    pub(super) shutdown_grace: Period,
}

impl Default for RawWorker {
    fn default() -> Self {
        Self {
            poll_concurrency: 16,
            host_limit: RawHostLimit::default(),
            shutdown_grace: Period(Duration::from_secs(20)),
        }
    }
}

/// The status page, the API and the metrics.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStatus {
    /// An address of this host and a port. Empty: no status page.
    pub(super) listen: String,
    /// Needed for every order, and for everything if `listen` is not a loopback address.
    pub(super) token: Option<SecretRef>,
    /// Names under which the page is asked for, beside addresses and `localhost`.
    pub(super) hosts: Vec<String>,
}

impl Default for RawStatus {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned(), token: None, hosts: Vec::new() }
    }
}

/// In which words notices are told.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawText {
    /// "en" or "zh" (Simplified Chinese).
    pub(super) language: RawLanguage,
    /// The zone of all times, by its IANA name. Default "UTC".
    pub(super) time_zone: String,
}

impl Default for RawText {
    fn default() -> Self {
        Self { language: RawLanguage::default(), time_zone: "UTC".to_owned() }
    }
}

/// How [`Language`] is written.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct RawLanguage(pub(super) Language);

impl JsonSchema for RawLanguage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": Language::ALL.map(Language::as_str) })
    }
}

/// Files of templates, relative to the working directory. What has none is worded as usual.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTemplate {
    /// For subjects and titles: one line.
    pub(super) title: Option<PathBuf>,
    /// For plain text.
    pub(super) text: Option<PathBuf>,
    /// For the HTML of mails.
    pub(super) html: Option<PathBuf>,
}

/// What to do about a failure.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHint {
    /// One line.
    pub(super) text: String,
    /// Where to read on.
    pub(super) link: Option<String>,
}

/// How a hint is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum HintForm {
    /// Only the text.
    Text(String),
    Table(RawHint),
}

/// How [`FirstRun`] is written: a word, or `{ since = "24h" }`.
#[derive(Clone, Copy, Default)]
pub(super) struct RawFirstRun(pub(super) FirstRun);

impl<'de> Deserialize<'de> for RawFirstRun {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = FirstRun;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"summary\", \"silent\", \"notify\" or { since = \"24h\" }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<FirstRun, E> {
                match word {
                    "summary" => Ok(FirstRun::Summary),
                    "silent" => Ok(FirstRun::Silent),
                    "notify" => Ok(FirstRun::Notify),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<FirstRun, M::Error> {
                let mut since = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "since" => since = Some(map.next_value::<Period>()?.0),
                        _ => return Err(de::Error::unknown_field(&key, &["since"])),
                    }
                }
                since.map(FirstRun::Since).ok_or_else(|| de::Error::missing_field("since"))
            }
        }
        from.deserialize_any(Visitor).map(Self)
    }
}

impl JsonSchema for RawFirstRun {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FirstRun".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let since = generator.subschema_for::<Period>();
        json_schema!({
            "oneOf": [
                { "const": "summary", "description": "One message that says how many stand." },
                { "const": "silent", "description": "Say nothing." },
                { "const": "notify", "description": "Tell all of them." },
                {
                    "description": "Tell those that are younger than this.",
                    "type": "object",
                    "properties": { "since": since },
                    "required": ["since"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
