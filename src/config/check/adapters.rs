//! The tables of sources and sinks: shared keys on one side, the kind's own on the other.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use schemars::Schema;
use toml::{Table, Value};

use super::{CONCURRENCY, Check, HOUR, MINUTE, RETENTION_MAX, SECOND, Shared, unknown};
use crate::{
    config::{
        Sink, Source,
        locate::join,
        raw::{RawSink, RawSource},
        schema,
        text::Inherited,
    },
    decide::{diff::FirstRun, sight::SightRule},
    name::Name,
    options::{self, Period},
    sink, source,
};

/// Keys that need more of a service than its list, which the service of one kind has.
const ONLY_KPS: [&str; 3] = ["verify_cleared", "stuck_after", "cleanup"];

/// What [`RawSource`] holds. Other keys are the kind's own.
pub(in crate::config) const SOURCE_KEYS: Shared = &[
    "name",
    "kind",
    "regions",
    "projects",
    "interval",
    "timeout",
    "first_run",
    "blind_after",
    "heartbeat_url",
    "labels",
];

/// What [`RawSink`] holds. Other keys are the kind's own.
pub(in crate::config) const SINK_KEYS: Shared = &[
    "name",
    "kind",
    "timeout",
    "concurrency",
    "cleared",
    "limit",
    "storm",
    "fallback",
    "fallback_after",
    "language",
    "time_zone",
    "template",
];

/// The name of a kind, and what describes its own keys.
type NamedSchema = (&'static str, fn() -> Schema);

/// Longest value of a label. It goes into conditions and may go into payloads.
const LABEL_BYTES_MAX: usize = 256;

/// From one poll to the next. A second is for rehearsals against a simulated cloud, which grants
/// them; the real one has quotas, and a failure there is not worth looking for that often.
const INTERVAL: RangeInclusive<Duration> = SECOND..=HOUR;

/// A source's `timeout`, unless its `interval` is shorter.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(30);

impl Check {
    pub(super) fn source(
        &mut self,
        nth: usize,
        mut table: Table,
        kinds: &[&'static source::Kind],
    ) -> Option<Vec<Source>> {
        let path = format!("source[{nth}]");
        let kind = self.kind(&path, &table, kinds, |kind| kind.name);
        let named = kind.map(|kind| (kind.name, kind.schema));
        let options = self.own(&path, &mut table, SOURCE_KEYS, named);
        let raw: RawSource = self.parse(&path, table)?;
        let interval = self.period(&join(&path, "interval"), raw.interval, INTERVAL);
        let timeout_path = join(&path, "timeout");
        let default = Period(SOURCE_TIMEOUT.min(interval.unwrap_or(HOUR)));
        let limit = SECOND..=10 * MINUTE;
        let timeout = self.period(&timeout_path, raw.timeout.unwrap_or(default), limit);
        if let (Some(interval), Some(timeout)) = (interval, timeout)
            && interval < timeout
        {
            let interval = Period(interval);
            self.problem(&timeout_path, &format!("must be at most the interval, {interval}"));
        }
        if let FirstRun::Since(since) = raw.first_run.0 {
            let path = join(&path, "first_run.since");
            self.period(&path, Period(since), SECOND..=RETENTION_MAX);
        }
        self.labels(&join(&path, "labels"), &raw.labels);
        if !(1..=SightRule::BLIND_AFTER_MAX).contains(&raw.blind_after) {
            let most = SightRule::BLIND_AFTER_MAX;
            let path = join(&path, "blind_after");
            self.problem(&path, &format!("must be between 1 and {most} intervals"));
        }
        let kind = kind?;
        let places = self.places_of(&path, &raw, kind, &options)?;
        if 1 < places.len() && raw.heartbeat_url.is_some() {
            let count = places.len();
            let problem = format!(
                "would be told of {count} sources, and the life of one hides the silence of \
                 another; give each a table of its own"
            );
            self.problem(&join(&path, "heartbeat_url"), &problem);
        }
        let (interval, timeout) = (interval?, timeout?);
        let each = places.into_iter().map(|place| Source {
            options: place.options(&options),
            name: place.name,
            table: nth,
            kind,
            interval,
            timeout,
            first_run: raw.first_run.0,
            blind_after: raw.blind_after,
            heartbeat_url: raw.heartbeat_url.clone(),
            labels: raw.labels.clone(),
        });
        Some(each.collect())
    }

    fn labels(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        for (name, value) in labels {
            let path = join(path, name);
            if let Err(error) = Name::parse(name) {
                self.problem(&path, &format!("the name of a label {error}"));
            }
            if LABEL_BYTES_MAX < value.len() || value.chars().any(char::is_control) {
                let rule = "must be at most 256 bytes without control characters";
                self.problem(&path, rule);
            }
        }
    }

    pub(super) fn sink(
        &mut self,
        nth: usize,
        mut table: Table,
        kinds: &[&'static sink::Kind],
        (sinks, inherited): (&BTreeMap<Name, usize>, &Inherited),
    ) -> Option<Sink> {
        let path = format!("sink[{nth}]");
        let kind = self.kind(&path, &table, kinds, |kind| kind.name);
        let named = kind.map(|kind| (kind.name, kind.schema));
        let options = self.own(&path, &mut table, SINK_KEYS, named);
        let raw: RawSink = self.parse(&path, table)?;
        let timeout = self.period(&join(&path, "timeout"), raw.timeout, SECOND..=2 * MINUTE);
        let concurrency =
            self.count(&join(&path, "concurrency"), raw.concurrency, CONCURRENCY.clone());
        let rules = self.sink_rules(&path, &raw, kind, sinks);
        let own = (raw.language, raw.time_zone, raw.template);
        let text = self.text(&path, inherited.of(kind?.name), own);
        Some(Sink {
            name: Name::parse(&raw.name).ok()?,
            kind: kind?,
            options,
            timeout: timeout?,
            concurrency: concurrency?,
            rules: rules?,
            text: text?,
        })
    }

    /// Finds the kind that the table at `path` names.
    fn kind<K>(
        &mut self,
        path: &str,
        table: &Table,
        kinds: &[&'static K],
        name: fn(&K) -> &'static str,
    ) -> Option<&'static K> {
        let wanted = table.get("kind").and_then(Value::as_str)?;
        let found = kinds.iter().copied().find(|kind| name(kind) == wanted);
        if found.is_none() {
            let known: Vec<_> = kinds.iter().map(|kind| name(kind)).collect();
            self.problem(&join(path, "kind"), &unknown("kind", wanted, &known));
        }
        found
    }

    /// Takes the keys that are not `shared` out of the table, and checks that the kind has them.
    fn own(
        &mut self,
        path: &str,
        table: &mut Table,
        shared: Shared,
        kind: Option<NamedSchema>,
    ) -> Table {
        let all = std::mem::take(table);
        let (ours, own) = all.into_iter().partition(|(key, _)| shared.contains(&key.as_str()));
        *table = ours;
        let own: Table = own;
        let Some((name, schema)) = kind else { return own };
        // A schema takes longer to make than a table to read, and there may be many tables.
        let known = self.known.entry((shared, name)).or_insert_with(|| {
            let keys = schema::closed_keys(&schema())?;
            Some(shared.iter().map(|key| (*key).to_owned()).chain(keys).collect())
        });
        let Some(known) = known else { return own };
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let unknown: Vec<_> = own.keys().filter(|key| !known.contains(&key.as_str())).collect();
        let problems = unknown.into_iter().map(|key| {
            let only = ONLY_KPS.contains(&key.as_str()) && shared == SOURCE_KEYS;
            let problem = if only {
                format!("has no effect: only a source of kind `kps` has it, not one of `{name}`")
            } else {
                options::unknown_key(&known, key)
            };
            self.places.problem(&join(path, key), &problem)
        });
        self.problems.extend(problems);
        own
    }
}
