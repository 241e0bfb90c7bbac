//! Who we are to a list that is not the cloud's, and what must not be shown of its address.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use toml::{Table, Value};

use crate::{
    options::{self, OptionError, SecretRef},
    secret::Secret,
    source::huawei::{
        client::Dress,
        credential::{self, Auth, Setting, Shared},
    },
};

/// The key of the table in a source's options, for error messages.
const TABLE: &str = "auth";

/// The key that tells the kinds apart.
const KIND_KEY: &str = "kind";

/// The kinds beside those of the cloud.
const KINDS: [&str; 4] = ["none", "bearer", "basic", "header"];

/// Headers that the client or the credential writes itself.
const TAKEN: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "te"];

/// `kind = "bearer"`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bearer {
    /// Sent as `Authorization: Bearer …`.
    token: SecretRef,
}

/// `kind = "basic"`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Basic {
    /// Without a colon.
    username: String,
    /// Of that user.
    password: SecretRef,
}

/// `kind = "header"`: a header of the service's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Its name, for instance `private-token`.
    name: String,
    /// Its whole value.
    secret: SecretRef,
}

/// Stands for the table `auth` of such a source in a JSON Schema.
pub(super) struct AnyAuth;

impl JsonSchema for AnyAuth {
    fn schema_name() -> Cow<'static, str> {
        "AnyAuth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let cloud = generator.subschema_for::<Auth>();
        let none = json_schema!({
            "type": "object",
            "properties": { KIND_KEY: { "const": "none" } },
            "required": [KIND_KEY],
            "additionalProperties": false
        });
        let own = |kind: &str, mut schema: Schema| {
            if let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) {
                properties.insert(KIND_KEY.into(), json_schema!({ "const": kind }).into());
            }
            if let Some(required) = schema.get_mut("required").and_then(|r| r.as_array_mut()) {
                required.push(KIND_KEY.into());
            }
            schema
        };
        let own = [
            none,
            own("bearer", Bearer::json_schema(generator)),
            own("basic", Basic::json_schema(generator)),
            own("header", Header::json_schema(generator)),
            cloud,
        ];
        json_schema!({ "description": "Who we are to the list.", "anyOf": own })
    }
}

/// Who we are, and what goes along with each request.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) dress: Dress,
    /// Nobody's, unless the list is the cloud's.
    pub(super) shared: Shared,
    /// Whether requests are signed for a project of the cloud.
    pub(super) is_cloud: bool,
}

impl Who {
    /// Reads the tables `auth` and `headers`, and their secrets. `shy` are parts of the address
    /// that are not to be repeated either.
    ///
    /// # Errors
    ///
    /// The first problem, with its dotted key.
    pub(super) fn read(
        auth: Option<Table>,
        headers: &BTreeMap<String, SecretRef>,
        (setting, shy): (&Setting, Vec<Secret>),
    ) -> Result<Self, OptionError> {
        let dress = Dress { who: "the service", headers: HeaderMap::new(), secrets: shy };
        let mut who = Self { dress, shared: Shared::new(credential::nobody()), is_cloud: false };
        for (name, value) in headers {
            let path = format!("headers.{name}");
            let secret = value.read().map_err(|problem| OptionError::new(&path, problem))?;
            who.add(&path, name, &secret)?;
            // Most are no secrets, such as a version; what is short may occur anywhere.
            if SHY_BYTES_MIN <= secret.expose().len() {
                who.dress.secrets.push(secret);
            }
        }
        if let Some(table) = auth {
            who.identify(table, setting)?;
        }
        Ok(who)
    }

    fn identify(&mut self, mut table: Table, setting: &Setting) -> Result<(), OptionError> {
        let kind = match table.get(KIND_KEY) {
            Some(Value::String(kind)) => kind.clone(),
            _ => String::new(),
        };
        if !KINDS.contains(&kind.as_str()) {
            let named = |mut error: OptionError| {
                if error.path == format!("{TABLE}.{KIND_KEY}") {
                    error.problem = format!("{}; or one of {}", error.problem, KINDS.join(", "));
                }
                error
            };
            self.shared = credential::build(table, setting).map_err(named)?;
            self.is_cloud = true;
            return Ok(());
        }
        table.remove(KIND_KEY);
        let inside = |mut error: OptionError| {
            error.path = format!("{TABLE}.{}", error.path);
            error
        };
        match kind.as_str() {
            "bearer" => {
                let Bearer { token } = options::parse(table).map_err(inside)?;
                let token = read("auth.token", &token)?;
                let value = Secret::new(format!("Bearer {}", token.expose()));
                self.dress.secrets.push(token);
                self.add("auth.token", "authorization", &value)
            }
            "basic" => {
                let Basic { username, password } = options::parse(table).map_err(inside)?;
                if username.contains(':') {
                    return Err(OptionError::new("auth.username", "must not hold a colon"));
                }
                let password = read("auth.password", &password)?;
                let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
                let value = Secret::new(format!("Basic {pair}"));
                self.dress.secrets.extend([password, Secret::new(pair)]);
                self.add("auth.password", "authorization", &value)
            }
            "header" => {
                let Header { name, secret } = options::parse(table).map_err(inside)?;
                let secret = read("auth.secret", &secret)?;
                self.add("auth.name", &name, &secret)?;
                self.dress.secrets.push(secret);
                Ok(())
            }
            _ if table.is_empty() => Ok(()),
            _ => Err(OptionError::new(TABLE, "of kind `none` takes no other key")),
        }
    }

    fn add(&mut self, path: &str, name: &str, value: &Secret) -> Result<(), OptionError> {
        let wrong = |problem: &str| OptionError::new(path, problem);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| wrong("is not the name of a header"))?;
        if TAKEN.contains(&name.as_str()) {
            return Err(wrong("is a header that is written anyway; leave it out"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| wrong("must not hold line breaks or non-ASCII"))?;
        value.set_sensitive(true);
        if self.dress.headers.insert(name, value).is_some() {
            return Err(wrong("is a header that is given twice"));
        }
        Ok(())
    }
}

/// Shorter texts occur by chance, and are not worth hiding as parts of an address.
pub(super) const SHY_BYTES_MIN: usize = 12;

fn read(key: &str, place: &SecretRef) -> Result<Secret, OptionError> {
    let secret = place.read().map_err(|problem| OptionError::new(key, problem))?;
    if secret.expose().is_empty() {
        return Err(OptionError::new(key, "is empty"));
    }
    Ok(secret)
}
