//! Receivers that are not ours, where they are installed: Alertmanager itself, and the libraries
//! that receivers of signed webhooks and of `CloudEvents` use.
//!
//! Elsewhere a line says that they were not tried; `.ci/run` installs them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use taskbell::{
    clock::{Clock as _, SystemClock},
    notice::{Notice, NoticeKind},
    sink::{Parcel, Receipt, Sink, SinkError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{ANYWHERE, build, examples, kinds, word};

/// No receiver takes longer to start, or to say what it got.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that ends with its test.
pub(super) struct Program(pub(super) Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Says so that it is seen although the test passes.
pub(super) fn not_tried(what: &str) {
    drop(writeln!(std::io::stderr(), "not tried: {what}"));
}

/// Whether a program runs and is content.
pub(super) fn runs(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// One attempt, signed now: others look at the clock.
async fn send(sink: &dyn Sink, notice: &Notice) -> Result<Receipt, SinkError> {
    let body = sink.render(notice);
    let now = SystemClock.now();
    sink.send(Parcel { id: &notice.id, body: &body, recipients: None, original: None, now }).await
}

/// What is at `path`, with the status.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address).await?;
    // The old version: an answer in one piece, and then the end.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}

/// Debian's name for it, and its own.
fn alertmanager() -> Option<&'static str> {
    ["prometheus-alertmanager", "alertmanager"].into_iter().find(|name| runs(name, &["--version"]))
}

/// Starts Alertmanager, with nobody to tell.
async fn start(program: &str, folder: &Path) -> (Program, SocketAddr) {
    let config = folder.join("alertmanager.yml");
    std::fs::write(&config, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
        .unwrap();
    let address = TcpListener::bind(ANYWHERE).unwrap().local_addr().unwrap();
    let child = Command::new(program)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let program = Program(child);
    let began = Instant::now();
    while !get(address, "/-/ready").await.is_ok_and(|(status, _)| status == "200") {
        assert!(began.elapsed() < PATIENCE, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (program, address)
}

/// The alerts that it holds and that have not ended: by task, with labels and end.
async fn held(address: SocketAddr) -> Vec<(String, Value, Timestamp)> {
    let (status, body) = get(address, "/api/v2/alerts").await.unwrap();
    assert_eq!(status, "200", "{body}");
    let alerts: Vec<Value> = serde_json::from_str(&body).unwrap();
    let mut held: Vec<_> = alerts
        .into_iter()
        .map(|mut alert| {
            assert_eq!(alert["status"]["state"], "active", "{alert}");
            let labels = alert["labels"].take();
            let ends = alert["endsAt"].as_str().unwrap().parse().unwrap();
            (labels["task_id"].as_str().unwrap_or_default().to_owned(), labels, ends)
        })
        .collect();
    held.sort_by(|one, two| one.0.cmp(&two.0));
    held
}

/// `notice` as of now, all of it a minute ago.
fn recent(notice: Notice, now: Timestamp) -> Notice {
    let mut notice = Notice { created_at: now, ..notice };
    for failure in &mut notice.failures {
        failure.task.failed_at = Some(now - 1.minute());
        failure.first_seen_at = now - 1.minute();
    }
    notice
}

#[tokio::test]
async fn alertmanager_holds_what_stands_until_it_clears() {
    let Some(program) = alertmanager() else {
        return not_tried("alerts, on Alertmanager, which is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let (_program, address) = start(program, folder.path()).await;
    let sink = build(&format!("name = 'a'\nkind = 'alertmanager'\nurl = 'http://{address}'"));
    let now = SystemClock.now();

    let told = recent(examples::many(3), now);
    assert_eq!(word(&send(&*sink, &told).await), "taken");
    let first = held(address).await;
    let named: Vec<&str> = first.iter().map(|(task, _, _)| task.as_str()).collect();
    let expected: Vec<&str> = told.failures.iter().map(|one| one.task.id.as_str()).collect();
    assert_eq!(named, expected);
    let sent: Vec<Value> = serde_json::from_slice(&sink.render(&told)).unwrap();
    assert!(first.iter().zip(&sent).all(|((_, labels, _), alert)| *labels == alert["labels"]));
    // The same once more changes nothing.
    assert_eq!(word(&send(&*sink, &told).await), "taken");
    assert_eq!(held(address).await, first);

    // A reminder puts the end off, and is no other alert.
    let later = now + 1.hour();
    let reminder = Notice { kind: NoticeKind::TaskReminder, created_at: later, ..told.clone() };
    assert_eq!(word(&send(&*sink, &reminder).await), "taken");
    let second = held(address).await;
    assert_eq!(second.len(), 3);
    for ((_, old, before), (_, new, after)) in first.iter().zip(&second) {
        assert_eq!((old, *after), (new, *before + 1.hour()));
    }

    let mut cleared = told.failures[1].clone();
    cleared.cleared_at = Some(now - 1.second());
    let (kind, failures) = (NoticeKind::TaskCleared, vec![cleared]);
    let notice = Notice { kind, failures, total: 1, ..told.clone() };
    assert_eq!(word(&send(&*sink, &notice).await), "taken");
    let left: Vec<String> = held(address).await.into_iter().map(|(task, _, _)| task).collect();
    assert_eq!(left, [expected[0], expected[2]]);
}

#[tokio::test]
async fn alertmanager_takes_a_notice_of_every_kind() {
    let Some(program) = alertmanager() else {
        return not_tried("notices of every kind, on Alertmanager, which is not installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let (_program, address) = start(program, folder.path()).await;
    let sink = build(&format!("name = 'a'\nkind = 'alertmanager'\nurl = 'http://{address}'"));
    for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
        let result = send(&*sink, &notice).await;
        assert_eq!(word(&result), "taken", "{case} {result:?}");
    }
}

/// A receiver in Python.
struct Python {
    _program: Program,
    address: SocketAddr,
    lines: mpsc::Receiver<String>,
}

impl Python {
    /// `None` where the libraries are not installed.
    fn start(secrets: &[&str], events: bool) -> Option<Self> {
        if !runs("python3", &["-c", "import standardwebhooks, cloudevents.core.bindings.http"]) {
            return None;
        }
        let wish = json!({ "secrets": secrets, "events": events }).to_string();
        let mut child = Command::new("python3")
            .args(["-c", include_str!("receiver.py"), &wish])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let port: u16 = lines.recv_timeout(PATIENCE).unwrap().parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Some(Self { _program: Program(child), address, lines })
    }

    fn said(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap()
    }
}

const OLD: &str = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE=";
const NEW: &str = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDI=";

#[tokio::test]
async fn the_library_of_standard_webhooks_believes_our_signatures() {
    let Some(python) = Python::start(&[OLD, NEW], false) else {
        return not_tried("signatures, with the library standardwebhooks, which is not installed");
    };
    let table = |secrets: &str| {
        let address = python.address;
        format!("name = 'a'\nkind = 'webhook'\nurl = 'http://{address}/'\nsecret = {secrets}")
    };
    let sink = build(&table(&format!("['{NEW}', '{OLD}']")));
    for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
        let result = send(&*sink, &notice).await;
        assert_eq!((word(&result), python.said()), ("taken", json!({})), "{case}");
    }
    // And it does look.
    let result = send(&*build(&table(&format!("['{NEW}']"))), &examples::one()).await;
    assert_eq!(word(&result), "suspect");
    let problem = python.said()["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("WebhookVerificationError"), "{problem}");
}

#[tokio::test]
async fn the_library_of_cloudevents_reads_our_events() {
    let Some(python) = Python::start(&[OLD], true) else {
        return not_tried("events, with the library cloudevents, which is not installed");
    };
    let sink = build(&format!(
        "name = 'a'\nkind = 'webhook'\nurl = 'http://{}/'\nformat = 'cloudevents'\nsecret = '{OLD}'",
        python.address
    ));
    for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
        let result = send(&*sink, &notice).await;
        let said = python.said();
        assert_eq!(word(&result), "taken", "{case}: {said}");
        let sent: Value = serde_json::from_slice(&sink.render(&notice)).unwrap();
        assert_eq!(said["id"], notice.id.as_str(), "{case}");
        for key in ["type", "source", "data"] {
            assert_eq!(said[key], sent[key], "{case}: {key}");
        }
    }
}
