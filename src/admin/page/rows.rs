//! Rows of the page's lists: what a template is given of each source, failure, sink and silence.

use serde::Serialize;

use super::{Reader, moment::Moment};
use crate::{
    admin::view::{
        AckView, DeliveryView, FailureView, SilenceView, SinkView, SourceView, SpokenView,
    },
    render::Language,
    task::Action,
};

/// A source.
#[derive(Serialize)]
pub(super) struct SourceRow {
    name: String,
    place: String,
    /// `ok`, `warn` or `bad`.
    tone: &'static str,
    state: String,
    seen: Option<Moment>,
    standing: Option<u64>,
    coverage: Option<String>,
    coverage_text: String,
    gap: Option<String>,
    hours: Vec<HourRow>,
    class: Option<String>,
    class_text: &'static str,
    advice: Option<String>,
    detail: Option<String>,
}

/// An hour of the strip.
#[derive(Serialize)]
struct HourRow {
    x: usize,
    /// `full`, `part`, `none` or `unknown`.
    tone: &'static str,
}

/// A failure.
#[derive(Serialize)]
pub(super) struct FailureRow {
    pub(super) id: u64,
    open: bool,
    state: String,
    action: &'static str,
    action_text: &'static str,
    server: Option<String>,
    code: Option<String>,
    message: Option<String>,
    source: String,
    failed: Moment,
    cleared: Option<Moment>,
    often: Option<String>,
    told: Vec<ToldRow>,
}

/// What became of telling one sink.
#[derive(Serialize)]
struct ToldRow {
    sink: String,
    state: &'static str,
    text: String,
    at: Moment,
}

/// A delivery.
#[derive(Serialize)]
pub(super) struct DeliveryRow {
    id: u64,
    kind: &'static str,
    sink: String,
    source: Option<String>,
    state: &'static str,
    text: String,
    /// When it was opened.
    at: Moment,
    /// When it is tried next, or when it was done.
    next: Option<String>,
    /// How many it speaks for; `None` if it is about no failure, or about the one in `first`.
    total: Option<String>,
    first: Option<u64>,
    first_text: Option<String>,
    attempts: Option<String>,
    answer: Option<String>,
    held_by: Option<String>,
    /// Whether it can be made due.
    retry: bool,
}

/// A sink.
#[derive(Serialize)]
pub(super) struct SinkRow {
    name: String,
    configured: bool,
    pub(super) tone: &'static str,
    state: String,
    pending: u64,
    held: u64,
    dead: u64,
    oldest: Option<Moment>,
    failing_since: Option<Moment>,
    last_error: Option<String>,
    storm_since: Option<Moment>,
}

/// A silence.
#[derive(Serialize)]
pub(super) struct SilenceRow {
    id: u64,
    state: &'static str,
    text: String,
    active: bool,
    matchers: Vec<String>,
    ends: Moment,
    author: String,
    comment: String,
    drops: bool,
}

/// Who looks after a failure.
#[derive(Serialize)]
pub(super) struct AckRow {
    at: Moment,
    by: String,
    comment: String,
}

impl Reader {
    pub(super) fn source(&self, source: SourceView) -> SourceRow {
        let words = self.words;
        let never = source.last_poll_at.is_none();
        let complete = source.outcome == "complete";
        let (tone, state) = match (source.blind, complete) {
            _ if never => ("warn", "source_waiting"),
            (true, _) => ("bad", "source_blind"),
            (false, true) => ("ok", "source_seen"),
            (false, false) => ("warn", "source_trouble"),
        };
        let coverage = source.coverage.filter(|coverage| 0 < coverage.polls_due);
        let percent =
            coverage.as_ref().map(|coverage| percent(coverage.polls_complete, coverage.polls_due));
        let places = [source.kind.as_str(), source.region.as_str()];
        let place: Vec<&str> = places.into_iter().filter(|part| !part.is_empty()).collect();
        let trouble = !complete && !never;
        let advice = source.advice.filter(|_| trouble);
        let advice = advice.map(|own| self.language.advice(&source.outcome).unwrap_or(own));
        SourceRow {
            name: source.name,
            place: place.join(" · "),
            tone,
            state: words.get(state).to_owned(),
            seen: source.last_complete_at.map(|at| self.moment(at)),
            standing: source.standing,
            coverage_text: match &percent {
                Some(percent) => words.with("coverage_text", &[("percent", percent)]),
                None => words.get("coverage_none").to_owned(),
            },
            coverage: percent,
            gap: coverage.map(|coverage| self.length(coverage.longest_gap_seconds.into())),
            hours: source
                .hours
                .iter()
                .enumerate()
                .map(|(nth, hour)| {
                    let tone = match (hour.polls_due, hour.polls_complete) {
                        (0, _) => "unknown",
                        (_, 0) => "none",
                        (due, complete) if complete < due => "part",
                        _ => "full",
                    };
                    HourRow { x: nth * 10, tone }
                })
                .collect(),
            class_text: self.language.trouble(&source.outcome).unwrap_or_default(),
            class: trouble.then_some(source.outcome),
            advice: advice.map(str::to_owned),
            detail: source.detail.filter(|_| trouble),
        }
    }

    pub(super) fn failure(&self, failure: FailureView) -> FailureRow {
        let open = failure.state == "open";
        let often = failure.occurrences_24h;
        FailureRow {
            id: failure.id,
            open,
            state: self.words.get(if open { "open" } else { "cleared" }).to_owned(),
            action: failure.action,
            action_text: self.action(failure.action),
            server: failure.server.name.or(failure.server.id),
            code: failure.error_code,
            message: failure.error_message,
            source: failure.source,
            failed: self.moment(failure.failed_at.unwrap_or(failure.first_seen_at)),
            cleared: failure.cleared_at.map(|at| self.moment(at)),
            often: (1 < often).then(|| self.language.recurrence(often)),
            told: failure.told.unwrap_or_default().into_iter().map(|one| self.told(one)).collect(),
        }
    }

    fn told(&self, spoken: SpokenView) -> ToldRow {
        let SpokenView { sink, state, at, .. } = spoken;
        ToldRow { sink, state, text: self.words.state(state).to_owned(), at: self.moment(at) }
    }

    /// The word for an action; in English that of the API.
    pub(super) fn action(&self, word: &'static str) -> &'static str {
        let known = Action::ALL.into_iter().find(|action| action.as_str() == word);
        match (self.language, known) {
            (Language::Chinese, Some(action)) => self.language.action(action),
            _ => word,
        }
    }

    pub(super) fn delivery(&self, delivery: DeliveryView) -> DeliveryRow {
        let some = |key: &str, count: u32| {
            (0 < count).then(|| self.words.with(key, &[("n", &count.to_string())]))
        };
        let first = delivery.failures.first().copied().filter(|_| delivery.total == 1);
        let hold = delivery.hold.as_ref().map(|by| self.wording().hold(by));
        // What is due already waits for its turn, or for its sink.
        let next = delivery.due_at.filter(|due| self.now < *due).map(|due| self.moment(due));
        let next = next.map(|due| self.words.with("next_try", &[("time", due.clock())]));
        let opened = self.moment(delivery.created_at);
        // What is held is not done, and what was done at once needs no second time.
        let settled = delivery.settled_at.filter(|_| delivery.state != "held");
        let settled = settled.map(|at| self.moment(at)).filter(|at| at.clock() != opened.clock());
        let settled = settled.map(|at| self.words.with("settled", &[("time", at.clock())]));
        DeliveryRow {
            id: delivery.id,
            kind: self.wording().kind(delivery.kind),
            sink: delivery.sink,
            source: delivery.source,
            state: delivery.state,
            text: self.words.state(delivery.state).to_owned(),
            at: opened,
            next: next.or(settled),
            total: some("n_failures", delivery.total).filter(|_| first.is_none()),
            first_text: first.map(|id| self.words.with("one_failure", &[("n", &id.to_string())])),
            first,
            attempts: some("n_attempts", delivery.attempts),
            answer: delivery.last_attempt.map(|last| last.answer),
            held_by: hold.map(|by| self.words.with("held_by", &[("by", by.trim())])),
            retry: matches!(delivery.state, "pending" | "held" | "dead"),
        }
    }

    pub(super) fn sink(&self, sink: SinkView) -> SinkRow {
        let (tone, state) = match sink.gate {
            _ if !sink.configured => ("warn", "sink_gone"),
            "disabled" => ("bad", "sink_disabled"),
            "shut" => ("bad", "sink_shut"),
            "catching_up" => ("warn", "sink_catching_up"),
            _ if sink.storm_since.is_some() => ("warn", "sink_storm"),
            _ if sink.failing_since.is_some() => ("warn", "sink_failing"),
            _ if 0 < sink.dead => ("warn", "sink_dead"),
            _ => ("ok", "sink_open"),
        };
        SinkRow {
            name: sink.name,
            configured: sink.configured,
            tone,
            state: self.words.get(state).to_owned(),
            pending: sink.pending,
            held: sink.held,
            dead: sink.dead,
            oldest: sink.oldest_pending_at.map(|at| self.moment(at)),
            failing_since: sink.failing_since.map(|at| self.moment(at)),
            last_error: sink.last_error,
            storm_since: sink.storm_since.map(|at| self.moment(at)),
        }
    }

    pub(super) fn silence(&self, silence: SilenceView) -> SilenceRow {
        let key = match silence.state {
            "active" => "silence_active",
            "ended" => "silence_ended",
            _ => "silence_pending",
        };
        SilenceRow {
            id: silence.id,
            state: silence.state,
            text: self.words.get(key).to_owned(),
            active: silence.state != "ended",
            matchers: silence.matchers,
            ends: self.moment(silence.ends_at),
            author: silence.author,
            comment: silence.comment,
            drops: silence.on_expire == "drop",
        }
    }

    pub(super) fn ack(&self, ack: AckView) -> AckRow {
        AckRow { at: self.moment(ack.at), by: ack.by, comment: ack.comment }
    }
}

/// "99.9": never 100 unless it is all of them.
fn percent(part: u32, whole: u32) -> String {
    let permille = u64::from(part) * 1_000 / u64::from(whole.max(1));
    match permille {
        1_000 => "100".to_owned(),
        permille => format!("{}.{}", permille / 10, permille % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_all() {
        for (part, whole, expected) in
            [(1440, 1440, "100"), (1439, 1440, "99.9"), (0, 1440, "0.0"), (1, 3, "33.3")]
        {
            assert_eq!(percent(part, whole), expected);
        }
    }
}
