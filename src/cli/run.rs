//! `taskbell run`: the daemon, and how it is told to stop and to read its config anew.

use std::{path::Path, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{last_words, out};
use crate::{
    admin::{
        Admin,
        observe::{Observations, Observed},
        server::StatusServer,
        socket::ControlSocket,
    },
    app::{self, AppError},
    config::Config,
    exit::Exit,
    failpoint,
    http::Chain,
    source::Standings,
    store::{Store, StoreError},
    worker::{Worker, budget, daemon::Daemon},
};

/// What `systemctl status` shows after a reload that changed nothing.
const REFUSED: &str = "the new config was refused, the old one stays; the log says why";

/// What ended a run of the loops.
enum Ended {
    Stop,
    Reload,
    Failed(StoreError),
}

pub(super) async fn run(config: &Config, path: Option<&Path>) -> Exit {
    let seen = Arc::new(Observations::new(app::clock().now()));
    let opened = async {
        let store = app::open_store(config, "`taskbell run`", true).await?;
        let store: Arc<dyn Store> = Arc::new(Observed::new(store, Arc::clone(&seen)));
        let worker = app::worker(config, Arc::clone(&store), &app::unattended())?;
        Ok::<_, AppError>((store, worker))
    };
    let (store, mut worker) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return last_words::at_opening(config, &error).await,
    };
    let began = Instant::now();
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return out::fail(&error, None, Exit::Failed),
    };
    greet(config, &worker).await;
    let mut config = config.clone();
    loop {
        let (outlets, rules) = (worker.outlets(), Arc::clone(&worker.rules));
        let next = match serve((&config, &seen), worker, &mut signals, path).await {
            (Ended::Stop, _) => {
                info!("stopped");
                return Exit::Done;
            }
            (Ended::Failed(error), _) => {
                error!(error = %Chain(&error), "the store failed; stopping");
                let told = (outlets.as_slice(), &*rules);
                last_words::of_work(&config, told, &error, began.elapsed()).await;
                return Exit::from(&error);
            }
            (Ended::Reload, next) => next,
        };
        let Some(next) = next else { return Exit::Done };
        match app::worker(&next, Arc::clone(&store), &app::unattended()) {
            Ok(built) => worker = built,
            // It was built once already a moment ago, so only a secret can have gone.
            Err(error) => return out::fail(&error, None, Exit::ConfigInvalid),
        }
        config.status = next.status;
        config.text = next.text;
        failpoint::hit("reload.after");
        info!(sources = worker.sources.len(), sinks = worker.lanes.len(), "config reloaded");
    }
}

async fn greet(config: &Config, worker: &Worker) {
    for warning in &config.warnings {
        warn!(%warning, "the config deserves a look");
    }
    for warning in budget::beyond(&worker.sources, config.worker.host_limit) {
        warn!(%warning, "the config deserves a look");
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        sources = worker.sources.len(),
        sinks = worker.lanes.len(),
        store = %config.store.path.display(),
        "started"
    );
    if let Ok(owed) = worker.store.owed().await {
        for (sink, owed) in owed {
            if worker.lane(sink.as_str()).is_none() && 0 < owed.pending {
                let deliveries = owed.pending;
                warn!(%sink, deliveries, "owed to a sink that is not in the config");
            }
        }
    }
}

/// Runs the loops until something ends them. With a reload comes the config to go on with.
async fn serve(
    (config, seen): (&Config, &Arc<Observations>),
    worker: Worker,
    signals: &mut Signals,
    path: Option<&Path>,
) -> (Ended, Option<Config>) {
    let stop = CancellationToken::new();
    let daemon = Daemon::new(worker.clone());
    let admin = Admin::running(worker.clone(), daemon.waker(), Arc::clone(seen));
    let mut helpers = JoinSet::new();
    show(config, &admin, &mut helpers, &stop).await;
    match ControlSocket::bind(&config.store.path) {
        Ok(socket) => {
            let stop = stop.clone();
            helpers.spawn(async move {
                if let Err(error) = socket.serve(admin, stop).await {
                    error!(error = %Chain(&error), "the control socket failed");
                }
            });
        }
        Err(error) => {
            error!(error = %Chain(&error), "no control socket; admin commands will not work");
        }
    }
    helpers.spawn(watchdog(Arc::clone(&worker.store), stop.clone()));
    let (config_now, heard) = (config.clone(), worker.clone());
    helpers.spawn(async move {
        let told = (heard.outlets(), Arc::clone(&heard.rules));
        match last_words::of_silence(&config_now, (&told.0, &told.1), &*heard.store).await {}
    });
    let count = worker.sources.len();
    let watching = format!("watching {}", out::count(count, "source", "sources"));
    notify(&[NotifyState::Ready, NotifyState::Status(&watching)]);
    let loops = daemon.run(stop.clone());
    tokio::pin!(loops);
    let (ended, next) = loop {
        tokio::select! {
            result = &mut loops => {
                break (result.err().map_or(Ended::Stop, Ended::Failed), None);
            }
            asked = signals.next() => match asked {
                Asked::Stop => break (Ended::Stop, None),
                Asked::Reload => match reload(&worker, config, path) {
                    Some(next) => break (Ended::Reload, Some(next)),
                    None => notify(&[NotifyState::Ready, NotifyState::Status(REFUSED)]),
                },
            },
        }
    };
    if matches!(ended, Ended::Stop) {
        notify(&[NotifyState::Stopping]);
        info!("stopping; what is in flight gets its time");
    }
    stop.cancel();
    let finished = tokio::select! {
        finished = &mut loops, if !matches!(ended, Ended::Failed(_)) => finished,
        _asked = signals.next(), if matches!(ended, Ended::Stop) => {
            warn!("told twice; what is in flight will be sent again");
            Ok(())
        }
        else => Ok(()),
    };
    helpers.shutdown().await;
    match finished {
        Ok(()) => (ended, next),
        Err(error) => (Ended::Failed(error), None),
    }
}

/// Serves the status page, if the config wants one. Without it the worker does all the same what
/// it is for, so trouble here is told and not more.
async fn show(config: &Config, admin: &Admin, helpers: &mut JoinSet<()>, stop: &CancellationToken) {
    let Some(status) = &config.status else { return };
    match StatusServer::bind(status, &config.text).await {
        Ok(server) => {
            let address = server.address();
            info!(%address, "the status page is at http://{address}/");
            let (admin, stop) = (admin.clone(), stop.clone());
            helpers.spawn(server.serve(admin, stop));
        }
        Err(error) => error!(error = %Chain(&error), "no status page"),
    }
}

/// Reads and builds the new config. A bad one is refused as a whole.
fn reload(worker: &Worker, config: &Config, path: Option<&Path>) -> Option<Config> {
    failpoint::hit("reload.before");
    // With `Type=notify-reload` systemd waits for a READY=1 that is later than this time.
    let now = NotifyState::monotonic_usec_now();
    notify(&[NotifyState::Reloading].into_iter().chain(now.ok()).collect::<Vec<_>>());
    let next = match Config::load(path) {
        Ok(next) => next,
        Err(error) => {
            error!(error = %Chain(&error), "the new config is wrong; the old one stays");
            return None;
        }
    };
    if let Err(error) = app::worker(&next, Arc::clone(&worker.store), &Standings::default()) {
        error!(error = %Chain(&error), "the new config is not usable; the old one stays");
        return None;
    }
    if let Err(error) = next.check_status() {
        error!(error = %Chain(&error), "the new config is not usable; the old one stays");
        return None;
    }
    if next.store.path != config.store.path {
        warn!("store.path changed; that takes effect at the next start");
    }
    Some(next)
}

/// Tells systemd that we live, as long as the store answers.
async fn watchdog(store: Arc<dyn Store>, stop: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(period.div_f64(2.0).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if store.sources().await.is_ok() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(error = %Chain(&error), "systemd was not told");
    }
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
