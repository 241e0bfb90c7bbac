//! Which sinks hear of a failure, and in what company.
//!
//! Routes are tried in the order of the file. The first that matches takes the failure, unless
//! it says `continue = true`; a route without conditions matches everything. That a failure can
//! always reach a route is checked with the config, not here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::schedule::Schedule;
use crate::{
    delivery::Remind,
    failure::Failure,
    name::Name,
    notice::{FAILURES_MAX, SourceInfo},
};

mod matcher;
#[cfg(test)]
mod tests;

pub use matcher::{Field, MATCHER_BYTES_MAX, Matcher, MatcherError, REGEX_BYTES_MAX};

/// What conditions are about: one failure and where it came from.
///
/// An absent text is the empty string. Texts are those of the first listing: a notice shows the
/// same ones, so it never says what its route did not see.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The operator's name for the source.
    pub source: &'a str,
    /// The cloud project's id.
    pub project: &'a str,
    /// The cloud region; empty if only an endpoint was given.
    pub region: &'a str,
    /// [`crate::task::Action::as_str`].
    pub action: &'a str,
    /// For instance `KPS.6009`.
    pub error_code: &'a str,
    /// Free text.
    pub error_message: &'a str,
    /// The server's name.
    pub server_name: &'a str,
    /// The key pair's name.
    pub keypair: &'a str,
    /// The source's labels.
    pub labels: &'a BTreeMap<String, String>,
}

impl<'a> Subject<'a> {
    /// A recorded failure of a source.
    #[must_use]
    pub fn of(
        failure: &'a Failure,
        info: &'a SourceInfo,
        labels: &'a BTreeMap<String, String>,
    ) -> Self {
        let text = &failure.task.text;
        Self {
            source: failure.source.as_str(),
            project: &info.project_id,
            region: &info.region,
            action: failure.task.action.as_str(),
            error_code: text.error_code.as_deref().unwrap_or_default(),
            error_message: text.error_message.as_deref().unwrap_or_default(),
            server_name: text.server_name.as_deref().unwrap_or_default(),
            keypair: text.keypair.as_deref().unwrap_or_default(),
            labels,
        }
    }

    /// A source as a whole: like a failure of it without any particulars.
    #[must_use]
    pub fn of_source(info: &'a SourceInfo, labels: &'a BTreeMap<String, String>) -> Self {
        Self {
            source: info.name.as_str(),
            project: &info.project_id,
            region: &info.region,
            action: "",
            error_code: "",
            error_message: "",
            server_name: "",
            keypair: "",
            labels,
        }
    }

    /// The value of a field; empty if the failure has none.
    #[must_use]
    pub fn get(&self, field: &Field) -> &'a str {
        match field {
            Field::Source => self.source,
            Field::Project => self.project,
            Field::Region => self.region,
            Field::Action => self.action,
            Field::ErrorCode => self.error_code,
            Field::ErrorMessage => self.error_message,
            Field::ServerName => self.server_name,
            Field::Keypair => self.keypair,
            Field::Label(name) => self.labels.get(&**name).map_or("", String::as_str),
        }
    }
}

/// Which failures share a notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Failures that are equal in all of these go together. A notice is always about one source,
    /// so [`Field::Source`] counts even where it is not listed.
    pub by: Vec<Field>,
    /// How long the first failure of a group waits for others. At most [`Group::WAIT_MAX`].
    pub wait: Duration,
    /// A larger group becomes several notices. 1 to [`FAILURES_MAX`].
    pub max_items: usize,
}

impl Group {
    /// Longest wait. Beyond it, a group would be a report and no longer an alert.
    pub const WAIT_MAX: Duration = Duration::from_secs(3600);

    /// What is equal for all failures of one group: the source, then the values of `by`.
    #[must_use]
    pub fn key<'a>(&self, subject: &Subject<'a>) -> Vec<&'a str> {
        let others = self.by.iter().filter(|field| **field != Field::Source);
        std::iter::once(subject.source).chain(others.map(|field| subject.get(field))).collect()
    }
}

impl Default for Group {
    fn default() -> Self {
        Self { by: vec![Field::Source], wait: Duration::from_secs(30), max_items: FAILURES_MAX }
    }
}

/// One route of the config.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// All must hold. None: every failure matches.
    pub matchers: Vec<Matcher>,
    /// The sinks. None: what matches is told to nobody, on purpose.
    pub to: Vec<Name>,
    /// How failures are put together.
    pub group: Group,
    /// Whether the routes behind it are tried as well.
    pub continues: bool,
    /// The windows that hold back what it tells.
    pub mute: Vec<Name>,
    /// When it tells everything that came since the last time. `None`: as it comes, by `group`.
    pub digest: Option<Schedule>,
    /// Whether it tells again what still stands.
    pub remind: Option<Remind>,
}

impl Route {
    /// Whether every failure that gets this far matches.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.matchers.is_empty()
    }
}

/// A sink that a failure goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Selected<'a> {
    /// The position of the route in the file, from 0.
    pub route: usize,
    /// Where to.
    pub sink: &'a Name,
    /// With whom.
    pub group: &'a Group,
}

/// What came of one route, for `route test` and `failure explain`.
#[derive(Clone, Copy, Debug)]
pub enum Tried<'a> {
    /// It matched.
    Matched,
    /// This is its first condition that does not hold.
    Refused(&'a Matcher),
    /// A route before it took the failure and did not continue.
    NotReached,
}

/// All routes, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<Route>);

impl Routes {
    /// The sinks that hear of `subject`, in the order of the file.
    ///
    /// A sink that several routes select is listed once, with the first of them. Empty means
    /// that nobody is told.
    #[must_use]
    pub fn select<'a>(&'a self, subject: &Subject<'_>) -> Vec<Selected<'a>> {
        let mut told = BTreeSet::new();
        let mut selected = Vec::new();
        for ((route, rule), tried) in self.0.iter().enumerate().zip(self.explain(subject)) {
            if matches!(tried, Tried::Matched) {
                let fresh = rule.to.iter().filter(|sink| told.insert(*sink));
                selected.extend(fresh.map(|sink| Selected { route, sink, group: &rule.group }));
            }
        }
        selected
    }

    /// What comes of each route: as many as there are, in the same order.
    #[must_use]
    pub fn explain<'a>(&'a self, subject: &Subject<'_>) -> Vec<Tried<'a>> {
        let mut taken = false;
        let one = |route: &'a Route| {
            if taken {
                return Tried::NotReached;
            }
            match route.matchers.iter().find(|matcher| !matcher.matches(subject)) {
                Some(matcher) => Tried::Refused(matcher),
                None => {
                    taken = !route.continues;
                    Tried::Matched
                }
            }
        };
        self.0.iter().map(one).collect()
    }
}
