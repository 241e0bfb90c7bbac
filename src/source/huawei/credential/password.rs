//! `kind = "password"`: a user of the identity service, who logs in for a token.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Built, Seal, Setting,
    renewing::{Fetch, Fetched, Renewing},
    secret,
};
use crate::{
    options::{OptionError, SecretRef},
    secret::Secret,
    source::huawei::{
        fault::Fault,
        iam::{Iam, Login, Scope},
    },
};

/// `kind = "password"`: an IAM user who logs in with a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// The account's name.
    domain: String,
    /// The IAM user's name. Users of a federated account and of a HUAWEI ID have no password here.
    user: String,
    /// The user's password.
    password: SecretRef,
}

pub(super) fn build(options: Options, setting: &Setting) -> Built {
    let scope = match &setting.project_id {
        Some(id) => Scope::Id(id.clone()),
        None if setting.region.is_empty() => {
            let problem = "needs `region` or `project_id` beside it, to know the project";
            return Err(OptionError::new("", problem));
        }
        None => Scope::Name(setting.region.clone()),
    };
    for (key, value) in [("domain", &options.domain), ("user", &options.user)] {
        if value.is_empty() {
            return Err(OptionError::new(key, "is empty"));
        }
    }
    let user = User {
        iam: setting.iam()?,
        password: secret("password", &options.password)?,
        domain: options.domain,
        name: options.user,
        scope,
    };
    Ok(Box::new(Renewing::new(user, setting.clock.clone(), setting.shelf.standings())))
}

#[derive(Debug)]
struct User {
    iam: Iam,
    domain: String,
    name: String,
    password: Secret,
    scope: Scope,
}

#[async_trait]
impl Fetch for User {
    async fn fetch(&self) -> Result<Fetched, Fault> {
        let (domain, user) = (self.domain.as_str(), self.name.as_str());
        let login = Login { domain, user, password: &self.password };
        let (identity, expires_at) = self.iam.log_in(&login, &self.scope).await?;
        Ok(Fetched { identity, expires_at })
    }

    fn seal(&self) -> Option<Seal> {
        let words = [self.iam.origin(), &self.domain, &self.name];
        Some(Seal::guarded(&words, self.password.expose()))
    }
}
