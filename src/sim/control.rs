//! The control endpoint: the hand of a test in a simulator that is another process.
//!
//! Takes requests from this host only, without credentials, and is neither logged nor touched
//! by faults. Answers JSON.
//!
//! | request | does |
//! |---|---|
//! | `POST /_sim/tasks` `{"project": …, "task": {…}}` | lists a failed task; answers `{"id": …}` |
//! | `PATCH /_sim/tasks/{project}/{id}` `{…}` | changes its texts |
//! | `POST /_sim/tasks/{project}/{id}/refail` | gives it the present time |
//! | `DELETE /_sim/tasks/{project}/{id}` | takes it off the list; `?resolved` if it succeeded after all |
//! | `GET /_sim/tasks/{project}` | ids of the listed tasks, newest first |
//! | `POST /_sim/faults` `{…}` | sets one more fault, counted from now |
//! | `DELETE /_sim/faults` | forgets all faults |
//! | `POST /_sim/tokens/expire` | lets every token and temporary key expire |
//! | `GET /_sim/requests` | `{"counts": {…}, "requests": […]}` |
//!
//! Tasks and faults are written with the keys that they have in a scenario; `project` may be
//! left out and is then the first.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    fault::{Active, Fault},
    gateway::{Call, Cloud},
    task::SimTask,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    project: Option<String>,
    #[serde(default)]
    task: SimTask,
}

/// The answer to a control request, or nothing if `call` is none.
pub(super) fn answer(cloud: &mut Cloud, call: &Call) -> Option<Answer> {
    let path = call.path.strip_prefix("/_sim/")?;
    if !call.local {
        return Some(problem(403, "only from this host"));
    }
    let decoded: Vec<String> = path
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let done = serve(cloud, call, &segments);
    Some(done.unwrap_or_else(|answer| answer))
}

/// Both sides are answers; the error is one that was reached early.
fn serve(cloud: &mut Cloud, call: &Call, segments: &[&str]) -> Result<Answer, Answer> {
    let now = call.at;
    match (call.method.as_str(), segments) {
        ("POST", ["tasks"]) => {
            let AddBody { project, task } = parse(call)?;
            let first = || cloud.world.projects().first().map(|project| project.id.clone());
            let project = project.or_else(first).unwrap_or_default();
            match cloud.world.add_task(&project, &task, now) {
                Some(id) => Ok(Answer::value(201, &json!({"id": id}))),
                None => Err(problem(404, "no such project")),
            }
        }
        ("GET", ["tasks", project]) => match cloud.world.project(project) {
            Some(project) => {
                let ids: Vec<&str> = project.failed.newest().map(|row| &*row.id).collect();
                Ok(Answer::value(200, &json!(ids)))
            }
            None => Err(problem(404, "no such project")),
        },
        ("PATCH", ["tasks", project, id]) => {
            let texts: SimTask = parse(call)?;
            found(cloud.world.change_task(project, id, &texts))
        }
        ("POST", ["tasks", project, id, "refail"]) => {
            found(cloud.world.refail_task(project, id, now))
        }
        ("DELETE", ["tasks", project, id]) => {
            found(cloud.world.clear_task(project, id, call.query == "resolved"))
        }
        ("POST", ["faults"]) => {
            let fault: Fault = parse(call)?;
            fault.check().map_err(|error| problem(400, &error.to_string()))?;
            let set_at = cloud.world.elapsed(now);
            cloud.faults.push(Active::new(fault, set_at));
            Ok(Answer::empty(204))
        }
        ("DELETE", ["faults"]) => {
            cloud.faults.clear();
            Ok(Answer::empty(204))
        }
        ("POST", ["tokens", "expire"]) => {
            cloud.accounts.expire_tokens(now);
            cloud.metadata.rotate();
            Ok(Answer::empty(204))
        }
        ("GET", ["requests"]) => {
            let records: Vec<Value> = cloud.log.records().map(|record| json!(record)).collect();
            Ok(Answer::value(200, &json!({"counts": cloud.log.counts(), "requests": records})))
        }
        _ => Err(problem(404, "no such control; see the documentation of sim::control")),
    }
}

/// Reads the body; an empty one counts as an empty object.
fn parse<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
    serde_json::from_slice(body).map_err(|error| problem(400, &error.to_string()))
}

fn found(found: bool) -> Result<Answer, Answer> {
    if found { Ok(Answer::empty(204)) } else { Err(problem(404, "no such task")) }
}

fn problem(status: u16, detail: &str) -> Answer {
    Answer::value(status, &json!({"detail": detail}))
}
