//! What every HTTP client in here shares: time limits, no redirects, capped answers.
//!
//! Used by sources and sinks alike, so that no adapter builds a client of its own and none can
//! forget a limit.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{Client, Proxy, Response, header::HeaderMap, redirect::Policy};
use rustls::{ClientConfig, pki_types::CertificateDer};
use url::{Host, Url};

use self::tls::Trust;
use crate::options;

pub mod ca;
mod cause;
mod exempt;
mod guard;
mod pace;
mod tls;
mod witness;

pub use cause::{Chain, any_cause};
pub use guard::{PrivateAddress, is_private};
pub use pace::{HostLimit, Pace, Paces, Rate};
pub use tls::Identity;
pub use witness::{Handshake, Refused, Shown, Witness};

/// Longest wait for a TCP and TLS handshake. Shorter than every request limit, so that a host
/// that swallows packets is reported as such.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How we introduce ourselves.
pub const USER_AGENT: &str = concat!("taskbell/", env!("CARGO_PKG_VERSION"));

/// The two clients of a process: one for `http`, one for `https`.
///
/// Reading the host's root certificates takes longer than a whole poll of a local list, so each
/// client is built when it is first needed. Cloning shares them and their connection pools.
#[derive(Clone, Default)]
pub struct Clients {
    plain: Arc<OnceLock<Client>>,
    tls: Arc<OnceLock<Client>>,
    trust: Trust,
    route: Route,
    paces: Paces,
}

/// How the clients leave this host.
#[derive(Clone, Default)]
enum Route {
    /// As the environment says: `HTTPS_PROXY` and its like.
    #[default]
    Environment,
    /// By this proxy.
    Proxy(Box<Proxy>),
    /// By none.
    Direct,
    /// By none, and not to private addresses.
    Public,
}

impl Clients {
    /// Clients whose handshakes `witness` sees, and so those of all clients that are made of them.
    #[must_use]
    pub fn seen_by(witness: Witness) -> Self {
        let trust = Trust { witness: Some(witness), ..Trust::default() };
        Self { trust, ..Self::default() }
    }

    /// Clients of their own with the same trust, which show `identity` to receivers that want to see
    /// a certificate.
    #[must_use]
    pub fn showing(&self, identity: Identity) -> Self {
        let trust = Trust { identity: Some(Arc::new(identity)), ..self.trust.clone() };
        Self { trust, ..self.apart() }
    }

    /// Clients of their own with the same trust that refuse private addresses. They use no proxy:
    /// what a proxy resolves cannot be looked at.
    #[must_use]
    pub fn public_only(&self) -> Self {
        Self { route: Route::Public, ..self.apart() }
    }

    /// Clients of their own with the same trust that use no proxy.
    #[must_use]
    pub fn direct(&self) -> Self {
        Self { route: Route::Direct, ..self.apart() }
    }

    /// Clients of their own with the same trust that go through `proxy`.
    #[must_use]
    pub fn through(&self, proxy: Proxy) -> Self {
        Self { route: Route::Proxy(Box::new(proxy)), ..self.apart() }
    }

    /// Clients of their own that trust `roots` too.
    #[must_use]
    pub fn also_trusting(&self, roots: Vec<CertificateDer<'static>>) -> Self {
        let all = self.trust.roots.iter().cloned().chain(roots).collect();
        let trust = Trust { roots: Arc::new(all), ..self.trust.clone() };
        Self { trust, ..self.apart() }
    }

    /// The same, with every host asked at this pace.
    #[must_use]
    pub fn paced(self, paces: Paces) -> Self {
        Self { paces, ..self }
    }

    /// How often hosts are asked.
    #[must_use]
    pub fn paces(&self) -> &Paces {
        &self.paces
    }

    /// The same, without what was built already.
    fn apart(&self) -> Self {
        Self { plain: Arc::default(), tls: Arc::default(), ..self.clone() }
    }

    /// Whether these clients refuse private addresses.
    #[must_use]
    pub fn are_public_only(&self) -> bool {
        matches!(self.route, Route::Public)
    }

    /// The proxy by which these clients go to `url`, in words; `None` if they go there directly.
    #[must_use]
    pub fn proxy_of(&self, url: &Url) -> Option<String> {
        match &self.route {
            Route::Environment => environment_proxy(url.scheme())
                .filter(|_| exempt_from_proxy().is_none_or(|list| !exempt::is_exempt(&list, url))),
            Route::Proxy(_) => Some("the proxy that is set for it".to_owned()),
            Route::Direct | Route::Public => None,
        }
    }

    /// Refuses a URL that these clients must not go to, as far as it says so itself.
    ///
    /// # Errors
    ///
    /// [`PrivateAddress`].
    pub fn check(&self, url: &Url) -> Result<(), PrivateAddress> {
        if self.are_public_only() { guard::check(url) } else { Ok(()) }
    }

    /// The client for `url`.
    ///
    /// # Errors
    ///
    /// Only `https` can fail: when the host has no usable root certificates.
    pub fn get(&self, url: &Url) -> Result<Client, ClientError> {
        let is_tls = url.scheme() == "https";
        let cell = if is_tls { &self.tls } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = self.build(is_tls.then(|| self.trust.config()).transpose()?)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    /// What connections that do not speak HTTP, and are as trusting as these clients, are made with.
    ///
    /// # Errors
    ///
    /// When the host has no usable root certificates.
    pub fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        self.trust.config()
    }

    /// Makes a handshake with the host of `url`, an `https` one, on the way that requests take, and
    /// ends it before anything is said.
    ///
    /// # Errors
    ///
    /// [`LookError`].
    pub async fn look(&self, url: &Url) -> Result<(), LookError> {
        let client =
            self.trust.look().map_err(ClientError::from).and_then(|tls| self.build(Some(tls)));
        let client = client.map_err(LookError::NoClient)?;
        match client.head(url.clone()).timeout(CONNECT_TIMEOUT).send().await {
            Err(error) if !tls::has_seen_enough(&error) => {
                Err(LookError::NoAnswer(error.without_url()))
            }
            _ => Ok(()),
        }
    }

    fn build(&self, tls: Option<ClientConfig>) -> Result<Client, ClientError> {
        install_crypto();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true);
        // The plain client trusts nobody and thereby loads nothing.
        let builder = match tls {
            Some(mut tls) => {
                // Some gateways want to know before they answer.
                tls.alpn_protocols = vec![b"http/1.1".to_vec()];
                builder.tls_backend_preconfigured(tls)
            }
            None => builder.tls_certs_only([]),
        };
        let builder = match &self.route {
            Route::Environment => builder,
            Route::Proxy(proxy) => builder.proxy(Proxy::clone(proxy)),
            Route::Direct => builder.no_proxy(),
            Route::Public => builder.no_proxy().dns_resolver(Arc::new(guard::PublicOnly)),
        };
        Ok(builder.build()?)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing to trust, or a certificate of ours that is none.
    #[error("no TLS on this host")]
    Tls(#[from] rustls::Error),
    /// Anything else about it.
    #[error("no HTTP on this host")]
    Http(#[from] reqwest::Error),
}

/// Why a look at a host's certificate found no good one.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Nobody could look.
    #[error("nobody can look")]
    NoClient(#[source] ClientError),
    /// Nobody answered, or somebody with a bad certificate.
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

/// Which variable of the environment names a proxy for a scheme.
#[must_use]
pub fn environment_proxy(scheme: &str) -> Option<String> {
    let names = match scheme {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = |name: &&str| options::env(name).is_some_and(|value| !value.is_empty());
    names.iter().find(|name| set(name)).map(|name| format!("the proxy that {name} names"))
}

/// What the environment exempts from its proxy, as it is written.
#[must_use]
pub fn exempt_from_proxy() -> Option<String> {
    let set = |name: &str| options::env(name).filter(|value| !value.trim().is_empty());
    ["NO_PROXY", "no_proxy"].into_iter().find_map(set)
}

/// Names the process's one provider of cryptography. Needed before any client is built.
pub fn install_crypto() {
    // A second call finds the first one's provider in place, which is the same one.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Why an answer could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke or the time was up.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// It is longer than `bytes_max`.
    #[error("the answer is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
}

/// Reads the body of `response`, but never more than `bytes_max`.
///
/// # Errors
///
/// [`BodyError::TooLong`] as soon as the limit is passed; the rest is not read.
pub async fn read_capped(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let hint = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(hint.unwrap_or(0).min(bytes_max));
    while let Some(chunk) =
        response.chunk().await.map_err(|error| BodyError::Broken(error.without_url()))?
    {
        if bytes_max - body.len() < chunk.len() {
            return Err(BodyError::TooLong { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The `Retry-After` of an answer as a wait from `now`.
///
/// Takes whole seconds and the three forms of an HTTP date. A date in the past is no wait.
/// Anything else counts as absent. The caller caps it.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let at = Timestamp::try_from(date).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// Scheme, host and port of a URL: what may be shown of one whose path is a secret.
#[must_use]
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether only this host answers there, as far as the URL says so itself.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<u64>) {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Mon, 23 Nov 2026 10:00:30 GMT", Some(30));
        check("Monday, 23-Nov-26 10:00:30 GMT", Some(30));
        check("Mon Nov 23 10:00:30 2026", Some(30));
        check("Mon, 23 Nov 2026 09:00:00 GMT", Some(0));
        check("soon", None);
        check("-5", None);
        check("99999999999999", None);
    }
}
