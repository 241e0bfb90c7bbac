//! Every metric: its name, what it counts, its labels and their values.

use std::fmt::Write as _;

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Never renamed without a word in the change log: alerts hang on it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Each label with its values: words that are fixed, or whose names they are.
    pub labels: &'static [(&'static str, &'static str)],
}

const SOURCE: (&str, &str) = ("source", "name of a source");
const SINK: (&str, &str) = ("sink", "name of a sink");

pub(super) const BUILD: Metric = Metric {
    name: "taskbell_build_info",
    kind: "gauge",
    help: "1; the version is a label.",
    labels: &[("version", "of the program")],
};
pub(super) const START: Metric = Metric {
    name: "taskbell_start_time_seconds",
    kind: "gauge",
    help: "When the process began, in seconds since 1970.",
    labels: &[],
};
pub(super) const BLIND: Metric = Metric {
    name: "taskbell_source_blind",
    kind: "gauge",
    help: "1 while a source counts as blind, or nobody polled it for as long as would make it so.",
    labels: &[SOURCE],
};
pub(super) const FAULT: Metric = Metric {
    name: "taskbell_source_fault",
    kind: "gauge",
    help: "1 for the class of the trouble that the last poll met, if it met any.",
    labels: &[
        SOURCE,
        (
            "class",
            "auth, permission, account_frozen, not_in_region, throttled, clock_skew, tls, dns, \
             network, timeout, upstream, schema, incomplete, request",
        ),
    ],
};
pub(super) const LAST_COMPLETE: Metric = Metric {
    name: "taskbell_source_last_complete_poll_timestamp_seconds",
    kind: "gauge",
    help: "When the last poll that saw the whole list ended, in seconds since 1970. Absent before \
           the first one.",
    labels: &[SOURCE],
};
pub(super) const POLLS_DUE: Metric = Metric {
    name: "taskbell_source_polls_due_day",
    kind: "gauge",
    help: "Polls that were due in the last 24 hours, those included that were not made.",
    labels: &[SOURCE],
};
pub(super) const POLLS_COMPLETE: Metric = Metric {
    name: "taskbell_source_polls_complete_day",
    kind: "gauge",
    help: "Those of the last 24 hours that saw the whole list.",
    labels: &[SOURCE],
};
pub(super) const LONGEST_GAP: Metric = Metric {
    name: "taskbell_source_longest_gap_seconds",
    kind: "gauge",
    help: "Longest time without a complete poll in the last 24 hours, one that lasts included.",
    labels: &[SOURCE],
};
pub(super) const STANDING: Metric = Metric {
    name: "taskbell_source_standing_failures",
    kind: "gauge",
    help: "Failures that a source still lists.",
    labels: &[SOURCE],
};
pub(super) const FAILURES: Metric = Metric {
    name: "taskbell_failures",
    kind: "gauge",
    help: "Failures that a route sent a sink's way, by what came of them. The states other than \
           routed add up to routed.",
    labels: &[
        SINK,
        (
            "state",
            "routed, told_singly, told_in_digest, suppressed, merged, waiting_for_company, \
             pending, held, dead",
        ),
    ],
};
pub(super) const LOST: Metric = Metric {
    name: "taskbell_failures_lost",
    kind: "gauge",
    help: "Failures sent a sink's way of which nothing is known. Anything but 0 is a bug.",
    labels: &[SINK],
};
pub(super) const DELIVERIES: Metric = Metric {
    name: "taskbell_deliveries",
    kind: "gauge",
    help: "Notices that are not done.",
    labels: &[SINK, ("state", "pending, held, dead")],
};
pub(super) const OLDEST: Metric = Metric {
    name: "taskbell_oldest_undelivered_age_seconds",
    kind: "gauge",
    help: "Age of the oldest delivery that is pending, 0 if there is none.",
    labels: &[SINK],
};
pub(super) const GATE: Metric = Metric {
    name: "taskbell_sink_gate",
    kind: "gauge",
    help: "1 for what passes to the sink now; shut is an open breaker.",
    labels: &[SINK, ("gate", "open, shut, catching_up, disabled")],
};
pub(super) const FAILING: Metric = Metric {
    name: "taskbell_sink_failures_in_row",
    kind: "gauge",
    help: "Attempts that failed since the last one that the sink took.",
    labels: &[SINK],
};
pub(super) const SILENCES: Metric = Metric {
    name: "taskbell_silences_active",
    kind: "gauge",
    help: "Silences that hold now.",
    labels: &[],
};
pub(super) const POLLS: Metric = Metric {
    name: "taskbell_polls_total",
    kind: "counter",
    help: "Polls since the process began.",
    labels: &[SOURCE, ("outcome", "complete, incomplete")],
};
pub(super) const RECORDED: Metric = Metric {
    name: "taskbell_failures_recorded_total",
    kind: "counter",
    help: "Failures that were recorded since the process began.",
    labels: &[SOURCE],
};
pub(super) const ATTEMPTS: Metric = Metric {
    name: "taskbell_attempts_total",
    kind: "counter",
    help: "Attempts to deliver since the process began.",
    labels: &[SINK, ("outcome", "accepted, retry, suspect, gone")],
};
pub(super) const DURATION: Metric = Metric {
    name: "taskbell_attempt_duration_seconds",
    kind: "histogram",
    help: "How long attempts took, from the first byte to the verdict.",
    labels: &[SINK, ("le", "0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, +Inf")],
};

/// Every metric, in the order in which they are given.
pub const METRICS: [&Metric; 20] = [
    &BUILD,
    &BLIND,
    &FAULT,
    &LAST_COMPLETE,
    &POLLS_DUE,
    &POLLS_COMPLETE,
    &LONGEST_GAP,
    &STANDING,
    &FAILURES,
    &LOST,
    &DELIVERIES,
    &OLDEST,
    &GATE,
    &FAILING,
    &SILENCES,
    &START,
    &POLLS,
    &RECORDED,
    &ATTEMPTS,
    &DURATION,
];

/// The table of the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| metric | type | labels | what |\n|---|---|---|---|\n");
    for Metric { name, kind, help, labels } in METRICS {
        let labels: Vec<String> =
            labels.iter().map(|(label, values)| format!("`{label}`: {values}")).collect();
        let labels = labels.join("<br>");
        let _infallible = writeln!(out, "| `{name}` | {kind} | {labels} | {help} |");
    }
    out
}
