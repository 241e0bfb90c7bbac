//! A notice as JSON, field by field: what webhooks, programs and files get.
//!
//! The fields of `data`, and what may become of them, are those of [`Data`].

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    notice::Notice,
    render::{Data, Words},
};

/// Room for one failure, so that the usual notice is written without growing.
const USUAL_BYTES: usize = 1024;

/// The compact JSON of `value`. It holds no line break: JSON escapes those in texts.
pub(super) fn bytes(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut out, value)
        .expect("a Vec takes everything, and what sinks write has text keys only");
    out
}

/// The whole.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'a> {
    /// Where nothing around the payload carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

impl<'a> Payload<'a> {
    pub(super) fn of(notice: &'a Notice, words: &'a Words) -> Self {
        let (kind, data) = (notice.kind.as_str(), words.data(notice));
        Self { id: None, kind, timestamp: notice.created_at, data }
    }

    /// The same, and names itself.
    pub(super) fn with_id(notice: &'a Notice, words: &'a Words) -> Self {
        Self { id: Some(notice.id.as_str()), ..Self::of(notice, words) }
    }
}
