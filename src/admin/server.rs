//! The status server: the page, the API, the metrics and the events, over TCP.
//!
//! Whoever can reach it may be hostile: connections, headers, bodies and time are bounded, and
//! `guard` looks at each request before anything else does.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{
    Admin,
    account::Kept,
    api,
    guard::{Guard, Turned},
    page::{self, Chart, Desk},
    problem::Problem,
};
use crate::{
    config::Status,
    http::Chain,
    options::OptionError,
    render::{Language, Zone},
    secret::Secret,
};

mod stream;

/// Most connections. A wall of screens and a few scrapers stay far below.
const CONNECTIONS_MAX: usize = 256;

/// Longest wait for the head of a request, also on a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest time for an answer. A test message to a slow sink takes up to two minutes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(130);

/// Largest head of a request. Cookies of other servers of this host may come along.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// Largest body: a silence with sixteen long conditions fits many times.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long an answer that is under way gets when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Where "ready?" is asked.
const READY: &str = "/-/ready";

/// How long "ready?" waits for the store. Who asks gives up after some seconds himself.
const READY_MAX: Duration = Duration::from_secs(2);

/// Shortest time between two looks at what was recorded, for the chart.
const CHART_INTERVAL: Duration = Duration::from_secs(2);

/// Longest; by then another hour may have begun.
const CHART_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// What every answer says to a browser: nothing of other sites belongs here, and nothing of here
/// belongs to other sites.
const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Why there is no status page.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The token.
    #[error("status.{0}")]
    Token(OptionError),
    /// The address.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why not.
        #[source]
        cause: io::Error,
    },
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct StatusServer {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Secret>,
    hosts: Vec<String>,
    language: Language,
    zone: Zone,
}

impl StatusServer {
    /// Listens as the config says.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub async fn bind(status: &Status, text: &(Language, Zone)) -> Result<Self, ServerError> {
        let token = status.token().map_err(ServerError::Token)?;
        let listen = status.listen;
        let failed = |cause| ServerError::Listen { listen, cause };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (language, zone) = text.clone();
        Ok(Self { listener, address, token, hosts: status.hosts.clone(), language, zone })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    pub async fn serve(self, mut admin: Admin, stop: CancellationToken) {
        let Self { listener, address, token, hosts, language, zone } = self;
        let local = address.ip().is_loopback();
        let guard = Arc::new(Guard::new(token, hosts, local, address.port()));
        let chart = Arc::new(Chart::default());
        let kept: Arc<Kept> = Arc::default();
        admin.kept = Some(Arc::clone(&kept));
        let desk = Desk { admin, guard, chart, language, zone };
        let mut helpers = JoinSet::new();
        helpers.spawn(count(desk.clone(), kept, stop.clone()));
        let router = router(desk, stop.clone());
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (router, stop) = (router.clone(), stop.clone());
                        connections.spawn(async move {
                            connection(stream, router, stop).await;
                            drop(place);
                        });
                    }
                    // That of one connection, or a lack of file handles that will pass.
                    Err(error) => {
                        warn!(%error, "a connection to the status page was lost");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        drop(tokio::time::timeout(GRACE, all).await);
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Small answers must not wait for one another. A socket that cannot do it still works.
    drop(stream.set_nodelay(true));
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                debug!(error = %Chain(&error), "a connection to the status page broke");
            }
            return;
        }
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

/// Keeps the chart's counts, and the sums of a large backlog, up to date.
async fn count(desk: Desk, kept: Arc<Kept>, stop: CancellationToken) {
    let mut news = desk.admin.observed.as_ref().map(|seen| seen.events.watch());
    loop {
        let worker = &desk.admin.worker;
        if let Err(error) = desk.chart.refresh(&*worker.store, worker.clock.now()).await {
            debug!(error = %Chain(&error), "the chart could not be brought up to date");
        }
        // Without sums, each is added up when it is asked for.
        let rest = kept.refresh(&*worker.store).await.unwrap_or_default();
        let changed = async {
            tokio::time::sleep(rest.max(CHART_INTERVAL)).await;
            if let Some(news) = &mut news
                && news.changed().await.is_ok()
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(CHART_INTERVAL_MAX, changed) => {}
        }
    }
}

fn router(desk: Desk, stop: CancellationToken) -> Router {
    let admin = desk.admin.clone();
    let streams = stream::Streams::new(admin.observed.clone(), stop);
    let events = |State(streams): State<stream::Streams>, headers: HeaderMap| async move {
        stream::events(streams, &headers)
    };
    let events = Router::new().route("/api/v1/events", get(events)).with_state(streams);
    let plain = Router::new()
        .route(READY, get(ready))
        .route("/metrics", get(super::metrics::answer))
        .merge(api::router(api::Side::Page))
        .with_state(admin);
    Router::new()
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/assets/{name}", get(|uri: Uri| async move { page::assets::asset(uri.path()) }))
        .merge(page::router(desk.clone()))
        .merge(plain)
        .merge(events)
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            let detail = "this path does not take that method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .layer(middleware::from_fn_with_state(desk.clone(), page::problems_as_pages))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(desk, admit))
}

/// Whether a path says nothing that is a secret: what probes ask, and what signing in needs.
fn is_open(path: &str) -> bool {
    matches!(path, "/-/healthy" | READY | "/sign-in" | "/like" | "/do/sign-in")
        || path.starts_with("/assets/")
}

/// Whether an error at this path is for a program to read.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/-/") || path == "/metrics"
}

/// Lets a request in or not, bounds its time, and says to browsers what they must not do.
async fn admit(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let now = desk.admin.worker.clock.now();
    let admitted = desk.guard.admit(request.method(), request.headers(), is_open(&path), now);
    let mut response = match admitted {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            let answered = tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await;
            answered.unwrap_or_else(|_elapsed| {
                let detail = "the answer took too long";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
            })
        }
        Err(Turned::Away(problem)) => problem.into_response(),
        Err(Turned::SignIn) => sign_in_first(&request),
    };
    // That nobody is ready yet is an answer, which balancers ask for every few seconds.
    if response.status().is_server_error() && path != READY {
        error!(path, status = response.status().as_u16(), "the status page failed");
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What is seen now is of no use later, and may be of use to the next one at this browser.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn sign_in_first(request: &Request) -> Response {
    let path = request.uri().path();
    if is_for_programs(path) || request.method() != Method::GET {
        let detail = "the token is needed: Authorization: Bearer …";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    page::see_other(&format!("/sign-in?{}", query.append_pair("to", here).finish()))
}

/// Ready: the store answers, every source was polled, and none is blind.
async fn ready(State(admin): State<Admin>) -> Response {
    let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    let answer = tokio::time::timeout(READY_MAX, admin.source_views()).await;
    let Ok(Ok(sources)) = answer else {
        let text = "not ready: the store does not answer\n";
        return (StatusCode::SERVICE_UNAVAILABLE, plain, text).into_response();
    };
    let waiting = sources.iter().filter(|source| source.last_poll_at.is_none()).count();
    let blind = sources.iter().filter(|source| source.blind).count();
    if waiting + blind == 0 {
        return (plain, "ready\n").into_response();
    }
    // Anybody may ask, so no names.
    let all = sources.len();
    let text = format!("not ready: of {all} sources, {waiting} not polled yet, {blind} not seen\n");
    (StatusCode::SERVICE_UNAVAILABLE, plain, text).into_response()
}
