//! What a mail server's trouble means.

use std::error::Error as StdError;

use lettre::transport::smtp::Error;

use super::server::Server;
use crate::{
    delivery::Verdict,
    sink::{
        SinkError,
        http::{Redactor, is_untrusted},
    },
};

/// "mail.example.com:465 refused …"
pub(super) fn fault(server: &Server, verdict: Verdict, what: &str) -> SinkError {
    SinkError::new(verdict, format!("{} {what}", server.label()))
}

/// The connection failed.
pub(super) fn broken(server: &Server, error: std::io::Error) -> SinkError {
    fault(server, Verdict::Retry { after: None }, "broke the connection").caused_by(error)
}

/// The TLS handshake failed.
pub(super) fn insecure(server: &Server, error: std::io::Error) -> SinkError {
    let verdict =
        if is_untrusted(&error) { Verdict::Suspect } else { Verdict::Retry { after: None } };
    fault(server, verdict, "failed the TLS handshake").caused_by(error)
}

/// A step of the conversation failed: by the server's word, or before it came.
pub(super) fn refused(server: &Server, step: &str, error: &Error) -> SinkError {
    refused_hiding(server, &server.redactor, step, error)
}

/// The same, without what `redactor` hides.
pub(super) fn refused_hiding(
    server: &Server,
    redactor: &Redactor,
    step: &str,
    error: &Error,
) -> SinkError {
    match Reply::of(redactor, error) {
        Some(reply) => fault(server, reply.verdict(), &format!("refused {step}: {}", reply.text)),
        None => {
            let words = error.source().map(|cause| redactor.excerpt(&cause.to_string()));
            let words = words.unwrap_or_default();
            let verdict = match error.source() {
                Some(cause) if is_untrusted(cause) => Verdict::Suspect,
                _ if error.is_client() => Verdict::Suspect,
                _ => Verdict::Retry { after: None },
            };
            fault(server, verdict, &format!("gave no answer to {step}: {words}"))
        }
    }
}

/// A server's no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The code and the first words, without secrets.
    pub(super) text: String,
}

impl Reply {
    /// The reply behind `error`, if there was one.
    pub(super) fn of(redactor: &Redactor, error: &Error) -> Option<Self> {
        let code = u16::from(error.status()?);
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        Some(Self { code, text: format!("{code} {}", redactor.excerpt(&words)) })
    }

    /// 4yz is for now, 5yz probably configuration.
    pub(super) fn verdict(&self) -> Verdict {
        if self.code < 500 { Verdict::Retry { after: None } } else { Verdict::Suspect }
    }

    /// Whether the server closes the connection with it.
    pub(super) fn is_goodbye(&self) -> bool {
        self.code == 421
    }
}
