//! A notice in parts, for services with a markup and limits of their own.
//!
//! The parts are plain text on one line each, cleaned and bounded, and not escaped for anything:
//! that is the service's business. What a service has no room for is counted by [`Brief::rest`],
//! and a notice that says nothing of it would hide failures.

use std::fmt::Write as _;

use super::{
    Language, Words,
    speech::Label,
    story::{Fact, Teller},
};
use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    task::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX},
    text,
};

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
            | NoticeKind::StormUpdated
            | NoticeKind::StoreFailed => Self::Bad,
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

/// A label and what stands behind it.
pub type Pair = (String, String);

/// The parts of a notice, the most important first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Brief {
    /// How bad it is.
    pub tone: Tone,
    /// What happened, without a full stop.
    pub headline: String,
    /// One to three sentences below it; in words of the operator's own, all that there is, in lines.
    pub lead: String,
    /// The failures.
    pub items: Vec<BriefItem>,
    /// What they have in common, or what is wrong with taskbell itself.
    pub notes: Vec<Pair>,
    /// What to do about them, for where their facts, which say it too, are not shown.
    pub hints: Vec<Pair>,
    /// How many others stand.
    pub more: Option<String>,
    /// Which list, how much of it was seen, and who says so.
    pub foot: Vec<String>,
    /// Failures that it is about and that are not among the items.
    pub omitted: u32,
    /// The command that lists what there was no room for.
    pub list_command: String,
    /// For what is said of that.
    pub language: Language,
}

/// One failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BriefItem {
    /// "Reset failed on web-01 (KPS.6009)"; empty if the headline says so already.
    pub title: String,
    /// The cloud's words.
    pub message: Option<String>,
    /// When it failed.
    pub at: String,
    /// All that is known, message and time included.
    pub facts: Vec<Pair>,
}

impl Brief {
    /// Takes `notice` apart.
    pub(super) fn of(notice: &Notice, words: &Words) -> Self {
        let style = words.style();
        let teller = Teller { style, notice };
        let pairs = |facts: Vec<Fact>| facts.into_iter().map(pair).collect::<Vec<_>>();
        let brief = Self {
            tone: Tone::of(notice.kind),
            headline: text::clean(&words.headline(notice), NAME_BYTES_MAX),
            lead: String::new(),
            items: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            more: None,
            foot: Vec::new(),
            omitted: 0,
            list_command: teller.list_command(),
            language: style.language,
        };
        if let Some(own) = words.own_text(notice) {
            let lines = own.trim_end().lines().map(|line| text::clean(line, MESSAGE_BYTES_MAX));
            return Self { lead: lines.collect::<Vec<_>>().join("\n"), ..brief };
        }
        let foot = teller.foot();
        Self {
            lead: teller.lead(),
            items: teller.shown().into_iter().map(|one| BriefItem::of(teller, one)).collect(),
            notes: pairs(teller.facts()),
            hints: pairs(teller.hints()),
            more: teller.still_open(),
            foot: foot.iter().map(|line| text::clean(line, MESSAGE_BYTES_MAX)).collect(),
            omitted: teller.omitted(),
            ..brief
        }
    }

    /// What to say below the first `shown` items about those that are not shown; `None` if there
    /// are none.
    #[must_use]
    pub fn rest(&self, shown: usize) -> Option<String> {
        let hidden = self.items.len().saturating_sub(shown);
        let hidden = u32::try_from(hidden).unwrap_or(u32::MAX).saturating_add(self.omitted);
        let speech = self.language.speech();
        (0 < hidden).then(|| speech.omitted(hidden, &self.list_command))
    }
}

fn pair(fact: Fact) -> Pair {
    let link = fact.link.map_or_else(String::new, |link| format!(" {link}"));
    (fact.label, fact.value + &link)
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

impl BriefItem {
    fn of(teller: Teller<'_>, failure: &Failure) -> Self {
        let Teller { style, notice } = teller;
        let item = teller.item(failure);
        let mut facts: Vec<Pair> = item.facts.into_iter().map(pair).collect();
        let title = if is_in_headline(notice) {
            String::new()
        } else if notice.source.is_none() {
            let source = style.speech().label(Label::Source);
            facts.retain(|(label, _)| label != source);
            style.speech().about(failure.source.as_str(), &item.titled)
        } else {
            item.titled
        };
        Self {
            title,
            message: item.message,
            at: teller.moment(failure).1.unwrap_or_default(),
            facts,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(items: usize, omitted: u32) -> Brief {
        let item =
            BriefItem { title: "t".into(), message: None, at: "now".into(), facts: Vec::new() };
        Brief {
            tone: Tone::Bad,
            headline: "h".into(),
            lead: "l".into(),
            items: vec![item; items],
            notes: Vec::new(),
            hints: Vec::new(),
            more: None,
            foot: Vec::new(),
            omitted,
            list_command: "list".into(),
            language: Language::English,
        }
    }

    #[test]
    fn what_is_not_shown_is_counted_and_can_be_listed() {
        for (items, omitted, shown, expected) in [
            (3, 0, 3, None),
            (0, 0, 0, None),
            (3, 0, 2, Some("1 of them is not listed here; `list` lists it.")),
            (3, 40, 3, Some("40 of them are not listed here; `list` lists them.")),
            (3, 40, 0, Some("43 of them are not listed here; `list` lists them.")),
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

    /// A storm of 5,000, of which a notice lists 100.
    fn storm(kind: NoticeKind) -> Notice {
        let of = crate::render::sample(kind);
        let failure = of.failures[0].clone();
        let failures = (0..100).map(|nth| {
            let mut one = failure.clone();
            one.task.id = format!("t{nth}");
            // The first fifty are alike.
            one.task.text.error_code = Some(format!("KPS.60{:02}", (nth / 50) + (nth / 60)));
            one
        });
        Notice { failures: failures.collect(), total: 5_000, ..of }
    }

    #[test]
    fn a_storm_shows_three_samples_that_differ_and_counts_all_others() {
        for kind in [NoticeKind::StormOpened, NoticeKind::StormUpdated, NoticeKind::StormClosed] {
            let words = Words::default();
            let brief = Brief::of(&storm(kind), &words);
            let codes: Vec<&str> = brief
                .items
                .iter()
                .filter_map(|item| item.title.split_once("KPS."))
                .map(|it| it.1)
                .collect();
            assert_eq!(codes, ["6000)", "6001)", "6002)"], "{kind:?}");
            assert!(brief.rest(3).unwrap().starts_with("4997 of them are not listed here"));
            let plain = words.plain(&storm(kind));
            assert!(plain.contains("4997 of them are not listed here"), "{plain}");
            assert_eq!(plain.matches("Reset failed on").count(), 3, "{plain}");
        }
        let digest = Brief::of(&storm(NoticeKind::Digest), &Words::default());
        assert_eq!(digest.items.len(), 100);
    }

    #[test]
    fn a_hint_counts_those_that_it_is_for_only_where_all_are_known() {
        let mut notice = storm(NoticeKind::Digest);
        for failure in &mut notice.failures {
            failure.task.text.error_code = Some("KPS.6009".into());
        }
        let hints = |notice: &Notice| Brief::of(notice, &Words::default()).hints;
        assert_eq!(hints(&notice)[0].0, "For some of them");
        notice.total = 100;
        assert_eq!(hints(&notice)[0].0, "For 100 of them");
    }
}
