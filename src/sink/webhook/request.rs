//! What the operator adds to a request: headers, and who we are.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    options::{OptionError, SecretRef},
    secret::Secret,
};

/// Most headers to add. Receivers refuse a request with a hundred.
const HEADERS_MAX: usize = 32;

/// Longest value. Many receivers refuse a head of 8 KiB in all.
const VALUE_BYTES_MAX: usize = 4096;

/// Headers that say how a request is to be read, or who sends it.
const OURS: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];

/// Begins the names of the headers that the signature brings.
const WEBHOOK_PREFIX: &str = "webhook-";

/// Who we are to the receiver.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Auth {
    /// A user name and a password.
    Basic {
        /// Without a colon.
        username: String,
        /// Its password.
        password: SecretRef,
    },
    /// A token.
    Bearer {
        /// Without the word `Bearer`.
        token: SecretRef,
    },
}

/// What is added to each request, and what of it must not be repeated in an error.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub(super) headers: HeaderMap,
    pub(super) secrets: Vec<Secret>,
}

/// Reads the options `headers` and `auth`.
pub(super) fn added(
    headers: &BTreeMap<String, SecretRef>,
    auth: Option<&Auth>,
) -> Result<Added, OptionError> {
    let mut added = Added::default();
    if HEADERS_MAX < headers.len() {
        let problem = format!("must be at most {HEADERS_MAX}");
        return Err(OptionError::new("headers", problem));
    }
    for (name, value) in headers {
        let path = format!("headers.{name}");
        let wrong = |problem: &str| OptionError::new(&path, problem);
        let name: HeaderName = name.parse().map_err(|_| wrong("is not the name of a header"))?;
        if OURS.contains(&name) || name.as_str().starts_with(WEBHOOK_PREFIX) {
            return Err(wrong("is set by taskbell itself"));
        }
        if name == AUTHORIZATION && auth.is_some() {
            return Err(wrong("is set by auth; leave out one of them"));
        }
        let value = value.read().map_err(|problem| wrong(&problem))?;
        if added.headers.insert(name, sensitive(&value).map_err(wrong)?).is_some() {
            return Err(wrong("is given twice"));
        }
        added.secrets.push(value);
    }
    if let Some(auth) = auth {
        added.authorize(auth)?;
    }
    Ok(added)
}

impl Added {
    fn authorize(&mut self, auth: &Auth) -> Result<(), OptionError> {
        let wrong = |key: &'static str| move |problem| OptionError::new(key, problem);
        let (secret, key, value) = match auth {
            Auth::Basic { username, password } => {
                if username.contains(':') || username.chars().any(char::is_control) {
                    let problem = "must not hold a colon or a control character";
                    return Err(OptionError::new("auth.username", problem));
                }
                let password = password.read().map_err(wrong("auth.password"))?;
                let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
                self.secrets.push(Secret::new(pair.clone()));
                (password, "auth.password", format!("Basic {pair}"))
            }
            Auth::Bearer { token } => {
                let token = token.read().map_err(wrong("auth.token"))?;
                let value = format!("Bearer {}", token.expose());
                (token, "auth.token", value)
            }
        };
        let value = sensitive(&Secret::new(value));
        let value = value.map_err(|problem| OptionError::new(key, problem))?;
        self.headers.insert(AUTHORIZATION, value);
        self.secrets.push(secret);
        Ok(())
    }
}

/// A value that no log shows.
fn sensitive(value: &Secret) -> Result<HeaderValue, &'static str> {
    let text = value.expose();
    if VALUE_BYTES_MAX < text.len() {
        return Err("must have at most 4096 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("must not hold a line break or another control character");
    }
    let mut value = HeaderValue::from_str(text).map_err(|_| "cannot stand in a header")?;
    value.set_sensitive(true);
    Ok(value)
}
