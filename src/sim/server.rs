//! The HTTP server: bytes in, bytes out, and the ways in which they fail to arrive.
//!
//! Built on hyper's connection, not on a framework, because a reset or a broken promise of a
//! length needs the socket itself.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    header::{CONTENT_TYPE, DATE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::{
    answer::Answer,
    fault::{Fault, Reset},
    gateway::{Call, Cloud, Reply},
    wire::Wire,
};
use crate::clock::Clock;

/// Longest body taken: the gateway's limit for signed requests.
const BODY_BYTES_MAX: usize = 12 * 1024 * 1024;

/// What connections and the handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub cloud: Mutex<Cloud>,
    pub clock: Arc<dyn Clock>,
}

impl Shared {
    /// Does something to the cloud. Never held over an `await`.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Cloud) -> T) -> T {
        f(&mut self.cloud.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes connections until the future is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is that of one connection, or a lack of file handles that
                // the end of another connection will mend.
                if let Ok((stream, peer)) = accepted {
                    connections.spawn(connection(stream, peer, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end, good or bad.
async fn connection(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Without it, a small answer waits for the client's acknowledgement. A socket that cannot
    // do it still works.
    drop(stream.set_nodelay(true));
    let reset = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&reset);
    let service = service_fn(move |request| {
        Box::pin(respond(request, peer, Arc::clone(&shared), Arc::clone(&flag)))
    });
    let mut connection = http1::Builder::new()
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever ended it, the client has been told what it will be told.
    drop(std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await);
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Relaxed) {
        // Closing a socket that must not linger sends RST in place of FIN.
        drop(stream.set_zero_linger());
    }
}

/// Answers one request. An error ends the connection without a byte.
async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Wire>> {
    let (head, body) = request.into_parts();
    let Some(body) = read(body).await? else {
        let answer = Answer::gateway(413, "APIGW.0201", "Request entity too large.", "");
        return response(answer, &Fault::default(), shared.clock.now(), "");
    };
    let call = Call {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        at: shared.clock.now(),
        local: peer.ip().to_canonical().is_loopback(),
    };
    let Reply { answer, plan, wait, request_id } = shared.with(|cloud| cloud.answer(&call));
    if !wait.is_zero() {
        sleep(wait).await;
    }
    if plan.reset.is_some() {
        reset.store(true, Ordering::Relaxed);
    }
    if plan.reset == Some(Reset::Before) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    response(answer, &plan, shared.clock.now(), &request_id)
}

/// Reads a body, or nothing if it is too long.
async fn read(mut body: Incoming) -> io::Result<Option<Bytes>> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if BODY_BYTES_MAX - bytes.len() < data.len() {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes.into()))
}

/// Puts an answer into the form that hyper sends.
fn response(
    answer: Answer,
    plan: &Fault,
    now: Timestamp,
    request_id: &str,
) -> io::Result<Response<Wire>> {
    let mut response = Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, answer.content_type)
        .header("X-Request-Id", request_id)
        // Ours, so that a client can be shown a cloud whose clock is wrong.
        .header(DATE, date(now));
    for (name, value) in answer.headers {
        // A scenario may put anything here; what cannot be a header is not sent.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response = response.header(name, value);
        }
    }
    let body = Wire::new(&answer.body, answer.filler_bytes, plan);
    response.body(body).map_err(io::Error::other)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
