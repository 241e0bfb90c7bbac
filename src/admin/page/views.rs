//! The lists and a failure's own page.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::Serialize;

use super::{
    Desk, fill,
    moment::Moment,
    overview::Failures,
    param,
    rows::{AckRow, DeliveryRow, FailureRow},
    words::Words,
};
use crate::{
    admin::{ListQuery, Order, guard::Visitor, problem::Problem, view::FailureDetailView},
    delivery::DeliveryState,
    task::Action,
};

/// Rows of a page.
const ROWS: usize = 50;

/// Most names that a filter offers to choose from; others can be typed into the address.
const CHOICES_MAX: usize = 200;

/// A word to choose.
#[derive(Serialize)]
struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

#[derive(Serialize)]
struct FailuresPage<'a> {
    t: &'a Words,
    sources: Vec<Choice>,
    actions: Vec<Choice>,
    states: Vec<Choice>,
    server: String,
    text: String,
    /// Whose failures these are, if they are one delivery's.
    of_delivery: Option<String>,
    filtered: bool,
    rows: &'a str,
    empty: bool,
    next: Option<String>,
    later: bool,
}

#[derive(Serialize)]
struct DeliveriesPage<'a> {
    t: &'a Words,
    sinks: Vec<Choice>,
    states: Vec<Choice>,
    rows: Vec<DeliveryRow>,
    next: Option<String>,
    later: bool,
    filtered: bool,
    acts: bool,
    here: &'a str,
}

#[derive(Serialize)]
struct FailurePage<'a> {
    t: &'a Words,
    one: FailureRow,
    origin: String,
    task_id: String,
    operate_type: String,
    server_id: Option<String>,
    keypair: Option<String>,
    labels: BTreeMap<String, String>,
    first_seen: Moment,
    missing: Option<String>,
    ack: Option<AckRow>,
    deliveries: Vec<DeliveryRow>,
    steps: Vec<StepRow>,
    conclusion: String,
    /// The tone of the conclusion.
    told: &'static str,
    /// For a silence of what is like it.
    matcher: Option<String>,
    acts: bool,
    token: bool,
    here: &'a str,
}

/// One thing that happened.
#[derive(Serialize)]
struct StepRow {
    at: Option<Moment>,
    what: String,
    future: bool,
}

/// A field of a filter; an empty one narrows nothing.
fn given(uri: &Uri, name: &str) -> Option<String> {
    param(uri, name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn choices<'a>(all: impl Iterator<Item = (&'a str, &'a str)>, chosen: Option<&str>) -> Vec<Choice> {
    let choice = |(value, text): (&str, &str)| Choice {
        value: value.to_owned(),
        text: text.to_owned(),
        chosen: chosen == Some(value),
    };
    all.take(CHOICES_MAX).map(choice).collect()
}

/// The same question, further on.
fn further(uri: &Uri, path: &str, next: Option<String>) -> Option<String> {
    let cursor = next?;
    let query = uri.query().unwrap_or_default();
    let kept = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key != "cursor" && key != "done");
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    let query = pairs.extend_pairs(kept).append_pair("cursor", &cursor).finish();
    Some(format!("{path}?{query}"))
}

pub(super) async fn failures(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let reader = desk.reader(visitor, &headers, &uri);
    let delivery = given(&uri, "delivery").map(|id| id.parse::<u64>());
    let delivery = delivery.transpose().map_err(|_| Problem::invalid("delivery is a number"))?;
    let query = ListQuery {
        source: given(&uri, "source"),
        state: given(&uri, "state"),
        action: given(&uri, "action"),
        server: given(&uri, "server"),
        text: given(&uri, "text"),
        cursor: given(&uri, "cursor"),
        // Those of one delivery come in the order in which it names them.
        order: delivery.is_none().then_some(Order::Desc),
        delivery,
        limit: Some(ROWS),
        ..ListQuery::default()
    };
    let found = desk.admin.failure_views(&query).await?;
    let words = reader.words;
    let of_delivery = delivery.map(|id| words.with("of_delivery", &[("n", &id.to_string())]));
    let names = desk.admin.worker.sources.iter().map(|one| one.source.info().name.as_str());
    let rows: Vec<FailureRow> = found.items.into_iter().map(|one| reader.failure(one)).collect();
    let empty = rows.is_empty();
    let filtered = [&query.source, &query.state, &query.action, &query.server, &query.text]
        .into_iter()
        .any(Option::is_some)
        || delivery.is_some();
    let page = FailuresPage {
        t: words,
        of_delivery,
        sources: choices(names.map(|name| (name, name)), query.source.as_deref()),
        actions: choices(
            Action::ALL.map(Action::as_str).into_iter().map(|word| (word, reader.action(word))),
            query.action.as_deref(),
        ),
        states: choices(
            ["open", "cleared"].into_iter().map(|state| (state, words.get(state))),
            query.state.as_deref(),
        ),
        server: query.server.unwrap_or_default(),
        text: query.text.unwrap_or_default(),
        filtered,
        rows: &fill("failure_rows.html", &Failures { t: words, rows })?,
        empty,
        next: further(&uri, "/failures", found.next),
        later: query.cursor.is_some(),
    };
    reader.page(words.get("failures"), &fill("failures.html", &page)?)
}

pub(super) async fn deliveries(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let reader = desk.reader(visitor, &headers, &uri);
    let query = ListQuery {
        sink: given(&uri, "sink"),
        state: given(&uri, "state"),
        cursor: given(&uri, "cursor"),
        order: Some(Order::Desc),
        limit: Some(ROWS),
        ..ListQuery::default()
    };
    let found = desk.admin.delivery_views(&query).await?;
    let words = reader.words;
    let names = desk.admin.worker.lanes.iter().map(|lane| lane.name.as_str());
    let page = DeliveriesPage {
        t: words,
        sinks: choices(names.map(|name| (name, name)), query.sink.as_deref()),
        states: choices(
            DeliveryState::NAMES.into_iter().map(|state| (state, words.state(state))),
            query.state.as_deref(),
        ),
        rows: found.items.into_iter().map(|one| reader.delivery(one)).collect(),
        next: further(&uri, "/deliveries", found.next),
        later: query.cursor.is_some(),
        filtered: query.sink.is_some() || query.state.is_some(),
        acts: reader.acts,
        here: &reader.here,
    };
    reader.page(words.get("deliveries"), &fill("deliveries.html", &page)?)
}

pub(super) async fn failure(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let reader = desk.reader(visitor, &headers, &uri);
    let detail = desk.admin.failure_detail(&id, &reader.wording()).await?;
    let FailureDetailView { failure, missing_polls, acknowledged, deliveries, .. } = detail;
    let words = reader.words;
    let title = failure.server.name.clone().unwrap_or_else(|| failure.task_id.clone());
    let missing = missing_polls.filter(|polls| 0 < *polls);
    let matcher = failure.server.name.as_deref().map(|name| format!("server_name = {name:?}"));
    let page = FailurePage {
        t: words,
        origin: words.with(
            "origin_text",
            &[
                ("origin", &words.of_group("origin", failure.origin)),
                ("n", &failure.generation.to_string()),
            ],
        ),
        task_id: failure.task_id.clone(),
        operate_type: failure.operate_type.clone(),
        server_id: failure.server.id.clone(),
        keypair: failure.keypair.clone(),
        labels: failure.labels.clone(),
        first_seen: reader.moment(failure.first_seen_at),
        missing: missing.map(|polls| words.with("missing_polls", &[("n", &polls.to_string())])),
        ack: acknowledged.map(|ack| reader.ack(ack)),
        deliveries: deliveries.into_iter().map(|one| reader.delivery(one)).collect(),
        steps: detail
            .steps
            .into_iter()
            .map(|step| StepRow {
                future: step.at.is_none_or(|at| reader.now < at),
                at: step.at.map(|at| reader.moment(at)),
                what: step.what,
            })
            .collect(),
        told: if detail.told { "ok" } else { "warn" },
        conclusion: detail.conclusion,
        matcher,
        acts: reader.acts,
        token: reader.token,
        here: &reader.here,
        one: reader.failure(failure),
    };
    reader.page(&title, &fill("failure.html", &page)?)
}
