//! What the config says, in the form that decisions want it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use super::{route::Routes, window::Window};
use crate::{name::Name, notice::SourceInfo};

/// A source as routes see it.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// The operator's labels.
    pub labels: BTreeMap<String, String>,
    /// Which list it is. Its project may be found out while running, and all copies learn of it.
    info: Arc<RwLock<Arc<SourceInfo>>>,
    /// Whether the config itself names the project.
    names_project: bool,
}

impl SourceFacts {
    /// As the config says.
    #[must_use]
    pub fn new(info: SourceInfo, labels: BTreeMap<String, String>) -> Self {
        let names_project = !info.project_id.is_empty();
        Self { labels, info: Arc::new(RwLock::new(Arc::new(info))), names_project }
    }

    /// Which list it is, with its project as soon as that is known.
    #[must_use]
    pub fn info(&self) -> Arc<SourceInfo> {
        Arc::clone(&self.info.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the project that was found for this list, where the config names none.
    ///
    /// Called before the poll that found it is recorded, and with what the store remembers of
    /// earlier ones, so whoever decides about a failure of the list knows its project.
    pub fn learn(&self, found: &SourceInfo) {
        let info = self.info();
        let same = found.kind == info.kind && found.region == info.region;
        let news = !found.project_id.is_empty() && info.project_id != found.project_id;
        if self.names_project || !same || !news {
            return;
        }
        let learnt = SourceInfo { project_id: found.project_id.clone(), ..(*info).clone() };
        *self.info.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(learnt);
    }
}

/// Most notices in a time, beyond which a sink is in storm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// So many notices, 1 to [`Limit::COUNT_MAX`].
    pub count: usize,
    /// In any stretch of this length.
    pub per: Duration,
}

impl Limit {
    /// Most notices that a limit counts: their times are kept with the sink.
    pub const COUNT_MAX: usize = 1_000;
}

/// When a sink is in storm by the number of failures, and how often it hears of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StormRule {
    /// More failures than this from one poll are a storm.
    pub threshold: usize,
    /// From one storm notice to the next.
    pub update: Duration,
}

impl Default for StormRule {
    fn default() -> Self {
        Self { threshold: 50, update: Duration::from_secs(15 * 60) }
    }
}

/// What the config says about telling one sink.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SinkRules {
    /// Whether it hears of cleared failures.
    pub cleared: bool,
    /// `None`: as many notices as there are.
    pub limit: Option<Limit>,
    /// `None`: a burst is told like anything else. With a limit and no rule, the default's
    /// update time holds.
    pub storm: Option<StormRule>,
    /// Sinks that are told when this one does not take its notices. No circles: that is checked
    /// with the config.
    pub fallback: Vec<Name>,
    /// How old a delivery gets before the fallback is told.
    pub fallback_after: Duration,
    /// Whether it keeps something open for each failure and each blind source, until it hears that
    /// this is over.
    pub keeps_open: bool,
}

impl SinkRules {
    /// Those of a sink about which nothing is said.
    pub const DEFAULT: Self = Self {
        cleared: false,
        limit: None,
        storm: None,
        fallback: Vec::new(),
        fallback_after: Duration::from_secs(10 * 60),
        keeps_open: false,
    };

    /// Whether many sources that go blind at once are one notice: where bursts are storms, unless
    /// what is opened for one has to be closed for the same one.
    #[must_use]
    pub fn sums_up(&self) -> bool {
        self.storm.is_some() && !self.keeps_open
    }
}

impl Default for SinkRules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the config says about dispatching.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Tried in order.
    pub routes: Routes,
    /// By name. One that is missing is not in the config any more.
    pub sinks: BTreeMap<Name, SinkRules>,
    /// By name.
    pub sources: BTreeMap<Name, SourceFacts>,
    /// Those that routes are muted by. One that is missing is not in the config any more, and
    /// mutes nothing.
    pub windows: BTreeMap<Name, Window>,
}

impl Rules {
    /// Which list a source is; of one that is not in the config any more, its name.
    #[must_use]
    pub fn info(&self, source: &Name) -> SourceInfo {
        self.sources.get(source).map_or_else(
            || SourceInfo {
                name: source.clone(),
                kind: String::new(),
                region: String::new(),
                project_id: String::new(),
            },
            |facts| (*facts.info()).clone(),
        )
    }

    /// [`SourceFacts::learn`] of a source that is in the config.
    pub fn learn(&self, found: &SourceInfo) {
        if let Some(facts) = self.sources.get(&found.name) {
            facts.learn(found);
        }
    }

    /// The rules of a sink; of one that is not in the config any more, the default ones.
    #[must_use]
    pub fn sink(&self, name: &Name) -> &SinkRules {
        static DEFAULT: SinkRules = SinkRules::DEFAULT;
        self.sinks.get(name).unwrap_or(&DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(region: &str, project_id: &str) -> SourceInfo {
        SourceInfo {
            name: Name::parse("prod").unwrap(),
            kind: "kps".to_owned(),
            region: region.to_owned(),
            project_id: project_id.to_owned(),
        }
    }

    #[test]
    fn a_project_is_learnt_where_the_config_names_none() {
        for (written, found, expected) in [
            (("r", ""), ("r", "p1"), "p1"),
            (("r", "p0"), ("r", "p1"), "p0"),
            // The store remembers another list under this name.
            (("r", ""), ("r-2", "p1"), ""),
        ] {
            let facts = SourceFacts::new(info(written.0, written.1), BTreeMap::new());
            let copy = facts.clone();
            facts.learn(&info(found.0, found.1));
            assert_eq!(copy.info().project_id, expected, "{written:?} {found:?}");
            assert_eq!(copy.info().region, written.0);
        }
    }

    #[test]
    fn what_is_found_later_counts() {
        let facts = SourceFacts::new(info("r", ""), BTreeMap::new());
        facts.learn(&info("r", "p1"));
        facts.learn(&info("r", "p2"));
        // A poll that broke off before it was looked up.
        facts.learn(&info("r", ""));
        assert_eq!(facts.info().project_id, "p2");
    }
}
