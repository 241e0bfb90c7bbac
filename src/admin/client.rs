//! Asks the running daemon through its control socket, or opens the store if there is none.

use std::{io, os::unix::net::UnixStream, path::Path, time::Duration};

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use thiserror::Error;

use super::{Admin, AdminError, LIMIT_DEFAULT, ListQuery, ask::Ask, socket};
use crate::{
    app::{self, AppError},
    config::Config,
    exit::Exit,
    http::{self, BodyError},
    name::Name,
    progress::Progress,
};

/// Largest answer of a daemon: a thousand rows with long texts stay below.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A daemon that polls for `plan` or tests a slow sink needs its own time limits to end first.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The store could not be opened.
    #[error(transparent)]
    App(#[from] AppError),
    /// The question itself.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
    /// The daemon is there and does not answer.
    #[error("the running daemon does not answer")]
    Mute(#[source] reqwest::Error),
    /// It answers something else.
    #[error("the running daemon's answer is not usable")]
    Answer(#[source] BodyError),
    /// It answers something else.
    #[error("the running daemon's answer is not JSON")]
    Json(#[source] serde_json::Error),
    /// The control socket cannot be opened.
    #[error("cannot open the control socket")]
    Socket(#[source] io::Error),
}

impl ClientError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Socket(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("a daemon answers root and the user that it runs as")
            }
            Self::App(error) => error.help(),
            _ => None,
        }
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::App(error) => error.into(),
            ClientError::Admin(AdminError::Store(error)) => error.into(),
            _ => Self::Failed,
        }
    }
}

/// Whoever answers.
#[derive(Debug)]
pub enum Client {
    /// The running daemon.
    Remote(reqwest::Client),
    /// We ourselves.
    Local(Box<Admin>),
}

impl Client {
    /// Finds the daemon of the config's store, or opens the store.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn open(config: &Config, holder: &str) -> Result<Self, ClientError> {
        if let Some(remote) = Self::running(&config.store.path)? {
            return Ok(remote);
        }
        let store = app::open_store(config, holder, false).await.map_err(AppError::from)?;
        let worker = app::worker(config, store, &app::by_hand()).map_err(AppError::from)?;
        worker.recall().await.map_err(AppError::from)?;
        Ok(Self::Local(Box::new(Admin::of(worker))))
    }

    /// The daemon that holds this store, if there is one.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn running(store: &Path) -> Result<Option<Self>, ClientError> {
        let path = socket::path(store);
        match UnixStream::connect(&path) {
            Ok(probe) => drop(probe),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(ClientError::Socket(error)),
        }
        http::install_crypto();
        let client = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .build()
            .map_err(ClientError::Mute)?;
        Ok(Some(Self::Remote(client)))
    }

    /// Asks. A list is put together of its parts.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn ask(&self, ask: Ask) -> Result<Value, ClientError> {
        match ask {
            Ask::Failures(query) => self.list(query, Ask::Failures).await,
            Ask::Deliveries(query) => self.list(query, Ask::Deliveries).await,
            ask => match self {
                Self::Local(admin) => Ok(admin.answer(ask).await?),
                Self::Remote(client) if ask.is_list() => all(client, &ask).await,
                Self::Remote(client) => remote(client, &ask, None).await,
            },
        }
    }

    /// How far long work is that whoever answers does. Nothing, if that cannot be had.
    pub async fn progress(&self) -> Option<Progress> {
        match self {
            Self::Local(admin) => admin.progress(),
            Self::Remote(client) => {
                let told = remote(client, &Ask::Progress, None).await.ok()?;
                serde_json::from_value(told).ok()
            }
        }
    }

    /// As many items as were asked for, or all that there are.
    async fn list(
        &self,
        mut query: ListQuery,
        ask: fn(ListQuery) -> Ask,
    ) -> Result<Value, ClientError> {
        let mut wanted = query.limit.unwrap_or(LIMIT_DEFAULT);
        let mut items = Vec::new();
        loop {
            query.limit = Some(wanted);
            let mut part = match self {
                Self::Local(admin) => admin.answer(ask(query.clone())).await?,
                Self::Remote(client) => remote(client, &ask(query.clone()), None).await?,
            };
            let some = take(&mut part, &mut items);
            wanted = wanted.saturating_sub(some);
            query.cursor = next(&part);
            if wanted == 0 || query.cursor.is_none() {
                return Ok(Value::Array(items));
            }
        }
    }
}

/// The project that polls found for a source of `config`, as the running daemon or else the store
/// knows it. Needs none of the config's secrets, and makes no store where there is none.
pub async fn found_project(config: &Config, source: &Name) -> Option<String> {
    let folder = &config.store.path;
    let project = match Client::running(folder).ok()? {
        Some(daemon) => {
            let rows = daemon.ask(Ask::Sources).await.ok()?;
            let mine =
                |row: &&Value| row.get("name").and_then(Value::as_str) == Some(source.as_str());
            rows.as_array()?.iter().find(mine)?.get("project_id")?.as_str()?.to_owned()
        }
        None if folder.exists() => {
            let store = app::open_store(config, "`taskbell route test`", false).await.ok()?;
            let sources = store.sources().await.ok()?;
            sources.into_iter().find(|(name, _)| name == source)?.1.info?.project_id
        }
        None => return None,
    };
    Some(project).filter(|project| !project.is_empty())
}

/// Moves the items of a part to the others. Returns how many.
fn take(part: &mut Value, items: &mut Vec<Value>) -> usize {
    let some = part.get_mut("items").and_then(Value::as_array_mut);
    let some = some.map(std::mem::take).unwrap_or_default();
    let count = some.len();
    items.extend(some);
    count
}

fn next(part: &Value) -> Option<String> {
    part.get("next").and_then(Value::as_str).map(str::to_owned)
}

/// A list that is short enough to be asked for whole.
async fn all(client: &reqwest::Client, ask: &Ask) -> Result<Value, ClientError> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let mut part = remote(client, ask, cursor).await?;
        take(&mut part, &mut items);
        cursor = next(&part);
        if cursor.is_none() {
            return Ok(Value::Array(items));
        }
    }
}

async fn remote(
    client: &reqwest::Client,
    ask: &Ask,
    cursor: Option<String>,
) -> Result<Value, ClientError> {
    let (method, path, query, body) = ask.request();
    let mut url = url::Url::parse("http://daemon/api/v1/").expect("a valid URL");
    if let Ok(joined) = url.join(&path) {
        url = joined;
    }
    if let Some(Value::Object(query)) = query {
        let mut pairs = url.query_pairs_mut();
        for (key, value) in query {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            pairs.append_pair(&key, &text);
        }
    }
    if let Some(cursor) = cursor {
        url.query_pairs_mut().append_pair("cursor", &cursor);
    }
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    }
    let response = request.send().await.map_err(ClientError::Mute)?;
    let accepted = response.status().is_success();
    let body = http::read_capped(response, ANSWER_BYTES_MAX).await.map_err(ClientError::Answer)?;
    let value: Value = serde_json::from_slice(&body).map_err(ClientError::Json)?;
    if accepted {
        return Ok(value);
    }
    let detail = value.get("detail").and_then(Value::as_str).unwrap_or("the daemon refused");
    Err(ClientError::Refused(detail.to_owned()))
}
