//! Puts the worker together. The only file that names concrete adapters.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[cfg(debug_assertions)]
use jiff::SignedDuration;
use thiserror::Error;

#[cfg(debug_assertions)]
use crate::{clock::ShiftedClock, options};
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, ConfigError},
    decide::{diff::DiffPolicy, last_words},
    exit::Exit,
    http::{Clients, Paces, Witness},
    name::Name,
    progress::Meter,
    runtime,
    source::Standings,
    store::{self, Access, Archived, Store, StoreError},
    worker::{Outlet, Watched, Worker, after::Pulse, cleanup::Round, deliver::Lane},
};

/// Why there is no worker.
#[derive(Debug, Error)]
pub enum AppError {
    /// The config, or a secret it names, is wrong.
    #[error("the config is not usable")]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error("the store is not usable")]
    Store(#[from] StoreError),
}

impl AppError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Store(StoreError::Held { .. }) => Some(
                "one process at a time has a store: wait for that one or stop it; commands that \
                 look ask a running daemon instead",
            ),
            _ => None,
        }
    }
}

impl From<&AppError> for Exit {
    fn from(error: &AppError) -> Self {
        match error {
            AppError::Config(error) => error.into(),
            AppError::Store(error) => error.into(),
        }
    }
}

/// Opens the store of `config` on disk. `holder` says who we are to whoever finds it locked;
/// `repair`, whether a damaged one is replaced by its copy.
///
/// # Errors
///
/// [`StoreError`].
pub async fn open_store(
    config: &Config,
    holder: &str,
    repair: bool,
) -> Result<Arc<dyn Store>, StoreError> {
    let folder = &config.store.path;
    let access = Access { folder, holder, repair, now: clock().now() };
    Ok(Arc::new(store::open_sled(access).await?))
}

/// Makes the empty store of `config` hold what the archive `file` does.
///
/// # Errors
///
/// [`StoreError`].
pub async fn import_store(
    config: &Config,
    file: &Path,
    meter: Arc<Meter>,
) -> Result<Archived, StoreError> {
    let (folder, file, now) = (config.store.path.clone(), file.to_owned(), clock().now());
    let imported = tokio::task::spawn_blocking(move || {
        let holder = "`taskbell state import`";
        store::import(Access { folder: &folder, holder, repair: false, now }, &file, &meter)
    });
    imported.await.map_err(|_panic| StoreError::Closed)?
}

/// The sinks of `config`, without a store. Reads secrets and does no other I/O.
///
/// # Errors
///
/// [`ConfigError`].
pub fn outlets(config: &Config) -> Result<Vec<(Name, Outlet)>, ConfigError> {
    let sinks = config.build_sinks(&Clients::default())?;
    let named = sinks.into_iter().zip(&config.sinks).map(|(sink, written)| {
        let (timeout, concurrency) = (written.timeout, written.concurrency);
        (written.name.clone(), Outlet { sink: sink.into(), timeout, concurrency })
    });
    Ok(named.collect())
}

/// What is remembered of credentials by commands that nobody watches: one that was refused a few times
/// is not shown again at once.
#[must_use]
pub fn unattended() -> Standings {
    Standings::at(credentials_file, true)
}

/// The same of commands that somebody gave who waits for the answer.
#[must_use]
pub fn by_hand() -> Standings {
    Standings::at(credentials_file, false)
}

fn credentials_file() -> Option<PathBuf> {
    Some(runtime::folder()?.join("credentials"))
}

/// A worker on `store` as `config` wants it. Reads secrets and does no other I/O; how credentials fare
/// later is remembered in `standings`.
///
/// # Errors
///
/// [`ConfigError`].
pub fn worker(
    config: &Config,
    store: Arc<dyn Store>,
    standings: &Standings,
) -> Result<Worker, ConfigError> {
    worker_through(Clients::default(), config, store, standings)
}

/// The same, with what is shown to it in handshakes seen by `witness`.
///
/// # Errors
///
/// As [`worker`].
pub fn worker_seen_by(
    witness: Witness,
    config: &Config,
    store: Arc<dyn Store>,
    standings: &Standings,
) -> Result<Worker, ConfigError> {
    worker_through(Clients::seen_by(witness), config, store, standings)
}

fn worker_through(
    clients: Clients,
    config: &Config,
    store: Arc<dyn Store>,
    standings: &Standings,
) -> Result<Worker, ConfigError> {
    let clock = clock();
    let clients = clients.paced(Paces::of(config.worker.host_limit));
    let sources = config.build_sources(&clock, &clients, standings)?;
    let sinks = config.build_sinks(&clients)?;
    let rules = Arc::new(config.rules());
    let retry = Arc::new(config.retry.clone());
    let lanes = sinks.into_iter().zip(&config.sinks).map(|(sink, written)| Lane {
        name: written.name.clone(),
        outlet: Outlet {
            sink: sink.into(),
            timeout: written.timeout,
            concurrency: written.concurrency,
        },
        retry: Arc::clone(&retry),
        rules: Arc::clone(&rules),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
    });
    let heartbeats = config.build_heartbeats(&clients)?;
    let sources = sources.into_iter().zip(heartbeats).zip(&config.sources);
    let watched = sources.map(|((source, heartbeat), written)| Watched {
        source: source.into(),
        interval: written.interval,
        timeout: written.timeout,
        policy: DiffPolicy { first_run: written.first_run, ..DiffPolicy::default() },
        blind_after: written.blind_after,
        pulse: heartbeat.map(Pulse::new),
        round: Round::default(),
    });
    Ok(Worker {
        lanes: lanes.collect(),
        sources: watched.collect(),
        store,
        clock,
        rules,
        poll_concurrency: config.worker.poll_concurrency,
        shutdown_grace: config.worker.shutdown_grace,
        retention: config.store.retention,
        checkpoint: config.store.checkpoint,
    })
}

/// After what silence a store is said to hang. A test may set it for a debug build, in milliseconds.
#[must_use]
pub fn silent_after() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(short) = options::env("TASKBELL_SILENT_AFTER").and_then(|text| text.parse().ok()) {
        return Duration::from_millis(short);
    }
    last_words::SILENT_AFTER
}

/// The system's clock. A test may shift that of a debug build by so many milliseconds.
#[must_use]
pub fn clock() -> Arc<dyn Clock> {
    #[cfg(debug_assertions)]
    if let Some(shift) = options::env("TASKBELL_CLOCK_SHIFT").and_then(|text| text.parse().ok()) {
        return Arc::new(ShiftedClock(SignedDuration::from_millis(shift)));
    }
    Arc::new(SystemClock)
}
