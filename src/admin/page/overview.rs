//! The front page: am I blind, what was told, what is owed, what is silenced.

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::Serialize;

use super::{
    Desk, Reader, fill,
    rows::{FailureRow, SilenceRow, SinkRow, SourceRow},
    words::Words,
};
use crate::{
    admin::{
        ListQuery, Order,
        guard::Visitor,
        problem::Problem,
        view::{SinkView, SourceView},
    },
    task::Action,
};

/// Failures on the front page; the list has the others.
const LATEST: usize = 12;

/// Sources, and silences, on the front page. Those in trouble come first.
const SHOWN_MAX: usize = 40;

#[derive(Serialize)]
struct Overview<'a> {
    t: &'a Words,
    tone: &'static str,
    headline: String,
    /// What is wrong beside what the headline says.
    beside: Vec<String>,
    figures: Vec<Figure>,
    sources: &'a str,
    chart: String,
    chart_most: u64,
    chart_ticks: Vec<String>,
    chart_rows: Vec<(String, [u64; Action::ALL.len()])>,
    chart_total: u64,
    /// Each action's word in the API, and on this page.
    actions: [(&'static str, &'static str); Action::ALL.len()],
    failures: &'a str,
    sinks: &'a str,
    silences: &'a str,
}

/// A number that is worth a glance.
#[derive(Serialize)]
struct Figure {
    label: String,
    value: String,
    note: Option<String>,
    tone: &'static str,
    href: &'static str,
}

#[derive(Serialize)]
struct Sources<'a> {
    t: &'a Words,
    rows: Vec<SourceRow>,
    more: usize,
}

/// A list of failures.
#[derive(Serialize)]
pub(super) struct Failures<'a> {
    pub(super) t: &'a Words,
    pub(super) rows: Vec<FailureRow>,
}

#[derive(Serialize)]
struct Sinks<'a> {
    t: &'a Words,
    rows: Vec<SinkRow>,
    acts: bool,
    here: &'a str,
}

#[derive(Serialize)]
struct Silences<'a> {
    t: &'a Words,
    rows: Vec<SilenceRow>,
    acts: bool,
    here: &'a str,
}

pub(super) async fn overview(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let reader = desk.reader(visitor, &headers, &uri);
    let admin = &desk.admin;
    let sources = admin.source_views().await?;
    let sinks = admin.sink_views().await?;
    let latest =
        ListQuery { order: Some(Order::Desc), limit: Some(LATEST), ..ListQuery::default() };
    let latest = admin.failure_views(&latest).await?;
    let silences = admin.silence_views().await?;
    let blind: Vec<&str> =
        sources.iter().filter(|one| one.blind).map(|one| one.name.as_str()).collect();
    let shut = sinks.iter().filter(|sink| matches!(sink.gate, "shut" | "disabled"));
    let shut: Vec<&str> = shut.map(|sink| sink.name.as_str()).collect();
    let troubles = Troubles {
        blind: &blind,
        shut: &shut,
        dead: sinks.iter().map(|sink| sink.dead).sum(),
        waiting: sources.iter().any(|source| source.last_poll_at.is_none()),
    };
    let Verdict { tone, headline, beside } = verdict(reader.words, troubles);
    let figures = figures(&reader, &sources, &sinks, desk.chart.total(reader.now));
    let overview = Overview {
        t: reader.words,
        tone,
        headline: headline.clone(),
        beside,
        figures,
        sources: &fill("sources.html", &source_rows(&reader, sources))?,
        chart: desk.chart.draw(&reader),
        chart_most: desk.chart.most(reader.now),
        chart_ticks: desk.chart.ticks(&reader),
        chart_rows: desk.chart.rows(&reader),
        chart_total: desk.chart.total(reader.now),
        actions: Action::ALL.map(Action::as_str).map(|word| (word, reader.action(word))),
        failures: &fill(
            "failure_rows.html",
            &Failures {
                t: reader.words,
                rows: latest.items.into_iter().map(|one| reader.failure(one)).collect(),
            },
        )?,
        sinks: &fill(
            "sinks.html",
            &Sinks {
                t: reader.words,
                rows: sink_rows(&reader, sinks),
                acts: reader.acts,
                here: &reader.here,
            },
        )?,
        silences: &fill("silences.html", &silence_rows(&reader, silences))?,
    };
    reader.page(&headline, &fill("overview.html", &overview)?)
}

fn source_rows(reader: &Reader, mut sources: Vec<SourceView>) -> Sources<'static> {
    // The order of the config, but with trouble on top.
    sources.sort_by_key(|source| !(source.blind || source.outcome != "complete"));
    let more = sources.len().saturating_sub(SHOWN_MAX);
    sources.truncate(SHOWN_MAX);
    let rows = sources.into_iter().map(|source| reader.source(source)).collect();
    Sources { t: reader.words, rows, more }
}

fn sink_rows(reader: &Reader, sinks: Vec<SinkView>) -> Vec<SinkRow> {
    let mut rows: Vec<SinkRow> = sinks.into_iter().map(|sink| reader.sink(sink)).collect();
    // The same.
    rows.sort_by_key(|row| row.tone == "ok");
    rows
}

fn silence_rows(
    reader: &Reader,
    mut silences: Vec<crate::admin::view::SilenceView>,
) -> Silences<'_> {
    silences.sort_by_key(|silence| (silence.state == "ended", std::cmp::Reverse(silence.id)));
    // Those that ended are of interest for a while only; the API lists them all.
    let ended_shown = 3;
    let mut ended = 0;
    silences.retain(|silence| {
        ended += usize::from(silence.state == "ended");
        silence.state != "ended" || ended <= ended_shown
    });
    silences.truncate(SHOWN_MAX);
    Silences {
        t: reader.words,
        rows: silences.into_iter().map(|silence| reader.silence(silence)).collect(),
        acts: reader.acts,
        here: &reader.here,
    }
}

/// How things stand.
#[derive(Debug, Eq, PartialEq)]
struct Verdict {
    /// How bad it is.
    tone: &'static str,
    /// The one sentence: the worst.
    headline: String,
    /// What else is wrong.
    beside: Vec<String>,
}

/// What a verdict goes by.
#[derive(Clone, Copy, Default)]
struct Troubles<'a> {
    blind: &'a [&'a str],
    shut: &'a [&'a str],
    dead: u64,
    waiting: bool,
}

fn verdict(words: &Words, troubles: Troubles<'_>) -> Verdict {
    let Troubles { blind, shut, dead, waiting } = troubles;
    let about = |key: &str, names: &[&str]| match names {
        [] => None,
        [one] => Some(words.with(&format!("{key}_one"), &[("name", one)])),
        _ => Some(words.with(key, &[("n", &names.len().to_string())])),
    };
    let found = [
        about("verdict_blind", blind).map(|said| ("bad", said)),
        about("verdict_shut", shut).map(|said| ("bad", said)),
        (0 < dead).then(|| ("warn", words.with("verdict_dead", &[("n", &dead.to_string())]))),
        waiting.then(|| ("warn", words.get("verdict_waiting").to_owned())),
    ];
    let mut found = found.into_iter().flatten();
    let (tone, headline) =
        found.next().unwrap_or_else(|| ("ok", words.get("verdict_well").to_owned()));
    Verdict { tone, headline, beside: found.map(|(_, said)| said).collect() }
}

fn figures(reader: &Reader, sources: &[SourceView], sinks: &[SinkView], day: u64) -> Vec<Figure> {
    let words = reader.words;
    let seen =
        sources.iter().filter(|source| !source.blind && source.last_poll_at.is_some()).count();
    let standing: u64 = sources.iter().filter_map(|source| source.standing).sum();
    let owed: u64 = sinks.iter().map(|sink| sink.pending).sum();
    let held: u64 = sinks.iter().map(|sink| sink.held).sum();
    let dead: u64 = sinks.iter().map(|sink| sink.dead).sum();
    let oldest = sinks.iter().filter_map(|sink| sink.oldest_pending_at).min();
    let oldest = oldest.map(|at| {
        let age = reader.now.duration_since(at).as_secs();
        let age = reader.length(u64::try_from(age).unwrap_or_default());
        words.with("oldest", &[("time", &age)])
    });
    let figure = |key: &str, value: String, tone, href| Figure {
        label: words.get(key).to_owned(),
        value,
        note: None,
        tone,
        href,
    };
    let all = sources.len();
    let seen_tone = if seen == all { "ok" } else { "bad" };
    vec![
        figure("figure_seen", format!("{seen}/{all}"), seen_tone, "#sources"),
        figure("figure_standing", standing.to_string(), "plain", "/failures?state=open"),
        figure("figure_day", day.to_string(), "plain", "/failures"),
        Figure {
            note: oldest,
            ..figure(
                "figure_owed",
                owed.to_string(),
                if owed == 0 { "ok" } else { "plain" },
                "/deliveries?state=pending",
            )
        },
        figure("figure_held", held.to_string(), "plain", "/deliveries?state=held"),
        figure(
            "figure_dead",
            dead.to_string(),
            if dead == 0 { "ok" } else { "bad" },
            "/deliveries?state=dead",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Language;

    #[test]
    fn the_worst_is_the_headline_and_nothing_is_left_out() {
        let check = |troubles: Troubles<'_>, tone: &str, expected: &[&str]| {
            let made = verdict(Words::of(Language::English), troubles);
            let said = [vec![made.headline], made.beside].concat();
            assert_eq!(
                (made.tone, said),
                (tone, expected.iter().map(|one| (*one).to_owned()).collect())
            );
        };
        let well = Troubles::default();
        check(well, "ok", &["Every list is seen, and everybody is told."]);
        check(Troubles { waiting: true, ..well }, "warn", &["Waiting for the first poll."]);
        check(Troubles { dead: 2, ..well }, "warn", &["Notices were given up: 2."]);
        check(
            Troubles { blind: &["a"], shut: &["chat", "mail"], dead: 1, waiting: false },
            "bad",
            &[
                "Blind: a is not seen.",
                "2 sinks do not take their notices.",
                "Notices were given up: 1.",
            ],
        );
        check(
            Troubles { shut: &["chat"], waiting: true, ..well },
            "bad",
            &["chat does not take its notices.", "Waiting for the first poll."],
        );
    }
}
