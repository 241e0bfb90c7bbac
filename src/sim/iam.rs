//! The endpoints of IAM that a client of the Key Pair Service needs.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{
    accounts::{Accounts, Identity},
    answer::Answer,
    world::World,
};

#[derive(Deserialize)]
struct TokenBody {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: IdentityBody,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
struct IdentityBody {
    methods: Vec<String>,
    password: Option<Password>,
}

#[derive(Deserialize)]
struct Password {
    user: UserBody,
}

#[derive(Deserialize)]
struct UserBody {
    name: String,
    password: String,
    domain: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Scope {
    project: Option<ProjectRef>,
}

#[derive(Deserialize)]
struct ProjectRef {
    id: Option<String>,
    name: Option<String>,
}

/// `POST /v3/auth/tokens`: a token for a password.
pub(super) fn token(
    world: &mut World,
    accounts: &mut Accounts,
    query: &str,
    body: &[u8],
    now: Timestamp,
) -> Answer {
    let invalid = || Answer::iam(400, "The request body is invalid", "Bad Request");
    let Ok(TokenBody { auth }) = serde_json::from_slice(body) else { return invalid() };
    let by_password = auth.identity.methods.iter().any(|method| method == "password");
    let Some(Password { user }) = auth.identity.password.filter(|_| by_password) else {
        return invalid();
    };
    let Some(user) = accounts.user(&user.name, &user.password, &user.domain.name).cloned() else {
        return Answer::iam(401, "The username or password is wrong.", "Unauthorized");
    };
    let identity = Identity { proof: user.name.clone(), projects: user.projects.clone() };
    let wanted = auth.scope.and_then(|scope| scope.project);
    let project = wanted.as_ref().and_then(|wanted| {
        world.projects().iter().find(|project| {
            identity.sees(&project.id)
                && wanted.id.as_ref().is_none_or(|id| *id == project.id)
                && wanted.name.as_ref().is_none_or(|name| *name == project.name)
        })
    });
    if wanted.is_some() && project.is_none() {
        return Answer::iam(404, "Could not find the project of the scope.", "Not Found");
    }
    // Without a scope the token is one of the account, which opens no project.
    let ids = project.map(|project| project.id.clone()).into_iter().collect();
    let domain = json!({"name": user.domain, "id": "0".repeat(32)});
    let project =
        project.map(|project| json!({"id": project.id, "name": project.name, "domain": domain}));
    let (value, expires_at) = accounts.issue(Some(ids), now, &mut world.random);
    let mut token = json!({
        "expires_at": time(expires_at),
        "issued_at": time(now),
        "methods": ["password"],
        "roles": [{"id": "0", "name": "te_admin"}],
        "user": {"id": "1".repeat(32), "name": user.name, "domain": domain,
                 "password_expires_at": ""},
    });
    if let Some(fields) = token.as_object_mut() {
        if let Some(project) = project {
            fields.insert("project".to_owned(), project);
        } else {
            fields.insert("domain".to_owned(), domain);
        }
        if !url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "nocatalog") {
            fields.insert("catalog".to_owned(), json!([]));
        }
    }
    Answer::value(201, &json!({"token": token})).with("X-Subject-Token", value)
}

/// `GET /v3/projects?name=…`.
pub(super) fn projects(world: &World, identity: &Identity, query: &str) -> Answer {
    let name = url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "name")
        .map(|(_, value)| value);
    let found: Vec<serde_json::Value> = world
        .projects()
        .iter()
        .filter(|project| identity.sees(&project.id))
        .filter(|project| name.as_deref().is_none_or(|name| name == project.name))
        .map(|project| {
            let domain_id = "0".repeat(32);
            json!({
                "id": project.id, "name": project.name, "description": "",
                "domain_id": domain_id, "parent_id": domain_id,
                "enabled": true, "is_domain": false,
                "links": {"self": format!("/v3/projects/{}", project.id)},
            })
        })
        .collect();
    let links = json!({"self": "/v3/projects", "previous": null, "next": null});
    Answer::value(200, &json!({"projects": found, "links": links}))
}

#[derive(Deserialize)]
struct KeyBody {
    auth: KeyAuth,
}

#[derive(Deserialize)]
struct KeyAuth {
    identity: KeyIdentity,
}

#[derive(Deserialize)]
struct KeyIdentity {
    methods: Vec<String>,
    assume_role: Option<AssumeRole>,
    token: Option<TokenRef>,
}

#[derive(Deserialize)]
struct AssumeRole {
    domain_name: String,
    agency_name: String,
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct TokenRef {
    duration_seconds: Option<u64>,
}

/// `POST /v3.0/OS-CREDENTIAL/securitytokens`: a temporary key, of one's own or of an agency.
pub(super) fn security_token(
    world: &mut World,
    accounts: &mut Accounts,
    identity: &Identity,
    body: &[u8],
    now: Timestamp,
) -> Answer {
    const SECONDS_DEFAULT: u64 = 900;
    let invalid = || Answer::iam(400, "The request body is invalid", "Bad Request");
    let Ok(KeyBody { auth }) = serde_json::from_slice(body) else { return invalid() };
    let KeyIdentity { methods, assume_role, token } = auth.identity;
    let by = |name: &str| methods.iter().any(|method| method == name);
    let (projects, seconds) = match assume_role {
        Some(role) if by("assume_role") => {
            let agency = accounts.agency(&role.domain_name, &role.agency_name);
            let Some(agency) = agency else {
                let message = "You have no right to do this action";
                return Answer::iam(403, message, "Forbidden");
            };
            (agency.projects.clone(), role.duration_seconds)
        }
        _ if by("token") => {
            (identity.projects.clone(), token.and_then(|token| token.duration_seconds))
        }
        _ => return invalid(),
    };
    let seconds = seconds.unwrap_or(SECONDS_DEFAULT);
    if !(SECONDS_DEFAULT..=24 * 3600).contains(&seconds) {
        return invalid();
    }
    let ttl = Duration::from_secs(seconds);
    Answer::value(201, &accounts.issue_key(projects, ttl, now, &mut world.random).body())
}

/// `2020-01-04T09:05:22.701000Z`: always six digits of a second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
