//! Who may see the page and who may give orders.
//!
//! Three doors, each closed for another reason. The name under which the server was asked for
//! must be one of its own, or a stranger's page could have a name of its own lead here (DNS
//! rebinding). An order must not come from another site's page. And orders need the token, as
//! does everything if other hosts can reach the server.

use std::{fmt::Write as _, time::Duration};

use axum::http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::problem::Problem;
use crate::secret::Secret;

/// How long one need not sign in again.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Most cookies that are looked at. A browser has a few.
const COOKIES_MAX: usize = 64;

/// What the doors go by.
#[derive(Debug)]
pub(super) struct Guard {
    /// Needed for orders; without one, nobody gives any here.
    token: Option<Secret>,
    /// Names, beside addresses and `localhost`.
    hosts: Vec<String>,
    /// Whether only this host can reach the server, so that looking needs no token.
    local: bool,
    /// The session's cookie. Browsers give a cookie to every port of a host, so it has the port.
    cookie: String,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Visitor {
    /// Look.
    Looks,
    /// Look and give orders.
    Acts,
}

/// Why somebody does not get in.
#[derive(Debug)]
pub(super) enum Turned {
    /// Has to sign in.
    SignIn,
    /// For good.
    Away(Problem),
}

impl Guard {
    pub(super) fn new(token: Option<Secret>, hosts: Vec<String>, local: bool, port: u16) -> Self {
        Self { token, hosts, local, cookie: format!("taskbell_{port}") }
    }

    /// Whether there is a token to sign in with.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The name of the session's cookie.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Looks at a request before anything is done about it. `open`: what is asked for is no
    /// secret, such as the page to sign in with.
    pub(super) fn admit(
        &self,
        method: &Method,
        headers: &HeaderMap,
        open: bool,
        now: Timestamp,
    ) -> Result<Visitor, Turned> {
        let host = self.host(headers).map_err(Turned::Away)?;
        let is_order = !matches!(*method, Method::GET | Method::HEAD);
        let bearer = self.has_bearer(headers);
        if is_order && !bearer {
            same_site(headers, &host).map_err(Turned::Away)?;
        }
        if bearer || self.has_session(headers, now) {
            return Ok(Visitor::Acts);
        }
        if open {
            return Ok(Visitor::Looks);
        }
        if self.token.is_none() && is_order {
            let detail = "orders need a token, and none is configured: set status.token, or use \
                          the commands, which go through the control socket";
            return Err(Turned::Away(Problem::new(StatusCode::FORBIDDEN, detail)));
        }
        if is_order || !self.local { Err(Turned::SignIn) } else { Ok(Visitor::Looks) }
    }

    /// The name under which we are asked for, in lower case and with its port.
    fn host(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let mut all = headers.get_all(HOST).iter();
        let host = all.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = host.to_ascii_lowercase();
        let name = host_name(&host);
        let known = name == "localhost"
            || name.parse::<std::net::IpAddr>().is_ok()
            || self.hosts.iter().any(|own| own == name);
        if all.next().is_some() || !known {
            let detail = "this name is not one of ours: add it to status.hosts, or use an address";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        Ok(host)
    }

    /// Whether `given` is the token. Takes as long for a wrong one, however much of it is right.
    pub(super) fn is_token(&self, given: &str) -> bool {
        let Some(token) = &self.token else { return false };
        let expected = keyed(token.expose(), "bearer");
        let given = keyed(given, "bearer").finalize().into_bytes();
        expected.verify(&given).is_ok()
    }

    fn has_bearer(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = value.and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        given.is_some_and(|given| self.is_token(given))
    }

    /// A session that ends in [`SESSION`]. Not the token, and worth nothing without it.
    pub(super) fn session(&self, now: Timestamp) -> Option<String> {
        let ends = now.checked_add(SESSION).ok()?.as_second();
        let signature = keyed(self.token.as_ref()?.expose(), &format!("session {ends}"));
        let mut session = format!("{ends}.");
        for byte in signature.finalize().into_bytes() {
            let _infallible = write!(session, "{byte:02x}");
        }
        Some(session)
    }

    fn has_session(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(token) = &self.token else { return false };
        let Some(value) = cookie(headers, &self.cookie) else { return false };
        let Some((ends, hex)) = value.split_once('.') else { return false };
        let Ok(until) = ends.parse::<i64>() else { return false };
        let Some(given) = unhex(hex) else { return false };
        let expected = keyed(token.expose(), &format!("session {until}"));
        now.as_second() < until && expected.verify_slice(&given).is_ok()
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).take(COOKIES_MAX);
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn keyed(key: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("takes any length");
    mac.update(text.as_bytes());
    mac
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The part of `Host` without the port.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(address, _)| address);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Refuses what a page of another site asked a browser to send. Programs send neither header.
fn same_site(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign_fetch = text("sec-fetch-site").is_some_and(|site| site != "same-origin");
    let origin = text(ORIGIN.as_str());
    let foreign_origin = origin.is_some_and(|origin| {
        let own = origin.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
        own.as_deref() != Some(host)
    });
    // A browser that says neither cannot be told from one that hides where the order came from.
    let hidden = origin.is_none() && headers.contains_key(COOKIE);
    if foreign_fetch || foreign_origin || hidden {
        let detail = "an order must come from a page of this server, or with the token";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
