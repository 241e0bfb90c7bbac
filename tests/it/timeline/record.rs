//! What really happened: requests as notices, and the tape of everything.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde_json::Value;
use taskbell::{clock::Clock, receiver::WebhookArrival};

/// All requests with one id.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) total: u64,
    pub(super) tasks: Vec<String>,
    pub(super) cleared: Vec<String>,
    /// When each request came, and what it was answered.
    pub(super) requests: Vec<(Timestamp, Option<u16>)>,
    /// Whether all of them had the same bytes.
    pub(super) same: bool,
}

impl Notice {
    fn of(arrival: &WebhookArrival) -> Self {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        let data = &body["data"];
        let failures = data["failures"].as_array().map_or(&[][..], Vec::as_slice);
        let id = |failure: &Value| failure["task_id"].as_str().unwrap_or_default().to_owned();
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        let cleared = failures.iter().filter(|failure| !failure["cleared_at"].is_null());
        Self {
            id: arrival.id.clone(),
            kind: arrival.kind.clone(),
            reason: data["reason"].as_str().unwrap_or_default().to_owned(),
            total: data["total"].as_u64().unwrap_or_default(),
            cleared: sorted(cleared.map(id).collect()),
            tasks: sorted(failures.iter().map(id).collect()),
            requests: Vec::new(),
            same: true,
        }
    }

    /// When it was first taken.
    pub(super) fn accepted_at(&self) -> Option<Timestamp> {
        self.accepted().next().map(|(at, _)| at)
    }

    /// The requests that were taken.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (Timestamp, Option<u16>)> {
        let taken = |status: Option<u16>| status.is_some_and(|code| (200..300).contains(&code));
        self.requests.iter().copied().filter(move |(_, status)| taken(*status))
    }
}

/// The notices that were taken, in that order.
pub(super) fn accepted(arrivals: &[WebhookArrival]) -> Vec<Notice> {
    let mut notices: BTreeMap<&str, (Notice, &[u8])> = BTreeMap::new();
    for arrival in arrivals {
        let fresh = || (Notice::of(arrival), arrival.body.as_slice());
        let (notice, body) = notices.entry(&arrival.id).or_insert_with(fresh);
        notice.same &= *body == arrival.body;
        notice.requests.push((arrival.at, arrival.answered));
    }
    let taken = notices.into_values().map(|(notice, _)| notice);
    let mut taken: Vec<Notice> = taken.filter(|notice| notice.accepted_at().is_some()).collect();
    taken.sort_by_key(Notice::accepted_at);
    taken
}

/// One request on a line.
pub(super) fn line(to: &str, arrival: &WebhookArrival) -> String {
    /// More ids than that say no more.
    const SHOWN: usize = 6;
    let Notice { kind, reason, total, tasks, cleared, .. } = Notice::of(arrival);
    let mut text = format!("{to} <- {kind} ({reason})");
    if 0 < total {
        let shown = tasks.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = if SHOWN < tasks.len() { ", …" } else { "" };
        write!(text, " of {total}: {shown}{more}").unwrap();
    }
    if !cleared.is_empty() {
        write!(text, "; cleared: {}", cleared.len()).unwrap();
    }
    let answered = arrival.answered.map_or("no answer".to_owned(), |status| status.to_string());
    let id: String = arrival.id.chars().take(9).collect();
    write!(text, " -> {answered} [{id}]").unwrap();
    text
}

/// What the story did, with the time.
#[derive(Clone, Debug)]
pub(super) struct Tape {
    clock: Arc<dyn Clock>,
    notes: Arc<Mutex<Vec<(Timestamp, String)>>>,
}

impl Tape {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, notes: Arc::default() }
    }

    pub(super) fn note(&self, what: impl Into<String>) {
        self.notes.lock().unwrap().push((self.clock.now(), what.into()));
    }

    /// Everything, in the order of time, counted from `began`.
    pub(super) fn print(&self, began: Timestamp, mut more: Vec<(Timestamp, String)>) -> String {
        more.extend(self.notes.lock().unwrap().clone());
        more.sort();
        let line = |(at, what): &(Timestamp, String)| {
            let seconds = at.duration_since(began).as_secs_f64();
            format!("  {seconds:>+7.2} s  {what}\n")
        };
        more.iter().map(line).collect()
    }
}
