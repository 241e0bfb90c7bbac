//! Plays a story: the cloud, the receivers, the daemon, and the hand that moves them.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use taskbell::{
    clock::{Clock, ShiftedClock, SystemClock},
    options::Period,
    receiver::{HttpAnswer, HttpReply, WebhookReceiver},
    sim::{Scenario, SimTask, Simulator},
};
use tempfile::TempDir;

use super::{
    judge::{Judgement, judge},
    record::{Tape, accepted, line},
    script::{Run, Step, Timeline, Until},
};
use crate::stage::PROJECT;

/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// How long a thing may take that takes no time on an idle machine.
const PATIENCE: Duration = Duration::from_secs(25);

pub(super) struct World {
    timeline: Timeline,
    clock: Arc<dyn Clock>,
    shift: SignedDuration,
    began: Timestamp,
    cloud: Simulator,
    receivers: BTreeMap<String, WebhookReceiver>,
    folder: TempDir,
    daemon: Option<Child>,
    killed: bool,
    tape: Tape,
}

impl World {
    pub(super) async fn new(timeline: Timeline) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let now = SystemClock.now();
        let shift = timeline.starts_at.map(|at| at.duration_since(now)).unwrap_or_default();
        let clock: Arc<dyn Clock> = Arc::new(ShiftedClock(shift));
        let cloud = Simulator::start(Scenario::default(), any, Arc::clone(&clock)).await.unwrap();
        let mut receivers = BTreeMap::new();
        for name in &timeline.receivers {
            let receiver = WebhookReceiver::start(any, vec![], Arc::clone(&clock)).await.unwrap();
            receivers.insert(name.clone(), receiver);
        }
        for nth in 1..=timeline.standing {
            let task = SimTask { id: Some(format!("standing-{nth}")), ..SimTask::default() };
            cloud.add_task(PROJECT, &task).unwrap();
        }
        let world = Self {
            began: clock.now(),
            tape: Tape::new(Arc::clone(&clock)),
            timeline,
            clock,
            shift,
            cloud,
            receivers,
            folder: tempfile::tempdir().unwrap(),
            daemon: None,
            killed: false,
        };
        world.write_config(&world.timeline.config);
        world
    }

    /// Plays the story. Returns what is wrong.
    pub(super) async fn play(&mut self) -> Vec<String> {
        self.start();
        let watching = |world: &Self| {
            let mut all = world.receivers.values().flat_map(WebhookReceiver::received);
            all.any(|arrival| arrival.kind == "source.watching")
        };
        while !watching(self) {
            tokio::time::sleep(LOOK).await;
        }
        // And every other sink that hears of it.
        while !self.is_quiet().await {
            tokio::time::sleep(5 * LOOK).await;
        }
        self.began = self.clock.now();
        self.tape.note("the source is watched");
        let mut problems = Vec::new();
        for step in std::mem::take(&mut self.timeline.steps) {
            self.reach(&step).await;
            self.take(step, &mut problems).await;
        }
        problems.extend(self.outcome().await);
        for run in std::mem::take(&mut self.timeline.finally) {
            problems.extend(self.run(&run).await);
        }
        let args = vec!["state".into(), "verify".into()];
        let verify = Run { args, exit: 0, says: vec![], eventually: false };
        problems.extend(self.run(&verify).await);
        problems.extend(self.stop().await);
        problems
    }

    /// What happened, what is wrong, and the last words of the daemon.
    pub(super) fn report(&self, title: &str, problems: &[String]) -> String {
        let arrivals = self.receivers.iter().flat_map(|(name, receiver)| {
            let received = receiver.received();
            received.into_iter().map(|arrival| (arrival.at, line(name, &arrival)))
        });
        let tape = self.tape.print(self.began, arrivals.collect());
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(25).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        let (problems, last) = (problems.join("\n  WRONG  "), last.join("\n  | "));
        format!("{title}\n{tape}  WRONG  {problems}\n  the daemon said last:\n  | {last}\n")
    }

    fn elapsed(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_since(self.began)).unwrap_or_default()
    }

    /// Whether no delivery is on its way.
    async fn is_quiet(&self) -> bool {
        let mut command = self.command(&["-o", "json", "sink", "list"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        rows.iter().all(|row| row["pending"] == 0)
    }

    async fn reach(&self, step: &Step) {
        if let Some(at) = step.at {
            tokio::time::sleep(at.0.saturating_sub(self.elapsed())).await;
        }
        if let Some(Until { to, kind, requests }) = &step.until {
            let count = || {
                let received = self.receivers[to].received();
                received.iter().filter(|arrival| arrival.kind == *kind).count()
            };
            while count() < *requests {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    async fn take(&mut self, step: Step, problems: &mut Vec<String>) {
        for (name, words) in &step.answer {
            self.tape.note(format!("{name} answers {words} from now on"));
            self.receivers[name].set_answer(answer(words));
        }
        self.tasks(&step);
        if step.calm {
            self.cloud.clear_faults();
            self.tape.note("the cloud works again");
        }
        if let Some(fault) = step.fault {
            self.tape.note(format!("in the cloud goes wrong: {fault:?}"));
            self.cloud.set_fault(fault);
        }
        if step.kill {
            let mut daemon = self.daemon.take().unwrap();
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            self.killed = true;
            self.tape.note("the daemon is killed");
        }
        if step.start {
            self.start();
        }
        if let Some(config) = &step.reload {
            self.write_config(config);
            self.signal(Signal::HUP);
            self.tape.note("the config is changed and read anew");
        }
        if let Some(run) = &step.run {
            problems.extend(self.run(run).await);
        }
    }

    fn tasks(&self, step: &Step) {
        let burst = (1..=step.burst).map(|nth| format!("burst-{nth}"));
        for id in step.fail.iter().cloned().chain(burst) {
            let server_name = step.task.server_name.clone().or(Some(id.clone()));
            let task = SimTask { id: Some(id), server_name, ..step.task.clone() };
            self.cloud.add_task(PROJECT, &task).unwrap();
        }
        for id in &step.clear {
            self.cloud.clear_task(PROJECT, id).unwrap();
        }
        for id in &step.refail {
            self.cloud.refail_task(PROJECT, id).unwrap();
        }
        for id in &step.running {
            let age = Some(Period(Duration::from_secs(3600)));
            let task = SimTask { id: Some(id.clone()), age, ..step.task.clone() };
            self.cloud.run_task(PROJECT, &task).unwrap();
        }
        for id in &step.ended {
            self.cloud.end_task(PROJECT, id).unwrap();
        }
        let burst = if 0 < step.burst { vec![format!("{} tasks", step.burst)] } else { vec![] };
        for (what, ids) in [
            ("failed", &step.fail),
            ("failed", &burst),
            ("cleared", &step.clear),
            ("failed again", &step.refail),
            ("is running for an hour", &step.running),
            ("has ended", &step.ended),
        ] {
            if !ids.is_empty() {
                self.tape.note(format!("in the cloud, {} {what}", ids.join(", ")));
            }
        }
    }

    /// Waits until the end, and for what may still come. Returns what is wrong.
    async fn outcome(&self) -> Vec<String> {
        let expects = &self.timeline.expects;
        let ends = expects.iter().map(|expect| expect.between[1].0);
        let latest = ends.max().unwrap_or_default() + Duration::from_secs(20);
        loop {
            let notices = self.receivers.iter();
            let notices = notices.map(|(name, one)| (name.clone(), accepted(&one.received())));
            let Judgement { missing, wrong } =
                judge(expects, notices.collect(), self.began, self.killed);
            let ended = self.timeline.end.0 <= self.elapsed();
            if ended && (missing.is_empty() || !wrong.is_empty() || latest < self.elapsed()) {
                return wrong.into_iter().chain(missing).collect();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn write_config(&self, config: &str) {
        let mut text = format!(
            r#"
            [store]
            path = "{store}"
            [[source]]
            name = "cloud"
            kind = "kps"
            endpoint = "{cloud}"
            project_id = "{PROJECT}"
            interval = "1s"
            {source}
            auth = {{ kind = "aksk", access_key = "SIMULATOR0ACCESSKEY0", secret_key = "simulator-secret-key-not-a-real-one" }}
            [worker]
            shutdown_grace = "1s"
            "#,
            store = self.folder.path().join("store").display(),
            cloud = self.cloud.url(),
            source = self.timeline.source,
        );
        text.push_str(config);
        for (name, receiver) in &self.receivers {
            let url = format!("http://{}/hook", receiver.address());
            text = text.replace(&format!("{{{name}}}"), &url);
        }
        fs::write(self.folder.path().join("config.toml"), text).unwrap();
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("daemon.log")
    }

    fn command(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.arg("--config").arg(self.folder.path().join("config.toml")).args(args);
        command.env_remove("TASKBELL_FAILPOINT").stdin(Stdio::null());
        command.env("TASKBELL_CLOCK_SHIFT", self.shift.as_millis().to_string());
        command
    }

    fn start(&mut self) {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut command = self.command(&["-v", "run"]);
        self.daemon = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        self.tape.note("the daemon is started");
    }

    fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().unwrap();
        kill_process(Pid::from_child(daemon), signal).unwrap();
    }

    /// Runs a command. Returns what is wrong with its answer.
    async fn run(&self, run: &Run) -> Option<String> {
        let asked = run.args.join(" ");
        let deadline = self.elapsed() + PATIENCE;
        loop {
            let mut command = self.command(&run.args);
            let output: Output =
                tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).trim().replace('\n', "\n             | ");
            let wrong = wrong(run, output.status.code(), &said);
            if wrong.is_some() && run.eventually && self.elapsed() < deadline {
                tokio::time::sleep(5 * LOOK).await;
                continue;
            }
            self.tape.note(format!("`{asked}`, {}\n             | {said}", output.status));
            return wrong.map(|wrong| format!("`{asked}` {wrong}"));
        }
    }

    /// Asks the daemon to end.
    async fn stop(&mut self) -> Option<String> {
        self.daemon.as_ref()?;
        self.signal(Signal::TERM);
        let mut daemon = self.daemon.take()?;
        let deadline = self.elapsed() + PATIENCE;
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return (!status.success()).then(|| format!("the daemon ends with {status}"));
            }
            if deadline < self.elapsed() {
                self.daemon = Some(daemon);
                return Some("the daemon does not end".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // Both fail only if it has ended by itself.
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}

/// What is wrong with the answer of a command.
fn wrong(run: &Run, code: Option<i32>, said: &str) -> Option<String> {
    if code != Some(run.exit) {
        return Some(format!("ends with {code:?}, not with {}", run.exit));
    }
    let broken = run.says.iter().find(|text| match text.strip_prefix('!') {
        Some(text) => said.contains(text),
        None => !said.contains(text.as_str()),
    });
    broken.map(|text| format!("says what it should not, or does not say: {text}"))
}

/// What a receiver answers, from words.
fn answer(words: &str) -> HttpAnswer {
    let period = |text: &str| humantime::parse_duration(text).unwrap();
    match words.split_once(' ').unwrap_or((words, "")) {
        ("hang", _) => HttpAnswer::Hang,
        ("reset", _) => HttpAnswer::Reset,
        ("slow", time) => HttpAnswer::Reply(HttpReply {
            status: 204,
            delay: period(time),
            ..HttpReply::default()
        }),
        (status, "") => HttpAnswer::status(status.parse().unwrap()),
        (status, wait) => HttpAnswer::Reply(HttpReply {
            status: status.parse().unwrap(),
            headers: vec![("retry-after", period(wait).as_secs().to_string())],
            ..HttpReply::default()
        }),
    }
}
