//! What was asked, for tests and for people who wonder what their client really sends.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use super::fault::On;

/// Requests remembered in full. Older ones are only counted.
const RECORDS_MAX: usize = 10_000;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// When it came.
    pub at: Timestamp,
    /// `GET` and so on.
    pub method: String,
    /// As received, still percent-encoded.
    pub path: String,
    /// As received, without the question mark.
    pub query: String,
    /// The status answered; 0 where the connection was reset.
    pub status: u16,
    /// Whether the sender proved who it is. Asked even where a fault answers.
    pub auth: Auth,
    /// What was asked for.
    pub on: On,
}

/// How a request's proof of identity was taken.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// By the access key named here, or by a `token`.
    Accepted(String),
    /// For the reason given here.
    Refused(String),
    /// The endpoint takes anybody, or does not exist.
    NotAsked,
}

/// The requests of a simulator, newest last.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: VecDeque<Record>,
    counts: BTreeMap<On, u64>,
}

impl Log {
    /// Adds one.
    pub(super) fn push(&mut self, record: Record) {
        let count = self.counts.entry(record.on).or_default();
        *count = count.saturating_add(1);
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The newest ones, oldest of them first.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// How many there were of each kind since the start; `any` are those that led nowhere.
    pub(super) fn counts(&self) -> &BTreeMap<On, u64> {
        &self.counts
    }
}
