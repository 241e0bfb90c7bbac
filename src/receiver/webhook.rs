//! A receiver of webhooks: HTTP/1.1 with kept connections, bodies with a length, nothing else.
//!
//! Written by hand because it must be able to do what a proper server never does: reset a
//! connection, or fall silent after reading a request.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::broadcast,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{Arrivals, BODY_BYTES_MAX, LINE_BYTES_MAX, Stream, accept};
use crate::{
    clock::Clock,
    sink::signature::{Headers, Key, TOLERANCE, verify},
};

/// One request, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookArrival {
    /// When its last byte came, by the receiver's clock.
    pub at: Timestamp,
    /// `webhook-id`; equal ids are equal messages.
    pub id: String,
    /// The `type` of the payload; empty if it has none.
    pub kind: String,
    /// For instance `POST`.
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// All headers in the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The status it was answered with; `None` for none.
    pub answered: Option<u16>,
}

/// What to do with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HttpAnswer {
    /// Answer.
    Reply(HttpReply),
    /// Read it and never say a word.
    Hang,
    /// Read it and break the connection.
    Reset,
}

/// An answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HttpReply {
    /// The status; a bad signature turns a 2xx into 401.
    pub status: u16,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long to wait before answering.
    pub delay: Duration,
}

impl HttpAnswer {
    /// An empty answer with `status`.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Reply(HttpReply { status, ..HttpReply::default() })
    }
}

/// See the module.
#[derive(Debug)]
pub struct WebhookReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    keys: Vec<Key>,
    clock: Arc<dyn Clock>,
    answer: Mutex<HttpAnswer>,
    /// Answers to the next requests, before that one.
    first: Mutex<VecDeque<HttpAnswer>>,
    arrivals: Arrivals<WebhookArrival>,
}

impl WebhookReceiver {
    /// Listens at `listen` (port 0: any) and answers 204.
    ///
    /// With `keys`, a request that none of them signed about now is answered 401.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub async fn start(
        listen: SocketAddr,
        keys: Vec<Key>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        Self::begin(listen, keys, clock, None).await
    }

    /// The same over TLS.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub async fn start_tls(
        listen: SocketAddr,
        keys: Vec<Key>,
        clock: Arc<dyn Clock>,
        tls: Arc<rustls::ServerConfig>,
    ) -> io::Result<Self> {
        Self::begin(listen, keys, clock, Some(TlsAcceptor::from(tls))).await
    }

    async fn begin(
        listen: SocketAddr,
        keys: Vec<Key>,
        clock: Arc<dyn Clock>,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<Self> {
        let answer = Mutex::new(HttpAnswer::status(204));
        let (first, arrivals) = (Mutex::default(), Arrivals::new());
        let shared = Arc::new(Shared { keys, clock, answer, first, arrivals });
        let mine = Arc::clone(&shared);
        let (address, tasks) = accept(listen, move |stream| {
            let (shared, tls) = (Arc::clone(&shared), tls.clone());
            async move { converse(stream, tls, &shared).await }
        })
        .await?;
        Ok(Self { address, shared: mine, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that arrived and is remembered, in order.
    #[must_use]
    pub fn received(&self) -> Vec<WebhookArrival> {
        self.shared.arrivals.all()
    }

    /// What arrives from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<WebhookArrival> {
        self.shared.arrivals.watchers.subscribe()
    }

    /// Answers the next requests so, one each, before it goes on as it was set.
    pub fn set_first(&self, answers: impl IntoIterator<Item = HttpAnswer>) {
        let mut first = self.shared.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.extend(answers);
    }

    /// Answers so from the next request on.
    pub fn set_answer(&self, answer: HttpAnswer) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

async fn converse(mut stream: TcpStream, tls: Option<TlsAcceptor>, shared: &Shared) {
    let reset = match tls {
        None => serve(&mut stream, shared).await,
        Some(tls) => match tls.accept(&mut stream).await {
            Ok(secured) => serve(secured, shared).await,
            Err(error) => Err(error),
        },
    };
    if let Ok(End::Reset) = reset {
        // Closing with this set sends a reset instead of a farewell.
        drop(stream.set_zero_linger());
    }
}

/// How a conversation ended.
enum End {
    Closed,
    Reset,
}

async fn serve(stream: impl Stream, shared: &Shared) -> io::Result<End> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream).await? {
        let length = header(&head.headers, "content-length").parse().unwrap_or(0);
        if BODY_BYTES_MAX < length {
            return Ok(End::Reset);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = shared.answer_to(head, body);
        match answer {
            HttpAnswer::Reset => return Ok(End::Reset),
            HttpAnswer::Hang => std::future::pending().await,
            HttpAnswer::Reply(reply) => {
                tokio::time::sleep(reply.delay).await;
                // In one piece: a second small one would wait for the first one's receipt.
                let mut whole = reply.head();
                whole.extend_from_slice(&reply.body);
                stream.write_all(&whole).await?;
                stream.flush().await?;
            }
        }
    }
    Ok(End::Closed)
}

/// What stands before a request's body.
struct Head {
    method: String,
    target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

/// The head of the next request; `None` when there is none.
async fn read_head(stream: &mut BufReader<impl Stream>) -> io::Result<Option<Head>> {
    const HEADERS_MAX: usize = 100;
    let mut headers = Vec::new();
    let mut first: Option<(String, String)> = None;
    loop {
        let mut line = String::new();
        (&mut *stream).take(LINE_BYTES_MAX).read_line(&mut line).await?;
        if line.is_empty() || HEADERS_MAX < headers.len() {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            let (method, target) = first.unwrap_or_default();
            return Ok(Some(Head { method, target, headers }));
        }
        // The first line is the request's; every path and method will do.
        if first.is_none() {
            let mut words = line.split(' ').map(str::to_owned);
            first = Some((words.next().unwrap_or_default(), words.next().unwrap_or_default()));
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

impl Shared {
    /// Records a request and says what to do with it.
    fn answer_to(&self, head: Head, body: Vec<u8>) -> HttpAnswer {
        let Head { method, target, headers } = head;
        let at = self.clock.now();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let standing = || self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = first.unwrap_or_else(standing);
        if let HttpAnswer::Reply(reply) = &mut answer
            && (200..300).contains(&reply.status)
            && let Some(refusal) = self.refusal(&headers, &body)
        {
            *reply = refusal;
        }
        let answered = match &answer {
            HttpAnswer::Reply(reply) => Some(reply.status),
            HttpAnswer::Hang | HttpAnswer::Reset => None,
        };
        let id = header(&headers, "webhook-id").to_owned();
        let payload: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let kind = payload.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
        let kind = kind.to_owned();
        self.arrivals.push(WebhookArrival {
            at,
            id,
            kind,
            method,
            target,
            headers,
            body,
            answered,
        });
        answer
    }

    fn refusal(&self, headers: &[(String, String)], body: &[u8]) -> Option<HttpReply> {
        if self.keys.is_empty() {
            return None;
        }
        let signed = Headers {
            id: header(headers, "webhook-id"),
            timestamp: header(headers, "webhook-timestamp"),
            signature: header(headers, "webhook-signature"),
        };
        let error = verify(&self.keys, signed, body, self.clock.now(), TOLERANCE).err()?;
        let body = error.to_string().into_bytes();
        Some(HttpReply { status: 401, body, ..HttpReply::default() })
    }
}

impl HttpReply {
    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} \r\n", self.status);
        for (name, value) in &self.headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        // A 204 must not have one, and has no body.
        if self.status != 204 {
            let _infallible = write!(head, "content-length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
