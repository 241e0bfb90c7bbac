//! The labels of alerts, for receivers that know an alert by its labels and by nothing else.
//!
//! They come from what never changes about a failure, and for our own troubles from what they
//! began with. So a repeat changes nothing, and what ends an alert carries the labels that it
//! began with, whichever notice tells of it.

use std::collections::BTreeMap;

use crate::{
    failure::Failure,
    name::Name,
    notice::{Notice, NoticeKind},
    render::Tone,
    text,
};

/// Labels by name. None is empty.
pub(super) type Labels = BTreeMap<String, String>;

/// Longest value of a label. Alertmanager has no limit; what it sends to has.
const VALUE_BYTES_MAX: usize = 256;

/// The labels of a failure in a notice of `kind`. Whatever else the notice says about a failure,
/// its alert says that it failed.
pub(super) fn of_failure(kind: NoticeKind, failure: &Failure) -> Labels {
    let kind = match kind {
        NoticeKind::TaskStuck => NoticeKind::TaskStuck,
        _ => NoticeKind::TaskFailed,
    };
    let known = &failure.task.text;
    let name = |value: &Option<String>| value.clone().unwrap_or_default();
    labels([
        (
            "alertname",
            if kind == NoticeKind::TaskStuck { "TaskStuck" } else { "TaskFailed" }.into(),
        ),
        ("severity", severity(kind).into()),
        ("source", failure.source.to_string()),
        ("task_id", failure.task.id.clone()),
        ("generation", failure.generation.to_string()),
        ("action", failure.task.action.as_str().into()),
        ("error_code", name(&known.error_code)),
        ("server_id", name(&known.server_id)),
        ("server_name", name(&known.server_name)),
        ("keypair", name(&known.keypair)),
    ])
}

/// The labels of what a notice says beyond the failures that it lists.
pub(super) fn of_notice(notice: &Notice) -> Labels {
    let source = notice.source.as_ref().map(|source| &source.name);
    let sink = notice.trouble.as_ref().and_then(|trouble| trouble.sink.as_ref());
    // One storm is not the next one.
    let since = notice.since.filter(|_| notice.kind.is_storm());
    labels([
        ("alertname", alertname(notice.kind).into()),
        ("severity", severity(beginning(notice.kind)).into()),
        ("source", source.map(Name::to_string).unwrap_or_default()),
        ("failing_sink", sink.map(Name::to_string).unwrap_or_default()),
        ("since", since.map(|since| since.to_string()).unwrap_or_default()),
    ])
}

/// `pairs` as they may stand in an alert: on one line each, bounded, none of them empty.
pub(super) fn labels<S: Into<String>>(pairs: impl IntoIterator<Item = (S, String)>) -> Labels {
    let clean = |(name, value): (S, String)| (name.into(), text::clean(&value, VALUE_BYTES_MAX));
    pairs.into_iter().map(clean).filter(|(_, value)| !value.is_empty()).collect()
}

/// What ends an alert has the name of what began it.
fn alertname(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::StormOpened | NoticeKind::StormUpdated | NoticeKind::StormClosed => "TaskStorm",
        NoticeKind::SourceBlind | NoticeKind::SourceSighted => "TaskSourceBlind",
        NoticeKind::SourceWatching => "TaskSourceWatching",
        NoticeKind::StateLost => "TaskbellStateLost",
        NoticeKind::StoreFailed => "TaskbellStoreFailed",
        NoticeKind::SinkFailing => "TaskbellSinkFailing",
        NoticeKind::Test => "TaskbellTest",
        NoticeKind::TaskStuck => "TasksStuck",
        NoticeKind::TaskFailed
        | NoticeKind::TaskCleared
        | NoticeKind::TaskReminder
        | NoticeKind::Digest => "TasksFailed",
    }
}

/// What a kind of notice began with: how bad that is is a label too.
fn beginning(kind: NoticeKind) -> NoticeKind {
    match kind {
        NoticeKind::SourceSighted => NoticeKind::SourceBlind,
        NoticeKind::StormClosed => NoticeKind::StormOpened,
        NoticeKind::TaskCleared => NoticeKind::TaskFailed,
        kind => kind,
    }
}

fn severity(kind: NoticeKind) -> &'static str {
    match Tone::of(kind) {
        Tone::Bad => "critical",
        Tone::Warning => "warning",
        Tone::Good | Tone::Calm => "info",
    }
}
