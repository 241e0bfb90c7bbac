//! A notice as entries of a log: one for each failure that it lists, and one for the notice
//! itself where it is more than its failures.
//!
//! Logs are searched by server and by error code, so a failure is an entry of its own. What
//! speaks for more than it lists (a digest, a storm) or about no failure (a blind source, a
//! test) has an entry in front that says so. All entries of a notice have the same id.

use jiff::Timestamp;

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    render::Words,
    task::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX},
    text,
};

/// Longest first line of an entry. A headline is two names and a few words.
const TEXT_BYTES_MAX: usize = 512;

/// As syslog numbers them; the journal does too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Severity {
    Error,
    Warning,
    Notice,
    Info,
}

impl Severity {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }

    pub(super) fn of(kind: NoticeKind) -> Self {
        match kind {
            NoticeKind::TaskFailed
            | NoticeKind::Digest
            | NoticeKind::StormOpened
            | NoticeKind::StormUpdated
            | NoticeKind::SinkFailing
            | NoticeKind::SourceBlind
            | NoticeKind::StoreFailed => Self::Error,
            NoticeKind::TaskReminder
            | NoticeKind::TaskStuck
            | NoticeKind::StormClosed
            | NoticeKind::StateLost => Self::Warning,
            NoticeKind::TaskCleared | NoticeKind::SourceSighted => Self::Notice,
            NoticeKind::SourceWatching | NoticeKind::Test => Self::Info,
        }
    }
}

/// One entry. Its texts hold no control characters.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) kind: NoticeKind,
    pub(super) severity: Severity,
    /// What happened, on one line.
    pub(super) text: String,
    /// More about it, on one line, if there is more.
    pub(super) detail: Option<String>,
    /// What is known, the most telling first, under names of `a-z` and `_`. None is empty.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// The entries of `notice`: 1 or more.
pub(super) fn records(notice: &Notice, words: &Words) -> Vec<Record> {
    let mut all = Vec::with_capacity(notice.failures.len() + 1);
    if notice.failures.is_empty() || notice.omitted() > 0 {
        all.push(whole(notice, words));
    }
    let kind = single_kind(notice.kind);
    let shell = Notice { kind, failures: Vec::new(), ..notice.clone() };
    all.extend(notice.failures.iter().map(|failure| one((notice.kind, &shell), failure, words)));
    all
}

/// What a listed failure is said to be: it failed, whatever else failed with it.
fn single_kind(kind: NoticeKind) -> NoticeKind {
    match kind {
        NoticeKind::Digest
        | NoticeKind::StormOpened
        | NoticeKind::StormUpdated
        | NoticeKind::StormClosed => NoticeKind::TaskFailed,
        other => other,
    }
}

fn whole(notice: &Notice, words: &Words) -> Record {
    let trouble = notice.trouble.as_ref();
    let detail = trouble.map(|trouble| match trouble.advice.as_str() {
        "" => trouble.detail.clone(),
        advice => format!("{}; {advice}", trouble.detail),
    });
    let sink = trouble.and_then(|trouble| trouble.sink.as_ref());
    let count = |count: u32| if count == 0 { String::new() } else { count.to_string() };
    let mut fields = head(notice.kind, notice);
    fields.extend([
        ("failing_sink", sink.map(ToString::to_string).unwrap_or_default()),
        ("class", trouble.map(|trouble| trouble.class.clone()).unwrap_or_default()),
        ("total", count(notice.total)),
        ("omitted", count(notice.omitted())),
        ("still_open", count(notice.still_open)),
        ("since", time(notice.since)),
    ]);
    record(notice.kind, &words.headline(notice), detail, fields)
}

/// The entry for a failure of a notice of `kind`, which is `shell` without them.
fn one((kind, shell): (NoticeKind, &Notice), failure: &Failure, words: &Words) -> Record {
    let single = shell.about(failure);
    let known = &failure.task.text;
    let name = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut fields = head(kind, &single);
    fields.extend([
        ("task_id", failure.task.id.clone()),
        ("generation", failure.generation.to_string()),
        ("action", failure.task.action.as_str().to_owned()),
        ("server_name", name(&known.server_name)),
        ("error_code", name(&known.error_code)),
        ("keypair", name(&known.keypair)),
        ("server_id", name(&known.server_id)),
        ("failed_at", time(failure.task.failed_at)),
        ("cleared_at", time(failure.cleared_at)),
        ("first_seen_at", time(Some(failure.first_seen_at))),
        ("operate_type", known.operate_type.clone()),
    ]);
    record(single.kind, &words.headline(&single), known.error_message.clone(), fields)
}

fn head(kind: NoticeKind, notice: &Notice) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("id", notice.id.to_string()),
        ("type", kind.as_str().to_owned()),
        ("reason", notice.reason.clone()),
    ];
    if let Some(source) = &notice.source {
        fields.extend([
            ("source", source.name.to_string()),
            ("region", source.region.clone()),
            ("project_id", source.project_id.clone()),
        ]);
    }
    fields
}

fn record(
    kind: NoticeKind,
    headline: &str,
    detail: Option<String>,
    fields: Vec<(&'static str, String)>,
) -> Record {
    let clean = |(name, value): (_, String)| (name, text::clean(&value, NAME_BYTES_MAX));
    Record {
        kind,
        severity: Severity::of(kind),
        text: text::clean(headline, TEXT_BYTES_MAX),
        detail: detail
            .map(|detail| text::clean(detail.trim(), MESSAGE_BYTES_MAX))
            .filter(|detail| !detail.is_empty()),
        fields: fields.into_iter().map(clean).filter(|(_, value)| !value.is_empty()).collect(),
    }
}

/// RFC 3339 in UTC; empty if it is not known.
fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
