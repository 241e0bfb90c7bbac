//! From spelling to meaning.
//!
//! A [`Check`] takes the file apart table by table and goes on after a mistake, so that one run
//! shows all of them. A table that is misspelt is not judged further: what it lacks may only be
//! what was spelt wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    Config, ConfigError, Problem, Sink, Source, Store, Warning, Worker,
    locate::{Places, join},
    raw::{RawDelivery, RawStore, RawWorker},
    secrets,
};
use crate::{
    decide::retry::RetryPolicy,
    name::Name,
    options::{self, OptionError, Period},
    sink, source,
};

pub(super) mod adapters;
mod expand;
mod routes;
mod sinks;
mod times;

/// What [`super::raw::RawFile`] holds.
pub(super) const FILE_KEYS: &[&str] = &[
    "store", "source", "sink", "route", "mute", "delivery", "worker", "status", "text", "template",
    "hints",
];

/// The one kind of store so far.
const STORE_KINDS: &[&str] = &["sled"];

/// Most waits of a backoff. At four hours each, the rest would be beyond any `max_age`.
const BACKOFF_MAX: usize = 32;

/// Most polls or attempts at the same time. Each holds a connection and a page.
const CONCURRENCY: RangeInclusive<usize> = 1..=256;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Shortest wait before another attempt; a receiver in trouble is not to be hammered.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Ten years, as they are written: `"10y"`. Beyond it, a length of time is a slip.
const RETENTION_MAX: Duration = Duration::from_secs(10 * 31_557_600);

/// The kinds that a config may name.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) sources: &'static [&'static source::Kind],
    pub(super) sinks: &'static [&'static sink::Kind],
}

/// Checks a whole file.
pub(super) fn check(mut root: Table, places: Places, kinds: Kinds) -> Result<Config, ConfigError> {
    let mut check = Check::new(places);
    for key in root.keys().filter(|key| !FILE_KEYS.contains(&key.as_str())) {
        check.problem(key, &options::unknown_key(FILE_KEYS, key));
    }
    let store = check.one(&mut root, "store").and_then(|raw| check.store(&raw));
    let retry = check.one(&mut root, "delivery").and_then(|raw| check.retry(&raw));
    let worker = check.one(&mut root, "worker").and_then(|raw| check.worker(&raw));
    let status = check.one(&mut root, "status").and_then(|raw| check.status(raw));
    let hints = check.hints(&mut root);
    // Without it, what is wrong was told already.
    let inherited = check.inherited(&mut root, kinds.sinks).unwrap_or_default();
    let sources = check.sources(&mut root, kinds.sources);
    let sinks = check.many(&mut root, "sink");
    let sink_names = check.names("sink", &sinks);
    let sinks: Option<Vec<Sink>> = {
        let each = sinks.into_iter().enumerate();
        let checked: Vec<_> = each
            .map(|(nth, table)| check.sink(nth, table, kinds.sinks, (&sink_names, &inherited)))
            .collect();
        checked.into_iter().collect()
    };
    let windows = check.windows(&mut root);
    let routes = check.many(&mut root, "route");
    let routes = check.routes(routes, &sink_names, sources.as_deref());
    check.idle_windows();
    if let Some(sinks) = &sinks {
        check.circles(sinks);
    }
    if let (Some(sinks), Some(routes)) = (&sinks, &routes) {
        check.never_told(sinks, routes);
    }

    let Check { places, mut problems, mut warnings, .. } = check;
    match (store, retry, worker, sources, sinks, routes, hints, status) {
        (
            Some(store),
            Some(retry),
            Some(worker),
            Some(sources),
            Some(sinks),
            Some(routes),
            Some(hints),
            Some(status),
        ) if problems.is_empty() => {
            in_order(&mut warnings);
            Ok(Config {
                store,
                sources,
                sinks,
                routes,
                windows,
                retry,
                worker,
                status,
                text: inherited.shared(),
                hints,
                warnings,
                places,
            })
        }
        _ => {
            in_order(&mut problems);
            Err(ConfigError::Invalid(problems))
        }
    }
}

/// Sorts by line; what has none comes last.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
}

/// The path and the words for a kind's complaint about the table at `path`.
///
/// Serde quotes the value that it refuses. That of a secret is left out.
pub(super) fn in_table(path: &str, error: &OptionError) -> (String, String) {
    let path = join(path, &error.path);
    let mut problem = error.problem.clone();
    if let Some((refusal, expected)) = problem.split_once(", expected ") {
        let expected = plain(expected);
        let value = refusal.starts_with("invalid type: ") || refusal.starts_with("invalid value: ");
        problem = if value && secrets::is_secret(&path) {
            format!("must be {expected}")
        } else {
            format!("{refusal}, expected {expected}")
        };
    }
    (path, problem)
}

/// Serde's word for a type in the words of the config.
fn plain(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "a table",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f64" => "a number",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    }
}

/// The keys that all kinds of sources, or of sinks, share.
type Shared = &'static [&'static str];

/// The state of checking one file.
pub(super) struct Check {
    places: Places,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// All keys of a kind, shared ones first; `None` if it does not tell.
    known: BTreeMap<(Shared, &'static str), Option<Vec<String>>>,
    /// The mute windows, by name.
    mutes: BTreeMap<Name, times::Mute>,
}

impl Check {
    fn new(places: Places) -> Self {
        Self {
            places,
            problems: Vec::new(),
            warnings: Vec::new(),
            known: BTreeMap::new(),
            mutes: BTreeMap::new(),
        }
    }

    pub(super) fn problem(&mut self, path: &str, problem: &str) {
        self.problems.push(self.places.problem(path, problem));
    }

    fn warn(&mut self, path: &str, problem: &str) {
        self.warnings.push(self.places.problem(path, problem));
    }

    /// Reads a table that may be left out.
    pub(super) fn one<T: DeserializeOwned + Default>(
        &mut self,
        root: &mut Table,
        key: &str,
    ) -> Option<T> {
        match root.remove(key) {
            None => Some(T::default()),
            Some(Value::Table(table)) => self.parse(key, table),
            Some(_) => {
                self.problem(key, &format!("must be a table, written [{key}]"));
                None
            }
        }
    }

    /// Takes a list of tables that has at least one.
    fn many(&mut self, root: &mut Table, key: &str) -> Vec<Table> {
        let tables = self.list("", root, key);
        if tables.as_ref().is_some_and(Vec::is_empty) {
            self.problem(key, &format!("is required; add at least one [[{key}]]"));
        }
        tables.unwrap_or_default()
    }

    /// Takes a list of tables out of the one at `path`, empty if it is left out. `None` if it is
    /// something else.
    fn list(&mut self, path: &str, table: &mut Table, key: &str) -> Option<Vec<Table>> {
        let tables: Option<_> = match table.remove(key) {
            None => Some(Vec::new()),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::Table(table) => Some(table),
                    _ => None,
                })
                .collect(),
            Some(_) => None,
        };
        if tables.is_none() {
            let path = join(path, key);
            let keys: Vec<_> = path.split('.').filter_map(|key| key.split('[').next()).collect();
            let header = keys.join(".");
            self.problem(
                &path,
                &format!("must be a list of tables, each written [[{header}]] in double brackets"),
            );
        }
        tables
    }

    /// Reads the table at `path`. After a mistake, goes on without the key that was wrong.
    pub(super) fn parse<T: DeserializeOwned>(&mut self, path: &str, mut table: Table) -> Option<T> {
        let mut wrong = BTreeSet::new();
        loop {
            let error = match options::parse(table.clone()) {
                Ok(parsed) => return wrong.is_empty().then_some(parsed),
                Err(error) => error,
            };
            let key = error.path.split(['.', '[']).next().unwrap_or_default().to_owned();
            if wrong.contains(&key) {
                // It is missing only because it was wrong.
                return None;
            }
            let (path, problem) = in_table(path, &error);
            self.problem(&path, &problem);
            table.remove(&key)?;
            wrong.insert(key);
        }
    }

    /// Checks the names of the sources or sinks, and shows these by their names from now on.
    /// Returns the good names with their positions.
    fn names(&mut self, list: &str, tables: &[Table]) -> BTreeMap<Name, usize> {
        let mut seen = BTreeMap::new();
        for (nth, table) in tables.iter().enumerate() {
            // A missing one is found when the table is read.
            let Some(raw) = table.get("name").and_then(Value::as_str) else { continue };
            let element = format!("{list}[{nth}]");
            let path = format!("{element}.name");
            match Name::parse(raw) {
                Err(error) => self.problem(&path, &error.to_string()),
                Ok(name) => match seen.get(&name) {
                    Some(earlier) => {
                        let line = self.places.line(&format!("{list}[{earlier}].name"));
                        let line = line.map(|line| format!(" in line {line}")).unwrap_or_default();
                        let problem = format!("`{name}` is taken by another {list}{line}");
                        self.problem(&path, &problem);
                    }
                    None => {
                        self.places.show_as(&element, format!("{list}.{name}"));
                        seen.insert(name, nth);
                    }
                },
            }
        }
        seen
    }

    /// Every source, expanded.
    fn sources(
        &mut self,
        root: &mut Table,
        kinds: &'static [&'static source::Kind],
    ) -> Option<Vec<Source>> {
        let tables = self.many(root, "source");
        self.names("source", &tables);
        let each = tables.into_iter().enumerate();
        let checked: Vec<_> = each.map(|(nth, table)| self.source(nth, table, kinds)).collect();
        let checked: Option<Vec<Vec<Source>>> = checked.into_iter().collect();
        let sources = checked.map(|many| many.into_iter().flatten().collect::<Vec<_>>());
        self.expanded_names(sources.as_deref().unwrap_or_default());
        sources
    }

    fn store(&mut self, raw: &RawStore) -> Option<Store> {
        if !STORE_KINDS.contains(&raw.kind.as_str()) {
            self.problem("store.kind", &unknown("kind", &raw.kind, STORE_KINDS));
        }
        if raw.path.is_empty() {
            self.problem("store.path", "must not be empty");
        }
        let retention = self.period("store.retention", raw.retention, HOUR..=RETENTION_MAX);
        let checkpoint = self.period("store.checkpoint", raw.checkpoint, MINUTE..=30 * DAY);
        let path = PathBuf::from(&raw.path);
        Some(Store { path, retention: retention?, checkpoint: checkpoint? })
    }

    fn retry(&mut self, raw: &RawDelivery) -> Option<RetryPolicy> {
        let path = |key: &str| join("delivery", key);
        let max_age = self.period(&path("max_age"), raw.max_age, SECOND..=30 * DAY);
        let slow_lane = self.period(&path("slow_lane"), raw.slow_lane, WAIT_MIN..=DAY);
        let retry_after_max =
            self.period(&path("retry_after_max"), raw.retry_after_max, Duration::ZERO..=DAY);
        if raw.backoff.is_empty() || BACKOFF_MAX < raw.backoff.len() {
            self.problem(&path("backoff"), &format!("must be a list of 1 to {BACKOFF_MAX} waits"));
        }
        let waits = raw.backoff.iter().enumerate();
        let backoff: Vec<_> = waits
            .map(|(nth, wait)| {
                self.period(&path(&format!("backoff[{nth}]")), *wait, WAIT_MIN..=DAY)
            })
            .collect();
        let backoff = backoff.into_iter().collect::<Option<Vec<_>>>()?;
        Some(RetryPolicy {
            backoff,
            slow_lane: slow_lane?,
            retry_after_max: retry_after_max?,
            max_age: max_age?,
        })
    }

    fn worker(&mut self, raw: &RawWorker) -> Option<Worker> {
        let path = |key: &str| join("worker", key);
        let poll_concurrency =
            self.count(&path("poll_concurrency"), raw.poll_concurrency, CONCURRENCY.clone());
        let host_limit = self.host_limit(&path("host_limit"), raw.host_limit);
        let grace = Duration::ZERO..=5 * MINUTE;
        let shutdown_grace = self.period(&path("shutdown_grace"), raw.shutdown_grace, grace);
        Some(Worker {
            poll_concurrency: poll_concurrency?,
            host_limit: host_limit?,
            shutdown_grace: shutdown_grace?,
        })
    }

    fn period(
        &mut self,
        path: &str,
        value: Period,
        allowed: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        if allowed.contains(&value.0) {
            return Some(value.0);
        }
        let (from, to) = (Period(*allowed.start()), Period(*allowed.end()));
        self.problem(path, &format!("must be between {from} and {to}"));
        None
    }

    fn count(&mut self, path: &str, value: usize, allowed: RangeInclusive<usize>) -> Option<usize> {
        if allowed.contains(&value) {
            return Some(value);
        }
        let (from, to) = allowed.into_inner();
        self.problem(path, &format!("must be between {from} and {to}"));
        None
    }
}

/// "`x` is not a kind; did you mean …" for a `word` that should be one of `known`.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match options::nearest(known, word) {
        Some(near) => format!("`{word}` is not a {what}; did you mean `{near}`?"),
        None => format!("`{word}` is not a {what}; known are {}", known.join(", ")),
    }
}
