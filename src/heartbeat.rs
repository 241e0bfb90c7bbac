//! Signs of life for a dead man's switch outside this host.
//!
//! Taskbell can say that a source is blind, but not that taskbell itself is gone. A service that
//! expects a request every so often can: <https://healthchecks.io> and those that work like it.
//! After a complete poll the URL is fetched; after any other, the class of the trouble is posted
//! to the URL with `/fail` behind its path, as these services want it.

use std::{fmt, time::Duration};

use thiserror::Error;
use url::Url;

use crate::{
    http::{self, ClientError, Clients},
    secret::Secret,
};

/// For one request. The next poll is the next try.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of an answer that are read, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Where the signs go. The URL works like a password, so nothing shows it.
#[derive(Clone)]
pub struct Heartbeat {
    url: Url,
    clients: Clients,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heartbeat(..)")
    }
}

/// Why a sign was not taken. Names the host and nothing else of the URL.
#[derive(Debug, Error)]
pub enum HeartbeatError {
    /// Nobody can ask.
    #[error("the sign cannot be sent")]
    NoClient(#[source] ClientError),
    /// No answer.
    #[error("{origin} does not answer")]
    Silence {
        /// Scheme, host and port.
        origin: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// An answer that is no yes. Redirects are not followed.
    #[error("{origin} answers {status}")]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
    },
}

impl Heartbeat {
    /// Takes a URL.
    ///
    /// # Errors
    ///
    /// What it must be, without showing it.
    pub fn new(url: &Secret, clients: &Clients) -> Result<Self, &'static str> {
        let wrong = "must be an http or https URL, such as \"https://hc-ping.com/<uuid>\"";
        let url = Url::parse(url.expose()).map_err(|_| wrong)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong);
        }
        Ok(Self { url, clients: clients.clone() })
    }

    /// Sends a sign: that a poll was complete, or the class of what went wrong.
    ///
    /// # Errors
    ///
    /// [`HeartbeatError`].
    pub async fn beat(&self, trouble: Option<&str>) -> Result<(), HeartbeatError> {
        let origin = || http::origin(&self.url);
        let silence = |cause: reqwest::Error| HeartbeatError::Silence {
            origin: origin(),
            cause: cause.without_url(),
        };
        let client = self.clients.get(&self.url).map_err(HeartbeatError::NoClient)?;
        let request = match trouble {
            None => client.get(self.url.clone()),
            Some(class) => client.post(failed(&self.url)).body(class.to_owned()),
        };
        let response = request.timeout(TIMEOUT).send().await.map_err(silence)?;
        let status = response.status();
        // What it says does not matter.
        drop(http::read_capped(response, ANSWER_BYTES_MAX).await);
        if status.is_success() {
            return Ok(());
        }
        Err(HeartbeatError::Refused { origin: origin(), status: status.as_u16() })
    }
}

/// The same URL with `/fail` behind its path.
fn failed(url: &Url) -> Url {
    let mut failed = url.clone();
    failed.set_path(&format!("{}/fail", url.path().trim_end_matches('/')));
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_goes_behind_the_path_and_before_the_query() {
        for (url, expected) in [
            ("https://hc-ping.com/0a1b", "https://hc-ping.com/0a1b/fail"),
            ("https://hc-ping.com/0a1b/", "https://hc-ping.com/0a1b/fail"),
            ("https://hc-ping.com/key/slug?create=1", "https://hc-ping.com/key/slug/fail?create=1"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/fail"),
        ] {
            assert_eq!(failed(&Url::parse(url).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_shown() {
        for url in ["s3cret", "ftp://h/s3cret", "data:s3cret", ""] {
            let refused = Heartbeat::new(&Secret::new(url.to_owned()), &Clients::default());
            let problem = refused.expect_err(url);
            assert!(problem.starts_with("must be an http"), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }

    #[tokio::test]
    async fn neither_debug_output_nor_an_error_shows_the_url() {
        // Discard: nobody listens.
        let url = Secret::new("http://u:s3cret1@127.0.0.1:9/s3cret2?k=s3cret3".to_owned());
        let heartbeat = Heartbeat::new(&url, &Clients::default()).unwrap();
        let error = heartbeat.beat(None).await.expect_err("nobody listens");
        let shown = format!("{heartbeat:?} {error:?} {}", http::Chain(&error));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("http://127.0.0.1:9 does not answer"), "{shown}");
    }
}
