//! A notice as the body that Alertmanager posts to its webhooks, version 4: for everything that
//! reads those already.
//!
//! Each failure is an alert. Its labels name it and are the same when it fails and when it is
//! cleared, so a receiver can pair the two; `endsAt` is year 1, as from Alertmanager, while it
//! stands. What is about no failure, or about a storm, has an alert in front: a source that is
//! blind fires and is resolved when it is sighted. Failures that a notice counts and does not
//! list are the `truncatedAlerts`.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    render::Words,
    sink::{
        labels::{self, Labels},
        record::{Record, records},
    },
};

type Texts = BTreeMap<&'static str, String>;

/// The fields of a record that say where it is from. They are no labels: a notice about several
/// sources does not know them.
const PLACE: [&str; 2] = ["project_id", "region"];

/// The year 1, which is how Go writes a time that is not set.
const NOT_YET: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The body. The names and their order are Alertmanager's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    receiver: &'a str,
    status: Status,
    alerts: Vec<Alert>,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Texts,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: Status,
    labels: Labels,
    annotations: Texts,
    starts_at: Timestamp,
    /// [`NOT_YET`] while it stands.
    ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

impl<'a> Message<'a> {
    pub(super) fn of(notice: &'a Notice, words: &Words) -> Self {
        let alerts = alerts(notice, words);
        let firing = alerts.iter().any(|alert| alert.status == Status::Firing);
        let source = notice.source.as_ref().map(|source| ("source", source.name.to_string()));
        let group_labels = labels::labels(source);
        let shown = group_labels.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        Self {
            receiver: notice.sink.as_str(),
            status: if firing { Status::Firing } else { Status::Resolved },
            group_key: format!("{{}}:{{{}}}", shown.collect::<Vec<_>>().join(", ")),
            group_labels,
            common_labels: common(&alerts.iter().map(|alert| &alert.labels).collect::<Vec<_>>()),
            common_annotations: common(
                &alerts.iter().map(|alert| &alert.annotations).collect::<Vec<_>>(),
            ),
            alerts,
            external_url: "",
            version: "4",
            truncated_alerts: notice.omitted(),
        }
    }
}

fn alerts(notice: &Notice, words: &Words) -> Vec<Alert> {
    let records = records(notice, words);
    let (own, each) = records.split_at(records.len().saturating_sub(notice.failures.len()));
    // A digest that lists failures is no trouble of its own, and nothing would ever resolve it.
    let own = own.iter().filter(|_| notice.failures.is_empty() || notice.kind.is_storm());
    let own = own.map(|record| of_notice(notice, record));
    let each = notice.failures.iter().zip(each);
    own.chain(each.map(|(failure, record)| of_failure(notice, failure, record))).collect()
}

fn of_failure(notice: &Notice, failure: &Failure, record: &Record) -> Alert {
    let starts_at = failure.task.failed_at.unwrap_or(failure.first_seen_at);
    let cleared = failure
        .cleared_at
        .or_else(|| Some(notice.created_at).filter(|_| notice.kind == NoticeKind::TaskCleared));
    alert(notice, record, labels::of_failure(notice.kind, failure), (starts_at, cleared))
}

fn of_notice(notice: &Notice, record: &Record) -> Alert {
    let over = matches!(notice.kind, NoticeKind::StormClosed | NoticeKind::SourceSighted);
    let starts_at = notice.since.unwrap_or(notice.created_at);
    alert(notice, record, labels::of_notice(notice), (starts_at, over.then_some(notice.created_at)))
}

fn alert(
    notice: &Notice,
    record: &Record,
    labels: Labels,
    (starts_at, ends_at): (Timestamp, Option<Timestamp>),
) -> Alert {
    let mut annotations: Texts = [
        ("summary", record.text.clone()),
        ("notice_id", notice.id.to_string()),
        ("reason", notice.reason.clone()),
    ]
    .into();
    annotations.extend(record.fields.iter().filter(|(name, _)| PLACE.contains(name)).cloned());
    annotations.extend(record.detail.clone().map(|detail| ("description", detail)));
    let status = if ends_at.is_some() { Status::Resolved } else { Status::Firing };
    let ends_at = ends_at.unwrap_or(NOT_YET);
    let fingerprint = fingerprint(&labels);
    Alert { status, labels, annotations, starts_at, ends_at, generator_url: "", fingerprint }
}

/// 16 hex digits that are the same for the same labels.
fn fingerprint(labels: &Labels) -> String {
    let mut hash = Sha256::new();
    for (name, value) in labels {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(value.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

/// What all of them say alike.
fn common<K: Clone + Ord>(all: &[&BTreeMap<K, String>]) -> BTreeMap<K, String> {
    let mut shared = all.first().copied().cloned().unwrap_or_default();
    for texts in all {
        shared.retain(|name, value| texts.get(name) == Some(value));
    }
    shared
}
