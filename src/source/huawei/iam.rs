//! What we ask of the identity service: tokens, temporary keys, and a project's id.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    client::OBJECT_BYTES_MAX,
    fault::{self, Fault, Refusal},
    identity::{Call, Identity, Proof},
};
use crate::{
    clock::Clock,
    http::{self, Clients},
    huawei::sign,
    secret::Secret,
    source::FaultClass,
    text,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long temporary keys of an agency shall live: short, and still few calls a day.
const AGENCY_KEYS_SECONDS: u32 = 3600;

/// Most projects that an error lists.
const LISTED_MAX: usize = 5;

/// Longest id or name of a project that an error shows.
const NAME_BYTES_MAX: usize = 64;

/// The identity service at one address.
#[derive(Clone, Debug)]
pub(in crate::source) struct Iam {
    url: Url,
    origin: String,
    who: String,
    clients: Clients,
    clock: Arc<dyn Clock>,
}

/// A user and a password.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Login<'a> {
    pub(in crate::source) domain: &'a str,
    pub(in crate::source) user: &'a str,
    pub(in crate::source) password: &'a Secret,
}

/// The project that a token shall be good for.
#[derive(Clone, Debug)]
pub(in crate::source) enum Scope {
    Id(String),
    /// A region's own project is named like the region.
    Name(String),
}

/// An agency in an account.
#[derive(Clone, Debug)]
pub(in crate::source) struct Agency {
    /// The account's name.
    pub(in crate::source) domain: String,
    pub(in crate::source) name: String,
}

/// One question.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<Value>,
    identity: Option<&'a Identity>,
    /// More that must not be repeated.
    secret: Option<&'a Secret>,
}

impl Iam {
    /// Scheme, host and port.
    pub(in crate::source) fn origin(&self) -> &str {
        &self.origin
    }

    /// The service at `url`.
    pub(in crate::source) fn new(url: Url, clients: Clients, clock: Arc<dyn Clock>) -> Self {
        let origin = http::origin(&url);
        let who = format!("the identity service {origin}");
        Self { url, origin, who, clients, clock }
    }

    /// A token for a password, and when it expires.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub(in crate::source) async fn log_in(
        &self,
        login: &Login<'_>,
        scope: &Scope,
    ) -> Result<(Identity, Timestamp), Fault> {
        let project = match scope {
            Scope::Id(id) => json!({ "id": id }),
            Scope::Name(name) => json!({ "name": name }),
        };
        let Login { domain, user, password } = *login;
        let user = json!({
            "name": user, "password": password.expose(), "domain": { "name": domain },
        });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": project },
        }});
        let ask = Ask {
            method: Method::POST,
            path: "/v3/auth/tokens",
            // The catalogue of all services, some 30 KiB, is of no use here.
            query: &[("nocatalog", "true")],
            body: Some(body),
            identity: None,
            secret: Some(password),
        };
        let (headers, body) = self.ask(&ask).await?;
        let token = headers.get("x-subject-token").and_then(|token| token.to_str().ok());
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| self.odd("gave no token"))?;
        let TokenBody { token: Token { expires_at, project } } = serde_json::from_slice(&body)
            .map_err(|error| self.unreadable("token", &body, &error))?;
        let proof = Proof::Token(Secret::new(token.to_owned()));
        Ok((Identity { proof, project_id: project.map(|project| project.id) }, expires_at))
    }

    /// Temporary keys of an agency, and when they expire.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub(in crate::source) async fn take_on(
        &self,
        agency: &Agency,
        base: &Identity,
    ) -> Result<(Identity, Timestamp), Fault> {
        let Agency { domain, name } = agency;
        let role = json!({
            "domain_name": domain, "agency_name": name, "duration_seconds": AGENCY_KEYS_SECONDS,
        });
        let identity = json!({ "methods": ["assume_role"], "assume_role": role });
        let ask = Ask {
            method: Method::POST,
            path: "/v3.0/OS-CREDENTIAL/securitytokens",
            query: &[],
            body: Some(json!({ "auth": { "identity": identity } })),
            identity: Some(base),
            secret: None,
        };
        let (_, body) = self.ask(&ask).await.map_err(|mut fault| {
            if fault.error.class == FaultClass::Permission {
                fault.error.what.push_str(
                    "; are domain and agency right, does the agency trust this account, and has \
                     this identity the permission Agent Operator?",
                );
            }
            fault
        })?;
        temporary_keys(&body, &self.who)
    }

    /// The id of the one project that is named like the region.
    ///
    /// # Errors
    ///
    /// [`Fault`], above all when there is none, or more than one.
    pub(in crate::source) async fn project_of(
        &self,
        region: &str,
        identity: &Identity,
    ) -> Result<String, Fault> {
        let ask = Ask {
            method: Method::GET,
            path: "/v3/projects",
            query: &[("name", region)],
            body: None,
            identity: Some(identity),
            secret: None,
        };
        let (_, body) = self.ask(&ask).await?;
        let Projects { projects } = serde_json::from_slice(&body)
            .map_err(|error| self.unreadable("projects", &body, &error))?;
        match projects.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => {
                let what = format!(
                    "{} knows no project of region {region} that this identity may see; write \
                     project_id",
                    self.who
                );
                Err(Fault::new(FaultClass::NotInRegion, false, what))
            }
            several => {
                let listed = several.iter().take(LISTED_MAX);
                let listed: Vec<String> =
                    listed.map(|one| text::clean(&one.id, NAME_BYTES_MAX)).collect();
                let what = format!(
                    "{} knows {} projects of region {region}, such as {}; write project_id",
                    self.who,
                    several.len(),
                    listed.join(", ")
                );
                Err(Fault::new(FaultClass::Request, false, what))
            }
        }
    }

    async fn ask(&self, ask: &Ask<'_>) -> Result<(HeaderMap, Vec<u8>), Fault> {
        let client = fault::client(&self.clients, &self.url)?;
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        let target = sign::request_target(ask.path, ask.query);
        let mut request = client
            .request(ask.method.clone(), format!("{}{target}", self.origin))
            .timeout(PATIENCE)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json;charset=utf8");
        if let Some(identity) = ask.identity {
            let call = Call {
                method: ask.method.as_str(),
                host: self.origin.split_once("://").map_or("", |(_, host)| host),
                path: ask.path,
                query: ask.query,
                project_id: None,
                body: body.as_bytes(),
            };
            let headers = identity.authorize(&call, self.clock.now()).map_err(Fault::last)?;
            request = request.headers(headers);
        }
        let response = request.body(body).send().await;
        let response = response.map_err(|error| fault::of_silence(error, &self.origin))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            let body = http::read_capped(response, OBJECT_BYTES_MAX).await;
            return Ok((headers, body.map_err(|error| fault::of_body(error, &self.origin))?));
        }
        let body = http::read_capped(response, fault::BODY_BYTES_MAX).await.unwrap_or_default();
        let mut secrets = ask.identity.map(Identity::secrets).unwrap_or_default();
        secrets.extend(ask.secret.map(Secret::expose));
        let refusal = Refusal {
            who: &self.who,
            status: status.as_u16(),
            headers: &headers,
            body: &body,
            secrets: &secrets,
        };
        Err(fault::of_refusal(&refusal, self.clock.now()))
    }

    fn odd(&self, what: &str) -> Fault {
        Fault::new(FaultClass::Schema, false, format!("{} {what}", self.who))
    }

    fn unreadable(&self, what: &str, body: &[u8], error: &serde_json::Error) -> Fault {
        let page = fault::web_page(body);
        self.odd(&format!("gave no readable {what}{page}")).caused_by(shape(error))
    }
}

/// An error of the parser without the text that it quotes, which may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("the JSON is not as documented, at line {line}, column {column}")]
struct Shape {
    line: usize,
    column: usize,
}

fn shape(error: &serde_json::Error) -> Shape {
    Shape { line: error.line(), column: error.column() }
}

/// Reads `{"credential": {…}}`, as the identity service and the metadata service write it.
///
/// # Errors
///
/// [`FaultClass::Schema`].
pub(in crate::source) fn temporary_keys(
    body: &[u8],
    who: &str,
) -> Result<(Identity, Timestamp), Fault> {
    let page = fault::web_page(body);
    let odd = || Fault::new(FaultClass::Schema, false, format!("{who} gave no readable key{page}"));
    let CredentialBody { credential } =
        serde_json::from_slice(body).map_err(|error| odd().caused_by(shape(&error)))?;
    let Credential { access, secret, securitytoken, expires_at } = credential;
    if access.is_empty() || secret.is_empty() || securitytoken.is_empty() {
        return Err(odd());
    }
    let proof = Proof::Keys {
        access: Secret::new(access),
        secret: Secret::new(secret),
        token: Some(Secret::new(securitytoken)),
    };
    Ok((Identity::of(proof), expires_at))
}

#[derive(Deserialize)]
struct TokenBody {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    /// With and without a fraction of a second.
    expires_at: Timestamp,
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<Project>,
}

#[derive(Deserialize)]
struct CredentialBody {
    credential: Credential,
}

#[derive(Deserialize)]
struct Credential {
    access: String,
    secret: String,
    securitytoken: String,
    expires_at: Timestamp,
}
