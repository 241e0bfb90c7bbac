//! What the config says, in the form that decisions want it.

use std::{collections::BTreeMap, time::Duration};

use super::{route::Routes, window::Window};
use crate::{name::Name, notice::SourceInfo};

/// A source as routes see it.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// Which list it is.
    pub info: SourceInfo,
    /// The operator's labels.
    pub labels: BTreeMap<String, String>,
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
}

impl SinkRules {
    /// Those of a sink about which nothing is said.
    pub const DEFAULT: Self = Self {
        cleared: false,
        limit: None,
        storm: None,
        fallback: Vec::new(),
        fallback_after: Duration::from_secs(10 * 60),
    };
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
            |facts| facts.info.clone(),
        )
    }

    /// The rules of a sink; of one that is not in the config any more, the default ones.
    #[must_use]
    pub fn sink(&self, name: &Name) -> &SinkRules {
        static DEFAULT: SinkRules = SinkRules::DEFAULT;
        self.sinks.get(name).unwrap_or(&DEFAULT)
    }
}
