//! The control socket: the admin API over HTTP on a Unix socket that only its owner can open.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use axum::{
    Json, Router,
    extract::{
        Path as UrlPath, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{
    Admin, AdminError, ListQuery, TestKind,
    ask::Ask,
    operate::{DeadQuery, NewAck, NewSilence},
};
use crate::http::Chain;

/// Where the socket of a store is.
#[must_use]
pub fn path(store: &Path) -> PathBuf {
    store.join("control.sock")
}

/// A socket that listens and is not served yet.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket. The caller holds the store's lock, so one that lies there is stale.
    ///
    /// # Errors
    ///
    /// When the store's folder cannot be written.
    pub fn bind(store: &Path) -> io::Result<Self> {
        let path = path(store);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The folder is open to its owner alone, so nobody gets in before the mode is set.
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(self, admin: Admin, stop: CancellationToken) -> io::Result<()> {
        let result = axum::serve(self.listener, router(admin))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        // Gone already if somebody removed the folder.
        drop(fs::remove_file(&self.path));
        result
    }
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/sources", get(sources))
        .route("/api/v1/sources/{name}/baseline", delete(reset_baseline))
        .route("/api/v1/failures", get(failures))
        .route("/api/v1/failures/{id}", get(failure))
        .route("/api/v1/failures/{id}/ack", post(ack).delete(unack))
        .route("/api/v1/deliveries", get(deliveries))
        .route("/api/v1/deliveries/{id}", get(delivery))
        .route("/api/v1/deliveries/{id}/retry", post(retry))
        .route("/api/v1/deliveries/{id}/cancel", post(cancel))
        .route("/api/v1/dead/replay", post(replay_dead))
        .route("/api/v1/dead/purge", post(purge_dead))
        .route("/api/v1/silences", get(silences).post(add_silence))
        .route("/api/v1/silences/{id}", delete(expire_silence))
        .route("/api/v1/sinks", get(sinks))
        .route("/api/v1/sinks/{name}/test", post(test_sink))
        .route("/api/v1/sinks/{name}/probe", post(probe_sink))
        .route("/api/v1/state", get(state))
        .route("/api/v1/state/records", get(records))
        .route("/api/v1/state/info", get(state_info))
        .route("/api/v1/state/checkpoint", post(checkpoint))
        .route("/api/v1/state/compact", post(compact))
        .route("/api/v1/plan", post(plan))
        .route("/api/v1/diff", post(diff))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .with_state(admin)
}

type Answer = Result<Json<Value>, Problem>;

/// An error as RFC 9457 has it.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail } = self;
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
        (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

fn problem(status: StatusCode, detail: &str) -> Problem {
    Problem { status, detail: detail.to_owned() }
}

fn refused(error: &AdminError) -> Problem {
    let status = match error {
        AdminError::NotFound(_) => StatusCode::NOT_FOUND,
        AdminError::Invalid(_) => StatusCode::BAD_REQUEST,
        AdminError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &Chain(error).to_string())
}

async fn answer(admin: &Admin, ask: Ask) -> Answer {
    admin.answer(ask).await.map(Json).map_err(|error| refused(&error))
}

fn query(query: Result<Query<ListQuery>, QueryRejection>) -> Result<ListQuery, Problem> {
    query
        .map(|Query(query)| query)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &error.body_text()))
}

fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|error| problem(error.status(), &error.body_text()))
}

fn number(id: &str) -> Result<u64, Problem> {
    id.parse().map_err(|_| problem(StatusCode::BAD_REQUEST, "it is named by its number"))
}

type Asked<T> = Result<Json<T>, JsonRejection>;

async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let text = admin.metrics().await.map_err(|error| refused(&error))?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn sources(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Sources).await
}

async fn reset_baseline(State(admin): State<Admin>, UrlPath(name): UrlPath<String>) -> Answer {
    answer(&admin, Ask::ResetBaseline(name)).await
}

async fn failures(
    State(admin): State<Admin>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Answer {
    answer(&admin, Ask::Failures(query(asked)?)).await
}

async fn failure(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::Failure(id)).await
}

async fn ack(
    State(admin): State<Admin>,
    UrlPath(id): UrlPath<String>,
    asked: Asked<NewAck>,
) -> Answer {
    answer(&admin, Ask::Acknowledge(id, Some(body(asked)?))).await
}

async fn unack(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::Acknowledge(id, None)).await
}

async fn deliveries(
    State(admin): State<Admin>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Answer {
    answer(&admin, Ask::Deliveries(query(asked)?)).await
}

async fn delivery(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::Delivery(number(&id)?)).await
}

async fn retry(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::Retry(number(&id)?)).await
}

async fn cancel(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::Cancel(number(&id)?)).await
}

async fn replay_dead(State(admin): State<Admin>, asked: Asked<DeadQuery>) -> Answer {
    answer(&admin, Ask::ReplayDead(body(asked)?)).await
}

async fn purge_dead(State(admin): State<Admin>, asked: Asked<DeadQuery>) -> Answer {
    answer(&admin, Ask::PurgeDead(body(asked)?)).await
}

async fn silences(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Silences).await
}

async fn add_silence(State(admin): State<Admin>, asked: Asked<NewSilence>) -> Answer {
    answer(&admin, Ask::AddSilence(body(asked)?)).await
}

async fn expire_silence(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(&admin, Ask::ExpireSilence(number(&id)?)).await
}

async fn sinks(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Sinks).await
}

/// What `sink test` asks for beside the sink.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestBody {
    kind: TestKind,
}

async fn test_sink(
    State(admin): State<Admin>,
    UrlPath(name): UrlPath<String>,
    asked: Asked<TestBody>,
) -> Answer {
    let TestBody { kind } = body(asked)?;
    answer(&admin, Ask::TestSink(name, kind)).await
}

/// What `sink probe` asks for beside the sink.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProbeBody {
    resend: bool,
}

async fn probe_sink(
    State(admin): State<Admin>,
    UrlPath(name): UrlPath<String>,
    asked: Asked<ProbeBody>,
) -> Answer {
    let ProbeBody { resend } = body(asked)?;
    answer(&admin, Ask::ProbeSink(name, resend)).await
}

async fn state(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Account).await
}

async fn records(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Inspect).await
}

async fn state_info(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::StateInfo).await
}

async fn checkpoint(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Checkpoint).await
}

async fn compact(State(admin): State<Admin>) -> Answer {
    answer(&admin, Ask::Compact).await
}

/// What `plan` asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlanBody {
    config: Option<String>,
}

async fn plan(State(admin): State<Admin>, asked: Asked<PlanBody>) -> Answer {
    let PlanBody { config } = body(asked)?;
    answer(&admin, Ask::Plan(config)).await
}

/// What `config diff` asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffBody {
    config: String,
    seconds: u64,
}

async fn diff(State(admin): State<Admin>, asked: Asked<DiffBody>) -> Answer {
    let DiffBody { config, seconds } = body(asked)?;
    answer(&admin, Ask::Diff(config, seconds)).await
}
