//! Identities that somebody else gave us: an access key, or a token.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Built, Credential, header_secret, secret};
use crate::{
    options::SecretRef,
    source::huawei::{
        fault::Fault,
        identity::{Identity, Proof},
    },
};

/// `kind = "token"`: a token of the identity service, fetched by somebody else.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenOptions {
    /// Scoped to the project. It lives for 24 hours at most.
    token: SecretRef,
}

pub(super) fn token(options: &TokenOptions) -> Built {
    Ok(fixed(Identity::of(Proof::Token(header_secret("token", &options.token)?))))
}

/// `kind = "aksk"`: an access key pair, permanent or temporary.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysOptions {
    /// The access key id.
    access_key: SecretRef,
    /// The secret access key.
    secret_key: SecretRef,
    /// Comes with a temporary key pair.
    security_token: Option<SecretRef>,
}

pub(super) fn keys(options: &KeysOptions) -> Built {
    let token = options.security_token.as_ref();
    Ok(fixed(Identity::of(Proof::Keys {
        access: header_secret("access_key", &options.access_key)?,
        secret: secret("secret_key", &options.secret_key)?,
        token: token.map(|token| header_secret("security_token", token)).transpose()?,
    })))
}

/// A credential that is always `identity`.
pub(super) fn fixed(identity: Identity) -> Box<dyn Credential> {
    Box::new(Fixed { identity: Arc::new(identity) })
}

#[derive(Debug)]
struct Fixed {
    identity: Arc<Identity>,
}

#[async_trait]
impl Credential for Fixed {
    async fn identity(&self) -> Result<Arc<Identity>, Fault> {
        Ok(Arc::clone(&self.identity))
    }

    async fn renew(&self, _: &Arc<Identity>) -> Result<Option<Arc<Identity>>, Fault> {
        Ok(None)
    }

    fn lasting(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}
