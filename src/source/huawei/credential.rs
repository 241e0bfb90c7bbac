//! Who we are to the cloud.
//!
//! The `auth` table of a source says where the identity comes from; what comes out is headers,
//! made anew for every attempt, since a signature holds for 15 minutes and a retry may come
//! later than that. Every kind is a [`Credential`]: one that has to fetch a token first does so
//! inside [`Credential::authorize`], and no caller can tell.
//!
//! Few headers are signed, because a proxy that rewrites a signed one breaks the signature.

use std::{borrow::Cow, fmt};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{
    huawei::sign::{self, Request},
    options::{self, OptionError, SecretRef},
    secret::Secret,
    source::{FaultClass, SourceError},
};

/// The key of the table in a source's options, for error messages.
const TABLE: &str = "auth";

/// The key that tells the kinds apart.
const KIND_KEY: &str = "kind";

/// One request that wants to be authorised.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Call<'a> {
    /// `GET` and the like.
    pub(in crate::source) method: &'a str,
    /// The `Host` header as it will be sent: with the port unless it is the scheme's own.
    pub(in crate::source) host: &'a str,
    /// Percent-encoded, without the query.
    pub(in crate::source) path: &'a str,
    /// Not encoded; sent as [`sign::request_target`] puts it.
    pub(in crate::source) query: &'a [(&'a str, &'a str)],
    /// The cloud project that the request is about.
    pub(in crate::source) project_id: &'a str,
    /// The bytes that will be sent.
    pub(in crate::source) body: &'a [u8],
}

/// Makes requests ours.
///
/// # Contract
///
/// * **Fresh.** Called once for each attempt, with the time of that attempt.
/// * **Secrets.** They are read when the credential is built. `Debug` and errors show none.
#[async_trait]
pub(in crate::source) trait Credential: fmt::Debug + Send + Sync {
    /// The headers to send along with `call`, marked as sensitive where they are.
    ///
    /// # Errors
    ///
    /// When there is no identity to be had at the moment. Not retried within a walk.
    async fn authorize(&self, call: &Call<'_>, now: Timestamp) -> Result<HeaderMap, SourceError>;

    /// What must not be repeated if the cloud quotes it in an error.
    fn secrets(&self) -> Vec<&str>;
}

/// One value of `auth.kind`.
struct Kind {
    name: &'static str,
    build: fn(toml::Table) -> Result<Box<dyn Credential>, OptionError>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "aksk",
        build: |table| KeyPair::read(&options::parse(table)?),
        schema: KeyPairOptions::json_schema,
    },
    Kind {
        name: "token",
        build: |table| Token::read(&options::parse(table)?),
        schema: TokenOptions::json_schema,
    },
];

/// Builds the credential that the table `auth` describes, and reads its secrets.
///
/// # Errors
///
/// The first problem, with its dotted key from `auth` on.
pub(in crate::source) fn build(mut table: toml::Table) -> Result<Box<dyn Credential>, OptionError> {
    let known = KINDS.map(|kind| kind.name);
    let wrong = |problem: String| OptionError::new(format!("{TABLE}.{KIND_KEY}"), problem);
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
    (kind.build)(table).map_err(|mut error| {
        let dot = if error.path.is_empty() { "" } else { "." };
        error.path = format!("{TABLE}{dot}{}", error.path);
        error
    })
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
                if let Some(required) = schema.get_mut("required").and_then(|r| r.as_array_mut()) {
                    required.push(KIND_KEY.into());
                }
                schema
            })
            .collect();
        json_schema!({ "description": "Who we are to the cloud.", "oneOf": kinds })
    }
}

/// `kind = "token"`: a token of the identity service, fetched by somebody else.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenOptions {
    /// Scoped to the project. It lives for 24 hours at most.
    token: SecretRef,
}

#[derive(Debug)]
struct Token {
    token: Secret,
}

impl Token {
    fn read(options: &TokenOptions) -> Result<Box<dyn Credential>, OptionError> {
        Ok(Box::new(Self { token: header_secret("token", &options.token)? }))
    }
}

#[async_trait]
impl Credential for Token {
    async fn authorize(&self, _: &Call<'_>, _: Timestamp) -> Result<HeaderMap, SourceError> {
        let mut headers = HeaderMap::new();
        insert(&mut headers, "x-auth-token", self.token.expose(), true)?;
        Ok(headers)
    }

    fn secrets(&self) -> Vec<&str> {
        vec![self.token.expose()]
    }
}

/// `kind = "aksk"`: an access key pair, permanent or temporary.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyPairOptions {
    /// The access key id.
    access_key: SecretRef,
    /// The secret access key.
    secret_key: SecretRef,
    /// Comes with a temporary key pair.
    security_token: Option<SecretRef>,
}

#[derive(Debug)]
struct KeyPair {
    access_key: Secret,
    secret_key: Secret,
    security_token: Option<Secret>,
}

impl KeyPair {
    fn read(options: &KeyPairOptions) -> Result<Box<dyn Credential>, OptionError> {
        let token = options.security_token.as_ref();
        Ok(Box::new(Self {
            access_key: header_secret("access_key", &options.access_key)?,
            secret_key: secret("secret_key", &options.secret_key)?,
            security_token: token
                .map(|token| header_secret("security_token", token))
                .transpose()?,
        }))
    }
}

#[async_trait]
impl Credential for KeyPair {
    async fn authorize(&self, call: &Call<'_>, now: Timestamp) -> Result<HeaderMap, SourceError> {
        let mut sent = vec![("x-project-id", call.project_id, false)];
        if let Some(token) = &self.security_token {
            sent.push(("x-security-token", token.expose(), true));
        }
        // The HTTP client writes this one itself.
        let mut signed = vec![("host", call.host)];
        signed.extend(sent.iter().map(|(name, value, _)| (*name, *value)));
        let request = Request {
            method: call.method,
            path: call.path,
            query: call.query,
            headers: &signed,
            body: call.body,
        };
        let signature = sign::sign(&request, self.access_key.expose(), &self.secret_key, now);
        sent.push((sign::DATE_HEADER, &signature.date, false));
        sent.push(("authorization", &signature.authorization, true));

        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in sent {
            insert(&mut headers, name, value, sensitive)?;
        }
        Ok(headers)
    }

    fn secrets(&self) -> Vec<&str> {
        [Some(&self.access_key), Some(&self.secret_key), self.security_token.as_ref()]
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .collect()
    }
}

fn insert(
    headers: &mut HeaderMap,
    name: &'static str,
    value: &str,
    sensitive: bool,
) -> Result<(), SourceError> {
    let mut value = HeaderValue::from_str(value).map_err(|error| {
        SourceError::new(FaultClass::Request, format!("{name} does not fit into a header"))
            .caused_by(error)
    })?;
    value.set_sensitive(sensitive);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
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
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(OptionError::new(key, "must not hold blanks, line breaks or non-ASCII"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        method: "GET",
        host: "kms.example",
        path: "/v3/p1/failed-tasks",
        query: &[("limit", "10"), ("offset", "0")],
        project_id: "p1",
        body: b"",
    };

    #[track_caller]
    fn refused(table: &str, expected: &str) {
        let error = build(table.parse().unwrap()).expect_err(table);
        assert_eq!(error.to_string(), expected, "{table}");
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        refused("", "auth.kind: is required; known kinds are aksk, token");
        refused("kind = 1", "auth.kind: must be a string, one of aksk, token");
        refused("kind = 'zzz'", "auth.kind: is none of the known kinds, aksk, token");
        refused(
            "kind = 'tokn'",
            "auth.kind: is none of the known kinds, aksk, token; did you mean `token`?",
        );
        refused("kind = 'token'", "auth.token: is required");
        refused("kind = 'token'\ntoken = ''", "auth.token: is empty");
        refused(
            "kind = 'token'\ntoken = \"a\\nb\"",
            "auth.token: must not hold blanks, line breaks or non-ASCII",
        );
        refused(
            "kind = 'aksk'\nacces_key = 'a'\nsecret_key = 'b'",
            "auth.acces_key: is not a known key; did you mean `access_key`?",
        );
        refused(
            "kind = 'aksk'\naccess_key = { env = 'TASKBELL_NOT_SET' }\nsecret_key = 'b'",
            "auth.access_key: environment variable TASKBELL_NOT_SET is not set",
        );
        refused(
            "kind = 'aksk'\naccess_key = 'a'\nsecret_key = { evn = 'B' }",
            "auth.secret_key.evn: is not a known key; known are env, file, credential",
        );
    }

    #[tokio::test]
    async fn a_token_is_sent_as_it_is() {
        let token = build("kind = 'token'\ntoken = 'MIIfake'".parse().unwrap()).unwrap();
        let headers = token.authorize(&CALL, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(headers.get("x-auth-token").unwrap(), "MIIfake");
        assert_eq!(headers.len(), 1);
    }

    #[tokio::test]
    async fn a_key_pair_signs_few_headers_and_each_attempt_anew() {
        let table = "kind = 'aksk'\naccess_key = 'AK'\nsecret_key = 'SK'\nsecurity_token = 'ST'";
        let keys = build(table.parse().unwrap()).unwrap();
        let first = keys.authorize(&CALL, Timestamp::UNIX_EPOCH).await.unwrap();
        let later = keys.authorize(&CALL, Timestamp::from_second(1).unwrap()).await.unwrap();
        assert_eq!(first.get("x-sdk-date").unwrap(), "19700101T000000Z");
        assert_eq!(first.get("x-security-token").unwrap(), "ST");
        assert_eq!(first.get("x-project-id").unwrap(), "p1");
        let signature = first.get("authorization").unwrap().to_str().unwrap();
        let expected = "SDK-HMAC-SHA256 Access=AK, \
                        SignedHeaders=host;x-project-id;x-sdk-date;x-security-token, Signature=";
        assert!(signature.starts_with(expected), "{signature}");
        assert_ne!(first.get("authorization"), later.get("authorization"));
    }

    #[tokio::test]
    async fn debug_output_shows_no_secret() {
        for table in [
            "kind = 'token'\ntoken = 's3cret'",
            "kind = 'aksk'\naccess_key = 's3cret1'\nsecret_key = 's3cret2'\nsecurity_token = 's3cret3'",
        ] {
            let credential = build(table.parse().unwrap()).unwrap();
            let mut headers = credential.authorize(&CALL, Timestamp::UNIX_EPOCH).await.unwrap();
            headers.remove("x-sdk-date");
            let shown = format!("{credential:?} {headers:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn the_schema_describes_every_kind() {
        let schema = serde_json::to_string(&schemars::schema_for!(Auth)).unwrap();
        for kind in KINDS {
            assert!(schema.contains(&format!("{{\"const\":\"{}\"}}", kind.name)), "{schema}");
        }
        assert!(schema.contains("security_token"), "{schema}");
    }
}
