//! The task endpoints of the Key Pair Service.
//!
//! Shapes, statuses and codes are those of the cloud, oddities included: numbers that are text,
//! "not found" at 400, a delete without an id that deletes everything.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{
    answer::Answer,
    fault::Fault,
    scenario::{Generation, Paging},
    task::{Row, SimTask},
    world::{Project, World},
};

/// `limit` where the interface has it as a number.
const LIMIT_V2023: usize = 1000;

/// `limit` where the interface has it as text.
const LIMIT_V2022: usize = 50;

/// A room for one row, about: saves growing a page's text again and again.
const ROW_BYTES: usize = 400;

/// `limit` and `offset`, as asked for and then as the generation understands them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub offset: usize,
    pub limit: usize,
}

impl Window {
    /// Reads the query. `None` stands for `KPS.0002`.
    fn read(query: &str, paging: &Paging) -> Option<Self> {
        let limit_default = match paging.generation {
            Generation::None => return Some(Self { offset: 0, limit: usize::MAX }),
            Generation::V2022 => LIMIT_V2022,
            Generation::V2023 => LIMIT_V2023,
        };
        let (mut offset, mut limit) = (0, limit_default);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "offset" => offset = number(&value)?,
                "limit" => limit = number(&value).filter(|limit| *limit != 0)?,
                _ => {}
            }
        }
        if paging.limit_max.is_some_and(|limit_max| limit_max < limit) {
            return None;
        }
        if paging.ignore_offset {
            offset = 0;
        }
        Some(Self { offset, limit: limit.min(paging.silent_cap.unwrap_or(usize::MAX)) })
    }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parameter_error() -> Answer {
    Answer::kps(400, "KPS.0002", "parameter error")
}

/// A page that is asked for, and how it comes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub query: &'a str,
    pub paging: &'a Paging,
    pub fault: &'a Fault,
}

/// A page of the failed tasks, with what `fault` does to it.
pub(super) fn list_failed(
    world: &mut World,
    project: &str,
    asked: &Page<'_>,
    now: Timestamp,
) -> Answer {
    list(world, project, (asked, now), &|state, window, asked| {
        let fault = asked.fault;
        let rows = state.failed.newest().skip(window.offset).take(window.limit);
        let again = rows.clone().take(fault.repeat.unwrap_or(0));
        page(asked.total(state), rows.chain(again).map(|row| &*row.json))
    })
}

/// Renders a page of a project.
type Render<'r> = dyn Fn(&Project, Window, &Page<'_>) -> String + 'r;

impl Page<'_> {
    /// The count that the page gives of a project's failed tasks.
    pub(super) fn total(&self, state: &Project) -> Option<i64> {
        let total = i64::try_from(state.failed.len()).unwrap_or(i64::MAX);
        let total = total.saturating_add(self.fault.total_add.unwrap_or(0));
        (!self.fault.no_total).then_some(total)
    }
}

/// A page as `render` writes it, with what its fault does to the list behind it.
pub(super) fn list(
    world: &mut World,
    project: &str,
    (asked, now): (&Page<'_>, Timestamp),
    render: &Render<'_>,
) -> Answer {
    let fault = asked.fault;
    let Some(window) = Window::read(asked.query, asked.paging) else { return parameter_error() };
    let Some(state) = world.project(project) else { return no_project() };
    let body = render(state, window, asked);
    for _ in 0..fault.then_insert {
        world.add_task(project, &SimTask::default(), now);
    }
    if 0 < fault.then_clear {
        let newest: Vec<String> = world
            .project(project)
            .map(|state| state.failed.newest().take(fault.then_clear).map(|row| row.id.to_string()))
            .into_iter()
            .flatten()
            .collect();
        for id in newest {
            world.clear_task(project, &id, false);
        }
    }
    Answer::json(200, body)
}

/// A page of the running tasks, newest first.
pub(super) fn list_running(world: &World, project: &str, query: &str, paging: &Paging) -> Answer {
    let Some(window) = Window::read(query, paging) else { return parameter_error() };
    let Some(state) = world.project(project) else { return no_project() };
    let rows: Vec<String> = state
        .running
        .iter()
        .rev()
        .skip(window.offset)
        .take(window.limit)
        .map(|running| {
            let fields = &running.fields;
            json!({
                "task_id": fields.task_id,
                "operate_type": fields.operate_type,
                "task_time": fields.task_time,
                "server_name": fields.server_name,
                "server_id": fields.server_id,
                "keypair_name": fields.keypair_name,
            })
            .to_string()
        })
        .collect();
    let total = i64::try_from(state.running.len()).unwrap_or(i64::MAX);
    Answer::json(200, page(Some(total), rows.iter()))
}

/// Puts rendered rows into a list.
fn page<T: AsRef<str>>(total: Option<i64>, rows: impl Iterator<Item = T>) -> String {
    let mut body = String::with_capacity(64 + ROW_BYTES * rows.size_hint().0);
    body.push('{');
    if let Some(total) = total {
        write!(body, "\"total\":{total},").expect("a String takes everything");
    }
    body.push_str("\"tasks\":[");
    for (index, row) in rows.enumerate() {
        if index != 0 {
            body.push(',');
        }
        body.push_str(row.as_ref());
    }
    body.push_str("]}");
    body
}

/// Deletes every failed task.
pub(super) fn delete_all(world: &mut World, project: &str) -> Answer {
    let Some(state) = world.project_mut(project) else { return no_project() };
    for row in state.failed.clear() {
        state.remember(&row, false);
    }
    Answer::empty(200)
}

/// Deletes one failed task.
pub(super) fn delete_one(world: &mut World, project: &str, id: &str) -> Answer {
    if world.clear_task(project, id, false) { Answer::empty(200) } else { not_found(id) }
}

/// The status of one task, wherever it is.
pub(super) fn query_task(world: &World, project: &str, id: &str) -> Answer {
    let Some(state) = world.project(project) else { return no_project() };
    let found = |status: &str, server_id: &str| {
        let body = json!({"server_id": server_id, "task_id": id, "task_status": status});
        Answer::value(200, &body)
    };
    if let Some(fields) = state.failed.get(id).and_then(Row::fields) {
        return found(&format!("FAILED_{}", fields.action()), &fields.server_id);
    }
    if let Some(running) = state.running.iter().find(|running| running.fields.task_id == id) {
        return found(&running.fields.operate_type, &running.fields.server_id);
    }
    match state.past.get(id) {
        Some(past) => found(&past.status, &past.server_id),
        None => not_found(id),
    }
}

/// What is said of an id that is not there depends on whether it could be one.
fn not_found(id: &str) -> Answer {
    let looks_right =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if looks_right {
        Answer::kps(400, "KPS.0005", "Failed task is not found")
    } else {
        Answer::kps(400, "KPS.0001", "taskId is illegal")
    }
}

fn no_project() -> Answer {
    Answer::kps(403, "KPS.9003", "no permission")
}

#[derive(Deserialize)]
struct BindBody {
    keypair_name: Option<String>,
    server: ServerBody,
}

#[derive(Deserialize)]
struct ServerBody {
    id: String,
    auth: Option<AuthBody>,
}

#[derive(Deserialize)]
struct AuthBody {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Binds (`associate`) or unbinds a key pair: starts a task, which ends as the scenario says.
pub(super) fn bind(
    world: &mut World,
    project: &str,
    associate: bool,
    body: &[u8],
    now: Timestamp,
) -> Answer {
    let Ok(body) = serde_json::from_slice::<BindBody>(body) else { return parameter_error() };
    if body.server.id.is_empty() || (associate && body.keypair_name.is_none()) {
        return parameter_error();
    }
    let kind = body.server.auth.and_then(|auth| auth.kind);
    let action = match (associate, kind.as_deref()) {
        (false, _) => "UNBIND",
        (true, Some("password")) => "BIND",
        (true, Some(_)) => "REPLACE",
        (true, None) => "RESET",
    };
    let task = SimTask {
        operate_type: Some(format!("RUNNING_{action}")),
        server_id: Some(body.server.id),
        keypair: body.keypair_name,
        ..SimTask::default()
    };
    match world.start(project, &task, now) {
        Some(id) => Answer::value(if associate { 200 } else { 202 }, &json!({"task_id": id})),
        None => no_project(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paging: &str, query: &str, expected: Option<(usize, usize)>) {
        let paging: Paging = toml::from_str(paging).unwrap();
        let window = Window::read(query, &paging).map(|window| (window.offset, window.limit));
        assert_eq!(window, expected, "{query}");
    }

    #[test]
    fn each_generation_reads_limit_and_offset_its_own_way() {
        check("", "", Some((0, 1000)));
        check("", "limit=50&offset=100", Some((100, 50)));
        check("", "offset=7&other=x", Some((7, 1000)));
        check("generation = 'v2022'", "", Some((0, 50)));
        check("generation = 'none'", "limit=1&offset=x", Some((0, usize::MAX)));
        check("silent_cap = 100", "limit=1000", Some((0, 100)));
        check("ignore_offset = true", "limit=10&offset=20", Some((0, 10)));
        for bad in ["limit=0", "limit=-1", "limit=x", "limit=", "offset=-1", "offset=+1"] {
            check("", bad, None);
        }
        check("limit_max = 100", "limit=101", None);
    }
}
