//! A notice in parts, for services with a markup and limits of their own.
//!
//! The parts are plain text on one line each, cleaned and bounded, and not escaped for anything:
//! that is the service's business. What a service has no room for is counted by [`Brief::rest`],
//! and a notice that says nothing of it would hide failures.

use std::fmt::Write as _;

use super::{failed_at, fields, foot, headline, lead, short, still_open, utc, what_failed};
use crate::{
    failure::Failure,
    notice::{Count, Notice, NoticeKind},
    task::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX},
    text,
};

/// The command that lists what a message had no room for.
pub const LIST_COMMAND: &str = "taskbell failure list";

/// How bad it is: for colours, priorities and severities.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Tone {
    /// For information.
    Calm,
    /// Something is over.
    Good,
    /// Something should be looked at.
    Warning,
    /// Something failed.
    Bad,
}

impl Tone {
    /// The tone of a kind of notice.
    #[must_use]
    pub fn of(kind: NoticeKind) -> Self {
        match kind {
            NoticeKind::TaskFailed
            | NoticeKind::Digest
            | NoticeKind::StormOpened
            | NoticeKind::StormUpdated => Self::Bad,
            NoticeKind::TaskCleared | NoticeKind::SourceSighted => Self::Good,
            NoticeKind::StateLost
            | NoticeKind::TaskReminder
            | NoticeKind::TaskStuck
            | NoticeKind::SinkFailing
            | NoticeKind::SourceBlind => Self::Warning,
            NoticeKind::SourceWatching | NoticeKind::StormClosed | NoticeKind::Test => Self::Calm,
        }
    }

    /// As red, green and blue.
    #[must_use]
    pub fn rgb(self) -> u32 {
        match self {
            Self::Bad => 0x00c8_372d,
            Self::Good => 0x002e_8540,
            Self::Warning => 0x00b7_791f,
            Self::Calm => 0x002b_6cb0,
        }
    }

    /// As `#rrggbb`.
    #[must_use]
    pub fn hex(self) -> String {
        format!("#{:06x}", self.rgb())
    }
}

/// The parts of a notice, the most important first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Brief {
    /// How bad it is.
    pub tone: Tone,
    /// What happened, without a full stop.
    pub headline: String,
    /// One or two sentences below it.
    pub lead: String,
    /// The failures.
    pub items: Vec<Item>,
    /// What they have in common, or what is wrong with taskbell itself: label and value.
    pub notes: Vec<(&'static str, String)>,
    /// How many others stand.
    pub more: Option<String>,
    /// Which list, how much of it was seen, and who says so.
    pub foot: Vec<String>,
    /// Failures that it is about and that are not among the items.
    pub omitted: u32,
}

/// One failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// "Reset failed on web-01 (KPS.6009)"; empty if the headline says so already.
    pub title: String,
    /// The cloud's words.
    pub message: Option<String>,
    /// When it failed.
    pub at: String,
    /// All that is known, message and time included: label and value.
    pub facts: Vec<(&'static str, String)>,
}

impl Brief {
    /// Takes `notice` apart.
    #[must_use]
    pub fn of(notice: &Notice) -> Self {
        let alone = is_in_headline(notice);
        let several = notice.source.is_none();
        let item = |failure| Item::of(failure, alone, several);
        Self {
            tone: Tone::of(notice.kind),
            headline: text::clean(&headline(notice), NAME_BYTES_MAX),
            lead: lead(notice).to_owned(),
            items: notice.failures.iter().map(item).collect(),
            notes: notes(notice),
            more: still_open(notice),
            foot: foot(notice).iter().map(|line| text::clean(line, MESSAGE_BYTES_MAX)).collect(),
            omitted: notice.omitted(),
        }
    }

    /// What to say below the first `shown` items about those that are not shown; `None` if there
    /// are none.
    #[must_use]
    pub fn rest(&self, shown: usize) -> Option<String> {
        let hidden = self.items.len().saturating_sub(shown);
        let hidden = u64::try_from(hidden).unwrap_or(u64::MAX).saturating_add(self.omitted.into());
        match (hidden, shown) {
            (0, _) => None,
            (_, 0) => Some(format!("Not listed here: {hidden}. To list them: {LIST_COMMAND}")),
            _ => Some(format!("And {hidden} more. To list them: {LIST_COMMAND}")),
        }
    }
}

/// Whether the headline names the only failure that the notice is about.
fn is_in_headline(notice: &Notice) -> bool {
    let names_it = matches!(
        notice.kind,
        NoticeKind::TaskFailed
            | NoticeKind::TaskCleared
            | NoticeKind::TaskReminder
            | NoticeKind::TaskStuck
    );
    names_it && notice.failures.len() == 1 && notice.omitted() == 0
}

impl Item {
    /// The failure is `alone` in its notice, or the notice is about `several` sources.
    fn of(failure: &Failure, alone: bool, several: bool) -> Self {
        let message = failure.task.text.error_message.as_deref();
        let title = match (alone, several) {
            (true, _) => String::new(),
            (false, true) => format!("{}: {}", failure.source, what_failed(failure)),
            (false, false) => what_failed(failure),
        };
        Self {
            title,
            message: message.map(|raw| text::clean(raw, MESSAGE_BYTES_MAX)),
            at: failed_at(failure),
            facts: fields(failure, alone),
        }
    }

    /// The failure on one line, with at most `message_bytes_max` of its message.
    #[must_use]
    pub fn line(&self, message_bytes_max: usize) -> String {
        let message = self.message.as_deref().filter(|message| !message.is_empty());
        let message = message.map(|message| text::clean(message, message_bytes_max));
        let parts = [Some(self.title.clone()), message].into_iter().flatten();
        let what: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        let mut line = what.join(": ");
        let _infallible = write!(line, " · {}", self.at);
        line
    }
}

fn notes(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    if let Some(tally) = &notice.tally {
        for (label, counts) in [
            ("By action", &tally.actions),
            ("By error", &tally.errors),
            ("By server", &tally.servers),
            ("By source", &tally.sources),
        ] {
            notes.push((label, listed(counts)));
        }
    }
    if let Some(trouble) = &notice.trouble {
        notes.push(("Cause", short(&trouble.class)));
        notes.push(("Detail", text::clean(&trouble.detail, MESSAGE_BYTES_MAX)));
        notes.push(("What to do", text::clean(&trouble.advice, MESSAGE_BYTES_MAX)));
    }
    if let Some(since) = notice.since {
        notes.push(("Since", utc(since)));
    }
    notes.retain(|(_, value)| !value.is_empty());
    notes
}

/// "web-01 (9), web-02 (3)"
fn listed(counts: &[Count]) -> String {
    let counts = counts.iter().map(|count| format!("{} ({})", short(&count.value), count.count));
    counts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(items: usize, omitted: u32) -> Brief {
        let item = Item { title: "t".into(), message: None, at: "now".into(), facts: Vec::new() };
        Brief {
            tone: Tone::Bad,
            headline: "h".into(),
            lead: "l".into(),
            items: vec![item; items],
            notes: Vec::new(),
            more: None,
            foot: Vec::new(),
            omitted,
        }
    }

    #[test]
    fn what_is_not_shown_is_counted_and_can_be_listed() {
        for (items, omitted, shown, expected) in [
            (3, 0, 3, None),
            (0, 0, 0, None),
            (3, 0, 2, Some("And 1 more. To list them: taskbell failure list")),
            (3, 40, 3, Some("And 40 more. To list them: taskbell failure list")),
            (3, 40, 0, Some("Not listed here: 43. To list them: taskbell failure list")),
        ] {
            assert_eq!(brief(items, omitted).rest(shown).as_deref(), expected, "{items} {shown}");
        }
    }

    #[test]
    fn a_failure_fits_on_a_line_of_any_length() {
        let mut item = brief(1, 0).items.remove(0);
        assert_eq!(item.line(40), "t · now");
        item.message = Some("x".repeat(500));
        assert_eq!(item.line(10), "t: xxxxxxx… · now");
        item.title = String::new();
        assert_eq!(item.line(10), "xxxxxxx… · now");
    }
}
