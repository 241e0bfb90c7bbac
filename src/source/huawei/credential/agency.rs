//! `kind = "agency"`: the agency of another account, taken on with an identity of our own.
//!
//! So one identity watches many accounts, and none of them hands out a key.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Auth, Built, Credential, Seal, Setting, build_at,
    renewing::{Fetch, Fetched, Renewing},
};
use crate::{
    options::OptionError,
    source::huawei::{
        fault::Fault,
        iam::{Agency, Iam},
    },
};

/// `kind = "agency"`: the agency of another account, taken on with an identity of one's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// The name of the account that the agency is in.
    domain: String,
    /// The agency's name.
    agency: String,
    /// Who we are to begin with: an `auth` table of any other kind. Needs the permission
    /// "Agent Operator".
    #[schemars(with = "Auth")]
    base: toml::Table,
}

pub(super) fn build(options: Options, setting: &Setting) -> Built {
    for (key, value) in [("domain", &options.domain), ("agency", &options.agency)] {
        if value.is_empty() {
            return Err(OptionError::new(key, "is empty"));
        }
    }
    if options.base.get("kind").and_then(toml::Value::as_str) == Some("agency") {
        return Err(OptionError::new("base.kind", "must be another kind than agency"));
    }
    let iam = setting.iam()?;
    // The project is one of the other account.
    let own = Setting { project_id: None, ..setting.clone() };
    let base = build_at("base", options.base, &own)?;
    let agency = Agency { domain: options.domain, name: options.agency };
    let assumed = Assumed { iam, agency, base };
    Ok(Box::new(Renewing::new(assumed, setting.clock.clone(), setting.shelf.standings())))
}

#[derive(Debug)]
struct Assumed {
    iam: Iam,
    agency: Agency,
    base: Box<dyn Credential>,
}

#[async_trait]
impl Fetch for Assumed {
    async fn fetch(&self) -> Result<Fetched, Fault> {
        let base = self.base.identity().await?;
        let first = self.iam.take_on(&self.agency, &base).await;
        let (identity, expires_at) = match first {
            Err(fault) if fault.is_refused_identity() => match self.base.renew(&base).await? {
                Some(base) => self.iam.take_on(&self.agency, &base).await?,
                None => return Err(fault),
            },
            other => other?,
        };
        Ok(Fetched { identity, expires_at })
    }

    fn seal(&self) -> Option<Seal> {
        // The same key may be refused one agency and not another.
        let Agency { domain, name } = &self.agency;
        let place = format!("{} {domain} {name}", self.iam.origin());
        Seal::of_proof(&place, &self.base.lasting()?.proof)
    }
}
