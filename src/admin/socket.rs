//! The control socket: the admin API over HTTP on a Unix socket that only its owner can open.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, Query, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{Admin, AdminError, ListQuery, TestKind};
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
        .route("/api/v1/sources", get(sources))
        .route("/api/v1/failures", get(failures))
        .route("/api/v1/failures/{id}", get(failure))
        .route("/api/v1/deliveries", get(deliveries))
        .route("/api/v1/deliveries/{id}", get(delivery))
        .route("/api/v1/deliveries/{id}/retry", post(retry))
        .route("/api/v1/sinks", get(sinks))
        .route("/api/v1/sinks/{name}/test", post(test_sink))
        .route("/api/v1/plan", post(plan))
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

fn answer(result: Result<Value, AdminError>) -> Answer {
    result.map(Json).map_err(|error| {
        let status = match error {
            AdminError::NotFound(_) => StatusCode::NOT_FOUND,
            AdminError::Invalid(_) => StatusCode::BAD_REQUEST,
            AdminError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        problem(status, &Chain(&error).to_string())
    })
}

fn query(query: Result<Query<ListQuery>, QueryRejection>) -> Result<ListQuery, Problem> {
    query
        .map(|Query(query)| query)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &error.body_text()))
}

fn number(id: &str) -> Result<u64, Problem> {
    id.parse().map_err(|_| problem(StatusCode::BAD_REQUEST, "a delivery is named by its number"))
}

async fn sources(State(admin): State<Admin>) -> Answer {
    answer(admin.sources().await)
}

async fn failures(
    State(admin): State<Admin>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Answer {
    answer(admin.failures(&query(asked)?).await)
}

async fn failure(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(admin.failure(&id).await)
}

async fn deliveries(
    State(admin): State<Admin>,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Answer {
    answer(admin.deliveries(&query(asked)?).await)
}

async fn delivery(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(admin.delivery(number(&id)?).await)
}

async fn retry(State(admin): State<Admin>, UrlPath(id): UrlPath<String>) -> Answer {
    answer(admin.retry(vec![number(&id)?]).await)
}

async fn sinks(State(admin): State<Admin>) -> Answer {
    answer(admin.sinks().await)
}

/// What `sink test` asks for beside the sink.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestQuery {
    kind: TestKind,
}

async fn test_sink(
    State(admin): State<Admin>,
    UrlPath(name): UrlPath<String>,
    asked: Result<Query<TestQuery>, QueryRejection>,
) -> Answer {
    let Query(asked) =
        asked.map_err(|error| problem(StatusCode::BAD_REQUEST, &error.body_text()))?;
    answer(admin.test_sink(&name, asked.kind).await)
}

async fn plan(State(admin): State<Admin>) -> Answer {
    answer(admin.plan().await)
}
