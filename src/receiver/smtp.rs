//! A receiver of mail: enough of SMTP for a client to log in, send and be refused.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::broadcast,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{Arrivals, BODY_BYTES_MAX, LINE_BYTES_MAX, Stream, accept};

/// One mail that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailArrival {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients, without those that were refused.
    pub to: Vec<String>,
    /// The headers, unfolded, not decoded.
    pub headers: Vec<(String, String)>,
    /// All of it, as it came, with dots unstuffed.
    pub raw: Vec<u8>,
}

impl MailArrival {
    /// The value of the first header called `name`, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// What to answer. Each answer is a code and words, without the line break. A 421 ends the
/// conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SmtpAnswers {
    /// The first words. Empty: not a word, ever.
    pub greeting: String,
    /// To `MAIL FROM`.
    pub mail: String,
    /// To `RCPT TO` of an address that is not in `recipients`.
    pub rcpt: String,
    /// To `RCPT TO`, by address.
    pub recipients: BTreeMap<String, String>,
    /// To `DATA`, if not a go-ahead.
    pub data: Option<String>,
    /// To the whole mail. Empty: break the connection instead.
    pub end: String,
    /// `user` and `password`, or access token, that alone may log in. `None`: logging in is not
    /// offered.
    pub login: Option<(String, String)>,
    /// Whether STARTTLS is offered, where there is TLS at all.
    pub offer_starttls: bool,
    /// How long to wait before the answer to the whole mail.
    pub delay: Duration,
}

impl Default for SmtpAnswers {
    fn default() -> Self {
        Self {
            greeting: "220 taskbell receiver".to_owned(),
            mail: "250 2.1.0 sender accepted".to_owned(),
            rcpt: "250 2.1.5 recipient accepted".to_owned(),
            recipients: BTreeMap::new(),
            data: None,
            end: "250 2.0.0 accepted".to_owned(),
            login: None,
            offer_starttls: true,
            delay: Duration::ZERO,
        }
    }
}

/// When TLS begins.
#[derive(Clone, Debug, Default)]
pub enum SmtpTls {
    /// Never.
    #[default]
    Off,
    /// After STARTTLS.
    StartTls(Arc<rustls::ServerConfig>),
    /// At once.
    Implicit(Arc<rustls::ServerConfig>),
}

/// See the module.
#[derive(Debug)]
pub struct SmtpReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<SmtpAnswers>,
    arrivals: Arrivals<MailArrival>,
    connections: Mutex<usize>,
}

impl SmtpReceiver {
    /// Listens at `listen` (port 0: any) in the clear and accepts every mail.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub async fn start(listen: SocketAddr) -> io::Result<Self> {
        Self::start_tls(listen, SmtpTls::Off).await
    }

    /// The same with TLS.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub async fn start_tls(listen: SocketAddr, tls: SmtpTls) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            answers: Mutex::default(),
            arrivals: Arrivals::new(),
            connections: Mutex::default(),
        });
        let mine = Arc::clone(&shared);
        let (address, tasks) = accept(listen, move |stream| {
            let (shared, tls) = (Arc::clone(&shared), tls.clone());
            async move {
                *shared.connections.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                // A client that breaks off is the client's business.
                drop(converse(stream, tls, &shared).await);
            }
        })
        .await?;
        Ok(Self { address, shared: mine, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every mail that was accepted and is remembered, in order.
    #[must_use]
    pub fn received(&self) -> Vec<MailArrival> {
        self.shared.arrivals.all()
    }

    /// What arrives from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<MailArrival> {
        self.shared.arrivals.watchers.subscribe()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers so from the next command on.
    pub fn set_answers(&self, answers: SmtpAnswers) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

impl Shared {
    fn answers(&self) -> SmtpAnswers {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn converse(stream: TcpStream, tls: SmtpTls, shared: &Shared) -> io::Result<()> {
    match tls {
        SmtpTls::Off => Talk::new(stream, shared, false).run(true).await.map(drop),
        SmtpTls::Implicit(config) => {
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            Talk::new(stream, shared, false).run(true).await.map(drop)
        }
        SmtpTls::StartTls(config) => {
            let Some(stream) = Talk::new(stream, shared, true).run(true).await? else {
                return Ok(());
            };
            let stream = TlsAcceptor::from(config).accept(stream).await?;
            Talk::new(stream, shared, false).run(false).await.map(drop)
        }
    }
}

/// One conversation, up to its end or to STARTTLS.
struct Talk<'a, S> {
    stream: BufReader<S>,
    shared: &'a Shared,
    can_start_tls: bool,
    from: String,
    to: Vec<String>,
}

/// What follows a command.
enum Next {
    More,
    StartTls,
    End,
}

impl<'a, S: Stream> Talk<'a, S> {
    fn new(stream: S, shared: &'a Shared, can_start_tls: bool) -> Self {
        let stream = BufReader::new(stream);
        Self { stream, shared, can_start_tls, from: String::new(), to: Vec::new() }
    }

    /// Returns the stream if it is to be secured.
    async fn run(mut self, greet: bool) -> io::Result<Option<S>> {
        if greet {
            let greeting = self.shared.answers().greeting;
            if greeting.is_empty() {
                std::future::pending::<()>().await;
            }
            self.say(&greeting).await?;
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(None);
            }
            match self.obey(line.trim_end()).await? {
                Next::More => (),
                Next::StartTls => return Ok(Some(self.stream.into_inner())),
                Next::End => return Ok(None),
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line).await?;
        Ok(line)
    }

    async fn say(&mut self, answer: &str) -> io::Result<Next> {
        self.stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        Ok(if answer.starts_with("421") { Next::End } else { Next::More })
    }

    async fn obey(&mut self, line: &str) -> io::Result<Next> {
        let answers = self.shared.answers();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => {
                let mut offer = "250-taskbell receiver\r\n250-8BITMIME\r\n".to_owned();
                if self.can_start_tls && answers.offer_starttls {
                    offer.push_str("250-STARTTLS\r\n");
                }
                if answers.login.is_some() {
                    offer.push_str("250-AUTH PLAIN XOAUTH2\r\n");
                }
                offer.push_str("250 ENHANCEDSTATUSCODES");
                self.say(&offer).await
            }
            "STARTTLS" if self.can_start_tls && answers.offer_starttls => {
                self.say("220 go ahead").await?;
                Ok(Next::StartTls)
            }
            "AUTH" => self.say(log_in(&answers, rest)).await,
            "MAIL" => {
                self.from = address(rest);
                self.to.clear();
                self.say(&answers.mail).await
            }
            "RCPT" => {
                let to = address(rest);
                let answer = answers.recipients.get(&to).unwrap_or(&answers.rcpt);
                if answer.starts_with('2') {
                    self.to.push(to);
                }
                self.say(answer).await
            }
            "DATA" => match &answers.data {
                Some(no) => self.say(no).await,
                None if self.to.is_empty() => self.say("554 5.5.1 no recipient").await,
                None => self.take_mail(&answers).await,
            },
            "RSET" => {
                self.to.clear();
                self.say("250 2.0.0 forgotten").await
            }
            "NOOP" => self.say("250 2.0.0 here").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                Ok(Next::End)
            }
            _ => self.say("502 5.5.2 not known").await,
        }
    }

    async fn take_mail(&mut self, answers: &SmtpAnswers) -> io::Result<Next> {
        self.say("354 end with a dot on a line of its own").await?;
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).await?;
            if line.is_empty() || BODY_BYTES_MAX < raw.len() {
                return Ok(Next::End);
            }
            if line == b".\r\n" {
                break;
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        tokio::time::sleep(answers.delay).await;
        if answers.end.is_empty() {
            return Ok(Next::End);
        }
        if answers.end.starts_with('2') {
            let (from, to) = (self.from.clone(), std::mem::take(&mut self.to));
            self.shared.arrivals.push(MailArrival { from, to, headers: headers(&raw), raw });
        }
        self.say(&answers.end).await
    }
}

fn log_in(answers: &SmtpAnswers, rest: &str) -> &'static str {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some((user, password)) = &answers.login else { return "503 5.5.1 not offered" };
    let plain = STANDARD.encode(format!("\0{user}\0{password}"));
    let token = STANDARD.encode(format!("user={user}\x01auth=Bearer {password}\x01\x01"));
    match rest.split_once(' ') {
        Some(("PLAIN", said)) if said == plain => "235 2.7.0 welcome",
        Some(("XOAUTH2", said)) if said == token => "235 2.7.0 welcome",
        // `{"status":"401"}`, as the large services say it.
        Some(("XOAUTH2", _)) => "334 eyJzdGF0dXMiOiI0MDEifQ==",
        _ => "535 5.7.8 wrong user name or password",
    }
}

/// `a@b` of `FROM:<a@b> SIZE=1`.
fn address(rest: &str) -> String {
    let inside = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}

fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split_once("\r\n\r\n").map_or(text.as_ref(), |(head, _)| head);
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        match (line.strip_prefix([' ', '\t']), headers.last_mut()) {
            (Some(rest), Some((_, value))) => {
                value.push(' ');
                value.push_str(rest.trim_start());
            }
            _ => headers.extend(
                line.split_once(':')
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned())),
            ),
        }
    }
    headers
}
