//! The one way by which sinks speak HTTP: a POST, a capped answer and a verdict.
//!
//! Redirects are not followed, and an error names the receiver's origin and nothing else of its
//! URL. A few words of a refusal's body are kept for the operator, after everything that is
//! secret was taken out of them: receivers like to echo what they were sent.

use std::{error::Error, fmt, time::Duration};

use jiff::Timestamp;
use reqwest::{Body, Response, header::HeaderMap};
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use super::{ANSWER_BYTES_MAX, SinkError};
use crate::{
    delivery::Verdict,
    http::{CONNECT_TIMEOUT, Clients, origin, read_capped, retry_after},
    secret::Secret,
    text,
};

/// Most characters of a refusal's body that are kept: a sentence, not a page.
const EXCERPT_CHARS_MAX: usize = 120;

/// How long the body of an answer may take once its status is there. The status alone decides,
/// so a receiver that trickles its body must not turn an answer into a time-out.
const BODY_WAIT: Duration = Duration::from_secs(2);

/// Shortest part of a URL that is taken for a secret. Shorter ones are words such as `hooks`.
const URL_PART_BYTES_MIN: usize = 6;

/// Shortest configured secret that is looked for in an answer: a shorter one is in every text.
const SECRET_BYTES_MIN: usize = 3;

/// What an answer's `status` asks for; `None` if it means that the notice was taken.
pub(super) fn verdict(status: u16, after: Option<Duration>) -> Option<Verdict> {
    match status {
        200..=299 => None,
        408 | 425 | 429 | 500..=599 => Some(Verdict::Retry { after }),
        410 => Some(Verdict::Gone),
        _ => Some(Verdict::Suspect),
    }
}

/// What must not be repeated in an error.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    /// Longest first, so that no part of one is left when a shorter one lies inside it.
    needles: Vec<Secret>,
}

impl Redactor {
    /// Hides `secrets`, whole.
    pub(super) fn new(secrets: &[&str]) -> Self {
        let mut this = Self::default();
        this.hide(secrets, SECRET_BYTES_MIN);
        this
    }

    /// Hides what follows the host in `url`: each part alone too, plain and percent-decoded.
    fn hide_url(&mut self, url: &Url) {
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let mut parts = vec![url.path().to_owned(), url.query().unwrap_or_default().to_owned()];
        parts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        parts.extend([url.username().to_owned(), url.password().unwrap_or_default().to_owned()]);
        parts.extend(parts.clone().iter().map(|part| decode(part)));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.hide(&parts, URL_PART_BYTES_MIN);
    }

    fn hide(&mut self, texts: &[&str], bytes_min: usize) {
        let long = texts.iter().filter(|text| bytes_min <= text.len());
        self.needles.extend(long.map(|text| Secret::new((*text).to_owned())));
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.expose().len()));
        self.needles.dedup();
    }

    /// The first words of `answer`, on one line, without any of the secrets.
    pub(super) fn excerpt(&self, answer: &str) -> String {
        let mut shown = answer.to_owned();
        for needle in &self.needles {
            if shown.contains(needle.expose()) {
                shown = shown.replace(needle.expose(), "[secret]");
            }
        }
        let short: String = shown.trim().chars().take(EXCERPT_CHARS_MAX).collect();
        text::clean(&short, 4 * EXCERPT_CHARS_MAX)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
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
    pub(super) fn new(url: &Secret, clients: Clients, secrets: Redactor) -> Result<Self, String> {
        let url = Url::parse(url.expose()).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with https:// or http://".to_owned());
        }
        let mut redactor = secrets;
        redactor.hide_url(&url);
        Ok(Self { url, clients, redactor })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        origin(&self.url)
    }

    /// Sends one request and waits for the head of the answer.
    pub(super) async fn post(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer<'_>, SinkError> {
        let client = self.clients.get(&self.url).map_err(|error| {
            SinkError::new(Verdict::Suspect, "no TLS: the host has no usable root certificates")
                .caused_by(error.without_url())
        })?;
        let request = client.post(self.url.clone()).headers(headers).body(Body::from(body));
        match request.send().await {
            Ok(response) => Ok(Answer { endpoint: self, response }),
            Err(error) => Err(self.no_answer(error)),
        }
    }

    fn no_answer(&self, error: reqwest::Error) -> SinkError {
        let verdict = if error.is_builder() || is_untrusted(&error) {
            Verdict::Suspect
        } else {
            Verdict::Retry { after: None }
        };
        SinkError::new(verdict, format!("no answer from {}", self.origin()))
            .caused_by(error.without_url())
    }

    /// Resolves the host and connects to it, and sends nothing.
    pub(super) async fn probe(&self) -> Result<(), SinkError> {
        let failed = || {
            let what = format!("cannot connect to {}", self.origin());
            SinkError::new(Verdict::Retry { after: None }, what)
        };
        // The brackets of an IPv6 address belong to the URL, not to the address.
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or_default();
        match timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await {
            Ok(Ok(_stream)) => Ok(()),
            Ok(Err(error)) => Err(failed().caused_by(error)),
            Err(elapsed) => Err(failed().caused_by(elapsed)),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    endpoint: &'a Endpoint,
    response: Response,
}

impl Answer<'_> {
    /// Takes any 2xx for a yes and everything else for a refusal.
    pub(super) async fn into_verdict(self, now: Timestamp) -> Result<(), SinkError> {
        let status = self.response.status();
        let after = retry_after(self.response.headers(), now);
        let refused = verdict(status.as_u16(), after);
        let endpoint = self.endpoint;
        // A yes is read to its end too: only then can the connection be used again.
        let body = self.body().await;
        let Some(verdict) = refused else { return Ok(()) };
        let mut what = format!("{} answered {status}", endpoint.origin());
        let excerpt = endpoint.redactor.excerpt(&String::from_utf8_lossy(&body));
        if !excerpt.is_empty() {
            what.push_str(": ");
            what.push_str(&excerpt);
        }
        Err(SinkError::new(verdict, what))
    }

    /// The body; empty if it is too long, too slow or broken.
    async fn body(self) -> Vec<u8> {
        let body = timeout(BODY_WAIT, read_capped(self.response, ANSWER_BYTES_MAX)).await;
        body.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// Whether a certificate was refused anywhere in the causes of `error`.
///
/// That is configuration on one of the two sides; other trouble in a handshake may pass.
pub(super) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An I/O error does not name what it wraps as its source, only what caused that.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped {
            let wrapped: &(dyn Error + 'static) = wrapped;
            return is_untrusted(wrapped);
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides() {
        let after = Some(Duration::from_secs(7));
        let retry = Some(Verdict::Retry { after });
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], None),
            (&[408, 425, 429, 500, 501, 502, 503, 504, 521, 599], retry),
            (&[301, 302, 303, 304, 307, 308], Some(Verdict::Suspect)),
            (&[400, 401, 402, 403, 404, 405, 406, 409], Some(Verdict::Suspect)),
            (&[411, 413, 414, 415, 418, 422, 431, 451], Some(Verdict::Suspect)),
            (&[100, 101, 199, 600, 999], Some(Verdict::Suspect)),
            (&[410], Some(Verdict::Gone)),
        ] {
            for status in statuses {
                assert_eq!(verdict(*status, after), expected, "{status}");
            }
        }
    }

    #[track_caller]
    fn check(answer: &str, expected: &str) {
        let url = "https://u5er:pa55word@h.example/services/T000AAAA/x%2Fy-secret?token=abcdefgh";
        let secrets = Redactor::new(&["whsec_c2VjcmV0c2VjcmV0", "c2VjcmV0c2VjcmV0"]);
        let endpoint =
            Endpoint::new(&Secret::new(url.into()), Clients::default(), secrets).unwrap();
        assert_eq!(endpoint.redactor.excerpt(answer), expected, "{answer}");
    }

    #[test]
    fn an_excerpt_repeats_no_secret_however_it_is_echoed() {
        check(" plain words\r\n", "plain words");
        check("no such hook: /services/T000AAAA/x%2Fy-secret!", "no such hook: [secret]!");
        check("{\"path\":\"\\/services\\/T000AAAA\"}", "{\"path\":\"\\/[secret]\\/[secret]\"}");
        check("x/y-secret or abcdefgh", "[secret] or [secret]");
        check("token=abcdefgh pa55word", "[secret] [secret]");
        check("whsec_c2VjcmV0c2VjcmV0 c2VjcmV0c2VjcmV0", "[secret] [secret]");
        check("esc \u{1b}[31m\nBcc: x", "esc \u{FFFD}[31m Bcc: x");
        check(&"x".repeat(500), &"x".repeat(120));
    }

    #[test]
    fn only_http_urls_are_taken_and_errors_do_not_repeat_them() {
        for (url, expected) in [
            ("ftp://h/secret", "must begin with https:// or http://"),
            ("not a url: secret", "is not a URL: relative URL without a base"),
            ("http://", "is not a URL: empty host"),
        ] {
            let url = Secret::new(url.into());
            let error = Endpoint::new(&url, Clients::default(), Redactor::default());
            assert_eq!(error.expect_err("is refused"), expected);
        }
    }
}
