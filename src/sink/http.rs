//! The one way by which sinks speak HTTP: a POST, a capped answer and a verdict.
//!
//! A kind brings a [`Service`]: what to send and what an answer means, both pure. Everything else
//! is here. Redirects are not followed, and an error names the receiver's origin and nothing else
//! of its URL. A few words of a refusal's body are kept for the operator, after everything that is
//! secret was taken out of them.

use std::{error::Error, fmt, path::Path, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Body, Response, StatusCode, header::HeaderValue};
use tokio::{net, time::timeout};
use url::Url;

use super::{ANSWER_BYTES_MAX, Parcel, Receipt, Sink, SinkError, ca, identity::Identity};
use crate::{
    delivery::Verdict,
    http::{
        CONNECT_TIMEOUT, ClientError, Clients, LookError, PrivateAddress, any_cause, is_private,
        origin, read_capped,
    },
    message::MessageRef,
    notice::Notice,
    options::{OptionError, SecretRef},
    render::Words,
    secret::Secret,
};

mod redact;
mod reply;
mod request;

pub(super) use redact::Redactor;
pub(super) use reply::{Answered, Reply, seconds, words};
pub(super) use request::{Place, Request, with_fields};

/// How long the body of an answer may take once its status is there, if the status alone decides:
/// a receiver that trickles its body must not turn an answer into a time-out.
const BODY_WAIT: Duration = Duration::from_secs(2);

/// The same if the body decides. The caller's own limit is usually nearer.
const VERDICT_WAIT: Duration = Duration::from_secs(20);

/// What tells one HTTP service from another.
pub(super) trait Service: fmt::Debug + Send + Sync + 'static {
    /// Whether a 2xx means nothing without its body.
    const VERDICT_IN_BODY: bool;

    /// What is stored and sent at every attempt. Holds no secret, because it is stored.
    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8>;

    /// What goes over the wire: the payload with what renews at each attempt and what must not be
    /// stored. As it is, for most.
    ///
    /// # Errors
    ///
    /// When the parcel cannot be sent this way at all.
    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        Ok(Request::json(parcel.body.to_vec()))
    }

    /// What an answer means.
    fn judge(&self, reply: &Reply<'_>) -> Answered;
}

/// A sink that posts each notice to one place.
#[derive(Debug)]
pub(super) struct Posted<S> {
    pub(super) endpoint: Endpoint,
    /// How the operator wants notices worded.
    pub(super) words: Words,
    pub(super) service: S,
}

impl<S: Service> Posted<S> {
    async fn attempt(&self, parcel: &Parcel<'_>) -> Result<Receipt, SinkError> {
        let request = self.service.request(parcel)?;
        let wait = if S::VERDICT_IN_BODY { VERDICT_WAIT } else { BODY_WAIT };
        let judge = |reply: &Reply<'_>| self.service.judge(reply);
        let kept = self.endpoint.exchange(request, parcel.now, wait, &judge).await?;
        Ok(kept.map_or(Receipt::Whole, Receipt::Kept))
    }
}

#[async_trait]
impl<S: Service> Sink for Posted<S> {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        self.service.payload(notice, &self.words)
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        match self.attempt(&parcel).await {
            // Perhaps for the sake of the message that it was to follow: that one may be gone, too
            // old or locked, in words that no list of ours would hold. One of its own has to do.
            Err(error) if parcel.original.is_some() && error.verdict == Verdict::Suspect => {
                self.attempt(&Parcel { original: None, ..parcel }).await
            }
            result => result,
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.endpoint.probe().await
    }
}

/// The options that decide where requests may go, whom they trust and whom they show themselves as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'a> {
    ca_file: Option<&'a Path>,
    allow_private: bool,
    identity: Option<&'a Identity>,
}

impl<'a> Reach<'a> {
    /// What the options of these names say.
    pub(super) fn new(ca_file: Option<&'a Path>, allow_private: bool) -> Self {
        Self { ca_file, allow_private, identity: None }
    }

    /// With `identity`, if there is one, for receivers that want to see a certificate.
    pub(super) fn showing(self, identity: Option<&'a Identity>) -> Self {
        Self { identity, ..self }
    }

    /// The place at `url`, which was written under `key`. Through `shared` clients, or through ones
    /// of its own if it differs from the others.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL or one of the files of certificates.
    pub(super) fn endpoint(
        self,
        (key, url): (&'static str, &Secret),
        shared: Clients,
        secrets: Redactor,
    ) -> Result<Endpoint, OptionError> {
        let clients = trusting(shared, self.ca_file)?;
        let clients = match self.identity {
            None => clients,
            Some(identity) => clients.showing(identity.parts()?),
        };
        let clients = if self.allow_private { clients } else { clients.public_only() };
        let endpoint = Endpoint::new(url, clients, secrets)
            .map_err(|problem| OptionError::new(key, problem))?;
        if self.identity.is_some() && endpoint.url.scheme() != "https" {
            return Err(OptionError::new("client_cert", "is for https:// only"));
        }
        Ok(endpoint)
    }
}

/// The default of `allow_private`.
pub(super) fn yes() -> bool {
    true
}

/// `clients`, or some of their own that trust what is in the file of the option `ca_file`, too.
///
/// # Errors
///
/// What is wrong with the file.
pub(super) fn trusting(clients: Clients, ca_file: Option<&Path>) -> Result<Clients, OptionError> {
    let Some(path) = ca_file else { return Ok(clients) };
    let roots = ca::read(path).map_err(|problem| OptionError::new("ca_file", problem))?;
    Ok(clients.also_trusting(roots))
}

/// The value of `Authorization` for a token that stands under `key`.
///
/// # Errors
///
/// When the token cannot stand in a header.
pub(super) fn bearer(key: &'static str, token: &Secret) -> Result<HeaderValue, OptionError> {
    sensitive(key, &format!("Bearer {}", token.expose()))
}

/// A header's value that `Debug` does not show, made of what stands under `key`.
///
/// # Errors
///
/// When it cannot stand in a header.
pub(super) fn sensitive(key: &'static str, value: &str) -> Result<HeaderValue, OptionError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| OptionError::new(key, "must be one line of plain characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads the secret under `key`.
///
/// # Errors
///
/// Where it was looked for, never what it is.
pub(super) fn read(key: &'static str, secret: &SecretRef) -> Result<Secret, OptionError> {
    secret.read().map_err(|problem| OptionError::new(key, problem))
}

/// A URL to post to.
pub(super) struct Endpoint {
    url: Url,
    clients: Clients,
    redactor: Redactor,
}

impl Endpoint {
    /// Checks `url`, which may work like a password. Errors never show `secrets`.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, in words that do not repeat it.
    fn new(url: &Secret, clients: Clients, secrets: Redactor) -> Result<Self, String> {
        let url = Url::parse(url.expose()).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                "is not a URL: it does not begin with https:// or http://".to_owned()
            }
            error => format!("is not a URL: {error}"),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with https:// or http://".to_owned());
        }
        clients.check(&url).map_err(|error| error.to_string())?;
        let mut redactor = secrets;
        redactor.hide_url(&url);
        Ok(Self { url, clients, redactor })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        origin(&self.url)
    }

    /// Sends `request`, reads the answer and has it judged. Gives the place of the message, if the
    /// receiver said it.
    ///
    /// # Errors
    ///
    /// What was judged a refusal, and every way to get no judgement.
    pub(super) async fn exchange(
        &self,
        request: Request,
        now: Timestamp,
        body_wait: Duration,
        judge: &(dyn Fn(&Reply<'_>) -> Answered + Sync),
    ) -> Result<Option<MessageRef>, SinkError> {
        let mut response = self.post(request).await?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        // A yes is read to its end too: only then can the connection be used again.
        let wait = if status.is_success() { body_wait } else { BODY_WAIT };
        let body = timeout(wait, read_capped(response, ANSWER_BYTES_MAX)).await;
        let body = body.ok().and_then(Result::ok);
        let reply =
            Reply { status: status.as_u16(), headers: &headers, body: body.as_deref(), now };
        match judge(&reply) {
            Answered::Accepted => Ok(None),
            Answered::Kept(message) => Ok(Some(message)),
            Answered::Refused(verdict, why) => Err(self.refused(status, verdict, &why)),
            Answered::Unclear => {
                let why = format!("not the word of a yes: {}", reply.text());
                let retry = Verdict::Retry { after: None };
                Err(SinkError { uncertain: true, ..self.refused(status, retry, &why) })
            }
        }
    }

    fn refused(&self, status: StatusCode, verdict: Verdict, why: &str) -> SinkError {
        let mut what = format!("{} answered {status}", self.origin());
        let why = self.redactor.excerpt(why);
        if !why.is_empty() {
            what.push_str(": ");
            what.push_str(&why);
        }
        SinkError::new(verdict, what)
    }

    async fn post(&self, request: Request) -> Result<Response, SinkError> {
        let client = self.clients.get(&self.url).map_err(no_tls)?;
        let mut url = request.place.of(&self.url);
        if let Some(more) = &request.query {
            let query = match url.query() {
                Some(query) if !query.is_empty() => format!("{query}&{more}"),
                _ => more.clone(),
            };
            url.set_query(Some(&query));
        }
        let sent = client.request(request.method, url).headers(request.headers);
        let sent = sent.body(Body::from(request.body));
        sent.send().await.map_err(|error| self.no_answer(error))
    }

    /// What became of a request without an answer. Up to the handshake nothing was sent; after
    /// it, everything may have arrived.
    fn no_answer(&self, error: reqwest::Error) -> SinkError {
        let hopeless = error.is_builder() || is_untrusted(&error) || is_forbidden(&error);
        let verdict = if hopeless { Verdict::Suspect } else { Verdict::Retry { after: None } };
        let uncertain = !hopeless && !error.is_connect();
        let error = SinkError::new(verdict, format!("no answer from {}", self.origin()))
            .caused_by(error.without_url());
        SinkError { uncertain, ..error }
    }

    /// Resolves the host, connects to it and looks at its certificate, and sends nothing.
    pub(super) async fn probe(&self) -> Result<(), SinkError> {
        if self.url.scheme() == "https" {
            return match self.clients.look(&self.url).await {
                Ok(()) => Ok(()),
                Err(LookError::NoAnswer(error)) => Err(self.no_answer(error)),
                Err(LookError::NoClient(error)) => Err(no_tls(error)),
            };
        }
        match timeout(CONNECT_TIMEOUT, self.connect()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(self.unreachable().caused_by(elapsed)),
        }
    }

    async fn connect(&self) -> Result<(), SinkError> {
        // The brackets of an IPv6 address belong to the URL, not to the address.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or_default();
        let found = net::lookup_host((host, port)).await;
        let mut found: Vec<_> =
            found.map_err(|error| self.unreachable().caused_by(error))?.collect();
        if self.clients.are_public_only() {
            found.retain(|address| !is_private(address.ip()));
            if found.is_empty() {
                let error = SinkError { verdict: Verdict::Suspect, ..self.unreachable() };
                return Err(error.caused_by(PrivateAddress));
            }
        }
        let connected = net::TcpStream::connect(found.as_slice()).await;
        connected.map(drop).map_err(|error| self.unreachable().caused_by(error))
    }

    fn unreachable(&self) -> SinkError {
        let what = format!("cannot connect to {}", self.origin());
        SinkError::new(Verdict::Retry { after: None }, what)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn no_tls(error: ClientError) -> SinkError {
    SinkError::new(Verdict::Suspect, "no TLS: the host has no usable root certificates")
        .caused_by(error)
}

/// Whether a certificate was refused anywhere in the causes of `error`.
///
/// That is configuration on one of the two sides; other trouble in a handshake may pass.
pub(super) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let refused = |error: &(dyn Error + 'static)| {
        matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
    };
    any_cause(error, &refused)
}

/// Whether the host was refused for being private.
fn is_forbidden(error: &(dyn Error + 'static)) -> bool {
    any_cause(error, &|error| error.is::<PrivateAddress>())
}

#[cfg(test)]
mod tests;
