//! A notice as a `CloudEvents` 1.0 event in structured mode.
//!
//! `source` and `id` together tell repeats, as the specification asks. `data` is that of the
//! usual payload.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    notice::Notice,
    render::{Data, Words},
};

/// What the body is.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// Begins every `type`, since a receiver may take events from many programs.
const TYPE_PREFIX: &str = "taskbell.";

/// One event. The names are the specification's.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    specversion: &'static str,
    id: &'a str,
    /// Which list of which program: `/taskbell/prod-beijing`.
    source: String,
    #[serde(rename = "type")]
    kind: String,
    time: Timestamp,
    /// The task, of a notice about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

impl<'a> Event<'a> {
    pub(super) fn of(notice: &'a Notice, words: &'a Words) -> Self {
        let source = match &notice.source {
            Some(source) => format!("/taskbell/{}", source.name),
            None => "/taskbell".to_owned(),
        };
        let subject = match notice.failures.as_slice() {
            [one] if notice.omitted() == 0 => Some(one.task.id.as_str()),
            _ => None,
        };
        Self {
            specversion: "1.0",
            id: notice.id.as_str(),
            source,
            kind: format!("{TYPE_PREFIX}{}", notice.kind.as_str()),
            time: notice.created_at,
            subject,
            datacontenttype: "application/json",
            data: words.data(notice),
        }
    }
}
