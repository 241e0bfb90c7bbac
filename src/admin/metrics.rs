//! Figures for Prometheus, in its text format.

use std::fmt::Write as _;

use super::{Admin, AdminError};
use crate::name::Name;

mod sources;

/// A metric and what it counts.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const FAILURES: Metric = Metric {
    name: "taskbell_failures",
    kind: "gauge",
    help: "Failures that a route sent a sink's way, by what came of them. The states other than \
           routed add up to routed.",
};
const DIFFERENCE: Metric = Metric {
    name: "taskbell_failures_lost",
    kind: "gauge",
    help: "Failures sent a sink's way of which nothing is known. Anything but 0 is a bug.",
};
const GATE: Metric = Metric {
    name: "taskbell_sink_gate",
    kind: "gauge",
    help: "1 for what passes to the sink now: open, shut (breaker), catching_up or disabled.",
};
const OLDEST: Metric = Metric {
    name: "taskbell_oldest_undelivered_age_seconds",
    kind: "gauge",
    help: "Age of the oldest delivery that is pending, 0 if there is none.",
};

impl Metric {
    fn head(&self, out: &mut String) {
        let Self { name, kind, help } = self;
        let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&self, out: &mut String, labels: &str, value: impl std::fmt::Display) {
        let _infallible = writeln!(out, "{}{{{labels}}} {value}", self.name);
    }
}

impl Admin {
    /// The figures of every sink and source, in Prometheus' text format. Names need no escaping.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn metrics(&self) -> Result<String, AdminError> {
        let account = self.worker.store.reconcile().await?;
        let states = self.worker.store.sinks().await?;
        let owed = self.worker.store.owed().await?;
        let now = self.worker.clock.now();
        let mut sinks: Vec<&Name> = self.worker.lanes.iter().map(|lane| &lane.name).collect();
        sinks.extend(account.keys());
        sinks.sort_unstable();
        sinks.dedup();
        let mut out = String::new();
        FAILURES.head(&mut out);
        for (sink, one) in &account {
            for (state, value) in [
                ("routed", one.totals.routed),
                ("told_singly", one.totals.told_singly),
                ("told_in_digest", one.totals.told_in_digest),
                ("suppressed", one.totals.suppressed),
                ("merged", one.totals.merged),
                ("waiting_for_company", one.forming),
                ("pending", one.pending),
                ("held", one.held),
                ("dead", one.dead),
            ] {
                FAILURES.sample(&mut out, &format!("sink=\"{sink}\",state=\"{state}\""), value);
            }
        }
        DIFFERENCE.head(&mut out);
        for (sink, one) in &account {
            DIFFERENCE.sample(&mut out, &format!("sink=\"{sink}\""), one.difference());
        }
        GATE.head(&mut out);
        for sink in &sinks {
            let gate = states.get(*sink).map(|state| state.gate).unwrap_or_default();
            for state in ["open", "shut", "catching_up", "disabled"] {
                let value = u8::from(gate.as_str() == state);
                GATE.sample(&mut out, &format!("sink=\"{sink}\",gate=\"{state}\""), value);
            }
        }
        OLDEST.head(&mut out);
        for sink in &sinks {
            let oldest = owed.get(*sink).and_then(|owed| owed.oldest);
            let age = oldest.map_or(0, |at| now.duration_since(at).as_secs().max(0));
            OLDEST.sample(&mut out, &format!("sink=\"{sink}\""), age);
        }
        self.source_metrics(&mut out).await?;
        Ok(out)
    }
}
