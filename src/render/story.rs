//! What a notice says, part by part, before it is laid out.
//!
//! Every value that a stranger chose is cleaned here once more and bounded: what lands in a mail
//! header or a page must be safe even if it came into the ledger by another door. Escaping for a
//! target's markup is left to the target.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Hint, Style, lower, short,
    speech::{Label, began, between, lasted},
};
use crate::{
    failure::Failure,
    name::Name,
    notice::{Notice, NoticeKind, Sources, Tally, Trouble},
    task::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX},
    text,
};

/// Most failures that have all that is known said of each. More have a line or two each.
pub const ITEMS_IN_FULL_MAX: usize = 10;

/// Failures that a notice about a storm shows. They are samples: what counts is what all have in
/// common.
const SAMPLES_MAX: usize = 3;

/// Most hints under a notice of many failures.
const HINTS_MAX: usize = 5;

/// A label and what stands behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact {
    /// For instance "Server".
    pub label: String,
    /// One line.
    pub value: String,
    /// Where to read on: an `http://` or `https://` URL.
    pub link: Option<String>,
}

/// One failure of a notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// "Reset failed on web-01"
    pub title: String,
    /// "Reset failed on web-01 (KPS.6009)"
    pub titled: String,
    /// For instance `KPS.6009`.
    pub code: Option<String>,
    /// The cloud's own words.
    pub message: Option<String>,
    /// All that is known, the message included. What the headline says already is left out if
    /// the item is the only one.
    pub facts: Vec<Fact>,
    /// The same on one line, for a notice of many.
    pub brief: Vec<String>,
}

/// A notice in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Story {
    /// The source's name, or our own.
    pub subject: String,
    /// Where the source is, for instance its region. May be empty.
    pub place: String,
    /// What happened, without the subject.
    pub what: String,
    /// Both, on one line without a full stop.
    pub headline: String,
    /// One to three sentences.
    pub lead: String,
    /// About the notice as a whole.
    pub facts: Vec<Fact>,
    /// The failures it lists. A single one needs no title: it is the headline.
    pub items: Vec<Item>,
    /// What to do, if the items are too many to say it of each.
    pub hints: Vec<Fact>,
    /// What is not listed, and what else stands.
    pub more: Vec<String>,
    /// Which list, how much of it was seen, and who says so.
    pub foot: Vec<String>,
}

/// Puts notices into words of one style.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) style: &'a Style,
    pub(super) notice: &'a Notice,
}

impl<'a> Teller<'a> {
    pub(super) fn story(self) -> Story {
        let Self { style, notice } = self;
        let speech = style.speech();
        let region = notice.source.as_ref().map_or("", |source| source.region.as_str());
        let what = speech.headline(notice);
        Story {
            subject: notice.subject().to_owned(),
            place: text::clean(region, NAME_BYTES_MAX),
            headline: speech.about(notice.subject(), &what),
            what,
            lead: self.lead(),
            facts: self.facts(),
            items: self.shown().into_iter().map(|failure| self.item(failure)).collect(),
            hints: if self.in_full() { Vec::new() } else { self.hints() },
            more: self.more(),
            foot: self.foot(),
        }
    }

    /// The failures that are shown one by one: all that are listed, or, of a storm, samples. Those
    /// differ in what went wrong as far as they can.
    pub(super) fn shown(self) -> Vec<&'a Failure> {
        let all = &self.notice.failures;
        if !self.notice.kind.is_storm() {
            return all.iter().collect();
        }
        let trouble = |failure: &Failure| {
            let text = &failure.task.text;
            text.error_code.clone().or_else(|| text.error_message.clone())
        };
        let mut seen = BTreeSet::new();
        let (first, again): (Vec<_>, Vec<_>) =
            all.iter().partition(|failure| seen.insert(trouble(failure)));
        first.into_iter().chain(again).take(SAMPLES_MAX).collect()
    }

    /// Whether all that is known is said of each failure that is shown.
    fn in_full(self) -> bool {
        self.notice.kind.is_storm() || self.notice.failures.len() <= ITEMS_IN_FULL_MAX
    }

    /// How many it is about and are not shown.
    pub(super) fn omitted(self) -> u32 {
        let shown = u32::try_from(self.shown().len()).unwrap_or(u32::MAX);
        self.notice.total.saturating_sub(shown)
    }

    /// One to three sentences.
    pub(super) fn lead(self) -> String {
        self.style.speech().lead(self.notice, &self.style.zone)
    }

    fn fact(self, label: Label, value: String) -> Fact {
        Fact { label: self.style.speech().label(label).to_owned(), value, link: None }
    }

    /// What the notice says beside its failures.
    pub(super) fn facts(self) -> Vec<Fact> {
        let Self { style, notice } = self;
        let mut facts = Vec::new();
        // A digest says it in its lead.
        let says_since = !matches!(notice.kind, NoticeKind::Digest | NoticeKind::TaskCleared);
        if let Some(trouble) = &notice.trouble {
            self.trouble(trouble, &mut facts);
        }
        if let Some(sources) = &notice.sources {
            facts.push(self.fact(Label::TopSources, self.names(sources)));
        }
        if notice.kind == NoticeKind::SourceSighted
            && let (Some(since), Some(length)) = (notice.since, lasted(notice))
        {
            let speech = style.speech();
            let from = style.zone.short(since, notice.created_at);
            let to = style.zone.short(notice.created_at, notice.created_at);
            let gap = speech.gap(&speech.duration(length), &from, &to);
            facts.push(self.fact(Label::Gap, gap));
        } else if let (true, Some(since)) = (says_since, notice.since) {
            facts.push(self.fact(Label::Since, style.zone.full(since)));
        }
        if let Some(tally) = &notice.tally {
            self.tally(tally, &mut facts);
        }
        facts.retain(|fact| !fact.value.is_empty());
        facts
    }

    fn names(self, sources: &Sources) -> String {
        let names: Vec<&str> = sources.names.iter().map(Name::as_str).collect();
        self.style.speech().names(&names, sources.unnamed(), "taskbell source list")
    }

    fn trouble(self, trouble: &Trouble, facts: &mut Vec<Fact>) {
        let speech = self.style.speech();
        let class = short(&trouble.class);
        let cause = match speech.trouble(&class) {
            Some(words) => speech.classified(words, &class),
            None => class.clone(),
        };
        let advice = match speech.advice(&class) {
            Some(words) => words.to_owned(),
            None => text::clean(&trouble.advice, MESSAGE_BYTES_MAX),
        };
        facts.extend(
            trouble.sink.as_ref().map(|sink| self.fact(Label::Sink, sink.as_str().to_owned())),
        );
        facts.push(self.fact(Label::Cause, cause));
        facts.push(self.fact(Label::Detail, text::clean(&trouble.detail, MESSAGE_BYTES_MAX)));
        facts.push(self.fact(Label::Advice, advice));
    }

    fn tally(self, tally: &Tally, facts: &mut Vec<Fact>) {
        let speech = self.style.speech();
        for (label, counts) in
            [(Label::TopErrors, &tally.errors), (Label::TopServers, &tally.servers)]
        {
            // Where each occurs once, nothing stands out.
            if counts.iter().any(|one| one.count > 1) {
                facts.push(self.fact(label, speech.top(counts)));
            }
        }
        if self.notice.source.is_none() {
            facts.push(self.fact(Label::TopSources, speech.top(&tally.sources)));
        }
    }

    pub(super) fn item(self, failure: &Failure) -> Item {
        let speech = self.style.speech();
        let text = &failure.task.text;
        let message = text.error_message.as_deref();
        let title = match self.notice.kind {
            NoticeKind::TaskStuck => speech.running(failure),
            _ => speech.title(failure),
        };
        Item {
            titled: match &text.error_code {
                Some(code) => speech.classified(&title, &short(code)),
                None => title.clone(),
            },
            title,
            code: text.error_code.as_deref().map(short),
            message: message.map(|raw| text::clean(raw, MESSAGE_BYTES_MAX)),
            facts: self.facts_of(failure),
            brief: self.brief(failure),
        }
    }

    /// What is known about a failure. What is not known is left out, and so is what the title of
    /// one among several says already.
    fn facts_of(self, failure: &Failure) -> Vec<Fact> {
        let Self { style, notice } = self;
        let speech = style.speech();
        let text = &failure.task.text;
        let alone = notice.failures.len() == 1;
        let name =
            |value: &Option<String>| value.as_deref().map(|raw| text::clean(raw, NAME_BYTES_MAX));
        let server = match (name(&text.server_name), name(&text.server_id)) {
            (Some(name), Some(id)) => Some(format!("{name} ({id})")),
            (name, id) => name.or(id),
        };
        let message = text.error_message.as_deref().map(|raw| text::clean(raw, MESSAGE_BYTES_MAX));
        let again = failure.generation.checked_sub(1).filter(|count| *count > 0);
        let alike = Some(failure.occurrences_24h).filter(|count| *count > 1);
        let mut facts: Vec<Fact> = [
            (Label::Message, message),
            (Label::ErrorCode, name(&text.error_code).filter(|_| alone)),
            (Label::Recurrence, alike.map(|nth| speech.recurrence(nth))),
            (Label::Server, server),
            (Label::Keypair, name(&text.keypair)),
            (Label::Operation, Some(text::clean(&text.operate_type, NAME_BYTES_MAX))),
            self.moment(failure),
            (Label::ClearedAt, self.cleared(failure)),
            self.length(failure),
            (Label::FailedBefore, again.map(|count| speech.times(count))),
            (Label::Source, notice.source.is_none().then(|| failure.source.to_string())),
            (Label::Task, Some(text::clean(&failure.task.id, NAME_BYTES_MAX))),
        ]
        .into_iter()
        .filter_map(|(label, value)| Some(self.fact(label, value.filter(|it| !it.is_empty())?)))
        .collect();
        let behind = facts.iter().position(|fact| fact.label == speech.label(Label::Operation));
        let labels = text.labels.iter().map(|(name, value)| Fact {
            label: text::clean(name, NAME_BYTES_MAX),
            value: text::clean(value, NAME_BYTES_MAX),
            link: None,
        });
        let at = behind.map_or(facts.len(), |at| at + 1);
        facts.splice(at..at, labels);
        if self.in_full()
            && let Some(hint) = self.hint(failure)
        {
            let behind = usize::from(text.error_message.is_some());
            facts.insert(behind.min(facts.len()), self.advice(hint));
        }
        facts
    }

    fn brief(self, failure: &Failure) -> Vec<String> {
        let speech = self.style.speech();
        let text = &failure.task.text;
        let labelled = |label, value: String| format!("{} {value}", lower(speech.label(label)));
        let alike = Some(failure.occurrences_24h).filter(|count| *count > 1);
        let source = self.notice.source.is_none().then(|| failure.source.to_string());
        [
            self.moment(failure).1,
            self.cleared(failure).map(|at| labelled(Label::ClearedAt, at)),
            self.length(failure).1.map(|length| labelled(self.length(failure).0, length)),
            alike.map(|nth| speech.recurrence(nth)),
            source,
            text.keypair.as_deref().map(|raw| labelled(Label::Keypair, short(raw))),
            Some(labelled(Label::Task, text::clean(&failure.task.id, NAME_BYTES_MAX))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// When it failed, or when it was started.
    pub(super) fn moment(self, failure: &Failure) -> (Label, Option<String>) {
        let label = match self.notice.kind {
            NoticeKind::TaskStuck => Label::StartedAt,
            _ => Label::FailedAt,
        };
        let at = failure.task.failed_at.map(|at| self.style.zone.full(at));
        (label, Some(at.unwrap_or_else(|| self.style.speech().not_given().to_owned())))
    }

    fn cleared(self, failure: &Failure) -> Option<String> {
        let at = self.style.zone.full(failure.cleared_at?);
        Some(match self.notice.kind {
            NoticeKind::TaskFailed => self.style.speech().cleared_untold(&at),
            _ => match failure.ending {
                Some(ending) => self.style.speech().ended(&at, ending),
                None => at,
            },
        })
    }

    /// For how long it has been open or running, where that is what the notice is about.
    fn length(self, failure: &Failure) -> (Label, Option<String>) {
        let label = match self.notice.kind {
            NoticeKind::TaskReminder => Label::OpenFor,
            NoticeKind::TaskStuck => Label::RunningFor,
            _ => return (Label::OpenFor, None),
        };
        let length = between(began(failure), self.notice.created_at);
        (label, Some(self.style.speech().duration(length)))
    }

    fn hint(self, failure: &Failure) -> Option<Hint<'a>> {
        // What cleared, or still runs, needs nothing done.
        let open = match self.notice.kind {
            NoticeKind::TaskCleared | NoticeKind::TaskStuck => false,
            _ => failure.cleared_at.is_none(),
        };
        open.then(|| self.style.hint(failure)).flatten()
    }

    fn advice(self, hint: Hint<'_>) -> Fact {
        let link = hint.link.map(str::to_owned);
        Fact { link, ..self.fact(Label::Advice, hint.text.to_owned()) }
    }

    /// The most useful hints, each once, with the number of failures that it is for, where all are
    /// known.
    pub(super) fn hints(self) -> Vec<Fact> {
        let mut counts: BTreeMap<&str, (usize, Fact)> = BTreeMap::new();
        for failure in &self.notice.failures {
            if let Some(hint) = self.style.hint(failure).filter(|_| self.hint(failure).is_some()) {
                counts.entry(hint.text).or_insert_with(|| (0, self.advice(hint))).0 += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        counts.truncate(HINTS_MAX);
        let all_known = self.notice.omitted() == 0;
        let labelled = counts.into_iter().map(|(count, fact)| Fact {
            label: self.style.speech().for_some(all_known.then_some(count)),
            ..fact
        });
        labelled.collect()
    }

    fn more(self) -> Vec<String> {
        let omitted = self.omitted();
        let command = self.list_command();
        let omitted = (omitted > 0).then(|| self.style.speech().omitted(omitted, &command));
        omitted.into_iter().chain(self.still_open()).collect()
    }

    /// The command that lists what is not listed.
    pub(super) fn list_command(self) -> String {
        let mut command = "taskbell failure list".to_owned();
        if let Some(source) = &self.notice.source {
            command.push_str(" --source ");
            command.push_str(source.name.as_str());
        }
        command
    }

    /// That others stand. In other kinds it is the headline, or none of their business.
    pub(super) fn still_open(self) -> Option<String> {
        let Self { style, notice } = self;
        let tells = matches!(
            notice.kind,
            NoticeKind::TaskFailed | NoticeKind::TaskCleared | NoticeKind::Digest
        );
        (tells && notice.still_open > 0).then(|| style.speech().still_open(notice.still_open))
    }

    pub(super) fn foot(self) -> Vec<String> {
        let Self { style, notice } = self;
        let speech = style.speech();
        let mut lines = Vec::new();
        if let Some(source) = &notice.source {
            let parts = [&source.kind, &source.region, &source.project_id];
            let parts = parts.map(|part| text::clean(part, NAME_BYTES_MAX));
            lines.push(
                speech.source_line(source.name.as_str(), parts.each_ref().map(String::as_str)),
            );
        }
        if notice.coverage.polls_due > 0 {
            lines.push(speech.coverage(notice.coverage));
        }
        if style.zone.name() != "UTC" {
            lines.push(speech.zone(style.zone.name()));
        }
        lines.push(speech.written(&style.zone.full(notice.created_at), notice));
        lines
    }
}
