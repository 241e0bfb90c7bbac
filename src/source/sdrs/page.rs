//! What a page of this list holds.
//!
//! The words of a failure are those of the Key Pair Service, which came first; here the server is
//! the resource that the task was about: a protection group, a protected instance, a replication
//! pair or a drill. `job_type` names both the operation and that kind of resource.

use serde_json::value::RawValue;

use crate::{
    source::{
        huawei::{
            page::{self, Shape},
            walk::{Each, Page},
        },
        scalar::{text, time},
    },
    task::Row,
};

const SHAPE: Shape = Shape { rows: "failure_jobs", total: "count", take };

/// Reads a page, handing its rows to `each`.
///
/// # Errors
///
/// As [`page::read`].
pub(in crate::source) fn read(text: &str, each: &mut Each<'_>) -> Result<Page, serde_json::Error> {
    page::read(&SHAPE, text, each)
}

/// Puts `value` where it belongs. Returns whether it belongs anywhere.
fn take<'de>(row: &mut Row<'de>, key: &[u8], value: &'de RawValue) -> bool {
    let slot = match key {
        b"job_id" => &mut row.task_id,
        b"job_type" => &mut row.operate_type,
        b"error_code" => &mut row.error_code,
        b"fail_reason" => &mut row.error_message,
        b"resource_id" => &mut row.server_id,
        b"resource_name" => &mut row.server_name,
        b"begin_time" => {
            row.failed_at_ms = time(value);
            return row.failed_at_ms.is_some();
        }
        _ => return false,
    };
    *slot = text(value);
    slot.is_some()
}
