//! What the API shows of sources, sinks and silences, and of the answers to orders.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{super::sources::Seen, Instant};
use crate::{
    notice::Coverage,
    silence::{OnExpire, Silence},
};

/// How much of a source was seen in the last 24 hours.
#[derive(Debug, JsonSchema, Serialize)]
pub struct CoverageView {
    /// Polls that were due, those included that were not made.
    pub polls_due: u32,
    /// Those that saw the whole list.
    pub polls_complete: u32,
    /// Longest time without a complete poll, in seconds.
    pub longest_gap_seconds: u32,
}

impl From<Coverage> for CoverageView {
    fn from(coverage: Coverage) -> Self {
        let Coverage { polls_due, polls_complete, longest_gap_seconds } = coverage;
        Self { polls_due, polls_complete, longest_gap_seconds }
    }
}

/// A list that is watched.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What kind of source it is.
    pub kind: String,
    /// May be empty.
    pub region: String,
    /// May be empty.
    pub project_id: String,
    /// From the start of one poll to the start of the next, in seconds.
    pub interval_seconds: u64,
    /// So many of them without a complete poll, and it counts as blind.
    pub blind_after: u32,
    /// How it is seen, in a word. `troubled`: the last poll was not complete, but it does not count
    /// as blind yet. `not polled`: nobody polled it for as long as would make it blind.
    #[schemars(extend("enum" = Seen::ALL.map(Seen::as_str)))]
    pub state: &'static str,
    /// What the last poll came to: `complete`, `never polled`, or the class of the trouble.
    pub outcome: String,
    /// One line more about it.
    pub detail: Option<String>,
    /// The class of the trouble, if there is any.
    pub class: Option<&'static str>,
    /// What to do about the trouble.
    pub advice: Option<&'static str>,
    /// Whether it is not seen: its state is `blind` or `not polled`.
    pub blind: bool,
    /// Since when it is blind.
    #[schemars(with = "Option<Instant>")]
    pub blind_since: Option<Timestamp>,
    /// Failures that stand.
    pub standing: Option<u64>,
    /// When its baseline was set.
    #[schemars(with = "Option<Instant>")]
    pub baseline_at: Option<Timestamp>,
    /// How long ago that was.
    pub baseline_seconds_ago: Option<u64>,
    /// The first poll.
    #[schemars(with = "Option<Instant>")]
    pub first_poll_at: Option<Timestamp>,
    /// The last poll.
    #[schemars(with = "Option<Instant>")]
    pub last_poll_at: Option<Timestamp>,
    /// How long ago that was.
    pub last_poll_seconds_ago: Option<u64>,
    /// The last poll that saw the whole list.
    #[schemars(with = "Option<Instant>")]
    pub last_complete_at: Option<Timestamp>,
    /// How long ago that was.
    pub last_complete_seconds_ago: Option<u64>,
    /// Of the last 24 hours.
    pub coverage: Option<CoverageView>,
    /// The same by the hour, the oldest first: the 24 hours up to the one that runs.
    pub hours: Vec<HourView>,
}

/// One hour of a source's coverage.
#[derive(Debug, JsonSchema, Serialize)]
pub struct HourView {
    /// When the hour began.
    #[schemars(with = "Instant")]
    pub at: Timestamp,
    /// Polls that were due in it, those included that were not made.
    pub polls_due: u32,
    /// Those that saw the whole list.
    pub polls_complete: u32,
}

/// A place that is told.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SinkView {
    /// Its name.
    pub name: String,
    /// Whether the config still has it.
    pub configured: bool,
    /// Deliveries that wait for their time.
    pub pending: u64,
    /// Deliveries that something holds.
    pub held: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// When the oldest pending one was opened.
    #[schemars(with = "Option<Instant>")]
    pub oldest_pending_at: Option<Timestamp>,
    /// What passes to it now: `shut` is an open breaker.
    #[schemars(extend("enum" = ["open", "shut", "catching_up", "disabled"]))]
    pub gate: &'static str,
    /// Since when attempts fail.
    #[schemars(with = "Option<Instant>")]
    pub failing_since: Option<Timestamp>,
    /// What the last failed attempt came to, while attempts fail.
    pub last_error: Option<String>,
    /// Since when it gets more than is told singly.
    #[schemars(with = "Option<Instant>")]
    pub storm_since: Option<Timestamp>,
}

/// What nobody wants to hear for a while.
#[derive(Debug, JsonSchema, Serialize)]
pub struct SilenceView {
    /// Its number.
    pub id: u64,
    /// Whether it holds now.
    #[schemars(extend("enum" = ["pending", "active", "ended"]))]
    pub state: &'static str,
    /// All must hold.
    pub matchers: Vec<String>,
    /// From then on.
    #[schemars(with = "Instant")]
    pub starts_at: Timestamp,
    /// Until then.
    #[schemars(with = "Instant")]
    pub ends_at: Timestamp,
    /// Who added it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// What becomes of what it held.
    #[schemars(extend("enum" = ["digest", "drop"]))]
    pub on_expire: &'static str,
    /// In the answer to an order: whether a daemon acts on it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
}

impl SilenceView {
    pub(in crate::admin) fn of(silence: &Silence, now: Timestamp) -> Self {
        let state = match (silence.is_active(now), silence.ends_at <= now) {
            (true, _) => "active",
            (false, true) => "ended",
            (false, false) => "pending",
        };
        Self {
            id: silence.number,
            state,
            matchers: silence.matchers.clone(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            author: silence.author.clone(),
            comment: silence.comment.clone(),
            on_expire: match silence.on_expire {
                OnExpire::Digest => "digest",
                OnExpire::Drop => "drop",
            },
            running: None,
        }
    }
}

/// That a failure is looked after, or no longer.
#[derive(Debug, JsonSchema, Serialize)]
pub struct AcknowledgedView {
    /// The failure.
    pub id: u64,
    /// Whether it is.
    pub acknowledged: bool,
}

/// Deliveries that are due now.
#[derive(Debug, JsonSchema, Serialize)]
pub struct RetriedView {
    /// Their numbers.
    pub due_now: Vec<u64>,
    /// Whether a daemon tries them at once.
    pub running: bool,
}

/// What a test message came to.
#[derive(Debug, JsonSchema, Serialize)]
pub struct TestedView {
    /// The sink.
    pub sink: String,
    /// Whether it took the message.
    pub accepted: bool,
    /// What it said, in one line.
    pub answer: String,
    /// How long that took.
    pub latency_ms: u64,
}
