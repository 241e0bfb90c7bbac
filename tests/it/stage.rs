//! A simulated cloud, receivers, a config in a folder of its own, and the real binary.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use taskbell::{
    clock::{Clock, ShiftedClock},
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
    clock: Arc<Shifting>,
}

/// The clock of the cloud and of the receivers.
#[derive(Debug, Default)]
struct Shifting(AtomicI64);

impl Clock for Shifting {
    fn now(&self) -> Timestamp {
        ShiftedClock(SignedDuration::from_millis(self.0.load(Ordering::SeqCst))).now()
    }
}

impl Stage {
    /// Three failures stand. `group` is put into the route.
    pub(crate) async fn new(group: &str) -> Self {
        Self::of(Scenario::demo(), "", group).await
    }

    /// A cloud like `scenario`. `source` is put into the source's table.
    pub(crate) async fn of(scenario: Scenario, source: &str, group: &str) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let clock = Arc::new(Shifting::default());
        let shift = Arc::clone(&clock);
        let cloud = Simulator::start(scenario, any, clock.clone()).await.unwrap();
        let chat = WebhookReceiver::start(any, vec![], clock).await.unwrap();
        let mail = SmtpReceiver::start(any).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        let stage = Self { cloud, chat, mail, folder, clock: shift };
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
            [status]
            listen = ""
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

    /// Where sled's files are.
    pub(crate) fn files(&self) -> PathBuf {
        self.store().join("ledger")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// The binary with this stage's config.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.arg("--config").arg(self.config()).args(args);
        command.env_remove("TASKBELL_FAILPOINT").stdin(Stdio::null());
        // So that what is remembered there is of this stage alone.
        command.env("RUNTIME_DIRECTORY", self.folder.path().join("run"));
        command.env("TASKBELL_CLOCK_SHIFT", self.clock.0.load(Ordering::SeqCst).to_string());
        command
    }

    /// What every clock here shows beside the real time, from now on, also in processes that are
    /// started from now on.
    pub(crate) fn shift(&self, shift: SignedDuration) {
        self.clock.0.store(i64::try_from(shift.as_millis()).unwrap(), Ordering::SeqCst);
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

    /// The daemon, with its log beside the config. It is killed when dropped.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    /// The same with more in its environment.
    pub(crate) fn daemon_with(&self, env: &[(&str, &str)]) -> Daemon {
        let log = std::fs::File::create(self.log()).unwrap();
        let mut command = self.command(&["run"]);
        command.envs(env.iter().copied());
        Daemon(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("daemon.log")
    }

    /// What a command lists in the store in `folder`, of each row the value of `key`.
    pub(crate) async fn listed_in(
        &self,
        folder: &Path,
        what: &str,
        key: &str,
    ) -> Result<BTreeSet<String>, String> {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let path = text.lines().find(|line| line.trim_start().starts_with("path = ")).unwrap();
        let config = folder.with_extension("toml");
        let text = text.replace(path, &format!("path = \"{}\"", folder.display()));
        std::fs::write(&config, text).unwrap();
        let (mut found, mut after) = (BTreeSet::new(), 0);
        loop {
            let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
            command.arg("-c").arg(&config).args(["-o", "json", what, "list", "--limit", "1000"]);
            command.args(["--after", &after.to_string()]);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap());
            let output = output.await.unwrap();
            if !output.status.success() {
                return Err(format!("the store does not open: {output:?}"));
            }
            let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
            let Some(last) = rows.last() else { return Ok(found) };
            after = last["id"].as_u64().unwrap();
            found.extend(rows.iter().map(|row| row[key].as_str().unwrap().to_owned()));
        }
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

    /// Changes the config, which has to contain `from`.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from} is not in the config");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    /// Webhooks about failures, with the ids of the tasks they name.
    pub(crate) fn told(&self) -> Vec<(WebhookArrival, Vec<String>)> {
        self.told_of(&["task.failed"])
    }

    /// Webhooks of these types, with the ids of the tasks they name.
    pub(crate) fn told_of(&self, kinds: &[&str]) -> Vec<(WebhookArrival, Vec<String>)> {
        let named = |arrival: WebhookArrival| {
            let body: serde_json::Value = serde_json::from_slice(&arrival.body).unwrap();
            let failures = body.pointer("/data/failures").unwrap().as_array().unwrap();
            let id = |failure: &serde_json::Value| failure["task_id"].as_str().unwrap().to_owned();
            let ids = failures.iter().map(id).collect();
            (arrival, ids)
        };
        let received = self.chat.received().into_iter();
        received.filter(|arrival| kinds.contains(&arrival.kind.as_str())).map(named).collect()
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

/// A running daemon.
pub(crate) struct Daemon(pub(crate) Child);

impl Daemon {
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let waiting = async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the daemon ends")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
