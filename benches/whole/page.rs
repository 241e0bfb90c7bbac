//! The status server beside a long history: pages, scrapes, those who watch, and the way to ready.

use std::{
    fs,
    net::TcpListener,
    process::Child,
    sync::Arc,
    time::{Duration, Instant},
};

use taskbell::config::Config;

use crate::{
    bare,
    footprint::History,
    median, ms,
    peers::{Cloud, PROJECT, Place, Receiver, status_kib},
};

/// Requests of each page.
const LOOKS: usize = 200;

/// Clients of the events that hear nothing.
const CLIENTS: usize = 100;

/// A daemon with a status server, beside a record of `failures` that were told and cleared.
struct Served {
    daemon: Child,
    url: String,
    _cloud: Cloud,
    _place: Place,
}

impl Served {
    /// Also prints how long it took from the start to ready: store open, page served, first poll.
    async fn start(failures: usize) -> Self {
        let cloud = Cloud::start("[[project]]\ngenerate = { count = 10 }\n");
        let receiver = Receiver::start(Duration::ZERO).await;
        let place = Place::new(&cloud.url, receiver.address, &[PROJECT.to_owned()], "silent");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = fs::read_to_string(place.config()).unwrap();
        let text = format!("{text}[status]\nlisten = \"127.0.0.1:{port}\"\n");
        fs::write(place.config(), text).unwrap();
        let rules = Arc::new(Config::load(Some(&place.config())).unwrap().rules());
        let days = History::days_of(failures);
        let mut history = History::begin(&place.folder.path().join("store"), rules, days).await;
        for day in 0..days {
            history.live(day, None).await;
        }
        history.compact().await;
        drop(history);
        let url = format!("http://127.0.0.1:{port}");
        let client = bare::client();
        let mut times = Vec::new();
        let mut running: Option<Child> = None;
        for _ in 0..5 {
            if let Some(mut daemon) = running.take() {
                daemon.kill().unwrap();
                daemon.wait().unwrap();
            }
            let began = Instant::now();
            running = Some(place.command(&["-qq", "run"]).spawn().unwrap());
            loop {
                let ready = client.get(format!("{url}/-/ready")).send().await;
                if ready.is_ok_and(|ready| ready.status().is_success()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            times.push(began.elapsed());
        }
        let daemon = running.unwrap();
        let mib = status_kib(daemon.id(), "VmRSS:") / 1024;
        println!(
            "page, {failures} failures on record: ready {} after the start, {mib} MiB",
            ms(median(times))
        );
        Self { daemon, url, _cloud: cloud, _place: place }
    }

    /// How long one page takes, from the request to its last byte, and how long it is.
    async fn look(&self, path: &str) -> String {
        let client = bare::client();
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..LOOKS {
            let began = Instant::now();
            let answer = client.get(format!("{}{path}", self.url)).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            bytes = answer.bytes().await.unwrap().len();
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let worst = times[LOOKS * 99 / 100];
        format!("{path} {}, p99 {}, {} kB", ms(median(times)), ms(worst), bytes.div_ceil(1_000))
    }

    /// What so many clients that watch the events cost.
    async fn watch(&self) -> String {
        let before = status_kib(self.daemon.id(), "VmRSS:");
        let client = bare::client();
        let mut watching = Vec::new();
        for _ in 0..CLIENTS {
            let stream = client.get(format!("{}/api/v1/events", self.url)).send().await.unwrap();
            assert!(stream.status().is_success(), "{}", stream.status());
            watching.push(stream);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = status_kib(self.daemon.id(), "VmRSS:");
        drop(watching);
        format!("{CLIENTS} who watch take {} KiB", after.saturating_sub(before))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

/// The pages beside a hundred thousand failures.
pub(crate) async fn looks() {
    let served = Served::start(100_000).await;
    for path in [
        "/",
        "/failures",
        "/failures?text=nothing-is-called-this",
        "/failures/90000",
        "/deliveries",
        "/metrics",
        "/api/v1/failures?limit=100",
    ] {
        println!("page: {}", served.look(path).await);
    }
    println!("page: {}", served.watch().await);
}

/// The way to ready beside a million.
pub(crate) async fn start() {
    drop(Served::start(1_000_000).await);
}
