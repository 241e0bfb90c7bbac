//! The Storage Disaster Recovery Service's list of failed tasks.
//!
//! `GET /v1/{project_id}/task-center/failure-jobs`, paged as the cloud's other lists are. Without
//! a filter it holds what failed on protection groups as wholes; what failed inside one is listed
//! only when that group is asked for, which is what `server_group_id` is for.
//!
//! Reference: <https://support.huaweicloud.com/intl/en-us/api-sdrs/sdrs_05_0901.html>.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Finding, Kind, Source, SourceError,
    huawei::{
        client::Client,
        examine,
        options::{self, Service, is_project_id},
        project::Description,
        walk::{LIMITS, List, REQUESTS},
    },
};
use crate::{
    decide::sift::{Sift, Walk},
    notice::SourceInfo,
    options::OptionError,
};

pub(super) mod page;

pub(super) const KIND: Kind = Kind {
    name: "sdrs",
    summary: "Storage Disaster Recovery Service: tasks that failed on protection groups and in them",
    example: r#"
        name = "recovery"
        kind = "sdrs"
        endpoint = "http://{endpoint}"
        project_id = "0123456789abcdef0123456789abcdef"
        auth = { kind = "aksk", access_key = "example-access-key", secret_key = "example-secret-key" }
    "#,
    schema,
    build: |build| Ok(Box::new(Sdrs::build(build)?)),
};

const SERVICE: Service = Service { host: "sdrs" };

/// The service gives no more rows at a time.
const PAGE_SIZE_MAX: u32 = 1000;

/// What the service calls the ways in which a task fails.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the service's own words")]
enum FailureStatus {
    CreateFail,
    DeleteFail,
    AttachFail,
    DetachFail,
    ExpandFail,
    ResizeFail,
    StartFail,
    StopFail,
    ReverseFail,
    FailoverFail,
    ReprotectFail,
}

impl FailureStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::CreateFail => "createFail",
            Self::DeleteFail => "deleteFail",
            Self::AttachFail => "attachFail",
            Self::DetachFail => "detachFail",
            Self::ExpandFail => "expandFail",
            Self::ResizeFail => "resizeFail",
            Self::StartFail => "startFail",
            Self::StopFail => "stopFail",
            Self::ReverseFail => "reverseFail",
            Self::FailoverFail => "failoverFail",
            Self::ReprotectFail => "reprotectFail",
        }
    }
}

/// The keys beside those of every source of this cloud.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Own {
    /// Lists what failed in this protection group. Default: what failed on groups as wholes.
    server_group_id: Option<String>,
    /// Lists only what failed in this way, for instance "createFail". Default: everything.
    failure_status: Option<FailureStatus>,
}

const OWN_KEYS: [&str; 2] = ["server_group_id", "failure_status"];

/// The keys of every source of this cloud, with those of [`Own`].
fn schema() -> schemars::Schema {
    let own = schemars::schema_for!(Own);
    let mut schema = schemars::schema_for!(options::Options);
    for list in ["properties", "$defs"] {
        let Some(from) = own.get(list).and_then(|own| own.as_object()) else { continue };
        let into = schema.ensure_object().entry(list).or_insert_with(|| serde_json::json!({}));
        if let Some(into) = into.as_object_mut() {
            into.extend(from.clone());
        }
    }
    schema
}

#[derive(Debug)]
struct Sdrs {
    description: Description,
    client: Client,
    list: List,
}

impl Sdrs {
    fn build(mut build: Build) -> Result<Self, OptionError> {
        let table = std::mem::take(&mut build.options);
        let (own, shared): (toml::Table, toml::Table) =
            table.into_iter().partition(|(key, _)| OWN_KEYS.contains(&key.as_str()));
        let Own { server_group_id, failure_status } = crate::options::parse(own)?;
        build.options = shared;
        let checked = options::check(&mut build, SERVICE)?;
        if PAGE_SIZE_MAX < checked.page_size {
            let problem = "must be at most 1000: the service gives no more at a time";
            return Err(OptionError::new("page_size", problem));
        }
        let mut query = Vec::new();
        if let Some(group) = server_group_id {
            if !is_project_id(&group) {
                let problem = "must be a protection group's id: letters, digits, `_` and `-`";
                return Err(OptionError::new("server_group_id", problem));
            }
            query.push(("server_group_id", group));
        }
        query.extend(failure_status.map(|way| ("failure_status", way.as_str().to_owned())));
        Ok(Self {
            description: checked.describe(build.name.clone(), KIND.name),
            list: List {
                path: "/v1/{project_id}/task-center/failure-jobs",
                query,
                read: page::read,
                page_size: checked.page_size,
                check_total: checked.check_total,
                limits: LIMITS,
            },
            client: Client::new(checked, &build),
        })
    }
}

#[async_trait]
impl Source for Sdrs {
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
        REQUESTS
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.client, &self.list).await
    }
}

#[cfg(test)]
mod tests;
