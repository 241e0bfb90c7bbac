//! The JSON of a webhook: what it is, when, and the notice field by field.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    notice::Notice,
    render::{Data, Words},
};

/// The whole body.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

impl<'a> Payload<'a> {
    pub(super) fn of(notice: &'a Notice, words: &'a Words) -> Self {
        let data = words.data(notice);
        Self { kind: notice.kind.as_str(), timestamp: notice.created_at, data }
    }
}
