//! How well each source is seen.

use super::{Admin, AdminError, Metric};
use crate::{name::Name, notice::Coverage};

const DUE: Metric = Metric {
    name: "taskbell_source_polls_due_24h",
    kind: "gauge",
    help: "Polls that were due in the last 24 hours, those included that were not made.",
};
const COMPLETE: Metric = Metric {
    name: "taskbell_source_polls_complete_24h",
    kind: "gauge",
    help: "Polls in the last 24 hours that saw the whole list.",
};
const GAP: Metric = Metric {
    name: "taskbell_source_longest_gap_seconds",
    kind: "gauge",
    help: "Longest time between two complete polls in the last 24 hours, one that is open \
           included.",
};
const BLIND: Metric = Metric {
    name: "taskbell_source_blind",
    kind: "gauge",
    help: "1 if a source counts as blind, with the class of the trouble; 0 if it does not.",
};
const LAST: Metric = Metric {
    name: "taskbell_source_last_complete_poll_timestamp_seconds",
    kind: "gauge",
    help: "When the last complete poll ended. A source that was never seen whole has none.",
};
const STANDING: Metric = Metric {
    name: "taskbell_source_failures_standing",
    kind: "gauge",
    help: "Failures that stand.",
};

impl Admin {
    /// Adds the figures of every source that was ever polled and is still in the config.
    pub(super) async fn source_metrics(&self, out: &mut String) -> Result<(), AdminError> {
        let known = self.worker.store.sources().await?;
        let now = self.worker.clock.now();
        let watched = |name: &Name| {
            let mut sources = self.worker.sources.iter();
            sources.any(|watched| watched.source.info().name == *name)
        };
        let known: Vec<_> = known.into_iter().filter(|(name, _)| watched(name)).collect();
        let figures = |figure: fn(&Coverage) -> u32, metric: &Metric, out: &mut String| {
            metric.head(out);
            for (name, state) in &known {
                let coverage = state.coverage.figures(state.last_complete_at, now);
                metric.sample(out, &format!("source=\"{name}\""), figure(&coverage));
            }
        };
        figures(|coverage| coverage.polls_due, &DUE, out);
        figures(|coverage| coverage.polls_complete, &COMPLETE, out);
        figures(|coverage| coverage.longest_gap_seconds, &GAP, out);
        BLIND.head(out);
        for (name, state) in &known {
            let blind = state.sight.blind_since().is_some();
            let class = if blind { state.outcome.as_str() } else { "" };
            BLIND.sample(out, &format!("source=\"{name}\",class=\"{class}\""), u8::from(blind));
        }
        LAST.head(out);
        for (name, state) in &known {
            if let Some(last) = state.last_complete_at {
                LAST.sample(out, &format!("source=\"{name}\""), last.as_second());
            }
        }
        STANDING.head(out);
        for (name, state) in &known {
            STANDING.sample(out, &format!("source=\"{name}\""), state.standing);
        }
        Ok(())
    }
}
