//! One stage, on which the binary is killed again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use taskbell::receiver::{HttpAnswer, WebhookArrival};

use super::table::Row;
use crate::{
    proxy::{Point, Proxy},
    stage::Stage,
};

/// A place is passed so often before the process is killed there, at most.
const PASSES_MAX: u32 = 12;

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    /// At a named place in the code.
    At(&'static str),
    /// At a point of an exchange.
    Wire { wire: &'static str, point: Point },
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(name) => write!(f, "`{name}`"),
            Self::Wire { wire, point } => {
                let when = match point {
                    Point::Connected => "connected",
                    Point::Asked => "request begun, nothing passed on",
                    Point::Passed => "request passed on",
                    Point::Answered => "answer on its way",
                    Point::Told => "answer given",
                };
                write!(f, "{wire}: {when}")
            }
        }
    }
}

/// What happens when the process is killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Story {
    /// Some failures are told singly.
    Failures,
    /// Three failures are a storm, which is told in one notice.
    Storm,
    /// The daemon reads its config anew while failures come.
    Reload,
    /// The record is copied.
    Copy,
    /// The record's files are written anew.
    Compact,
    /// The record is damaged, and its copy takes its place.
    Repair,
    /// The record comes from another host.
    Import,
}

impl Story {
    /// What it says behind the name of a place, where several stories pass it.
    pub(crate) fn aside(self) -> &'static str {
        match self {
            Self::Failures | Self::Storm | Self::Reload => "",
            Self::Copy => ", a copy is made",
            Self::Compact => ", files are written anew",
            Self::Repair => ", a damaged record is repaired",
            Self::Import => ", an archive is imported",
        }
    }

    /// Whether the record as a whole is at work while the chat refuses.
    fn is_of_record(self) -> bool {
        matches!(self, Self::Copy | Self::Compact | Self::Repair | Self::Import)
    }
}

pub(crate) struct Scene {
    story: Story,
    pub(super) stage: Stage,
    cloud: Proxy,
    http: Proxy,
    smtp: Proxy,
    /// Task ids and their servers' names, which the subject of a mail shows.
    listed: BTreeMap<String, String>,
    /// Messages that came twice, up to the last round.
    repeats: usize,
    /// The last delivery whose order was looked at.
    seen: u64,
    /// How often the place is passed in one run, as far as is known.
    passes: u32,
}

impl Scene {
    /// A stage whose baseline is told already.
    pub(crate) async fn new(story: Story) -> Self {
        let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
        let cloud = Proxy::start(stage.cloud.address()).await;
        let http = Proxy::start(stage.chat.address()).await;
        let smtp = Proxy::start(stage.mail.address()).await;
        stage.edit(&stage.cloud.url(), &format!("http://{}", cloud.address()));
        let chat = format!("url = \"http://{}/hook\"", stage.chat.address());
        let mut through = format!("url = \"http://{}/hook\"\nconcurrency = 1", http.address());
        if story == Story::Storm {
            through.push_str("\nstorm = { threshold = 2 }");
        }
        stage.edit(&chat, &through);
        stage.edit(
            &format!("smtp://{}", stage.mail.address()),
            &format!("smtp://{}", smtp.address()),
        );
        let first = stage.run(&["once"]).await;
        assert_eq!(first.status.code(), Some(0), "{first:?}");
        Self {
            story,
            stage,
            cloud,
            http,
            smtp,
            listed: BTreeMap::new(),
            repeats: 0,
            seen: 0,
            passes: PASSES_MAX,
        }
    }

    /// Failures come, the process is killed, and what is owed is told by the next ones.
    pub(crate) async fn round(&mut self, kill: Kill, round: u32, row: &mut Row) {
        if self.story != Story::Failures && 0 < round {
            *self = Self::new(self.story).await;
        }
        // In every third round what was refused before is sent again from the record.
        let again = self.story == Story::Failures && round % 3 == 1;
        let refused = again || self.story.is_of_record();
        let (count, nth) = match self.story {
            Story::Failures => (3 + round % 3, 1 + round % self.passes),
            _ => (3, 1),
        };
        for number in 0..count {
            let server = format!("web-{round}-{number}.");
            self.listed.insert(self.stage.fail(&server), server);
        }
        if refused {
            self.stage.chat.set_answer(HttpAnswer::status(503));
        }
        let status = match self.story {
            Story::Reload => self.reload_killed(kill).await,
            story if story.is_of_record() => self.record_killed(kill, story).await,
            _ => self.once_killed(kill, nth).await,
        };
        self.stage.chat.set_answer(HttpAnswer::status(204));
        self.stage.finish().await;
        let killed = status.signal() == Some(9);
        if !killed {
            self.passes = nth.saturating_sub(1).max(1);
        }
        row.rounds += 1;
        row.killed += u32::from(killed);
        row.listed += usize::try_from(count).unwrap();
        let before = self.repeats;
        let mut wrong = self.compare();
        if !refused {
            wrong.extend(self.out_of_order().await);
        }
        self.listed.clear();
        row.repeats += self.repeats - before;
        row.wrong.extend(wrong.into_iter().map(|wrong| format!("round {round}: {wrong}")));
    }

    async fn once_killed(&self, kill: Kill, nth: u32) -> ExitStatus {
        let mut command = self.stage.command(&["once"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = match kill {
            Kill::At(name) => {
                command.env("TASKBELL_FAILPOINT", format!("{name}:{nth}"));
                None
            }
            Kill::Wire { wire: "the cloud", .. } => Some(&self.cloud),
            Kill::Wire { wire: "HTTP", .. } => Some(&self.http),
            Kill::Wire { .. } => Some(&self.smtp),
        };
        if let (Some(proxy), Kill::Wire { point, .. }) = (proxy, kill) {
            proxy.kill_at(point, nth);
        }
        let mut child = command.spawn().unwrap();
        if let Some(proxy) = proxy {
            proxy.victim(Pid::from_child(&child));
        }
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        if let Some(proxy) = proxy {
            proxy.spare();
        }
        status
    }

    /// The daemon is told to read its config anew, while it works, until that kills it.
    async fn reload_killed(&self, kill: Kill) -> ExitStatus {
        let mut command = self.stage.command(&["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.env("TASKBELL_FAILPOINT", format!("{}:1", kill.to_string().trim_matches('`')));
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        self.stage.see("a failure", |stage| !stage.told().is_empty()).await;
        let waiting = tokio::task::spawn_blocking(move || child.wait().unwrap());
        while !waiting.is_finished() {
            // Gone if it is killed already.
            let _gone = kill_process(pid, Signal::HUP);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        waiting.await.unwrap()
    }

    /// Notices that tell of failures, with the ids of the tasks that they name.
    fn told(&self) -> Vec<(WebhookArrival, Vec<String>)> {
        self.stage.told_of(&["task.failed", "storm.opened"])
    }

    /// What is wrong with what arrived, for those that were listed in this round.
    fn compare(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let told = self.told();
        let mails = self.stage.mail.received();
        for (id, server) in &self.listed {
            let naming: Vec<(String, Vec<u8>)> = told
                .iter()
                .filter(|(_, ids)| ids.contains(id))
                .map(|(arrival, _)| (arrival.id.clone(), arrival.body.clone()))
                .collect();
            let mailed: Vec<(String, Vec<u8>)> = mails
                .iter()
                .filter(|mail| mail.header("subject").is_some_and(|text| text.contains(server)))
                .map(|mail| (mail.header("message-id").unwrap().to_owned(), mail.raw.clone()))
                .collect();
            for (sink, messages) in [("chat", naming), ("mail", mailed)] {
                let distinct: BTreeSet<_> = messages.iter().collect();
                self.repeats += messages.len().saturating_sub(1);
                match distinct.len() {
                    1 => {}
                    0 => wrong.push(format!("{id} was never told to {sink}")),
                    _ => wrong.push(format!("a repeat of {id} to {sink} differs")),
                }
            }
        }
        wrong
    }

    /// Whether the chat got its notices for the first time in the order of its deliveries.
    async fn out_of_order(&mut self) -> Option<String> {
        let after = self.seen.to_string();
        let args = ["-o", "json", "delivery", "list", "--sink", "chat", "--after", &after];
        let output = self.stage.run(&args).await;
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        self.seen = rows.last().map_or(self.seen, |row| row["id"].as_u64().unwrap());
        let owed: Vec<&str> = rows.iter().map(|row| row["notice_id"].as_str().unwrap()).collect();
        let mut arrived: Vec<String> = Vec::new();
        for arrival in self.stage.chat.received() {
            if owed.contains(&arrival.id.as_str()) && !arrived.contains(&arrival.id) {
                arrived.push(arrival.id);
            }
        }
        let owed: Vec<&&str> =
            owed.iter().filter(|id| arrived.iter().any(|other| other == *id)).collect();
        let same = owed.iter().zip(&arrived).all(|(owed, arrived)| **owed == arrived);
        (!same).then(|| format!("owed {owed:?}, came {arrived:?}"))
    }
}

/// What stands at first is told as one number, whatever happened to the first run.
pub(crate) async fn first_run_killed_at(place: &str) {
    let stage = Stage::new("max_items = 1").await;
    stage.once_killed_at(place, 1).await;
    stage.finish().await;
    assert!(stage.told().is_empty(), "{place}: what stood already was told singly");
    let watching: BTreeSet<String> = stage
        .chat
        .received()
        .into_iter()
        .filter(|arrival| arrival.kind == "source.watching")
        .map(|arrival| arrival.id)
        .collect();
    assert_eq!(watching.len(), 1, "{place}");
}
