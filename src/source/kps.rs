//! The Key Pair Service's list of failed tasks.
//!
//! `GET /v3/{project_id}/failed-tasks`, whose default for `limit` has been 50 and 1000. Early
//! editions knew neither `limit` nor `offset`.

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Build, Extras, FaultClass, Finding, Kind, Source, SourceError, TaskFate, TaskId,
    huawei::{
        client::{Ask, Client},
        examine,
        options::{self, Service},
        project::Description,
        walk::{LIMITS, Limits, List, REQUESTS},
    },
};
use crate::{
    decide::sift::{Sift, Walk},
    notice::SourceInfo,
    options::OptionError,
};

mod extras;
pub(super) mod page;

pub(super) const KIND: Kind = Kind {
    name: "kps",
    summary: "Key Pair Service: tasks that failed to bind, unbind, reset or replace a key pair",
    example: r#"
        name = "prod"
        kind = "kps"
        endpoint = "http://{endpoint}"
        project_id = "0123456789abcdef0123456789abcdef"
        auth = { kind = "aksk", access_key = "example-access-key", secret_key = "example-secret-key" }
    "#,
    schema: extras::schema,
    build: |build| Ok(Box::new(Kps::build(build)?)),
};

/// It has no host of its own: it shares that of the key management service.
const SERVICE: Service = Service { host: "kms" };

#[derive(Debug)]
struct Kps {
    description: Description,
    client: Client,
    list: List,
    running: List,
    extras: Extras,
}

/// Running tasks that are looked at. A cloud in which more of them run at once is not known, and
/// they are asked for with each poll.
const RUNNING_LIMITS: Limits = Limits { pages: 20, rows: 5_000, page_bytes: 8 * 1024 * 1024 };

/// What the cloud says when it has no record of a task, with status 400.
const NO_SUCH_TASK: &str = "KPS.0005";

impl Kps {
    fn build(mut build: Build) -> Result<Self, OptionError> {
        let extras = extras::take(&mut build.options)?;
        let checked = options::check(&mut build, SERVICE)?;
        let list = List {
            path: "/v3/{project_id}/failed-tasks",
            query: Vec::new(),
            read: page::read,
            page_size: checked.page_size,
            check_total: checked.check_total,
            limits: LIMITS,
        };
        Ok(Self {
            description: checked.describe(build.name.clone(), KIND.name),
            running: List {
                path: "/v3/{project_id}/running-tasks",
                limits: RUNNING_LIMITS,
                ..list.clone()
            },
            list,
            extras,
            client: Client::new(checked, &build),
        })
    }
}

#[async_trait]
impl Source for Kps {
    fn info(&self) -> &SourceInfo {
        self.description.with(self.client.project_id())
    }

    fn origin(&self) -> &str {
        self.client.origin()
    }

    async fn walk(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        self.list.walk(&self.client, sift).await
    }

    fn requests(&self) -> u32 {
        REQUESTS + if self.extras.stuck_after.is_some() { REQUESTS } else { 0 }
    }

    fn extras(&self) -> Extras {
        self.extras
    }

    async fn walk_running(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        self.running.walk(&self.client, sift).await
    }

    async fn task(&self, id: &TaskId) -> Result<TaskFate, SourceError> {
        /// The answer. It holds no reason: that was in the list of failed tasks.
        #[derive(Deserialize)]
        struct Answer {
            task_status: Option<String>,
        }
        let path = format!("/v3/{{project_id}}/tasks/{id}");
        // Tried once: what became of it is good to know, and not worth waiting for.
        let body = match self.client.try_once(&Ask::object(Method::GET, &path)).await {
            Ok(body) => body,
            Err(fault) if fault.code == NO_SUCH_TASK => {
                return Ok(TaskFate::Unknown);
            }
            Err(fault) => return Err(fault.error),
        };
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            SourceError::new(FaultClass::Schema, "the answer is no task").caused_by(error)
        })?;
        Ok(answer.task_status.map_or(TaskFate::Pending, |status| TaskFate::of_status(&status)))
    }

    async fn delete(&self, id: &TaskId) -> Result<(), SourceError> {
        // With an id that is one: without it, this would delete every record.
        let path = format!("/v3/{{project_id}}/failed-tasks/{id}");
        match self.client.try_once(&Ask::object(Method::DELETE, &path)).await {
            Ok(_empty) => Ok(()),
            Err(fault) if fault.code == NO_SUCH_TASK => Ok(()),
            Err(fault) => Err(fault.error),
        }
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.client, &self.list).await
    }

    fn actions(&self) -> Vec<&'static str> {
        let Extras { verify_cleared, stuck_after, cleanup } = self.extras;
        let wanted = [
            (true, "kps:domainKeypairs:getfailtask"),
            (verify_cleared, "kps:domainKeypairs:gettask"),
            (stuck_after.is_some(), "kps:domainKeypairs:getrunningtask"),
            (cleanup.is_some_and(|cleanup| !cleanup.dry_run), "kps:domainKeypairs:deletefailtask"),
        ];
        wanted.into_iter().filter_map(|(wanted, action)| wanted.then_some(action)).collect()
    }
}

#[cfg(test)]
mod tests;
