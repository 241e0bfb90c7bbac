//! Who may ask: access keys, tokens and users.
//!
//! Answers one question, who sent a request, and gives the gateway's own words when the answer
//! is nobody. Also remembers refused signatures: the gateway locks a key that fails too often.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    iam,
    random::Random,
    scenario::{Agency, Scenario, User},
    verify::{self, Signed},
};

/// Refused signatures in a row that lock an access key.
const REFUSED_MAX: u32 = 5;

/// How long a locked access key stays so.
const LOCKED_FOR: Duration = Duration::from_secs(5 * 60);

/// What a sender may see.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// How it proved itself, for the log.
    pub proof: String,
    /// Ids of projects, or all.
    pub projects: Option<Vec<String>>,
}

impl Identity {
    /// Whether it may see the project.
    pub(super) fn sees(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|ids| ids.iter().any(|id| id == project))
    }
}

/// Why a sender is nobody.
#[derive(Clone, Debug)]
pub(super) struct Denied {
    code: &'static str,
    /// For the log and, behind a fixed phrase, for the answer.
    pub message: String,
}

impl Denied {
    /// The one kind that has many messages.
    fn iam(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code: "APIGW.0301",
            message: format!("Incorrect IAM authentication information: {message}"),
        }
    }

    /// 401 in the shape of whoever says it.
    pub(super) fn answer(&self, request_id: &str) -> Answer {
        if self.code.starts_with("KPS.") {
            Answer::kps(401, self.code, &self.message)
        } else {
            Answer::gateway(401, self.code, &self.message, request_id)
        }
    }
}

/// All accounts of a simulator.
#[derive(Debug)]
pub(super) struct Accounts {
    keys: BTreeMap<String, Key>,
    tokens: BTreeMap<String, Token>,
    users: Vec<User>,
    agencies: Vec<Agency>,
    token_ttl: Duration,
}

/// A key pair for a while.
#[derive(Clone, Debug)]
pub(super) struct TemporaryKey {
    pub access: String,
    pub secret: String,
    pub security_token: String,
    pub expires_at: Timestamp,
}

impl TemporaryKey {
    /// As IAM and the metadata service write it.
    pub(super) fn body(&self) -> Value {
        json!({"credential": {
            "access": self.access,
            "secret": self.secret,
            "securitytoken": self.security_token,
            "expires_at": iam::time(self.expires_at),
        }})
    }
}

#[derive(Debug)]
struct Key {
    secret: String,
    security_token: Option<String>,
    expires_at: Option<Timestamp>,
    projects: Option<Vec<String>>,
    refused: u32,
    locked_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Token {
    expires_at: Option<Timestamp>,
    projects: Option<Vec<String>>,
}

impl Accounts {
    /// The accounts of a scenario that starts at `started_at`.
    pub(super) fn new(scenario: &Scenario, started_at: Timestamp) -> Self {
        let after = |period: Option<crate::options::Period>| {
            period.map(|period| started_at.checked_add(period.0).unwrap_or(Timestamp::MAX))
        };
        let keys = scenario.access_keys.iter().map(|key| {
            let state = Key {
                secret: key.secret.clone(),
                security_token: key.security_token.clone(),
                expires_at: after(key.expires_in),
                projects: key.projects.clone(),
                refused: 0,
                locked_until: None,
            };
            (key.key.clone(), state)
        });
        let tokens = scenario.tokens.iter().map(|token| {
            let (expires_at, projects) = (after(token.expires_in), token.projects.clone());
            (token.value.clone(), Token { expires_at, projects })
        });
        Self {
            keys: keys.collect(),
            tokens: tokens.collect(),
            users: scenario.users.clone(),
            agencies: scenario.agencies.clone(),
            token_ttl: scenario.token_ttl.0,
        }
    }

    /// Who sent `request`.
    ///
    /// # Errors
    ///
    /// [`Denied`]. A refused signature also counts against its key.
    pub(super) fn identify(
        &mut self,
        request: &Signed<'_>,
        now: Timestamp,
    ) -> Result<Identity, Denied> {
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(header) = text("authorization") {
            return self.identify_key(request, header, now);
        }
        let Some(value) = text("x-auth-token").filter(|value| !value.is_empty()) else {
            let message = "token missing or not authenticated".to_owned();
            return Err(Denied { code: "KPS.9001", message });
        };
        let token = self.tokens.get(value).ok_or_else(|| Denied::iam("decrypt token fail"))?;
        if token.expires_at.is_some_and(|at| at <= now) {
            let message = "The token must be updated.".to_owned();
            return Err(Denied { code: "APIGW.0307", message });
        }
        Ok(Identity { proof: "token".to_owned(), projects: token.projects.clone() })
    }

    fn identify_key(
        &mut self,
        request: &Signed<'_>,
        header: &str,
        now: Timestamp,
    ) -> Result<Identity, Denied> {
        let authorization = verify::parse(header)
            .ok_or_else(|| Denied::iam("the Authorization header is malformed"))?;
        let access = authorization.access;
        let key = self
            .keys
            .get_mut(access)
            .ok_or_else(|| Denied::iam(format!("ak {access} not exist")))?;
        if key.locked_until.is_some_and(|until| now < until) {
            return Err(Denied::iam("AK access failed to reach the limit,forbidden"));
        }
        if let Err(refusal) = verify::verify(request, &authorization, &key.secret, now) {
            key.refused += 1;
            if REFUSED_MAX <= key.refused {
                key.refused = 0;
                key.locked_until = now.checked_add(LOCKED_FOR).ok();
            }
            return Err(Denied::iam(refusal.to_string()));
        }
        key.refused = 0;
        let shown =
            request.headers.get("x-security-token").map(hyper::header::HeaderValue::as_bytes);
        if let Some(expected) = &key.security_token {
            if shown != Some(expected.as_bytes()) {
                return Err(Denied::iam(
                    "the securitytoken is missing or does not belong to the ak",
                ));
            }
            if key.expires_at.is_some_and(|at| at <= now) {
                return Err(Denied::iam("the securitytoken has expired"));
            }
        }
        Ok(Identity { proof: access.to_owned(), projects: key.projects.clone() })
    }

    /// The user with these credentials.
    pub(super) fn user(&self, name: &str, password: &str, domain: &str) -> Option<&User> {
        self.users
            .iter()
            .find(|user| user.name == name && user.password == password && user.domain == domain)
    }

    /// The agency of this name in this account.
    pub(super) fn agency(&self, domain: &str, name: &str) -> Option<&Agency> {
        self.agencies.iter().find(|agency| agency.domain == domain && agency.name == name)
    }

    /// Makes a temporary key.
    pub(super) fn issue_key(
        &mut self,
        projects: Option<Vec<String>>,
        ttl: Duration,
        now: Timestamp,
        random: &mut Random,
    ) -> TemporaryKey {
        let expires_at = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        let key = TemporaryKey {
            access: format!("TEMP{}", random.hex32()),
            secret: random.hex32(),
            security_token: format!("SimulatedSecurityToken{}", random.hex32()),
            expires_at,
        };
        let state = Key {
            secret: key.secret.clone(),
            security_token: Some(key.security_token.clone()),
            expires_at: Some(expires_at),
            projects,
            refused: 0,
            locked_until: None,
        };
        self.keys.insert(key.access.clone(), state);
        key
    }

    /// Makes a token. Returns it and when it expires.
    pub(super) fn issue(
        &mut self,
        projects: Option<Vec<String>>,
        now: Timestamp,
        random: &mut Random,
    ) -> (String, Timestamp) {
        let expires_at = now.checked_add(self.token_ttl).unwrap_or(Timestamp::MAX);
        let value = format!("MIISimulated{}{}", random.hex32(), random.hex32());
        self.tokens.insert(value.clone(), Token { expires_at: Some(expires_at), projects });
        (value, expires_at)
    }

    /// Lets every token and every temporary key expire, at `now`.
    pub(super) fn expire_tokens(&mut self, now: Timestamp) {
        for key in self.keys.values_mut().filter(|key| key.security_token.is_some()) {
            key.expires_at = Some(now);
        }
        for token in self.tokens.values_mut() {
            token.expires_at = Some(now);
        }
    }
}
