//! A notice as data: what webhooks carry and what templates see.
//!
//! Receivers and templates hold on to these names. A field may be added; none may be renamed or
//! dropped without raising [`SCHEMA_VERSION`].

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, Value};
use serde::Serialize;

use super::Words;
use crate::{
    failure::{Ending, Failure},
    notice::{Coverage, Notice, SourceInfo, Sources, Tally, Trouble},
};

/// Raised when a receiver that reads the old payload would misread the new one.
const SCHEMA_VERSION: u32 = 1;

/// A notice, field by field.
///
/// Times are RFC 3339 in UTC, with a fraction only where there is one. What is not known is
/// `null`, never an empty text and never left out.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    schema_version: u32,
    reason: &'a str,
    sink: &'a str,
    /// `null` if it is about several, or about taskbell itself.
    source: Option<Source<'a>>,
    /// If it is about several sources as wholes: how many, and the names of the first.
    sources: Option<&'a Sources>,
    failures: Vec<Item<'a>>,
    /// All failures that it speaks for.
    total: u32,
    /// Those of them that are not listed here.
    omitted: u32,
    tally: Option<&'a Tally>,
    trouble: Option<&'a Trouble>,
    since: Option<Timestamp>,
    /// In a storm, all that it brought until then.
    so_far: u32,
    still_open: u32,
    coverage: Coverage,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    name: &'a str,
    kind: &'a str,
    region: Option<&'a str>,
    project_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    source: &'a str,
    task_id: &'a str,
    generation: u32,
    action: &'static str,
    operate_type: &'a str,
    failed_at: Option<Timestamp>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    server: Server<'a>,
    keypair: Option<&'a str>,
    /// What the source's `row.labels` found.
    labels: Value,
    first_seen_at: Timestamp,
    cleared_at: Option<Timestamp>,
    /// What became of the task, where the cloud was asked: `resolved` or `still_failed`.
    ending: Option<&'static str>,
    occurrences_24h: u32,
    /// What to do, in the language of the sink.
    hint: Option<&'a str>,
    hint_link: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Server<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Data<'a> {
    pub(super) fn of(notice: &'a Notice, words: &'a Words) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            reason: &notice.reason,
            sink: notice.sink.as_str(),
            source: notice.source.as_ref().map(Source::of),
            sources: notice.sources.as_ref(),
            failures: notice.failures.iter().map(|failure| Item::of(failure, words)).collect(),
            total: notice.total,
            omitted: notice.omitted(),
            tally: notice.tally.as_ref(),
            trouble: notice.trouble.as_ref(),
            since: notice.since,
            so_far: notice.so_far,
            still_open: notice.still_open,
            coverage: notice.coverage,
        }
    }
}

impl<'a> Source<'a> {
    fn of(info: &'a SourceInfo) -> Self {
        Self {
            name: info.name.as_str(),
            kind: &info.kind,
            region: known(&info.region),
            project_id: known(&info.project_id),
        }
    }
}

impl<'a> Item<'a> {
    /// What the failure was when it was recorded, so that a retry has the same bytes.
    fn of(failure: &'a Failure, words: &'a Words) -> Self {
        let text = &failure.task.text;
        let hint = words.hint(failure);
        Self {
            source: failure.source.as_str(),
            task_id: &failure.task.id,
            generation: failure.generation,
            action: failure.task.action.as_str(),
            operate_type: &text.operate_type,
            failed_at: failure.task.failed_at,
            error_code: text.error_code.as_deref(),
            error_message: text.error_message.as_deref(),
            server: Server { id: text.server_id.as_deref(), name: text.server_name.as_deref() },
            keypair: text.keypair.as_deref(),
            labels: Labels::of(&text.labels),
            first_seen_at: failure.first_seen_at,
            cleared_at: failure.cleared_at,
            ending: failure.ending.map(Ending::as_str),
            occurrences_24h: failure.occurrences_24h,
            hint: hint.map(|hint| hint.text),
            hint_link: hint.and_then(|hint| hint.link),
        }
    }
}

/// Labels as a template sees them: one that a failure has not is `null` like all that is not known,
/// and not a mistake. Any failure may lack any of them.
#[derive(Debug)]
struct Labels(BTreeMap<String, String>);

impl Labels {
    fn of(labels: &BTreeMap<String, String>) -> Value {
        Value::from_object(Self(labels.clone()))
    }
}

impl Object for Labels {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.0.get(key.as_str()?);
        Some(value.map_or(Value::from(()), |value| Value::from(value.as_str())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
