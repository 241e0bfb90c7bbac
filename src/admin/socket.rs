//! The control socket: the admin API over HTTP on a Unix socket that only its owner can open.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, routing::get};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{Admin, api, problem::Problem};

/// Largest body: another config, as JSON, in which each character may need six.
const BODY_BYTES_MAX: usize = 6 * 4 * 1024 * 1024;

/// The socket's name until it can be used. A shorter one than its own, so that it fits wherever
/// that one fits.
const COMING: &str = "control.new";

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
        let coming = store.join(COMING);
        match fs::remove_file(&coming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&coming)?;
        fs::set_permissions(&coming, fs::Permissions::from_mode(0o600))?;
        // Under its own name it listens already, and nobody else can open it. A command that
        // found a socket on which nobody listens would take the daemon for dead.
        fs::rename(&coming, &path)?;
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

pub(super) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(super::metrics::answer))
        .merge(api::router(api::Side::Socket))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}
