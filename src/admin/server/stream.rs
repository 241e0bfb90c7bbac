//! Server-sent events: what happened since the last one that a client has, and what happens.

use std::{
    convert::Infallible,
    fmt::Write as _,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::admin::{observe::Observations, problem::Problem};

/// Most clients that watch. Below the number of connections, so that others still get an answer.
const CLIENTS_MAX: usize = 128;

/// Something is said at least so often, or proxies take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back.
const RETRY_MS: u32 = 2_000;

/// What streams are made from.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    seen: Option<Arc<Observations>>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Streams {
    pub(super) fn new(seen: Option<Arc<Observations>>, stop: CancellationToken) -> Self {
        Self { seen, places: Arc::new(Semaphore::new(CLIENTS_MAX)), stop }
    }
}

/// `GET /api/v1/events`
pub(super) fn events(streams: Streams, headers: &HeaderMap) -> Result<Response, Problem> {
    let unavailable = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let seen = streams.seen.ok_or_else(|| unavailable("nothing is observed here"))?;
    let place = streams.places.try_acquire_owned();
    let place = place.map_err(|_| unavailable("too many clients watch already"))?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let now = *seen.events.watch().borrow();
    let (after, missed) = match last {
        // Whoever begins wants what comes, not what was.
        None => (now, false),
        Some(id) => seen.events.number(id).map_or((now, true), |number| (number, false)),
    };
    let head = if missed { missed_event(&seen, after) } else { String::new() };
    let head = format!("retry: {RETRY_MS}\n\n{head}");
    let stream = Stream { seen, after, stop: streams.stop, _place: place };
    let next: Next = Box::pin(async move { Some((Bytes::from(head), stream)) });
    let mut response = Response::new(Body::new(Events { next: Some(next) }));
    let media = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}

fn missed_event(seen: &Observations, number: u64) -> String {
    format!("id: {}\nevent: missed\ndata: {{}}\n\n", seen.events.id(number))
}

/// What a client is at.
struct Stream {
    seen: Arc<Observations>,
    /// The last event that it has.
    after: u64,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// Waits for something to say.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let mut news = self.seen.events.watch();
        if *news.borrow_and_update() == self.after {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    return Some((Bytes::from_static(b": still here\n\n"), self));
                }
                changed = news.changed() => changed.ok()?,
            }
        }
        let news = self.seen.events.after(self.after);
        let mut text = String::new();
        if news.missed {
            text.push_str(&missed_event(&self.seen, self.after));
        }
        for (number, happened) in news.events {
            let data = serde_json::to_string(&*happened).unwrap_or_default();
            let (id, kind) = (self.seen.events.id(number), happened.as_str());
            let _infallible = write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n");
        }
        self.after = news.last;
        Some((Bytes::from(text), self))
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Stream)>> + Send>>;

/// A body that ends with the server.
struct Events {
    next: Option<Next>,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        match ready!(next.as_mut().poll(context)) {
            Some((bytes, stream)) => {
                self.next = Some(Box::pin(stream.next()));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None => {
                self.next = None;
                Poll::Ready(None)
            }
        }
    }
}
