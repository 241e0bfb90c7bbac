//! `kind = "metadata"`: the agency of the ECS that we run on.
//!
//! The metadata service of the host gives out a temporary key, rotated about every hour. It is
//! asked as its second version wants, with a token fetched first, and as its first version where
//! it knows no tokens. It is on this host's own network: no proxy is used.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    Built, Seal, Setting,
    renewing::{Fetch, Fetched, Renewing},
};
use crate::{
    clock::Clock,
    http::{self, Clients},
    options::OptionError,
    source::{
        FaultClass, SourceError,
        huawei::{
            client::OBJECT_BYTES_MAX,
            endpoint,
            fault::{self, Fault, Refusal},
            iam,
        },
    },
};

/// The same on every ECS.
const ENDPOINT: &str = "http://169.254.169.254";

/// It is on the same host. Elsewhere nothing answers at that address, which should be known soon.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a token of the second version shall live. It is used at once.
const TOKEN_TTL_SECONDS: &str = "60";

/// Longest such token. Real ones have about 100 bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// What the service says if the ECS has no agency. Its status alone means three things.
const NO_AGENCY: &str = "Please configure Cloud Service Agency first";

/// `kind = "metadata"`: the agency of the ECS that taskbell runs on; there is no secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Default: `http://169.254.169.254`.
    endpoint: Option<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "all kinds are built alike")]
pub(super) fn build(options: Options, setting: &Setting) -> Built {
    at(options.endpoint.as_deref(), "endpoint", setting)
}

/// The credential of the metadata service at an address, which is written under `key`.
pub(super) fn at(address: Option<&str>, key: &str, setting: &Setting) -> Built {
    let url = match address {
        Some(text) => endpoint::check(key, text, false)?,
        None => Url::parse(ENDPOINT).map_err(|_| OptionError::new(key, "is required"))?,
    };
    let metadata = Metadata {
        origin: http::origin(&url),
        url,
        clients: setting.clients.direct(),
        clock: setting.clock.clone(),
    };
    Ok(Box::new(Renewing::new(metadata, setting.clock.clone(), setting.shelf.standings())))
}

#[derive(Debug)]
struct Metadata {
    origin: String,
    url: Url,
    clients: Clients,
    clock: std::sync::Arc<dyn Clock>,
}

impl Metadata {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &str)>,
    ) -> Result<Response, Fault> {
        let client = fault::client(&self.clients, &self.url)?;
        let mut request =
            client.request(method, format!("{}{path}", self.origin)).timeout(PATIENCE);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| {
            let mut fault = fault::of_silence(error, &self.origin);
            fault.error.what =
                format!("no answer from the metadata service {}; is this an ECS?", self.origin);
            fault
        })
    }

    /// A token of the second version; `None` if only the first is there.
    async fn token(&self) -> Result<Option<String>, Fault> {
        let ttl = ("x-metadata-token-ttl-seconds", TOKEN_TTL_SECONDS);
        let response = self.ask(Method::PUT, "/meta-data/latest/api/token", Some(ttl)).await?;
        match response.status().as_u16() {
            200..=299 => (),
            404 | 405 | 503 => return Ok(None),
            status => return Err(self.refused(status, response).await),
        }
        let body = http::read_capped(response, TOKEN_BYTES_MAX).await;
        let body = body.map_err(|error| fault::of_body(error, &self.origin))?;
        let token = String::from_utf8_lossy(body.trim_ascii()).into_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = format!("the metadata service {} gave no token", self.origin);
            return Err(Fault::new(FaultClass::Schema, false, what));
        }
        Ok(Some(token))
    }

    async fn refused(&self, status: u16, response: Response) -> Fault {
        let headers = response.headers().clone();
        let body = http::read_capped(response, fault::BODY_BYTES_MAX).await.unwrap_or_default();
        if String::from_utf8_lossy(&body).contains(NO_AGENCY) {
            let what = "this ECS has no agency; bind one to it in the console, or use another kind \
                        of auth";
            return Fault::last(SourceError::new(FaultClass::Auth, what));
        }
        let who = format!("the metadata service {}", self.origin);
        let refusal = Refusal { who: &who, status, headers: &headers, body: &body, secrets: &[] };
        let mut fault = fault::of_refusal(&refusal, self.clock.now());
        if matches!(status, 400..500) {
            // It knows no permissions: whoever is refused has no agency, or is not where it is.
            fault.error.class = FaultClass::Auth;
            fault.error.what.push_str("; is this an ECS with an agency?");
        }
        fault
    }
}

#[async_trait]
impl Fetch for Metadata {
    async fn fetch(&self) -> Result<Fetched, Fault> {
        let token = self.token().await?;
        let header = token.as_deref().map(|token| ("x-metadata-token", token));
        let response = self.ask(Method::GET, "/openstack/latest/securitykey", header).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(status.as_u16(), response).await);
        }
        let body = http::read_capped(response, OBJECT_BYTES_MAX).await;
        let body = body.map_err(|error| fault::of_body(error, &self.origin))?;
        let (identity, expires_at) =
            iam::temporary_keys(&body, &format!("the metadata service {}", self.origin))?;
        Ok(Fetched { identity, expires_at })
    }

    fn seal(&self) -> Option<Seal> {
        // Nothing is shown that could be locked.
        None
    }
}
