//! What a language has to be able to say.
//!
//! What is said, and in which order, is decided once, in [`super::story`]; a language only puts
//! it into words. So no language can leave out what another one says.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Zone, chinese::Chinese, english::English, short};
use crate::{
    failure::{Ending, Failure},
    notice::{Count, Coverage, Notice},
    task::Action,
};

/// A language that notices are written in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The word in the config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The `lang` of an HTML page.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The word for an action.
    #[must_use]
    pub fn action(self, action: Action) -> &'static str {
        self.speech().action(action)
    }

    /// A class of trouble in words; `None` if it is not known.
    #[must_use]
    pub fn trouble(self, class: &str) -> Option<&'static str> {
        self.speech().trouble(class)
    }

    /// What to do about it; `None` to leave it to whoever knows better, in English.
    #[must_use]
    pub fn advice(self, class: &str) -> Option<&'static str> {
        self.speech().advice(class)
    }

    /// "4th like it in 24 h"
    #[must_use]
    pub fn recurrence(self, nth: u32) -> String {
        self.speech().recurrence(nth)
    }

    pub(super) fn speech(self) -> &'static dyn Speech {
        match self {
            Self::English => &English,
            Self::Chinese => &Chinese,
        }
    }
}

/// What stands in front of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Label {
    Message,
    ErrorCode,
    Advice,
    Server,
    Keypair,
    Operation,
    FailedAt,
    StartedAt,
    ClearedAt,
    OpenFor,
    RunningFor,
    Recurrence,
    FailedBefore,
    Source,
    Task,
    Sink,
    Cause,
    Detail,
    Since,
    Gap,
    TopErrors,
    TopServers,
    TopSources,
}

/// What the list itself calls an operation that we have no word for.
pub(super) fn operation(failure: &Failure) -> Option<String> {
    let own = &failure.task.text.operate_type;
    // The Key Pair Service's states say nothing about the operation.
    let is_state = own.starts_with("FAILED") || own.starts_with("RUNNING");
    (failure.task.action == Action::Other && !own.is_empty() && !is_state).then(|| short(own))
}

/// A language.
pub(super) trait Speech: Sync {
    /// What happened, without the subject, on one line without a full stop.
    fn headline(&self, notice: &Notice) -> String;

    /// What happened to one failure, with its error code: "reset failed on web-01 (KPS.6009)".
    fn what_failed(&self, failure: &Failure) -> String;

    /// The subject in front of what happened.
    fn about(&self, subject: &str, what: &str) -> String;

    /// One to three sentences under the headline.
    fn lead(&self, notice: &Notice, zone: &Zone) -> String;

    /// The title of one failure, without its code: "Reset failed on web-01".
    fn title(&self, failure: &Failure) -> String;

    /// The title of a task that still runs: "Reset on web-01".
    fn running(&self, failure: &Failure) -> String;

    fn label(&self, label: Label) -> &'static str;

    /// How many columns of a terminal the labels take, with the space behind them.
    fn label_columns(&self) -> usize;

    fn action(&self, action: Action) -> &'static str;

    /// A length of time in its two largest units.
    fn duration(&self, length: Duration) -> String;

    /// "4th like it in 24 h"
    fn recurrence(&self, nth: u32) -> String;

    /// "once", "3 times"
    fn times(&self, count: u32) -> String;

    /// For a time that the cloud did not give.
    fn not_given(&self) -> &'static str;

    /// A time and what it means: that the failure cleared before anybody was told.
    fn cleared_untold(&self, at: &str) -> String;

    /// A time and what became of the task by then.
    fn ended(&self, at: &str, ending: Ending) -> String;

    /// A length of time, from an instant to another.
    fn gap(&self, length: &str, from: &str, to: &str) -> String;

    /// How many failures a hint is for.
    fn for_some(&self, count: Option<usize>) -> String;

    /// A kind of trouble in words; `None` if the word is not known.
    fn trouble(&self, class: &str) -> Option<&'static str>;

    /// What to do about a kind of trouble, in this language; `None` to leave it to the notice.
    fn advice(&self, class: &str) -> Option<&'static str>;

    /// A class in words, with the word itself for whoever looks it up.
    fn classified(&self, words: &str, class: &str) -> String;

    /// That so many are not listed, and the command that lists them.
    fn omitted(&self, count: u32, command: &str) -> String;

    /// Names and, if there are more than those, how many and the command that shows all.
    fn names(&self, names: &[&str], more: u32, command: &str) -> String;

    /// That so many others are open.
    fn still_open(&self, count: u32) -> String;

    /// "prod-beijing · kps · cn-north-4 · project 0123…"; unknown parts are empty.
    fn source_line(&self, name: &str, parts: [&str; 3]) -> String;

    fn coverage(&self, coverage: Coverage) -> String;

    fn written(&self, at: &str, notice: &Notice) -> String;

    /// In which zone times are, where that is not UTC.
    fn zone(&self, name: &str) -> String;

    /// "40 reset, 3 bind"
    fn actions(&self, counts: &[Count]) -> String;

    /// "web-01 (12), web-02 (9)"
    fn top(&self, counts: &[Count]) -> String;
}

/// When a task failed, or when it was first seen if the cloud does not say.
pub(super) fn began(failure: &Failure) -> Timestamp {
    failure.task.failed_at.unwrap_or(failure.first_seen_at)
}

/// From one instant to a later one; none if the clocks disagree.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// How long the oldest of the failures has been open, or running.
pub(super) fn oldest(notice: &Notice) -> Duration {
    let each = notice.failures.iter().map(|one| between(began(one), notice.created_at));
    each.max().unwrap_or_default()
}

/// How long what the notice is about has lasted, if it says when it began.
pub(super) fn lasted(notice: &Notice) -> Option<Duration> {
    notice.since.map(|since| between(since, notice.created_at))
}

/// All that a storm brought until the notice.
pub(super) fn so_far(notice: &Notice) -> u32 {
    notice.so_far.max(notice.total)
}

/// How many of each action, from the tally or, where all are listed, from the failures.
pub(super) fn actions(notice: &Notice) -> Vec<Count> {
    match &notice.tally {
        Some(tally) => tally.actions.clone(),
        None if notice.omitted() == 0 => counted(&notice.failures),
        None => Vec::new(),
    }
}

fn counted(failures: &[Failure]) -> Vec<Count> {
    let count = |action| failures.iter().filter(|one| one.task.action == action).count();
    let counts = Action::ALL.into_iter().map(|action| Count {
        value: action.as_str().to_owned(),
        count: u32::try_from(count(action)).unwrap_or(u32::MAX),
    });
    counts.filter(|one| one.count > 0).collect()
}

/// The failures that cleared before they could be told.
pub(super) fn cleared_untold(notice: &Notice) -> usize {
    notice.failures.iter().filter(|one| one.cleared_at.is_some()).count()
}

/// The two largest units of a length of time, each with its count. Seconds are the smallest.
pub(super) fn units(length: Duration) -> Vec<(u64, Unit)> {
    let seconds = length.as_secs();
    let all = [
        (seconds / 86_400, Unit::Day),
        (seconds / 3600 % 24, Unit::Hour),
        (seconds / 60 % 60, Unit::Minute),
        (seconds % 60, Unit::Second),
    ];
    let first = all.iter().position(|(count, _)| *count > 0).unwrap_or(all.len() - 1);
    let two = all.into_iter().skip(first).take(2).enumerate();
    two.filter(|(nth, (count, _))| *nth == 0 || *count > 0).map(|(_, unit)| unit).collect()
}

/// A unit of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Day,
    Hour,
    Minute,
    Second,
}
