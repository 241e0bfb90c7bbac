//! A simulated cloud, receivers, a config in a folder of its own, and the real binary.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitStatus, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use taskbell::{
    clock::SystemClock,
    receiver::{SmtpReceiver, WebhookArrival, WebhookReceiver},
    sim::{Scenario, SimTask, Simulator},
};
use tempfile::TempDir;

/// The project of the simulator's own accounts.
pub(crate) const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// No test waits longer for something to happen. Passing tests wait for milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) cloud: Simulator,
    pub(crate) chat: WebhookReceiver,
    pub(crate) mail: SmtpReceiver,
    folder: TempDir,
}

impl Stage {
    /// Three failures stand. `group` is put into the route.
    pub(crate) async fn new(group: &str) -> Self {
        Self::of(Scenario::demo(), "", group).await
    }

    /// A cloud like `scenario`. `source` is put into the source's table.
    pub(crate) async fn of(scenario: Scenario, source: &str, group: &str) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let clock = Arc::new(SystemClock);
        let cloud = Simulator::start(scenario, any, clock.clone()).await.unwrap();
        let chat = WebhookReceiver::start(any, vec![], clock).await.unwrap();
        let mail = SmtpReceiver::start(any).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { cloud, chat, mail, folder };
        // How well a source is seen depends on how busy this machine is.
        let calm = if source.contains("blind_after") { "" } else { "blind_after = 10000" };
        let text = format!(
            r#"
            [store]
            path = "{store}"
            [[source]]
            name = "cloud"
            kind = "kps"
            endpoint = "{cloud}"
            project_id = "{PROJECT}"
            interval = "5s"
            timeout = "4s"
            {calm}
            {source}
            auth = {{ kind = "aksk", access_key = "SIMULATOR0ACCESSKEY0", secret_key = "simulator-secret-key-not-a-real-one" }}
            [[sink]]
            name = "chat"
            kind = "webhook"
            url = "http://{chat}/hook"
            [[sink]]
            name = "mail"
            kind = "email"
            smtp = "smtp://{mail}"
            from = "taskbell@example.com"
            to = ["ops@example.com", "lead@example.com"]
            [[route]]
            to = ["chat", "mail"]
            group = {{ {group} }}
            [delivery]
            backoff = ["100ms"]
            "#,
            store = stage.store().display(),
            cloud = stage.cloud.url(),
            chat = stage.chat.address(),
            mail = stage.mail.address(),
        );
        std::fs::write(stage.config(), text).unwrap();
        stage
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// The binary with this stage's config.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.arg("--config").arg(self.config()).args(args);
        command.env_remove("TASKBELL_FAILPOINT").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs `once` until it ends with nothing owed.
    pub(crate) async fn finish(&self) {
        for _ in 0..20 {
            let output = self.run(&["once"]).await;
            match output.status.code() {
                Some(0) => return,
                // Until the next try is due.
                Some(75) => tokio::time::sleep(Duration::from_millis(150)).await,
                _ => panic!("{output:?}"),
            }
        }
        panic!("something stays owed");
    }

    /// Runs `once`, to be killed when it passes the named place for the `nth` time.
    pub(crate) async fn once_killed_at(&self, place: &str, nth: u32) -> ExitStatus {
        let mut command = self.command(&["once"]);
        command.env("TASKBELL_FAILPOINT", format!("{place}:{nth}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap()
    }

    pub(crate) fn fail(&self, server: &str) -> String {
        let task = SimTask { server_name: Some(server.to_owned()), ..SimTask::default() };
        self.cloud.add_task(PROJECT, &task).unwrap()
    }

    /// Webhooks about failures, with the ids of the tasks they name.
    pub(crate) fn told(&self) -> Vec<(WebhookArrival, Vec<String>)> {
        let named = |arrival: WebhookArrival| {
            let body: serde_json::Value = serde_json::from_slice(&arrival.body).unwrap();
            let failures = body.pointer("/data/failures").unwrap().as_array().unwrap();
            let id = |failure: &serde_json::Value| failure["task_id"].as_str().unwrap().to_owned();
            let ids = failures.iter().map(id).collect();
            (arrival, ids)
        };
        self.chat.received().into_iter().filter(|a| a.kind == "task.failed").map(named).collect()
    }

    /// Waits until `holds`.
    pub(crate) async fn see(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not seen: {what}");
    }
}
