//! What `check --online` and `doctor` find: one line each, and what to do about it.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{Output, out};
use crate::{
    delivery::Verdict,
    exit::Exit,
    http::{Chain, Shown},
    source::{FaultClass, Finding, Seen, SourceError},
    worker::{Outlet, Watched, Worker},
};

/// Most sources and sinks looked at at the same time.
const AT_A_TIME: usize = 16;

/// For all the steps to one source. Each has a shorter limit of its own; a source of another kind
/// walks its list as a poll does.
const SOURCE_WAIT: Duration = Duration::from_secs(120);

/// How a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mark {
    Ok,
    Warning,
    Failed,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// `source`, `sink`, `tls`, `store`, `host` or `config`.
    pub(super) what: &'static str,
    /// Which one; empty where there is but one.
    pub(super) name: String,
    /// What about it was looked at.
    pub(super) step: &'static str,
    pub(super) mark: Mark,
    /// The class of a source's trouble.
    pub(super) class: Option<FaultClass>,
    pub(super) detail: String,
    /// Empty if there is nothing to do.
    pub(super) advice: String,
    /// The certificates that a server showed, its own first.
    pub(super) chain: Vec<Shown>,
}

impl Line {
    /// A line about this host or its store.
    pub(super) fn new(
        (what, step): (&'static str, &'static str),
        mark: Mark,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (detail, advice) = (detail.into(), advice.into());
        Self {
            what,
            name: String::new(),
            step,
            mark,
            class: None,
            detail,
            advice,
            chain: Vec::new(),
        }
    }

    /// The same about `name`.
    pub(super) fn of(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// The same with certificates.
    pub(super) fn with(self, chain: Vec<Shown>) -> Self {
        Self { chain, ..self }
    }

    /// A line that asks for nothing.
    pub(super) fn good(place: (&'static str, &'static str), detail: impl Into<String>) -> Self {
        Self::new(place, Mark::Ok, detail, "")
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "what": self.what,
            "name": self.name,
            "step": self.step,
            "verdict": self.mark.as_str(),
            "class": self.class.map(FaultClass::as_str),
            "detail": self.detail,
            "advice": self.advice,
        });
        if let (Value::Object(fields), false) = (&mut json, self.chain.is_empty()) {
            fields.insert("chain".to_owned(), self.chain.iter().map(certificate).collect());
        }
        json
    }

    fn text(&self) -> String {
        let mark = match self.mark {
            Mark::Ok => "ok  ",
            Mark::Warning => "warn",
            Mark::Failed => "FAIL",
        };
        let blank = if self.name.is_empty() { "" } else { " " };
        let mut text =
            format!("{mark}  {}{blank}{} {}: {}\n", self.what, self.name, self.step, self.detail);
        for (at, one) in self.chain.iter().enumerate() {
            let Shown { subject, issuer, not_after, days_left } = one;
            let day = not_after.strftime("%Y-%m-%d");
            let left = match days_left {
                1 => "1 day left".to_owned(),
                days if *days < 0 => "which is past".to_owned(),
                days => format!("{days} days left"),
            };
            let nth = at + 1;
            let _infallible =
                writeln!(text, "      {nth}. {subject}, by {issuer}, until {day} ({left})");
        }
        if !self.advice.is_empty() {
            text.push_str("      > ");
            text.push_str(&self.advice);
            text.push('\n');
        }
        text
    }
}

/// Everything found.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) lines: Vec<Line>,
    pub(super) exit: Exit,
}

impl Findings {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), exit: Exit::Done }
    }

    /// Adds a line. One that failed means `exit`.
    pub(super) fn push(&mut self, line: Line, exit: Exit) {
        if line.mark == Mark::Failed {
            self.exit = self.exit.max(exit);
        }
        self.lines.push(line);
    }

    /// Adds what is found on the ways to all sources and sinks, in the order of the config.
    pub(super) async fn go_online(&mut self, worker: &Worker) {
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let mut ways = JoinSet::new();
        for (nth, watched) in worker.sources.iter().cloned().enumerate() {
            let permits = Arc::clone(&permits);
            ways.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (nth, source(&watched).await)
            });
        }
        let sources = worker.sources.len();
        for (nth, lane) in worker.lanes.iter().enumerate() {
            let (permits, name) = (Arc::clone(&permits), lane.name.to_string());
            let outlet = lane.outlet.clone();
            ways.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (sources + nth, vec![sink(name, &outlet).await])
            });
        }
        let mut found = ways.join_all().await;
        found.sort_by_key(|(nth, _)| *nth);
        for line in found.into_iter().flat_map(|(_, lines)| lines) {
            let exit = line.class.map_or(Exit::Failed, Exit::of_fault);
            self.push(line, exit);
        }
    }

    /// Prints them. With `policy`, also what the cloud must allow.
    pub(super) fn print(&self, output: Output, policy: Option<&Value>) -> Exit {
        let printed = match output {
            Output::Json => {
                let lines: Vec<Value> = self.lines.iter().map(Line::json).collect();
                match policy {
                    None => out::json(&json!(lines)),
                    Some(policy) => out::json(&json!({ "findings": lines, "policy": policy })),
                }
            }
            Output::Table => {
                let mut text: String = self.lines.iter().map(Line::text).collect();
                text.push_str(&self.summary());
                if let Some(policy) = policy.filter(|policy| !policy.is_null()) {
                    text.push_str("\nThe least that the cloud must allow the identity:\n");
                    // Values hold string keys only, so this cannot fail.
                    text.push_str(&serde_json::to_string_pretty(policy).unwrap_or_default());
                    text.push('\n');
                }
                out::text_as_is(&text)
            }
        };
        self.exit.max(printed)
    }

    fn summary(&self) -> String {
        let count = |mark| self.lines.iter().filter(|line| line.mark == mark).count();
        let (ok, warnings, failed) = (count(Mark::Ok), count(Mark::Warning), count(Mark::Failed));
        let warnings = out::count(warnings, "warning", "warnings");
        format!("{ok} ok, {warnings}, {failed} failed\n")
    }
}

async fn source(watched: &Watched) -> Vec<Line> {
    let found = match timeout(SOURCE_WAIT, watched.source.examine()).await {
        Ok(found) => found,
        Err(_elapsed) => {
            let what = format!("not done within {} s", SOURCE_WAIT.as_secs());
            vec![Finding::of("list", Err(SourceError::new(FaultClass::Timeout, what)))]
        }
    };
    let name = watched.source.info().name.to_string();
    let line = |finding: Finding| {
        let Finding { step, seen, detail, advice } = finding;
        let (mark, class) = match seen {
            Seen::Good => (Mark::Ok, None),
            Seen::Odd => (Mark::Warning, None),
            Seen::Bad(class) => (Mark::Failed, Some(class)),
        };
        Line { class, ..Line::new(("source", step), mark, detail, advice).of(name.clone()) }
    };
    found.into_iter().map(line).collect()
}

async fn sink(name: String, outlet: &Outlet) -> Line {
    let limit = outlet.timeout;
    let (mark, detail, advice) = match timeout(limit, outlet.sink.probe()).await {
        Ok(Ok(())) => (Mark::Ok, "opens; nothing was sent".to_owned(), ""),
        Ok(Err(error)) => {
            let advice = match error.verdict {
                Verdict::Retry { .. } => {
                    "Check that the receiver runs, and the way to it: name, firewall, proxy."
                }
                _ => "Check this sink's address, certificate and log-in in the config.",
            };
            (Mark::Failed, Chain(&error).to_string(), advice)
        }
        Err(_elapsed) => {
            let detail = format!("no answer within {} s", limit.as_secs());
            (Mark::Failed, detail, "Check the way to the receiver, or lengthen timeout.")
        }
    };
    Line::new(("sink", "reach"), mark, detail, advice).of(name)
}

fn certificate(one: &Shown) -> Value {
    json!({
        "subject": one.subject,
        "issuer": one.issuer,
        "not_after": one.not_after.to_string(),
        "days_left": one.days_left,
    })
}
