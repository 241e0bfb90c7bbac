//! The list of failed tasks of the Storage Disaster Recovery Service.
//!
//! It lists the same tasks as the Key Pair Service does, in this service's words, so every event
//! and every fault of a scenario plays on both.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    kps::{self, Page},
    task::Row,
    world::World,
};

/// A page of the failed tasks, with what its fault does to it.
pub(super) fn list_failed(
    world: &mut World,
    project: &str,
    asked: &Page<'_>,
    now: Timestamp,
) -> Answer {
    kps::list(world, project, (asked, now), &|state, window, asked| {
        let rows = state.failed.newest().skip(window.offset).take(window.limit);
        let again = rows.clone().take(asked.fault.repeat.unwrap_or(0));
        let jobs: Vec<Value> = rows.chain(again).map(job).collect();
        match asked.total(state) {
            Some(count) => json!({ "count": count, "failure_jobs": jobs }).to_string(),
            None => json!({ "failure_jobs": jobs }).to_string(),
        }
    })
}

/// A task in the words of this service. A row that is word for word stays so.
fn job(row: &Row) -> Value {
    let Some(fields) = row.fields() else {
        return serde_json::from_str(&row.json).unwrap_or_default();
    };
    let began = Timestamp::from_millisecond(fields.at_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
    json!({
        "job_status": "FAIL",
        "resource_id": fields.server_id,
        "resource_name": fields.server_name,
        "resource_type": "protected_instances",
        "failure_status": "createFail",
        "job_id": fields.task_id,
        "job_type": "createProtectedInstance",
        "begin_time": format!("{began:.3}"),
        "error_code": fields.task_error_code,
        "fail_reason": fields.task_error_msg,
    })
}
