//! Where our identity comes from.
//!
//! The `auth` table of a source names a kind; what comes out is a [`Credential`], which gives an
//! [`Identity`] whenever a request wants one. Kinds that have to fetch theirs keep it, renew it
//! before it expires and once when the cloud refuses it, and no caller can tell.

use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    fault::Fault,
    iam::Iam,
    identity::{Identity, Proof},
};
use crate::{
    clock::Clock,
    http::Clients,
    options::{self, OptionError, SecretRef},
    secret::Secret,
};

mod agency;
mod chain;
mod fixed;
mod metadata;
mod password;
mod profile;
mod renewing;
mod shared;
mod standings;

pub use shared::Shelf;
pub(in crate::source) use shared::{Shared, realm};
pub use standings::Standings;
pub(in crate::source::huawei) use standings::{Refusals, Seal, Standing};

/// The key of the table in a source's options, for error messages.
const TABLE: &str = "auth";

/// The key that tells the kinds apart.
const KIND_KEY: &str = "kind";

/// Gives our identity.
///
/// # Contract
///
/// * **Single flight.** However many ask at the same time, it is fetched once.
/// * **Not stubborn.** A refused log-in is not tried again at once: it locks the user.
/// * **Secrets.** `Debug` and errors show none.
#[async_trait]
pub(in crate::source) trait Credential: fmt::Debug + Send + Sync {
    /// Who we are now.
    ///
    /// # Errors
    ///
    /// When there is no identity to be had at the moment.
    async fn identity(&self) -> Result<Arc<Identity>, Fault>;

    /// Another identity than `refused`, which the cloud no longer takes; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Credential::identity`].
    async fn renew(&self, refused: &Arc<Identity>) -> Result<Option<Arc<Identity>>, Fault>;

    /// The identity, if it is the same in each process until somebody changes it.
    fn lasting(&self) -> Option<&Identity> {
        None
    }
}

/// What a credential is built with.
#[derive(Clone, Debug)]
pub(in crate::source) struct Setting {
    pub(in crate::source) clock: Arc<dyn Clock>,
    /// Those of the source, with its proxy and its certificates.
    pub(in crate::source) clients: Clients,
    /// Absent where neither a region nor an address says where it is.
    pub(in crate::source) iam: Option<Iam>,
    /// Empty if the source names none.
    pub(in crate::source) region: String,
    /// If the source names one.
    pub(in crate::source) project_id: Option<String>,
    /// See [`realm`].
    pub(in crate::source) realm: String,
    /// How the source gets there: its proxy, its certificates. Holds no secret that is not in the
    /// config itself.
    pub(in crate::source) way: Way,
    /// Where those are that are the same.
    pub(in crate::source) shelf: Shelf,
}

/// The keys of a source that say how it goes to where it goes.
#[derive(Clone, Default)]
pub(in crate::source) struct Way(String);

impl Way {
    /// Those of a source's table.
    pub(in crate::source) fn of(options: &toml::Table) -> Self {
        let keys = ["proxy", "ca_file", "insecure"];
        let values = keys.map(|key| options.get(key).map(ToString::to_string).unwrap_or_default());
        Self(values.join(" "))
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's address may hold a password.
        f.write_str("Way")
    }
}

impl Setting {
    /// The identity service, which some kinds cannot do without.
    fn iam(&self) -> Result<Iam, OptionError> {
        self.iam.clone().ok_or_else(|| {
            let problem = "needs `region` or `iam_endpoint` beside it, to know whom to ask";
            OptionError::new("", problem)
        })
    }
}

/// What the kinds build.
type Built = Result<Box<dyn Credential>, OptionError>;

/// What an identity is good for.
#[derive(Clone, Copy)]
enum Good {
    /// Everywhere in one cloud.
    Realm,
    /// At one identity service.
    Iam,
    /// For one project.
    Project,
}

/// One value of `auth.kind`.
struct Kind {
    name: &'static str,
    good: Good,
    build: fn(toml::Table, &Setting) -> Built,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "aksk",
        good: Good::Realm,
        build: |table, _| fixed::keys(&options::parse(table)?),
        schema: fixed::KeysOptions::json_schema,
    },
    Kind {
        name: "token",
        good: Good::Project,
        build: |table, _| fixed::token(&options::parse(table)?),
        schema: fixed::TokenOptions::json_schema,
    },
    Kind {
        name: "password",
        good: Good::Project,
        build: |table, setting| password::build(options::parse(table)?, setting),
        schema: password::Options::json_schema,
    },
    Kind {
        name: "metadata",
        good: Good::Realm,
        build: |table, setting| metadata::build(options::parse(table)?, setting),
        schema: metadata::Options::json_schema,
    },
    Kind {
        name: "profile",
        good: Good::Realm,
        build: |table, _| profile::build(&options::parse(table)?),
        schema: profile::Options::json_schema,
    },
    Kind {
        name: "default",
        good: Good::Realm,
        build: |table, setting| chain::build(&options::parse(table)?, setting),
        schema: chain::Options::json_schema,
    },
    Kind {
        name: "agency",
        good: Good::Iam,
        build: |table, setting| agency::build(options::parse(table)?, setting),
        schema: agency::Options::json_schema,
    },
];

/// The credential that the table `auth` describes, which other sources may have as well. Builds it and
/// reads its secrets if none has.
///
/// # Errors
///
/// The first problem, with its dotted key from `auth` on.
pub(in crate::source) fn build(
    table: toml::Table,
    setting: &Setting,
) -> Result<Shared, OptionError> {
    let name = table.get(KIND_KEY).and_then(toml::Value::as_str);
    let good = KINDS.iter().find(|kind| Some(kind.name) == name).map(|kind| kind.good);
    let iam = setting.iam.as_ref().map_or("", Iam::origin);
    let (region, project) = (&*setting.region, setting.project_id.as_deref().unwrap_or_default());
    let scope: &[&str] = match good {
        Some(Good::Realm) => &[],
        // What an agency is taken on with may be a token of the region's project.
        Some(Good::Iam) => &[iam, region],
        Some(Good::Project) | None => &[iam, region, project],
    };
    // However it is written.
    let mut whole: Vec<String> =
        table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    whole.sort_unstable();
    let whole = whole.join("\n");
    let words = [&[&whole, &*setting.realm, &setting.way.0], scope].concat();
    setting.shelf.get(&words, &setting.realm, || build_at(TABLE, table, setting))
}

/// The same for a table under another key.
fn build_at(key: &str, mut table: toml::Table, setting: &Setting) -> Built {
    let known = KINDS.map(|kind| kind.name);
    let wrong = |problem: String| OptionError::new(format!("{key}.{KIND_KEY}"), problem);
    let name = match table.remove(KIND_KEY) {
        Some(toml::Value::String(name)) => name,
        Some(_) => return Err(wrong(format!("must be a string, one of {}", known.join(", ")))),
        None => return Err(wrong(format!("is required; known kinds are {}", known.join(", ")))),
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
        let guess = options::nearest(&known, &name)
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        return Err(wrong(format!("is none of the known kinds, {}{guess}", known.join(", "))));
    };
    (kind.build)(table, setting).map_err(|mut error| {
        let dot = if error.path.is_empty() { "" } else { "." };
        error.path = format!("{key}{dot}{}", error.path);
        error
    })
}

/// The identity of nobody, for lists that are not the cloud's.
pub(in crate::source) fn nobody() -> Box<dyn Credential> {
    fixed::fixed(Identity::of(Proof::Nothing))
}

/// Stands for the table `auth` in a JSON Schema.
pub(in crate::source) struct Auth;

impl JsonSchema for Auth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<Schema> = KINDS
            .iter()
            .map(|kind| {
                let mut schema = (kind.schema)(generator);
                if let Some(properties) =
                    schema.get_mut("properties").and_then(|p| p.as_object_mut())
                {
                    properties.insert(KIND_KEY.into(), json_schema!({ "const": kind.name }).into());
                }
                match schema.get_mut("required").and_then(|r| r.as_array_mut()) {
                    Some(required) => required.push(KIND_KEY.into()),
                    None => {
                        schema.insert("required".to_owned(), serde_json::json!([KIND_KEY]));
                    }
                }
                schema
            })
            .collect();
        json_schema!({ "description": "Who we are to the cloud.", "oneOf": kinds })
    }
}

/// Reads the secret under `key`.
fn secret(key: &str, place: &SecretRef) -> Result<Secret, OptionError> {
    let secret = place.read().map_err(|problem| OptionError::new(key, problem))?;
    if secret.expose().is_empty() {
        return Err(OptionError::new(key, "is empty"));
    }
    Ok(secret)
}

/// Reads a secret that goes into a header as it is, and would otherwise fail at every poll.
fn header_secret(key: &str, place: &SecretRef) -> Result<Secret, OptionError> {
    let secret = secret(key, place)?;
    in_header(&secret).map_err(|problem| OptionError::new(key, problem))?;
    Ok(secret)
}

/// Whether a secret can go into a header as it is.
fn in_header(secret: &Secret) -> Result<(), &'static str> {
    if secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must not hold blanks, line breaks or non-ASCII")
}

#[cfg(test)]
mod tests;
