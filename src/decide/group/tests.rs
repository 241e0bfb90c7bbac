use std::time::Duration;

use super::*;
use crate::{
    decide::{
        backlog::{Fate, Opened},
        route::{Matcher, Route, Routes},
        rules::SinkRules,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, Hold},
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn failure(number: u64, server: &str) -> Failure {
    let id = format!("task-{number}");
    let row = Row {
        task_id: Some(id.as_str().into()),
        operate_type: Some("FAILED_RESET".into()),
        server_name: Some(server.into()),
        ..Row::default()
    };
    Failure::example(number, &row, at(0))
}

fn failed(number: u64, failures: Vec<Failure>) -> Seeded {
    let ids = failures.iter().map(|failure| failure.id).collect();
    Seeded {
        number,
        seed: Seed::Failed { source: name("prod"), failures: ids, episodes: BTreeMap::new() },
        failures,
    }
}

fn route(matchers: &[&str], to: &[&str]) -> Route {
    Route {
        matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        to: to.iter().map(|sink| name(sink)).collect(),
        ..Route::default()
    }
}

fn rules(routes: Vec<Route>) -> Rules {
    Rules { routes: Routes(routes), ..Rules::default() }
}

fn backlog(seeds: Vec<Seeded>) -> Backlog {
    Backlog { seeds, ..Backlog::default() }
}

/// An opening as a line of words.
fn words(opening: &Opening) -> String {
    let ids = |ids: &mut dyn Iterator<Item = FailureId>| {
        ids.map(|id| id.to_string()).collect::<Vec<_>>().join(",")
    };
    let consumed = opening.consumed.iter().map(|number| format!("seed {number} done"));
    let forming = opening.forming.iter().map(|group| {
        let members = ids(&mut group.members.iter().map(|member| member.id));
        format!("{} waits [{members}] until {}", group.sink, group.closes_at.as_second())
    });
    let deliveries = opening.deliveries.iter().map(|Opened { delivery, .. }| {
        let members = ids(&mut delivery.failures.iter().copied());
        let Delivery { sink, kind, reason, still_open, .. } = delivery;
        format!("{sink} gets {} {reason} [{members}] and {still_open} open", kind.as_str())
    });
    let suppressed =
        opening.suppressed.iter().map(|(id, why)| format!("{id} to nobody: {}", why.why));
    consumed.chain(forming).chain(deliveries).chain(suppressed).collect::<Vec<_>>().join("; ")
}

fn by<'a>(
    rules: &'a Rules,
    silences: &'a Silences,
    close_all: bool,
    second: i64,
) -> Dispatching<'a> {
    Dispatching { rules, silences, close_all, now: at(second) }
}

#[track_caller]
fn check(backlog: Backlog, rules: &Rules, close_all: bool, expected: &str) -> Opening {
    let opening = dispatch(backlog, by(rules, &Silences::default(), close_all, 100));
    assert_eq!(words(&opening), expected);
    opening
}

#[test]
fn failures_wait_for_company_until_the_group_closes() {
    let rules = rules(vec![route(&[], &["mail"])]);
    let first = check(
        backlog(vec![failed(1, vec![failure(1, "a"), failure(2, "b")])]),
        &rules,
        false,
        "seed 1 done; mail waits [1,2] until 130",
    );
    let forming = |opening: Opening| {
        opening.forming.into_iter().map(|group| (group.key.clone(), group)).collect()
    };
    let joined = Backlog {
        seeds: vec![failed(2, vec![failure(3, "c")])],
        forming: forming(first),
        ..Backlog::default()
    };
    let second = check(joined, &rules, false, "seed 2 done; mail waits [1,2,3] until 130");
    let due = Backlog { forming: forming(second), ..Backlog::default() };
    let opening = dispatch(due, by(&rules, &Silences::default(), false, 130));
    assert_eq!(words(&opening), "mail gets task.failed new [1,2,3] and 0 open");
    assert_eq!(opening.closed.len(), 1);
}

#[test]
fn a_wait_begins_anew_after_a_clock_was_set_back() {
    let rules = rules(vec![route(&[], &["mail"])]);
    let forming = |opening: Opening| {
        opening.forming.into_iter().map(|group| (group.key.clone(), group)).collect()
    };
    let first = backlog(vec![failed(1, vec![failure(1, "a")])]);
    let first = dispatch(first, by(&rules, &Silences::default(), false, 3_700));
    assert_eq!(words(&first), "seed 1 done; mail waits [1] until 3730");
    // An hour back: alone, and with company.
    let alone = Backlog { forming: forming(first.clone()), ..Backlog::default() };
    check(alone, &rules, false, "mail waits [1] until 130");
    let seeds = vec![failed(2, vec![failure(2, "b")])];
    let joined = Backlog { seeds, forming: forming(first), ..Backlog::default() };
    let joined = check(joined, &rules, false, "seed 2 done; mail waits [1,2] until 130");
    let later = Backlog { forming: forming(joined), ..Backlog::default() };
    let later = dispatch(later, by(&rules, &Silences::default(), false, 131));
    assert_eq!(words(&later), "mail gets task.failed new [1,2] and 0 open");
}

#[test]
fn in_one_shot_mode_the_poll_is_the_group() {
    check(
        backlog(vec![failed(1, vec![failure(1, "a")])]),
        &rules(vec![route(&[], &["mail"])]),
        true,
        "seed 1 done; mail gets task.failed new [1] and 0 open",
    );
}

#[test]
fn a_full_group_closes_at_once_and_the_rest_begins_another() {
    let mut small = route(&[], &["chat"]);
    small.group = Group { max_items: 2, ..Group::default() };
    check(
        backlog(vec![failed(1, vec![failure(1, "a"), failure(2, "b"), failure(3, "c")])]),
        &rules(vec![small]),
        false,
        "seed 1 done; chat waits [3] until 130; chat gets task.failed new [1,2] and 0 open",
    );
}

#[test]
fn groups_are_kept_apart_by_what_they_are_grouped_by() {
    let mut apart = route(&[], &["chat"]);
    apart.group.by = vec![crate::decide::route::Field::ServerName];
    apart.group.wait = Duration::ZERO;
    check(
        backlog(vec![failed(1, vec![failure(1, "a"), failure(2, "b"), failure(3, "a")])]),
        &rules(vec![apart]),
        false,
        "seed 1 done; chat gets task.failed new [1,3] and 0 open; \
         chat gets task.failed new [2] and 0 open",
    );
}

#[test]
fn each_selected_sink_gets_its_own_delivery_under_its_own_id() {
    let opening = check(
        backlog(vec![failed(1, vec![failure(1, "a")])]),
        &rules(vec![route(&[], &["chat", "mail"])]),
        true,
        "seed 1 done; chat gets task.failed new [1] and 0 open; \
         mail gets task.failed new [1] and 0 open",
    );
    let ids: BTreeSet<_> = opening.deliveries.iter().map(|one| one.delivery.notice_id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn the_same_failures_give_the_same_id_on_another_host() {
    let rules = rules(vec![route(&[], &["chat"])]);
    let id = |number| {
        let twin = Failure { id: FailureId(number), ..failure(1, "a") };
        let silences = Silences::default();
        let by = by(&rules, &silences, true, i64::try_from(number).unwrap());
        let opening = dispatch(backlog(vec![failed(9, vec![twin])]), by);
        opening.deliveries.first().unwrap().delivery.notice_id
    };
    assert_eq!(id(1), id(77));
}

#[test]
fn a_route_to_nobody_is_recorded_with_its_number() {
    check(
        backlog(vec![failed(1, vec![failure(1, "lab-1")])]),
        &rules(vec![route(&["server_name =~ \"lab-.*\""], &[]), route(&[], &["mail"])]),
        true,
        "seed 1 done; 1 to nobody: route 1 sends it to nobody",
    );
}

#[test]
fn cleared_failures_go_only_to_sinks_that_want_them_and_not_if_nobody_was_told() {
    let baseline =
        Failure { origin: Origin::Baseline, cleared_at: Some(at(90)), ..failure(2, "b") };
    let gone = Failure { cleared_at: Some(at(90)), ..failure(1, "a") };
    let back = failure(3, "c");
    let failures = vec![gone, baseline, back];
    let ids = failures.iter().map(|failure| failure.id).collect();
    let seed = Seed::Cleared { source: name("prod"), failures: ids, mass: false };
    let mut rules = rules(vec![route(&[], &["chat", "mail"])]);
    rules.sinks.insert(name("chat"), SinkRules { cleared: true, ..SinkRules::default() });
    let told = |sink: &str, delivery| Told {
        delivery: DeliveryId(delivery),
        sink: name(sink),
        fate: Fate::Delivered,
    };
    let told = BTreeMap::from([(FailureId(1), vec![told("chat", 1), told("mail", 2)])]);
    check(
        Backlog { told, ..backlog(vec![Seeded { number: 1, seed, failures }]) },
        &rules,
        true,
        "seed 1 done; chat gets task.cleared cleared [1] and 0 open",
    );
}

#[test]
fn a_baseline_is_said_where_a_failure_without_particulars_would_go() {
    let seed =
        Seed::Watching { source: name("prod"), at: at(90), standing: 37, lost: false, as_of: None };
    check(
        backlog(vec![Seeded { number: 4, seed, failures: vec![] }]),
        &rules(vec![route(&["action = \"reset\""], &["chat"]), route(&[], &["mail"])]),
        false,
        "seed 4 done; mail gets source.watching first_run [] and 37 open",
    );
}

#[test]
fn a_notice_says_how_many_others_stand() {
    let view = SourceView { standing: 5, ..SourceView::default() };
    let backlog = Backlog {
        sources: BTreeMap::from([(name("prod"), view)]),
        ..backlog(vec![failed(1, vec![failure(1, "a"), failure(2, "b")])])
    };
    check(
        backlog,
        &rules(vec![route(&[], &["mail"])]),
        true,
        "seed 1 done; mail gets task.failed new [1,2] and 3 open",
    );
}

#[test]
fn what_a_digest_tells_does_not_wait_for_company_beside() {
    let digest = Some(crate::decide::schedule::Schedule::parse("2 0 * * *", "UTC").unwrap());
    let rules = rules(vec![Route { digest, ..route(&[], &["mail"]) }]);
    let opening = check(
        backlog(vec![failed(1, vec![failure(1, "a")])]),
        &rules,
        false,
        "seed 1 done; mail gets task.failed new [1] and 0 open",
    );
    let [Opened { delivery, .. }] = opening.deliveries.as_slice() else { panic!("one") };
    let by = Hold::Digest(at(120).as_millisecond());
    assert_eq!(delivery.state, DeliveryState::Held { since: at(100), by });
}
