use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::*;
use crate::{
    decide::{
        backlog::{Backlog, Seed, Seeded},
        group::{Dispatching, dispatch},
        health::Storm,
        route::{Route, Routes},
        rules::{Limit, Rules, SinkRules, StormRule},
        schedule::Schedule,
        silence::Silences,
        window::Window,
    },
    silence::{OnExpire, Silence},
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A Monday, 10:00 UTC, and so many seconds.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

fn failure(number: u64, action: &str) -> Failure {
    let row = Row {
        task_id: Some(format!("task-{number}").into()),
        operate_type: Some(format!("FAILED_{action}").into()),
        ..Row::default()
    };
    Failure::example(number, &row, at(0))
}

fn failed(failures: Vec<Failure>) -> Vec<Seeded> {
    let ids = failures.iter().map(|failure| failure.id).collect();
    let seed = Seed::Failed { source: name("prod"), failures: ids, episodes: BTreeMap::new() };
    vec![Seeded { number: 1, seed, failures }]
}

fn rules(change: impl FnOnce(&mut Route), sink: SinkRules) -> Rules {
    let mut route = Route { to: vec![name("chat")], ..Route::default() };
    route.group.wait = Duration::ZERO;
    change(&mut route);
    Rules {
        routes: Routes(vec![route]),
        sinks: BTreeMap::from([(name("chat"), sink)]),
        windows: BTreeMap::from([(
            name("mornings"),
            Window::parse(&["mon-fri 09:00-11:00".to_owned()], "UTC").unwrap(),
        )]),
        ..Rules::default()
    }
}

/// What becomes of a backlog, a delivery a line: kind, members, state.
#[track_caller]
fn check(backlog: Backlog, rules: &Rules, expected: &str) -> Opening {
    let silences = Silences::compile(&backlog.silences, Silences::default());
    let by = Dispatching { rules, silences: &silences, close_all: false, now: at(0) };
    let opening = dispatch(backlog, by);
    let lines: Vec<String> = opening
        .deliveries
        .iter()
        .map(|Opened { delivery, members }| {
            let ids: Vec<u64> = delivery.failures.iter().map(|id| id.0).collect();
            let state = match &delivery.state {
                DeliveryState::Held { by, .. } => format!("held by {by}"),
                DeliveryState::Pending { due } if *due == at(0) => "pending".to_owned(),
                DeliveryState::Pending { due } => format!("pending until {due}"),
                other => format!("{other:?}"),
            };
            let more =
                if members.is_empty() { String::new() } else { format!(" of {}", members.len()) };
            let cleared = if delivery.cleared.is_empty() { "" } else { ", some cleared" };
            let after: Vec<u64> = delivery.after.iter().map(|id| id.0).collect();
            let after = if after.is_empty() { String::new() } else { format!(" after {after:?}") };
            format!("{} {ids:?}{more} {state}{cleared}{after}", delivery.kind.as_str())
        })
        .collect();
    assert_eq!(lines.join("; "), expected);
    opening
}

fn silence(matcher: &str) -> Arc<Vec<Silence>> {
    Arc::new(vec![Silence {
        number: 7,
        matchers: vec![matcher.to_owned()],
        starts_at: at(-10),
        ends_at: at(600),
        author: "ops".into(),
        comment: "maintenance".into(),
        on_expire: OnExpire::Digest,
    }])
}

#[test]
fn a_silence_holds_its_part_of_a_group_and_the_rest_is_told() {
    let backlog = Backlog {
        seeds: failed(vec![failure(1, "RESET"), failure(2, "BIND"), failure(3, "RESET")]),
        silences: silence("action = reset"),
        ..Backlog::default()
    };
    check(
        backlog,
        &rules(|_| {}, SinkRules::DEFAULT),
        "task.failed [2] pending; task.failed [1, 3] held by silence 7",
    );
}

#[test]
fn a_mute_window_comes_before_a_digest_and_a_digest_before_a_storm() {
    let storm = SinkState {
        storm: Some(Storm { since: at(-60), next: at(60), told: 9, announced: true, last: None }),
        ..SinkState::default()
    };
    let disabled = SinkState { gate: Gate::Disabled { since: at(-5) }, ..SinkState::default() };
    let hourly = || Some(Schedule::parse("0 * * * *", "UTC").unwrap());
    for (mute, digest, state, expected) in [
        (true, true, &storm, "task.failed [1] held by mute window mornings"),
        (false, true, &storm, "task.failed [1] held by the route's digest"),
        (false, false, &storm, "task.failed [1] held by a storm"),
        (false, false, &disabled, "task.failed [1] held by the sink, which is disabled"),
        (false, false, &SinkState::default(), "task.failed [1] pending"),
    ] {
        let rules = rules(
            |route| {
                route.mute = if mute { vec![name("mornings")] } else { Vec::new() };
                route.digest = if digest { hourly() } else { None };
            },
            SinkRules::DEFAULT,
        );
        let backlog = Backlog {
            seeds: failed(vec![failure(1, "RESET")]),
            sinks: BTreeMap::from([(name("chat"), state.clone())]),
            ..Backlog::default()
        };
        check(backlog, &rules, expected);
    }
}

#[test]
fn a_burst_above_the_threshold_is_a_storm_even_while_its_group_waits() {
    let storm = StormRule { threshold: 2, update: Duration::from_secs(60) };
    let sink = SinkRules { storm: Some(storm), ..SinkRules::DEFAULT };
    let waits = |route: &mut Route| route.group.wait = Duration::from_secs(30);
    let rules = rules(waits, sink);
    let few = Backlog {
        seeds: failed(vec![failure(1, "RESET"), failure(2, "RESET")]),
        ..Backlog::default()
    };
    assert!(check(few, &rules, "").sinks.is_empty(), "at the threshold nothing happens");
    let many = Backlog {
        seeds: failed((1..=3).map(|number| failure(number, "RESET")).collect()),
        ..Backlog::default()
    };
    let opening = check(many, &rules, "task.failed [1, 2, 3] held by a storm");
    let begun = Storm { since: at(0), next: at(0), told: 0, announced: false, last: None };
    assert_eq!(opening.sinks[&name("chat")].storm, Some(begun));
}

#[test]
fn a_limit_that_is_reached_is_a_storm_and_what_fits_is_counted() {
    let limit = Limit { count: 2, per: Duration::from_secs(60) };
    let sink = SinkRules { limit: Some(limit), ..SinkRules::DEFAULT };
    let rules = rules(|route| route.group.max_items = 1, sink);
    let two = Backlog {
        seeds: failed(vec![failure(1, "RESET"), failure(2, "RESET")]),
        ..Backlog::default()
    };
    let opening = check(two, &rules, "task.failed [1] pending; task.failed [2] pending");
    let state = opening.sinks[&name("chat")].clone();
    assert_eq!((state.recent.len(), state.storm), (2, None));
    let third = Backlog {
        seeds: failed(vec![failure(3, "RESET")]),
        sinks: BTreeMap::from([(name("chat"), state)]),
        ..Backlog::default()
    };
    check(third, &rules, "task.failed [3] held by a storm");
}

fn told(fate: Fate) -> BTreeMap<FailureId, Vec<Told>> {
    let told = Told { delivery: DeliveryId(5), sink: name("chat"), fate };
    BTreeMap::from([(FailureId(1), vec![told])])
}

/// Failure 1 cleared.
fn cleared() -> Vec<Seeded> {
    let failure = Failure { cleared_at: Some(at(-1)), ..failure(1, "RESET") };
    let seed = Seed::Cleared { source: name("prod"), failures: vec![failure.id], mass: false };
    vec![Seeded { number: 2, seed, failures: vec![failure] }]
}

#[test]
fn what_cleared_is_told_to_those_who_were_told_and_behind_that_notice() {
    let wants = SinkRules { cleared: true, ..SinkRules::DEFAULT };
    let notice = "task.cleared [1] pending, some cleared";
    for (fate, expected) in [
        (Fate::Delivered, notice.to_owned()),
        (Fate::Pending { amendable: false }, format!("{notice} after [5]")),
        (Fate::Held(Hold::Storm), format!("{notice} after [5]")),
        (Fate::Held(Hold::Disabled), format!("{notice} after [5]")),
        (Fate::Held(Hold::Silence(7)), String::new()),
        (Fate::Over, String::new()),
    ] {
        let backlog = Backlog { seeds: cleared(), told: told(fate), ..Backlog::default() };
        check(backlog, &rules(|_| {}, wants.clone()), &expected);
    }
    let backlog = Backlog { seeds: cleared(), told: told(Fate::Delivered), ..Backlog::default() };
    check(backlog, &rules(|_| {}, SinkRules::DEFAULT), "");
}

#[test]
fn what_cleared_before_it_was_told_is_told_as_such() {
    let backlog = Backlog {
        seeds: cleared(),
        told: told(Fate::Pending { amendable: true }),
        ..Backlog::default()
    };
    let opening = check(backlog, &rules(|_| {}, SinkRules::DEFAULT), "");
    let change = opening.amended.first().unwrap();
    assert_eq!((change.delivery, change.cleared.len()), (DeliveryId(5), 1));

    let mut seeds = failed(vec![failure(1, "RESET")]);
    seeds.extend(cleared());
    let backlog = Backlog { seeds, ..Backlog::default() };
    let wait = |route: &mut Route| route.group.wait = Duration::ZERO;
    check(backlog, &rules(wait, SinkRules::DEFAULT), "task.failed [1] pending, some cleared");
}

#[test]
fn a_cleared_notice_waits_while_its_failure_still_waits_for_company() {
    let wants = SinkRules { cleared: true, ..SinkRules::DEFAULT };
    let rules = rules(|route| route.group.wait = Duration::from_secs(30), wants);
    let mut seeds = failed(vec![failure(1, "RESET")]);
    seeds.extend(cleared());
    let opening = check(Backlog { seeds, ..Backlog::default() }, &rules, "");
    let kinds: Vec<_> = opening.forming.iter().map(|group| (group.kind, group.closes_at)).collect();
    assert_eq!(
        kinds,
        [(NoticeKind::TaskCleared, at(30)), (NoticeKind::TaskFailed, at(30))],
        "both wait, and neither is lost"
    );
}

#[test]
fn so_many_that_went_at_once_are_one_notice() {
    let wants = SinkRules { cleared: true, ..SinkRules::DEFAULT };
    let failures: Vec<Failure> = (1..=150)
        .map(|number| Failure { cleared_at: Some(at(-1)), ..failure(number, "RESET") })
        .collect();
    let ids: Vec<FailureId> = failures.iter().map(|failure| failure.id).collect();
    let one = Told { delivery: DeliveryId(5), sink: name("chat"), fate: Fate::Delivered };
    let told = ids.iter().map(|id| (*id, vec![one.clone()])).collect();
    let seed = Seed::Cleared { source: name("prod"), failures: ids, mass: true };
    let seeds = vec![Seeded { number: 2, seed, failures }];
    let backlog = Backlog { seeds, told, ..Backlog::default() };
    let rules = rules(|route| route.group.max_items = 10, wants);
    let silences = Silences::default();
    let by = Dispatching { rules: &rules, silences: &silences, close_all: false, now: at(0) };
    let opening = dispatch(backlog, by);
    let [only] = opening.deliveries.as_slice() else { panic!("one notice") };
    assert_eq!((only.delivery.failures.len(), only.delivery.total), (FAILURES_MAX, 150));
    assert_eq!(only.members.len(), 150, "and all are accounted for");
}
