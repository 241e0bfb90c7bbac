//! Which sinks hear of a failure, and in what company.
//!
//! Routes form a tree, and are tried as those of Alertmanager. Of the routes with one parent, the
//! first that matches takes the failure, unless it says `continue = true`. It hands the failure
//! to the routes within it, and keeps it if none of them takes it. A route without conditions
//! matches everything. That a failure can always reach a route is checked with the config, not
//! here.

use std::{collections::BTreeMap, time::Duration};

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
    /// As listed.
    pub operate_type: &'a str,
    /// For instance `KPS.6009`.
    pub error_code: &'a str,
    /// Free text.
    pub error_message: &'a str,
    /// The server's name.
    pub server_name: &'a str,
    /// The key pair's name.
    pub keypair: &'a str,
    /// The failure's own labels, which go before those of its source.
    pub own_labels: &'a BTreeMap<String, String>,
    /// The source's labels.
    pub labels: &'a BTreeMap<String, String>,
}

/// The own labels of what has none.
pub static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

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
            operate_type: &text.operate_type,
            error_code: text.error_code.as_deref().unwrap_or_default(),
            error_message: text.error_message.as_deref().unwrap_or_default(),
            server_name: text.server_name.as_deref().unwrap_or_default(),
            keypair: text.keypair.as_deref().unwrap_or_default(),
            own_labels: &text.labels,
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
            operate_type: "",
            error_code: "",
            error_message: "",
            server_name: "",
            keypair: "",
            own_labels: &NO_LABELS,
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
            Field::OperateType => self.operate_type,
            Field::ErrorCode => self.error_code,
            Field::ErrorMessage => self.error_message,
            Field::ServerName => self.server_name,
            Field::Keypair => self.keypair,
            Field::Label(name) => {
                let value = self.own_labels.get(&**name).or_else(|| self.labels.get(&**name));
                value.map_or("", String::as_str)
            }
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

/// One route of the config, with what it inherits from the one around it.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// How many routes it lies within; less than [`Routes::DEPTH_MAX`].
    pub depth: usize,
    /// All must hold. None: every failure matches.
    pub matchers: Vec<Matcher>,
    /// The sinks. None: what it takes is told to nobody, on purpose.
    pub to: Vec<Name>,
    /// How failures are put together.
    pub group: Group,
    /// Whether the routes behind it, with the same parent, are tried as well.
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

    /// The first condition that does not hold.
    fn refusal(&self, subject: &Subject<'_>) -> Option<&Matcher> {
        self.matchers.iter().find(|matcher| !matcher.matches(subject))
    }
}

/// A sink that a failure goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Selected<'a> {
    /// The number of the route: its position in [`Routes`], from 1.
    pub route: u32,
    /// Where to.
    pub sink: &'a Name,
    /// With whom.
    pub group: &'a Group,
}

/// What came of one route, for `route test` and `failure explain`.
#[derive(Clone, Copy, Debug)]
pub enum Tried<'a> {
    /// It took the failure.
    Matched,
    /// It matched, and a route within it took the failure.
    Passed,
    /// This is its first condition that does not hold.
    Refused(&'a Matcher),
    /// A route before it took the failure and did not continue, or the one around it did not
    /// match.
    NotReached,
}

/// All routes, in the order of the file: each before those within it.
///
/// The first has depth 0, and none is more than one deeper than the one before it.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<Route>);

impl Routes {
    /// Most levels. People lose their way in fewer, and the walk calls itself once a level.
    pub const DEPTH_MAX: usize = 8;

    /// Most routes. A failure may have to ask all of them, and each regular expression may keep
    /// [`REGEX_BYTES_MAX`] of memory.
    pub const COUNT_MAX: usize = 1_000;

    /// The sinks that hear of `subject`, in the order of the routes that took it.
    ///
    /// A sink that several routes select is listed once, with the first of them. Empty means
    /// that nobody is told.
    #[must_use]
    pub fn select<'a>(&'a self, subject: &Subject<'_>) -> Vec<Selected<'a>> {
        let mut selected: Vec<Selected<'a>> = Vec::new();
        ask(self.top(), subject, &mut |branch, tried| {
            if !matches!(tried, Tried::Matched) {
                return;
            }
            let Route { to, group, .. } = branch.route;
            for sink in to {
                // There are few, so that looking through them is cheaper than a set.
                if !selected.iter().any(|earlier| earlier.sink == sink) {
                    selected.push(Selected { route: branch.number(), sink, group });
                }
            }
        });
        selected
    }

    /// A route by its number, from 1.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Route> {
        self.0.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// What comes of each route: as many as there are, in the same order.
    #[must_use]
    pub fn explain<'a>(&'a self, subject: &Subject<'_>) -> Vec<Tried<'a>> {
        let mut all = vec![Tried::NotReached; self.0.len()];
        ask(self.top(), subject, &mut |branch, tried| {
            if let Some(place) = all.get_mut(branch.at) {
                *place = tried;
            }
        });
        all
    }

    /// The routes that lie within no other.
    #[must_use]
    pub fn top(&self) -> Siblings<'_> {
        Siblings { at: 0, rest: &self.0 }
    }
}

/// Asks siblings in their order, and says what comes of each that is reached. A route is heard of
/// after those within it. Returns whether one of them took the failure.
fn ask<'a>(
    siblings: Siblings<'a>,
    subject: &Subject<'_>,
    say: &mut impl FnMut(&Branch<'a>, Tried<'a>),
) -> bool {
    let mut taken = false;
    for branch in siblings {
        if let Some(matcher) = branch.route.refusal(subject) {
            say(&branch, Tried::Refused(matcher));
            continue;
        }
        let passed = ask(branch.within.clone(), subject, say);
        say(&branch, if passed { Tried::Passed } else { Tried::Matched });
        taken = true;
        if !branch.route.continues {
            break;
        }
    }
    taken
}

/// A route with those within it.
#[derive(Clone, Debug)]
pub struct Branch<'a> {
    /// Its position in [`Routes`], from 0.
    pub at: usize,
    /// The route.
    pub route: &'a Route,
    /// Its children.
    pub within: Siblings<'a>,
}

impl Branch<'_> {
    /// The number that people see.
    #[must_use]
    pub fn number(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// Routes with the same parent, in their order.
#[derive(Clone, Debug)]
pub struct Siblings<'a> {
    /// The position of the next one in [`Routes`], from 0.
    at: usize,
    /// Those that are left, with all that lies within them.
    rest: &'a [Route],
}

impl<'a> Iterator for Siblings<'a> {
    type Item = Branch<'a>;

    fn next(&mut self) -> Option<Branch<'a>> {
        let (route, behind) = self.rest.split_first()?;
        let deeper = behind.iter().take_while(|next| route.depth < next.depth).count();
        let (within, rest) = behind.split_at(deeper);
        let at = self.at;
        *self = Self { at: at + 1 + deeper, rest };
        Some(Branch { at, route, within: Siblings { at: at + 1, rest: within } })
    }
}
