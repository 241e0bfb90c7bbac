//! Looks on while servers show who they are, for an operator who wants to know: which certificates
//! they show, until when these are good, which root they end at, or why they are refused.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls::{
    CertificateError,
    pki_types::{CertificateDer, UnixTime},
};
use x509_cert::{Certificate, der::Decode, name::Name};

use crate::text;

/// Most certificates of one server that are looked at. Real chains have two to four.
const CHAIN_MAX: usize = 8;

/// Longest name of a certificate that is shown. Whoever answers may have chosen it.
const NAME_BYTES_MAX: usize = 200;

/// Most host names of a certificate that are shown.
const HOSTS_MAX: usize = 5;

const DAY_SECONDS: i64 = SignedDuration::from_hours(24).as_secs();

/// Keeps what was seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Vec<Handshake>>>);

/// What a server showed in a handshake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handshake {
    /// The name or address that it was asked for.
    pub host: String,
    /// Its certificate, then that of its issuer, and so on, as far as it showed them.
    pub chain: Vec<Shown>,
    /// Who signed the last of these.
    pub root: String,
    /// Whether that is one that the operator named.
    pub is_own_root: bool,
    /// Why it was refused.
    pub refused: Option<Refused>,
}

/// One certificate, in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// It is good until then.
    pub not_after: Timestamp,
    /// Whole days until then; negative: since then.
    pub days_left: i64,
}

/// Why a certificate was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// It, or one above it, has ended.
    Expired,
    /// It does not count yet.
    NotYet,
    /// It is signed by itself, and nobody named it as trusted.
    SelfSigned,
    /// It is one for signing others with, which no server may show.
    CaOnly,
    /// Nobody who is trusted signed it.
    UnknownIssuer,
    /// It is for these names.
    WrongName(Vec<String>),
    /// Anything else, in the words of the library.
    Other(String),
}

impl Witness {
    /// What was seen, each once, in the order of hosts.
    #[must_use]
    pub fn handshakes(&self) -> Vec<Handshake> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.sort_by(|one, other| one.host.cmp(&other.host));
        seen
    }

    /// Notes what a server showed.
    pub(super) fn note(&self, meeting: &Meeting<'_>) {
        let handshake = Handshake::of(meeting);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(&handshake) {
            seen.push(handshake);
        }
    }
}

/// What happens in a handshake.
#[derive(Clone, Copy)]
pub(super) struct Meeting<'a> {
    /// The name or address that was asked for.
    pub(super) host: &'a str,
    /// The server's own certificate first.
    pub(super) shown: &'a [&'a CertificateDer<'a>],
    /// Those that the operator named.
    pub(super) roots: &'a [CertificateDer<'a>],
    pub(super) now: UnixTime,
    /// Why it ends here, if it does.
    pub(super) refusal: Option<&'a rustls::Error>,
}

impl Handshake {
    fn of(meeting: &Meeting<'_>) -> Self {
        let Meeting { host, shown, roots, now, refusal } = *meeting;
        let chain = path(shown);
        let last = chain.last().map(|last| last.tbs_certificate().issuer().clone());
        let own = roots.iter().filter_map(|root| Certificate::from_der(root).ok());
        let is_own =
            |root: &Name| own.into_iter().any(|own| own.tbs_certificate().subject() == root);
        Self {
            host: host.to_owned(),
            refused: refusal.map(|error| Refused::of(error, &chain)),
            root: last.as_ref().map(in_words).unwrap_or_default(),
            is_own_root: last.as_ref().is_some_and(is_own),
            chain: chain.iter().filter_map(|one| Shown::new(one, now)).collect(),
        }
    }
}

impl Shown {
    fn new(certificate: &Certificate, now: UnixTime) -> Option<Self> {
        let tbs = certificate.tbs_certificate();
        let end = tbs.validity().not_after.to_unix_duration();
        let not_after = Timestamp::from_second(i64::try_from(end.as_secs()).ok()?).ok()?;
        let now = Timestamp::from_second(i64::try_from(now.as_secs()).ok()?).ok()?;
        let left = not_after.duration_since(now);
        Some(Self {
            subject: in_words(tbs.subject()),
            issuer: in_words(tbs.issuer()),
            not_after,
            days_left: left.as_secs().div_euclid(DAY_SECONDS),
        })
    }
}

impl Refused {
    fn of(error: &rustls::Error, chain: &[Certificate]) -> Self {
        use CertificateError as Why;

        let rustls::Error::InvalidCertificate(why) = error else {
            return Self::Other(error.to_string());
        };
        match why {
            Why::Expired | Why::ExpiredContext { .. } => Self::Expired,
            Why::NotValidYet | Why::NotValidYetContext { .. } => Self::NotYet,
            Why::NotValidForName => Self::WrongName(Vec::new()),
            Why::NotValidForNameContext { presented, .. } => {
                Self::WrongName(presented.iter().take(HOSTS_MAX).map(|name| bare(name)).collect())
            }
            Why::UnknownIssuer if is_self_signed(chain) => Self::SelfSigned,
            // The error's type is not among those that the library makes public.
            Why::Other(error) if format!("{error:?}").contains("CaUsedAsEndEntity") => Self::CaOnly,
            Why::UnknownIssuer => Self::UnknownIssuer,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The certificates from the server's own to the last that has a place above it, as far as they
/// can be read. Whatever else a server shows does not count.
fn path(shown: &[&CertificateDer<'_>]) -> Vec<Certificate> {
    let read = shown.iter().take(CHAIN_MAX).map_while(|one| Certificate::from_der(one).ok());
    let mut others: Vec<Certificate> = read.collect();
    if others.is_empty() {
        return others;
    }
    let mut path = vec![others.remove(0)];
    while let Some(last) = path.last() {
        let above = |one: &Certificate| {
            let issuer = last.tbs_certificate().issuer();
            issuer != last.tbs_certificate().subject() && issuer == one.tbs_certificate().subject()
        };
        match others.iter().position(above) {
            Some(at) => path.push(others.remove(at)),
            None => break,
        }
    }
    path
}

fn is_self_signed(chain: &[Certificate]) -> bool {
    chain
        .first()
        .is_some_and(|own| own.tbs_certificate().issuer() == own.tbs_certificate().subject())
}

/// `DnsName("a")` of the library as `a`.
fn bare(name: &str) -> String {
    let quoted = name.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    text::clean(quoted.map_or(name, |(inner, _)| inner), NAME_BYTES_MAX)
}

fn in_words(name: &Name) -> String {
    match text::clean(&name.to_string(), NAME_BYTES_MAX) {
        empty if empty.is_empty() => "(no name)".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests;
