//! Figures for Prometheus, in its text format.
//!
//! All that is counted since the store was made or since the process began; nothing is read from
//! the history. Every name, unit and label is in [`table`], from which `docs/metrics.md` is made.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};

use super::{
    Admin, AdminError,
    observe::{Attempts, LATENCY_BUCKETS_MS, Observations},
    problem::Problem,
    view::SourceView,
};
use crate::{name::Name, source::FaultClass};

pub mod table;

use table::Metric;

/// The gates of a sink.
const GATES: [&str; 4] = ["open", "shut", "catching_up", "disabled"];

/// `GET /metrics`
pub(super) async fn answer(State(admin): State<Admin>) -> Result<Response, Problem> {
    let text = admin.metrics().await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// The text as it grows. Names of sources and sinks need no escaping, and all other labels are
/// words of ours.
struct Page(String);

impl Page {
    fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help, .. } = metric;
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _infallible = writeln!(self.0, "{name}{labels} {value}");
    }

    /// One value for each of `rows`, all with the same label.
    fn by<N: AsRef<str>, V: std::fmt::Display>(
        &mut self,
        metric: &Metric,
        label: &str,
        rows: impl Iterator<Item = (N, V)>,
    ) {
        self.head(metric);
        for (name, value) in rows {
            self.sample(metric.name, &[(label, name.as_ref())], value);
        }
    }
}

impl Admin {
    /// All figures, in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn metrics(&self) -> Result<String, AdminError> {
        let mut page = Page(String::new());
        page.head(&table::BUILD);
        page.sample(table::BUILD.name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        sources(&mut page, &self.source_views().await?);
        self.sinks_in(&mut page).await?;
        let silences = self.silence_views().await?;
        let active = silences.iter().filter(|silence| silence.state == "active").count();
        page.head(&table::SILENCES);
        page.sample(table::SILENCES.name, &[], active);
        if let Some(seen) = &self.observed {
            observed(&mut page, seen);
        }
        Ok(page.0)
    }

    async fn sinks_in(&self, page: &mut Page) -> Result<(), AdminError> {
        let sums = self.sums().await?;
        let (account, owed) = (&sums.account, &sums.owed);
        let states = self.worker.store.sinks().await?;
        let now = self.worker.clock.now();
        let mut sinks: Vec<&Name> = self.worker.lanes.iter().map(|lane| &lane.name).collect();
        sinks.extend(account.keys());
        sinks.sort_unstable();
        sinks.dedup();
        page.head(&table::FAILURES);
        for (sink, one) in account {
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
                let labels = [("sink", sink.as_str()), ("state", state)];
                page.sample(table::FAILURES.name, &labels, value);
            }
        }
        let lost = account.iter().map(|(sink, one)| (sink.as_str(), one.difference()));
        page.by(&table::LOST, "sink", lost);
        page.head(&table::DELIVERIES);
        for sink in &sinks {
            let owed = owed.get(*sink).copied().unwrap_or_default();
            for (state, value) in
                [("pending", owed.pending), ("held", owed.held), ("dead", owed.dead)]
            {
                let labels = [("sink", sink.as_str()), ("state", state)];
                page.sample(table::DELIVERIES.name, &labels, value);
            }
        }
        let age = |sink: &Name| {
            let oldest = owed.get(sink).and_then(|owed| owed.oldest);
            oldest.map_or(0, |at| now.duration_since(at).as_secs().max(0))
        };
        page.by(&table::OLDEST, "sink", sinks.iter().map(|sink| (sink.as_str(), age(sink))));
        page.head(&table::GATE);
        for sink in &sinks {
            let gate = states.get(*sink).map(|state| state.gate).unwrap_or_default();
            for word in GATES {
                let labels = [("sink", sink.as_str()), ("gate", word)];
                page.sample(table::GATE.name, &labels, u8::from(gate.as_str() == word));
            }
        }
        let failing = |sink: &Name| states.get(sink).map_or(0, |state| state.failures_in_row);
        page.by(&table::FAILING, "sink", sinks.iter().map(|sink| (sink.as_str(), failing(sink))));
        Ok(())
    }
}

fn sources(page: &mut Page, sources: &[SourceView]) {
    let each = |value: fn(&SourceView) -> Option<u64>| {
        sources.iter().filter_map(move |one| value(one).map(|value| (one.name.as_str(), value)))
    };
    page.by(&table::BLIND, "source", each(|one| Some(u64::from(one.blind))));
    page.head(&table::FAULT);
    for source in sources {
        for class in FaultClass::ALL.map(FaultClass::as_str) {
            let labels = [("source", source.name.as_str()), ("class", class)];
            page.sample(table::FAULT.name, &labels, u8::from(source.outcome == class));
        }
    }
    let seen = sources
        .iter()
        .filter_map(|one| one.last_complete_at.map(|at| (one.name.as_str(), at.as_second())));
    page.by(&table::LAST_COMPLETE, "source", seen);
    let coverage: fn(&SourceView) -> Option<u64> =
        |one| one.coverage.as_ref().map(|coverage| u64::from(coverage.polls_due));
    page.by(&table::POLLS_DUE, "source", each(coverage));
    let coverage: fn(&SourceView) -> Option<u64> =
        |one| one.coverage.as_ref().map(|coverage| u64::from(coverage.polls_complete));
    page.by(&table::POLLS_COMPLETE, "source", each(coverage));
    let gap: fn(&SourceView) -> Option<u64> =
        |one| one.coverage.as_ref().map(|coverage| u64::from(coverage.longest_gap_seconds));
    page.by(&table::LONGEST_GAP, "source", each(gap));
    page.by(&table::STANDING, "source", each(|one| one.standing));
}

/// What was counted since the process began.
fn observed(page: &mut Page, seen: &Observations) {
    let counts = seen.counts();
    page.head(&table::START);
    page.sample(table::START.name, &[], seen.began.as_second());
    page.head(&table::POLLS);
    for (source, (complete, all)) in &counts.polls {
        for (outcome, value) in [("complete", *complete), ("incomplete", all - complete)] {
            let labels = [("source", source.as_str()), ("outcome", outcome)];
            page.sample(table::POLLS.name, &labels, value);
        }
    }
    let recorded = counts.recorded.iter().map(|(source, count)| (source.as_str(), *count));
    page.by(&table::RECORDED, "source", recorded);
    page.head(&table::ATTEMPTS);
    for (sink, attempts) in &counts.attempts {
        for (outcome, value) in Attempts::OUTCOMES.into_iter().zip(attempts.outcomes) {
            let labels = [("sink", sink.as_str()), ("outcome", outcome.as_str())];
            page.sample(table::ATTEMPTS.name, &labels, value);
        }
    }
    page.head(&table::DURATION);
    let part = |name: &str| format!("{}_{name}", table::DURATION.name);
    for (sink, attempts) in &counts.attempts {
        let sink = sink.as_str();
        let mut so_far = 0;
        for (end, count) in LATENCY_BUCKETS_MS.into_iter().zip(attempts.buckets) {
            so_far += count;
            let end = seconds(end.into());
            page.sample(&part("bucket"), &[("sink", sink), ("le", &end)], so_far);
        }
        let all: u64 = attempts.outcomes.iter().sum();
        page.sample(&part("bucket"), &[("sink", sink), ("le", "+Inf")], all);
        page.sample(&part("sum"), &[("sink", sink)], seconds(attempts.milliseconds));
        page.sample(&part("count"), &[("sink", sink)], all);
    }
}

/// Milliseconds as seconds, exactly.
fn seconds(milliseconds: u64) -> String {
    let (whole, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    if rest == 0 {
        return whole.to_string();
    }
    let rest = format!("{rest:03}");
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_written_in_seconds() {
        for (milliseconds, expected) in
            [(10, "0.01"), (500, "0.5"), (1_000, "1"), (15_000, "15"), (1_234, "1.234")]
        {
            assert_eq!(seconds(milliseconds), expected);
        }
    }
}
