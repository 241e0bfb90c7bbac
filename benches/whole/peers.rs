//! The other ends: a cloud in a process of its own, a receiver in this one, and the binary.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader as AsyncReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub(crate) const PROJECT: &str = "0123456789abcdef0123456789abcdef";

const BINARY: &str = env!("CARGO_BIN_EXE_taskbell");

/// A simulated cloud in its own process.
pub(crate) struct Cloud {
    child: Child,
    pub(crate) url: String,
}

impl Cloud {
    pub(crate) fn start(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scenario.toml");
        fs::write(&file, scenario).unwrap();
        let mut child = Command::new(BINARY)
            .args(["simulate", "--listen", "127.0.0.1:0", "--scenario"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .find_map(|line| line.unwrap().split_once("http://").map(|(_, rest)| rest.to_owned()))
            .unwrap();
        let url = format!("http://{}", url.trim_matches('"'));
        Self { child, url }
    }
}

impl Cloud {
    /// Pages that it was asked for.
    pub(crate) async fn requests(&self) -> u64 {
        let answer = crate::bare::client().get(format!("{}/_sim/requests", self.url)).send().await;
        let body = answer.unwrap().bytes().await.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        value["counts"]["list"].as_u64().unwrap()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A receiver that answers 204 after a while, and counts.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) count: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut conversations = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                conversations.spawn(converse(stream, delay, Arc::clone(&counter)));
            }
        });
        Self { address, count, _tasks: tasks }
    }
}

async fn converse(stream: TcpStream, delay: Duration, count: Arc<AtomicU64>) {
    stream.set_nodelay(true).unwrap();
    let mut stream = AsyncReader::new(stream);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {}
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        body.resize(length, 0);
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        count.fetch_add(1, Ordering::SeqCst);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}

/// A config and a store of its own.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    /// One source for each of `projects`.
    pub(crate) fn new(cloud: &str, hook: SocketAddr, projects: &[String], first_run: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!("[store]\npath = \"{}\"\n", folder.path().join("store").display());
        for (project, number) in projects.iter().zip(0..) {
            write!(
                text,
                "[[source]]\nname = \"s{number}\"\nkind = \"kps\"\nendpoint = \"{cloud}\"\n\
                 project_id = \"{project}\"\nfirst_run = \"{first_run}\"\n\
                 auth = {{ kind = \"aksk\", access_key = \"SIMULATOR0ACCESSKEY0\", \
                 secret_key = \"simulator-secret-key-not-a-real-one\" }}\n"
            )
            .unwrap();
        }
        write!(
            text,
            "[[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{hook}/\"\n\
             concurrency = 64\n[[route]]\nto = [\"hook\"]\n\
             group = {{ wait = \"0s\", max_items = 1 }}\n"
        )
        .unwrap();
        fs::write(folder.path().join("config.toml"), text).unwrap();
        Self { folder }
    }

    /// One table that stands for all of `projects`.
    pub(crate) fn of_one_table(cloud: &str, hook: SocketAddr, projects: &[String]) -> Self {
        let place = Self::new(cloud, hook, &projects[..1], "silent");
        let text = fs::read_to_string(place.config()).unwrap();
        let text = text.replace(
            &format!("project_id = \"{}\"", projects[0]),
            &format!("projects = {projects:?}"),
        );
        fs::write(place.config(), format!("worker = {{ host_limit = \"none\" }}\n{text}")).unwrap();
        place
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub(crate) fn forget(&self) {
        drop(fs::remove_dir_all(self.folder.path().join("store")));
        drop(fs::remove_file(self.folder.path().join("store.marker")));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(self.config()).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        command
    }

    /// Runs `once`: how long it took, and its peak memory in KiB as last seen.
    pub(crate) async fn once(&self) -> (Duration, u64) {
        let mut command = self.command(&["-qq", "once"]);
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut child = command.spawn().unwrap();
            let mut peak = 0;
            while child.try_wait().unwrap().is_none() {
                peak = peak.max(status_kib(child.id(), "VmHWM:"));
                std::thread::sleep(Duration::from_micros(200));
            }
            (began.elapsed(), peak)
        })
        .await
        .unwrap()
    }
}

/// A figure of `/proc/<pid>/status`, in KiB; 0 if the process is gone.
pub(crate) fn status_kib(pid: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
