//! The way to the mail server: TCP, TLS as the URL demands, greeting and log-in.
//!
//! STARTTLS is spoken here and not by the SMTP client, for two reasons. It fails closed: without
//! an offer, or with words that arrive in the clear behind the server's consent, the connection
//! ends. And both kinds of TLS then share one configuration.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, AsyncTokioStream},
    extension::ClientId,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    refusal::{broken, fault, insecure, refused, refused_hiding},
    wire::{Allowance, Wire},
};
use crate::{
    delivery::Verdict,
    http::Clients,
    options::SecretRef,
    secret::Secret,
    sink::{ANSWER_BYTES_MAX, SinkError, dial, http::Redactor},
};

/// How the connection is kept from strangers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Security {
    /// TLS from the first byte.
    Implicit,
    /// TLS by STARTTLS, or nothing.
    StartTls,
    /// In the clear.
    Plain,
}

/// Who we are to the server.
pub(super) enum Login {
    Password {
        username: String,
        password: Secret,
    },
    /// An access token, read anew at each log-in.
    Token {
        username: String,
        token: SecretRef,
    },
}

/// A mail server and how to speak to it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) hello: ClientId,
    pub(super) login: Option<Login>,
    /// As trusting as the connection.
    pub(super) clients: Clients,
    pub(super) redactor: Redactor,
    /// Built at the first connection: reading the host's certificates takes a while.
    pub(super) tls: OnceLock<TlsConnector>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.label(), self.security)
    }
}

/// An open conversation, after EHLO and log-in.
pub(super) struct Session {
    pub(super) smtp: AsyncSmtpConnection,
    allowance: Allowance,
}

impl Session {
    /// Lets the server say another [`ANSWER_BYTES_MAX`] bytes.
    pub(super) fn refill(&self) {
        self.allowance.store(ANSWER_BYTES_MAX, Ordering::Relaxed);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl Server {
    /// Host and port, for errors.
    pub(super) fn label(&self) -> String {
        dial::label(&self.host, self.port)
    }

    /// Connects, secures, greets and logs in.
    pub(super) async fn open(&self) -> Result<Session, SinkError> {
        let tcp = dial::connect(&self.host, self.port).await?;
        let peer = tcp.peer_addr().map_err(|error| broken(self, error))?;
        let allowance: Allowance = Arc::new(AtomicUsize::new(ANSWER_BYTES_MAX));
        let shared = Arc::clone(&allowance);
        let stream: Box<dyn AsyncTokioStream> = match self.security {
            Security::Plain => Box::new(Wire::new(tcp, peer, b"", shared)),
            Security::Implicit => {
                Box::new(Wire::new(self.handshake(tcp).await?, peer, b"", shared))
            }
            Security::StartTls => {
                let tls = self.handshake(self.start_tls(tcp).await?).await?;
                // The client waits for a greeting, which the server gave before TLS.
                Box::new(Wire::new(tls, peer, b"220 secured\r\n", shared))
            }
        };
        let smtp = AsyncSmtpConnection::connect_with_transport(stream, &self.hello)
            .await
            .map_err(|error| refused(self, "the greeting", &error))?;
        let mut session = Session { smtp, allowance };
        self.log_in(&mut session).await?;
        Ok(session)
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, SinkError> {
        let name = ServerName::try_from(self.host.clone()).map_err(|error| {
            fault(self, Verdict::Suspect, "has a name that no certificate can hold")
                .caused_by(error)
        })?;
        let connector = self.connector()?;
        connector.connect(name, tcp).await.map_err(|error| insecure(self, error))
    }

    fn connector(&self) -> Result<TlsConnector, SinkError> {
        if let Some(connector) = self.tls.get() {
            return Ok(connector.clone());
        }
        let unusable = |error: rustls::Error| {
            fault(self, Verdict::Suspect, "cannot be verified: no usable root certificates")
                .caused_by(error)
        };
        let built = dial::connector(&self.clients).map_err(unusable)?;
        Ok(self.tls.get_or_init(|| built).clone())
    }

    /// Speaks SMTP in the clear until the server agrees to TLS.
    async fn start_tls(&self, tcp: TcpStream) -> Result<TcpStream, SinkError> {
        let mut reader = BufReader::new(tcp);
        self.expect(&mut reader, "the greeting").await?;
        self.say(&mut reader, &format!("EHLO {}\r\n", self.hello)).await?;
        let offers = self.expect(&mut reader, "EHLO").await?;
        if !offers.lines().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
            return Err(fault(self, Verdict::Suspect, "does not offer STARTTLS"));
        }
        self.say(&mut reader, "STARTTLS\r\n").await?;
        self.expect(&mut reader, "STARTTLS").await?;
        if !reader.buffer().is_empty() {
            // Whoever sits between could have put it there, to be taken for the server's.
            return Err(fault(self, Verdict::Suspect, "went on in the clear after STARTTLS"));
        }
        Ok(reader.into_inner())
    }

    async fn say(&self, to: &mut BufReader<TcpStream>, line: &str) -> Result<(), SinkError> {
        to.write_all(line.as_bytes()).await.map_err(|error| broken(self, error))
    }

    /// Reads one reply, and returns its lines without their codes if it is a yes.
    async fn expect(
        &self,
        from: &mut BufReader<TcpStream>,
        step: &str,
    ) -> Result<String, SinkError> {
        let mut texts = String::new();
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        let mut from = from.take(limit);
        loop {
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line).await.map_err(|error| broken(self, error))?;
            if !line.ends_with(b"\n") {
                return Err(fault(self, Verdict::Retry { after: None }, "broke off its answer"));
            }
            let line = String::from_utf8_lossy(&line);
            let (Some(code), rest) = (line.get(..3), line.get(3..).unwrap_or_default()) else {
                return Err(fault(self, Verdict::Retry { after: None }, "does not speak SMTP"));
            };
            texts.push_str(rest.get(1..).unwrap_or_default());
            if rest.starts_with('-') {
                continue;
            }
            return match code.as_bytes() {
                [b'2', ..] => Ok(texts),
                [b'5', ..] => Err(self.refusal(Verdict::Suspect, step, code, &texts)),
                _ => Err(self.refusal(Verdict::Retry { after: None }, step, code, &texts)),
            };
        }
    }

    fn refusal(&self, verdict: Verdict, step: &str, code: &str, texts: &str) -> SinkError {
        let words = self.redactor.excerpt(texts);
        fault(self, verdict, &format!("refused {step}: {code} {words}"))
    }

    async fn log_in(&self, session: &mut Session) -> Result<(), SinkError> {
        match &self.login {
            None => Ok(()),
            Some(Login::Password { username, password }) => {
                let mechanisms = [Mechanism::Plain, Mechanism::Login];
                self.must_offer(session, &mechanisms, "AUTH PLAIN or AUTH LOGIN")?;
                let who = Credentials::new(username.clone(), password.expose().to_owned());
                let answer = session.smtp.auth(&mechanisms, &who).await;
                answer.map(drop).map_err(|error| refused(self, "the log-in", &error))
            }
            Some(Login::Token { username, token }) => {
                self.must_offer(session, &[Mechanism::Xoauth2], "AUTH XOAUTH2")?;
                let token = token.read().map_err(|problem| {
                    SinkError::new(Verdict::Suspect, format!("no token to log in with: {problem}"))
                })?;
                self.show_token(session, username, &token).await
            }
        }
    }

    fn must_offer(
        &self,
        session: &Session,
        mechanisms: &[Mechanism],
        names: &str,
    ) -> Result<(), SinkError> {
        match session.smtp.server_info().get_auth_mechanism(mechanisms) {
            Some(_) => Ok(()),
            None => Err(fault(self, Verdict::Suspect, &format!("does not offer {names}"))),
        }
    }

    async fn show_token(
        &self,
        session: &mut Session,
        username: &str,
        token: &Secret,
    ) -> Result<(), SinkError> {
        let who = Credentials::new(username.to_owned(), token.expose().to_owned());
        let Err(error) = session.smtp.auth(&[Mechanism::Xoauth2], &who).await else {
            return Ok(());
        };
        if error.is_client() {
            // A token that has run out is answered with a question, which has no good answer.
            return Err(fault(self, Verdict::Suspect, "refused the log-in: the token is not good"));
        }
        let said = Mechanism::Xoauth2.response(&who, None).unwrap_or_default();
        let said = Secret::new(STANDARD.encode(said));
        let redactor = Redactor::new(&[token.expose(), said.expose()]);
        Err(refused_hiding(self, &redactor, "the log-in", &error))
    }
}

/// Whether `host` can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
