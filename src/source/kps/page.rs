//! What a page of this list holds.

use serde_json::value::RawValue;

use crate::{
    source::{
        huawei::{
            page::{self, Shape},
            walk::{Each, Page},
        },
        scalar::{number, text},
    },
    task::Row,
};

const SHAPE: Shape = Shape { rows: "tasks", total: "total", take };

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
        b"task_id" => &mut row.task_id,
        b"operate_type" => &mut row.operate_type,
        b"task_error_code" => &mut row.error_code,
        b"task_error_msg" => &mut row.error_message,
        b"server_id" => &mut row.server_id,
        b"server_name" => &mut row.server_name,
        b"keypair_name" => &mut row.keypair,
        b"task_time" => {
            row.failed_at_ms = number(value);
            return row.failed_at_ms.is_some();
        }
        _ => return false,
    };
    *slot = text(value);
    slot.is_some()
}

#[cfg(test)]
mod tests;
