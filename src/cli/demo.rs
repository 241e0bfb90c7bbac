//! `taskbell demo`: the whole way on loopback, from a simulated cloud to receivers that print
//! what arrives. No config, no network, no secrets.
//!
//! Each step of the story waits until its effect was seen at a receiver. So the demo is also a
//! test of the installed binary.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use thiserror::Error;
use tokio::{
    signal,
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::out;
use crate::{
    admin::{
        Admin,
        observe::{Observations, Observed},
        server::StatusServer,
    },
    app::{self, AppError},
    clock::{Clock, SystemClock},
    config::Config,
    exit::Exit,
    receiver::{HttpAnswer, MailArrival, SmtpReceiver, WebhookArrival, WebhookReceiver},
    sim::{Scenario, SimTask, Simulator},
    sink::signature::Key,
    source::Standings,
    worker::daemon::Daemon,
};

/// The project of the simulator's own accounts.
const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// Signs the demo's webhooks. Not a secret: it stands in every copy of the program.
const SECRET: &str = "whsec_dGFza2JlbGwtZGVtby1zZWNyZXQtMzItYnl0ZXMhIQ==";

/// For orders from the demo's status page. As little a secret.
const TOKEN: &str = "demo-demo-demo-demo";

/// Between two polls; a real source has at least 5 s.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for one effect. Each takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The steps of the story.
const CHAPTERS: u32 = 6;

/// `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End after the story
    #[arg(long)]
    once: bool,
}

/// Why the story did not come to its end.
#[derive(Debug, Error)]
enum DemoError {
    #[error("cannot listen on loopback")]
    Listen(#[source] std::io::Error),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("the simulated cloud lost the demo's project")]
    Cloud(#[from] crate::sim::NotThere),
    #[error("not seen within {} s: {what}", PATIENCE.as_secs())]
    NotSeen { what: String },
    #[error("the demo's signing key is not one")]
    Key,
}

pub(super) async fn run(args: Args) -> Exit {
    let folder = std::env::temp_dir().join(format!("taskbell-demo-{}", std::process::id()));
    let result = play(&args, &folder).await;
    for leftover in [folder.clone(), folder.with_extension("marker")] {
        // Gone, or in the way of nobody.
        drop(std::fs::remove_dir_all(&leftover).or_else(|_| std::fs::remove_file(&leftover)));
    }
    match result {
        Ok(()) => Exit::Done,
        Err(error) => out::fail(&error, None, Exit::Failed),
    }
}

/// The actors.
struct Stage {
    cloud: Simulator,
    chat: WebhookReceiver,
    mail: SmtpReceiver,
}

async fn play(args: &Args, folder: &Path) -> Result<(), DemoError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let key = Key::parse(SECRET).map_err(|_| DemoError::Key)?;
    let stage = Stage {
        cloud: Simulator::start(Scenario::demo(), any, Arc::clone(&clock))
            .await
            .map_err(DemoError::Listen)?,
        chat: WebhookReceiver::start(any, vec![key], clock).await.map_err(DemoError::Listen)?,
        mail: SmtpReceiver::start(any).await.map_err(DemoError::Listen)?,
    };
    let config = Config::parse(&config_text(&stage, folder), "the demo's config".as_ref())
        .map_err(AppError::from)?;
    let store = app::open_store(&config, "`taskbell demo`", true).await.map_err(AppError::from)?;
    let mut worker = app::worker(&config, store, &Standings::default()).map_err(AppError::from)?;
    for watched in Arc::make_mut(&mut worker.sources) {
        watched.interval = INTERVAL;
    }
    let seen = Arc::new(Observations::new(worker.clock.now()));
    let store = Observed::new(Arc::clone(&worker.store), Arc::clone(&seen));
    worker = worker.on(Arc::new(store));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(print_webhooks(stage.chat.subscribe()));
    tasks.spawn(print_mails(stage.mail.subscribe()));
    let daemon = Daemon::new(worker.clone());
    let admin = Admin::running(worker, daemon.waker(), seen);
    if let Some(page) = status_page(&config).await {
        let (address, stopping) = (page.address(), stop.clone());
        say(&format!("the status page is at http://{address}/ (token for orders: {TOKEN})"));
        tasks.spawn(page.serve(admin, stopping));
    }
    let mut worker_task = JoinSet::new();
    let stopping = stop.clone();
    worker_task.spawn(async move { daemon.run(stopping).await });
    let told = tell_story(&stage).await;
    if told.is_ok() && !args.once {
        say("the worker goes on; Ctrl-C ends it");
        // Without signals there is nothing to wait for.
        drop(signal::ctrl_c().await);
    }
    stop.cancel();
    while worker_task.join_next().await.is_some() {}
    told
}

/// The page at its usual port, or at any other if that is taken.
async fn status_page(config: &Config) -> Option<StatusServer> {
    let usual = config.status.as_ref()?;
    match StatusServer::bind(usual, &config.text).await {
        Ok(server) => Some(server),
        Err(_) => {
            let mut other = usual.clone();
            other.listen.set_port(0);
            StatusServer::bind(&other, &config.text).await.ok()
        }
    }
}

fn config_text(stage: &Stage, folder: &Path) -> String {
    let (cloud, chat, mail) = (stage.cloud.url(), stage.chat.address(), stage.mail.address());
    let store = toml::Value::String(folder.display().to_string());
    format!(
        r#"
        [store]
        path = {store}
        [[source]]
        name = "demo-cloud"
        kind = "kps"
        endpoint = "{cloud}"
        project_id = "{PROJECT}"
        interval = "5s"
        auth = {{ kind = "aksk", access_key = "SIMULATOR0ACCESSKEY0", secret_key = "simulator-secret-key-not-a-real-one" }}
        [[sink]]
        name = "chat"
        kind = "webhook"
        url = "http://{chat}/hook"
        secret = "{SECRET}"
        cleared = true
        [[sink]]
        name = "mail"
        kind = "email"
        smtp = "smtp://{mail}"
        from = "taskbell <taskbell@example.com>"
        to = ["ops@example.com"]
        [[route]]
        to = ["chat", "mail"]
        group = {{ wait = "2s" }}
        [status]
        token = "{TOKEN}"
        [delivery]
        backoff = ["2s"]
        "#
    )
}

async fn tell_story(stage: &Stage) -> Result<(), DemoError> {
    chapter(1, "three failures stand; the first poll takes them as the baseline and says so once");
    see(stage, "source.watching at the webhook and by mail", |stage| {
        arrived(stage, "source.watching", 0).is_some() && !stage.mail.received().is_empty()
    })
    .await?;

    chapter(2, "a key pair reset fails");
    let first =
        stage.cloud.add_task(PROJECT, &task("web-01", "sshd does not answer on port 22"))?;
    see(stage, "a notice of one failure", |stage| arrived(stage, "task.failed", 1).is_some())
        .await?;

    chapter(3, "a rollout goes wrong: twelve fail at once, and are told in one notice");
    for number in 1..=12 {
        let server = format!("node-{number:02}");
        stage.cloud.add_task(PROJECT, &task(&server, "the private key does not match"))?;
    }
    see(stage, "a notice of twelve failures", |stage| arrived(stage, "task.failed", 12).is_some())
        .await?;

    chapter(4, "the chat goes down, and another task fails");
    stage.chat.set_answer(HttpAnswer::status(503));
    stage.cloud.add_task(PROJECT, &task("db-07", "the server was stopped meanwhile"))?;
    let refused = |arrival: &&WebhookArrival| arrival.answered == Some(503);
    see(stage, "an attempt that the chat refuses", |stage| {
        stage.chat.received().iter().any(|arrival| refused(&arrival))
    })
    .await?;
    chapter(5, "the chat is back; the same message under the same id arrives");
    stage.chat.set_answer(HttpAnswer::status(204));
    see(stage, "the refused notice, accepted", |stage| {
        let received = stage.chat.received();
        let id = received.iter().find(refused).map(|arrival| arrival.id.clone());
        received.iter().any(|arrival| Some(&arrival.id) == id.as_ref() && !refused(&arrival))
    })
    .await?;

    chapter(6, "the first failure is taken off the cloud's list; two complete polls miss it");
    stage.cloud.clear_task(PROJECT, &first)?;
    see(stage, "a cleared notice", |stage| arrived(stage, "task.cleared", 1).is_some()).await?;
    say("every step was seen to happen");
    Ok(())
}

fn task(server: &str, message: &str) -> SimTask {
    SimTask {
        operate_type: Some("FAILED_RESET".to_owned()),
        error_code: Some("KPS.6009".to_owned()),
        error_message: Some(message.to_owned()),
        server_name: Some(server.to_owned()),
        ..SimTask::default()
    }
}

/// An accepted webhook of this type with so many failures.
fn arrived(stage: &Stage, kind: &str, failures: usize) -> Option<WebhookArrival> {
    stage.chat.received().into_iter().find(|arrival| {
        arrival.answered == Some(204)
            && arrival.kind == kind
            && members(arrival).map_or(0, |members| members.len()) == failures
    })
}

fn members(arrival: &WebhookArrival) -> Option<Vec<Value>> {
    let body: Value = serde_json::from_slice(&arrival.body).ok()?;
    body.pointer("/data/failures")?.as_array().cloned()
}

/// Waits until `holds`.
async fn see(stage: &Stage, what: &str, holds: impl Fn(&Stage) -> bool) -> Result<(), DemoError> {
    let waiting = async {
        while !holds(stage) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let not_seen = |_| DemoError::NotSeen { what: what.to_owned() };
    tokio::time::timeout(PATIENCE, waiting).await.map_err(not_seen)
}

/// Begins a step of the story.
fn chapter(nth: u32, text: &str) {
    say(&format!("{nth}/{CHAPTERS}  {text}"));
}

fn say(text: &str) {
    out::line(&format!("\n== {text}"));
}

async fn print_webhooks(mut arrivals: Receiver<WebhookArrival>) {
    loop {
        match arrivals.recv().await {
            Ok(arrival) => {
                let answer = arrival.answered.map_or("nothing".to_owned(), |code| code.to_string());
                let names: Vec<String> = members(&arrival)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|one| one.pointer("/server/name")?.as_str().map(str::to_owned))
                    .collect();
                let names = names.join(" ");
                out::line(&format!(
                    "   webhook  {} {}  {names}  (answered {answer})",
                    arrival.kind, arrival.id
                ));
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn print_mails(mut arrivals: Receiver<MailArrival>) {
    loop {
        match arrivals.recv().await {
            Ok(mail) => {
                let subject = mail.header("subject").unwrap_or("(no subject)").to_owned();
                out::line(&format!("   mail     {subject}  (to {})", mail.to.join(", ")));
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
