//! The Key Pair Service's list of failed tasks.
//!
//! `GET /v3/{project_id}/failed-tasks`, whose default for `limit` has been 50 and 1000. Early
//! editions knew neither `limit` nor `offset`.

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Build, Extras, FaultClass, Kind, Source, SourceError, TaskFate, TaskId,
    huawei::{
        client::{Ask, Client},
        options::{self, Service},
        walk::{LIMITS, Limits, List},
    },
};
use crate::{
    decide::sift::{Sift, Walk},
    notice::SourceInfo,
    options::OptionError,
};

mod extras;
mod page;

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
    info: SourceInfo,
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
        let checked = options::check(std::mem::take(&mut build.options), SERVICE)?;
        let list = List {
            path: "/v3/{project_id}/failed-tasks",
            query: &[],
            read: page::read,
            page_size: checked.page_size,
            check_total: checked.check_total,
            limits: LIMITS,
        };
        Ok(Self {
            info: SourceInfo {
                name: build.name.clone(),
                kind: KIND.name.to_owned(),
                region: checked.region.clone(),
                project_id: checked.project_id.clone(),
            },
            running: List {
                path: "/v3/{project_id}/running-tasks",
                limits: RUNNING_LIMITS,
                ..list
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
        &self.info
    }

    async fn walk(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        self.list.walk(&self.client, sift).await
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
}

#[cfg(test)]
mod tests;
