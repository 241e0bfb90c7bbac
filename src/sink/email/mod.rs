//! Mail by SMTP, settled per recipient.
//!
//! A mail that some recipients were refused for is sent to the others, and only the refused ones
//! are owed afterwards. One open connection is kept between mails: in a burst, logging in anew
//! for each of them is what servers throttle first.
//!
//! The kept connection is taken out while it is used and put back only after a conversation that
//! ended well. A send that is dropped half-way therefore closes its connection, and no other send
//! can find one in the middle of a mail.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lettre::{
    Address,
    transport::smtp::commands::{Data, Mail, Rcpt, Rset},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{Build, Kind, Parcel, Reader, Receipt, Sink, SinkError};
use crate::{
    delivery::Verdict,
    notice::Notice,
    options::{OptionError, SecretRef},
    render::Words,
};

mod message;
mod refusal;
mod server;
mod settings;
mod wire;

use message::{Letterhead, message};
use refusal::{Reply, fault, refused};
use server::{Server, Session};

pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "Mail by SMTP with TLS, text and HTML",
    reader: Reader::People,
    limit: None,
    cleared: false,
    example: r#"
name = "ops-mail"
kind = "email"
smtp = "smtp://{endpoint}"
from = "taskbell <taskbell@example.com>"
to = ["ops@example.com"]
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest rest of a kept connection. Servers close theirs after minutes; a younger one is
/// almost surely open, and an older one is not worth the question.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long a kept connection may take to say that it is still there.
const REVIVE_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The mail server: `smtps://host` (TLS, port 465), `smtp+starttls://host` (TLS by
    /// STARTTLS, required, port 587) or `smtp://host` (in the clear, port 25).
    smtp: String,
    /// User name to log in with. Needs TLS or a server on this host.
    username: Option<String>,
    /// Password to log in with.
    password: Option<SecretRef>,
    /// Another way to log in, in the place of `username` and `password`.
    auth: Option<Auth>,
    /// The sender: an address, or `name <address>`.
    from: String,
    /// The recipients, 1 to 50.
    #[schemars(length(min = 1, max = 50))]
    to: Vec<String>,
    /// Where replies go.
    reply_to: Option<String>,
    /// How we introduce ourselves to the server. Default: the name of this host.
    hello_name: Option<String>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Allows `smtp://` to a server that is not on this host.
    #[serde(default)]
    insecure: bool,
}

/// Another way to log in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Auth {
    /// An `OAuth` 2 access token by `XOAUTH2`, as Gmail and Microsoft 365 want.
    Xoauth2 {
        /// The mailbox.
        username: String,
        /// The access token. It lives for an hour or so and is read anew at each log-in: whatever
        /// renews it writes it into a file.
        token: SecretRef,
    },
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let (server, head) = settings::read(crate::options::parse(build.options)?, build.clients)?;
    Ok(Box::new(Email { server, head, words: build.words, kept: Mutex::new(None) }))
}

#[derive(Debug)]
struct Email {
    server: Server,
    head: Letterhead,
    words: Words,
    /// An open connection between mails, and since when it rests.
    kept: Mutex<Option<(Session, Instant)>>,
}

/// What became of one mail.
enum Outcome {
    /// Accepted for all but these.
    Taken { refused: Vec<(Address, Reply)> },
    /// Nobody gets it.
    Failed(SinkError),
}

impl Email {
    /// The kept connection if it is alive, or a new one.
    async fn session(&self) -> Result<Session, SinkError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut session, since)) = kept
            && since.elapsed() < IDLE_MAX
        {
            session.refill();
            let answer = timeout(REVIVE_WAIT, session.smtp.command(Rset)).await;
            if matches!(answer, Ok(Ok(_))) {
                return Ok(session);
            }
        }
        self.server.open().await
    }

    fn keep(&self, session: Session) {
        let rested = (session, Instant::now());
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(rested);
    }

    /// One mail transaction.
    async fn transact(&self, session: &mut Session, to: &[Address], body: &[u8]) -> Outcome {
        let server = &self.server;
        let failed = |step: &str, error| Outcome::Failed(refused(server, step, &error));
        let smtp = &mut session.smtp;
        let sender = Mail::new(Some(self.head.from.email.clone()), Vec::new());
        if let Err(error) = smtp.command(sender).await {
            return failed("the sender", error);
        }
        let mut no = Vec::new();
        for address in to {
            if let Err(error) = smtp.command(Rcpt::new(address.clone(), Vec::new())).await {
                match Reply::of(&server.redactor, &error) {
                    Some(reply) if !reply.is_goodbye() => no.push((address.clone(), reply)),
                    _ => return failed("a recipient", error),
                }
            }
        }
        if no.len() == to.len() {
            let words = no.first().map_or("", |(_, reply)| &reply.text);
            let what = format!("refused every recipient: {words}");
            return Outcome::Failed(fault(server, worst(&no), &what));
        }
        if let Err(error) = smtp.command(Data).await {
            return failed("the mail", error);
        }
        // The client ends the mail with a line break of its own.
        let body = body.strip_suffix(b"\r\n").unwrap_or(body);
        match smtp.message(body).await {
            Ok(_) => Outcome::Taken { refused: no },
            Err(error) => {
                // All of it was sent; without a reply nobody knows whether it was taken.
                let uncertain = Reply::of(&server.redactor, &error).is_none();
                let error = refused(server, "the mail", &error);
                Outcome::Failed(SinkError { uncertain, ..error })
            }
        }
    }
}

/// Whether time alone can help any of the refused.
fn worst(refused: &[(Address, Reply)]) -> Verdict {
    let for_now = refused.iter().map(|(_, reply)| reply.verdict()).find(|v| *v != Verdict::Suspect);
    for_now.unwrap_or(Verdict::Suspect)
}

#[async_trait]
impl Sink for Email {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        message(&self.head, &self.words, notice)
    }

    /// Recipients that are still owed are taken as they were, even if the options no longer
    /// name them.
    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let to: Vec<Address> = match parcel.recipients {
            None => self.head.to.iter().map(|mailbox| mailbox.email.clone()).collect(),
            Some(owed) => owed.iter().filter_map(|address| address.parse().ok()).collect(),
        };
        if to.is_empty() {
            return Err(fault(&self.server, Verdict::Suspect, "was given no recipient"));
        }
        let mut session = self.session().await?;
        match self.transact(&mut session, &to, parcel.body).await {
            Outcome::Failed(error) => Err(error),
            Outcome::Taken { refused } => {
                self.keep(session);
                let Some((_, first)) = refused.first() else { return Ok(Receipt::Whole) };
                let error = format!("{} refused a recipient: {}", self.server.label(), first.text);
                let verdict = worst(&refused);
                let owed = refused.iter().map(|(address, _)| address.to_string()).collect();
                Ok(Receipt::Part { owed, error, verdict })
            }
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let mut session = self.server.open().await?;
        // The answer to a farewell changes nothing.
        drop(session.smtp.quit().await);
        Ok(())
    }
}
