//! What every HTTP client in here shares: time limits, no redirects, capped answers.
//!
//! Used by sources and sinks alike, so that no adapter builds a client of its own and none can
//! forget a limit.

use std::{
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{
    Certificate, Client, Identity, Proxy, Response, header::HeaderMap, redirect::Policy,
};
use url::{Host, Url};

use crate::options;

pub mod ca;
mod exempt;
mod guard;
mod pace;

pub use guard::{PrivateAddress, is_private};
pub use pace::{HostLimit, Pace, Paces, Rate};

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
    roots: Arc<Vec<Certificate>>,
    identity: Option<Identity>,
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
    /// Clients of their own that trust `roots` beside what the host trusts.
    #[must_use]
    pub fn trusting(roots: Vec<Certificate>) -> Self {
        Self { roots: Arc::new(roots), ..Self::default() }
    }

    /// Clients of their own with the same trust, which show `identity` to receivers that want to see
    /// a certificate.
    #[must_use]
    pub fn showing(&self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self.apart() }
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
    pub fn also_trusting(&self, roots: Vec<Certificate>) -> Self {
        let all = self.roots.iter().cloned().chain(roots).collect();
        Self { roots: Arc::new(all), ..self.apart() }
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
    pub fn get(&self, url: &Url) -> Result<Client, reqwest::Error> {
        let tls = url.scheme() == "https";
        let cell = if tls { &self.tls } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = self.build(tls)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    fn build(&self, tls: bool) -> Result<Client, reqwest::Error> {
        install_crypto();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true);
        // The plain client trusts nobody and thereby loads nothing.
        let builder = if tls {
            let builder = builder.tls_certs_merge(self.roots.iter().cloned());
            self.identity.iter().fold(builder, |builder, one| builder.identity(one.clone()))
        } else {
            builder.tls_certs_only([])
        };
        let builder = match &self.route {
            Route::Environment => builder,
            Route::Proxy(proxy) => builder.proxy(Proxy::clone(proxy)),
            Route::Direct => builder.no_proxy(),
            Route::Public => builder.no_proxy().dns_resolver(Arc::new(guard::PublicOnly)),
        };
        builder.build()
    }
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

/// Prints an error and all its causes on one line, joined by `: `.
///
/// Errors in this crate do not repeat their source in `Display`, so printing one alone loses
/// the cause. A cause that repeats the text before it is left out: some libraries do that.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !shown.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            shown = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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
