//! The Key Pair Service's list of failed tasks.
//!
//! `GET /v3/{project_id}/failed-tasks`, whose default for `limit` has been 50 and 1000. Early
//! editions knew neither `limit` nor `offset`.

use async_trait::async_trait;

use super::{
    Build, Finding, Kind, Source, SourceError,
    huawei::{
        client::Client,
        examine,
        options::{self, Options, Service},
        project::Description,
        walk::{LIMITS, List},
    },
};
use crate::{
    decide::sift::{Sift, Walk},
    notice::SourceInfo,
    options::OptionError,
};

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
    schema: || schemars::schema_for!(Options),
    build: |build| Ok(Box::new(Kps::build(build)?)),
};

/// It has no host of its own: it shares that of the key management service.
const SERVICE: Service = Service { host: "kms" };

#[derive(Debug)]
struct Kps {
    description: Description,
    client: Client,
    list: List,
}

impl Kps {
    fn build(mut build: Build) -> Result<Self, OptionError> {
        let checked = options::check(&mut build, SERVICE)?;
        Ok(Self {
            description: checked.describe(build.name.clone(), KIND.name),
            list: List {
                path: "/v3/{project_id}/failed-tasks",
                query: Vec::new(),
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

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.client, &self.list).await
    }

    fn actions(&self) -> &'static [&'static str] {
        &["kps:domainKeypairs:getfailtask"]
    }
}

#[cfg(test)]
mod tests;
