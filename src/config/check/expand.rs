//! One table that stands for many sources: `regions` and `projects`.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{Check, HOUR, SECOND, adapters::SOURCE_KEYS};
use crate::{
    config::{
        Source,
        locate::join,
        raw::{RawHostLimit, RawProjects, RawSource},
    },
    http::{HostLimit, Rate},
    name::Name,
    options::Period,
    source,
};

/// Most sources that one table stands for. Beyond it, a list of ids was pasted twice.
const SOURCES_MAX: usize = 2_000;

/// Most requests of a rate. A host that takes more needs no limit.
const RATE_MAX: u32 = 1_000;

/// The kinds' own keys that a place fills in.
const REGION: &str = "region";
const PROJECT: &str = "project_id";

/// One of the sources that a table stands for.
pub(super) struct Place {
    pub(super) name: Name,
    region: Option<String>,
    project: Option<String>,
}

impl Place {
    /// The kind's own keys, with this place filled in.
    pub(super) fn options(&self, table: &Table) -> Table {
        let mut options = table.clone();
        for (key, value) in [(REGION, &self.region), (PROJECT, &self.project)] {
            if let Some(value) = value {
                options.insert(key.to_owned(), Value::String(value.clone()));
            }
        }
        options
    }
}

impl Check {
    /// The sources that the table at `path` stands for; itself alone if it says nothing.
    pub(super) fn places_of(
        &mut self,
        path: &str,
        raw: &RawSource,
        kind: &'static source::Kind,
        own: &Table,
    ) -> Option<Vec<Place>> {
        let before = self.problems.len();
        let pairs = self.pairs(path, raw);
        self.fits(path, raw, kind, own);
        let count = pairs.len();
        if SOURCES_MAX < count {
            let problem = format!("stands for {count} sources; at most {SOURCES_MAX} are allowed");
            self.problem(path, &problem);
        }
        if self.problems.len() != before {
            return None;
        }
        // A name that is wrong by itself was told already.
        Name::parse(&raw.name).ok()?;
        let mut places = Vec::with_capacity(count);
        for (region, project) in pairs {
            let parts = [Some(raw.name.clone()), region.clone(), project.clone()];
            let name = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
            let Ok(name) = Name::parse(&name) else {
                let over = name.len().saturating_sub(Name::BYTES_MAX);
                let problem = format!(
                    "stands for `{name}`, which is longer than a name can be (64); shorten this \
                     one by {over}"
                );
                self.problem(&join(path, "name"), &problem);
                return None;
            };
            places.push(Place { name, region, project });
        }
        Some(places)
    }

    /// Each region with each project.
    fn pairs(&mut self, path: &str, raw: &RawSource) -> Vec<(Option<String>, Option<String>)> {
        let one = || vec![None];
        let regions = match &raw.regions {
            None => one(),
            Some(regions) => self.words(&join(path, "regions"), regions),
        };
        let projects = match &raw.projects {
            None => one(),
            Some(RawProjects::Ids(ids)) => self.words(&join(path, "projects"), ids),
            Some(RawProjects::ByRegion(by_region)) => {
                return self.by_region(&join(path, "projects"), by_region);
            }
        };
        let with = |region: Option<String>| {
            projects.iter().map(move |project| (region.clone(), project.clone()))
        };
        regions.into_iter().flat_map(with).collect()
    }

    fn by_region(
        &mut self,
        path: &str,
        by_region: &BTreeMap<String, Vec<String>>,
    ) -> Vec<(Option<String>, Option<String>)> {
        let names: Vec<String> = by_region.keys().cloned().collect();
        self.words(path, &names);
        let mut pairs = Vec::new();
        for (region, ids) in by_region {
            let ids = self.words(&join(path, region), ids);
            pairs.extend(ids.into_iter().map(|id| (Some(region.clone()), id)));
        }
        pairs
    }

    /// Checks a list of words that become parts of names.
    fn words(&mut self, path: &str, words: &[String]) -> Vec<Option<String>> {
        if words.is_empty() {
            self.problem(path, "must name at least one");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut seen = BTreeSet::new();
        for (nth, word) in words.iter().enumerate() {
            let path = format!("{path}[{nth}]");
            if word.is_empty() || !word.bytes().all(plain) {
                self.problem(&path, "must be an id of letters, digits, `_` and `-`");
            } else if !seen.insert(word) {
                self.problem(&path, &format!("`{word}` is named twice"));
            }
        }
        words.iter().cloned().map(Some).collect()
    }

    /// Whether the kind has the keys that would be filled in, and the table leaves them open.
    fn fits(&mut self, path: &str, raw: &RawSource, kind: &'static source::Kind, own: &Table) {
        let by_region = matches!(raw.projects, Some(RawProjects::ByRegion(_)));
        if by_region && raw.regions.is_some() {
            let problem = "has no effect beside `projects` by region; leave it out";
            self.problem(&join(path, "regions"), problem);
        }
        let regions = if raw.regions.is_some() { "regions" } else { "projects" };
        for (key, list, given) in [
            (REGION, regions, raw.regions.is_some() || by_region),
            (PROJECT, "projects", raw.projects.is_some()),
        ] {
            if !given {
                continue;
            }
            if own.contains_key(key) {
                let problem = format!("`{list}` says it; leave one of them out");
                self.problem(&join(path, key), &problem);
            } else if !self.has_key(kind, key) {
                let problem =
                    format!("has no effect: a source of kind `{}` has no `{key}`", kind.name);
                self.problem(&join(path, list), &problem);
            }
        }
    }

    /// Whether a source of this kind has a key of this name, as far as it tells.
    fn has_key(&self, kind: &'static source::Kind, key: &str) -> bool {
        let known = self.known.get(&(SOURCE_KEYS, kind.name)).and_then(Option::as_ref);
        known.is_none_or(|known| known.iter().any(|known| known == key))
    }

    /// Whether sources of different tables have different names, also those that a table stands for.
    pub(super) fn expanded_names(&mut self, sources: &[Source]) {
        let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for source in sources {
            let Some(earlier) = seen.insert(&source.name, source.table) else { continue };
            // Two tables of the same name were told already, and are then not shown by it.
            let table = format!("source[{}]", source.table);
            if !self.places.is_shown(&table) || !told.insert(source.table) {
                continue;
            }
            let line = self.places.line(&format!("source[{earlier}].name"));
            let line = line.map(|line| format!(" in line {line}")).unwrap_or_default();
            let problem =
                format!("stands for `{}`, which is taken by another source{line}", source.name);
            self.problem(&join(&table, "name"), &problem);
        }
    }

    /// The limit as it is written, if it is in range.
    pub(super) fn host_limit(&mut self, path: &str, raw: RawHostLimit) -> Option<HostLimit> {
        if let HostLimit::Every(Rate { count, per }) = raw.0 {
            if !(1..=RATE_MAX).contains(&count) {
                self.problem(path, "must be 1 to 1000 requests in a time, \"auto\" or \"none\"");
                return None;
            }
            self.period(path, Period(per), SECOND..=HOUR)?;
        }
        Some(raw.0)
    }
}
