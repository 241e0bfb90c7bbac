use super::*;
use crate::{
    decide::{
        backlog::{Backlog, Opening, Seeded},
        group::{Dispatching, dispatch},
        health::{Gate, SinkState},
        route::{Matcher, Route, Routes},
        rules::Rules,
        silence::Silences,
        window::Window,
    },
    delivery::Hold,
    notice::Trouble,
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A Monday, 10:00 UTC, and so many seconds.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

fn route(matchers: &[&str], to: &[&str]) -> Route {
    Route {
        matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
        to: to.iter().map(|sink| name(sink)).collect(),
        ..Route::default()
    }
}

fn play(seed: Seed, routes: Vec<Route>, change: impl FnOnce(&mut Backlog)) -> Opening {
    let window = Window::parse(&["mon-fri 09:00-11:00".to_owned()], "UTC").unwrap();
    let rules = Rules {
        routes: Routes(routes),
        windows: BTreeMap::from([(name("mornings"), window)]),
        ..Rules::default()
    };
    let seeds = vec![Seeded { number: 4, seed, failures: Vec::new() }];
    let mut backlog = Backlog { seeds, ..Backlog::default() };
    change(&mut backlog);
    let silences = Silences::default();
    let by = Dispatching { rules: &rules, silences: &silences, close_all: false, now: at(0) };
    let opening = dispatch(backlog, by);
    assert_eq!(opening.consumed, [4]);
    opening
}

fn blind() -> Seed {
    let trouble = Trouble {
        sink: None,
        class: "auth".into(),
        detail: "refused".into(),
        advice: "Check the key.".into(),
    };
    Seed::Blind { source: name("prod"), at: at(-1), since: at(-200), trouble }
}

fn sighted() -> Seed {
    let (source, reason) = (name("prod"), "complete".to_owned());
    Seed::Sighted { source, at: at(-1), since: at(-900), reason, trouble: None }
}

fn task(id: &str, action: &str) -> Task {
    let operate_type = Some(format!("RUNNING_{action}").into());
    Row { task_id: Some(id.into()), operate_type, ..Row::default() }.to_task()
}

fn stuck() -> Seed {
    let tasks = vec![task("a", "RESET"), task("b", "BIND"), task("c", "RESET")];
    Seed::Stuck { source: name("prod"), at: at(-1), tasks }
}

#[test]
fn blindness_goes_where_a_failure_without_particulars_would() {
    let routes = vec![route(&["action = reset"], &["chat"]), route(&[], &["mail"])];
    let opening = play(blind(), routes, |_| {});
    let [Opened { delivery, .. }] = opening.deliveries.as_slice() else { panic!("{opening:?}") };
    assert_eq!((delivery.sink.as_str(), delivery.kind), ("mail", NoticeKind::SourceBlind));
    assert_eq!((&*delivery.reason, delivery.since), ("auth", Some(at(-200))));
    assert_eq!(delivery.trouble.as_ref().unwrap().detail, "refused");
    assert_eq!(delivery.state, DeliveryState::Pending { due: at(0) });
}

#[test]
fn that_it_is_seen_again_waits_for_the_word_that_it_was_not() {
    let opening = play(sighted(), vec![route(&[], &["chat", "mail"])], |backlog| {
        let pending = vec![(name("mail"), DeliveryId(7))];
        backlog.blind = BTreeMap::from([(name("prod"), pending)]);
    });
    let after = opening.deliveries.iter();
    let after = after.map(|one| (one.delivery.sink.as_str(), one.delivery.after.clone()));
    let expected = [("chat", vec![]), ("mail", vec![DeliveryId(7)])];
    assert_eq!(after.collect::<Vec<_>>(), expected);
}

#[test]
fn the_same_blindness_has_the_same_name_and_another_one_another() {
    let id = |seed| {
        let opening = play(seed, vec![route(&[], &["chat"])], |_| {});
        opening.deliveries.first().unwrap().delivery.notice_id
    };
    assert_eq!(id(blind()), id(blind()));
    assert_ne!(id(blind()), id(sighted()));
    assert_eq!(id(stuck()), id(stuck()));
}

#[test]
fn stuck_tasks_go_where_their_failures_would_each_sink_once() {
    let routes = vec![route(&["action = reset"], &["chat"]), route(&[], &["mail"])];
    let opening = play(stuck(), routes, |_| {});
    let told = opening.deliveries.iter().map(|Opened { delivery, .. }| {
        let ids: Vec<&str> = delivery.running.iter().map(|task| &*task.id).collect();
        (delivery.sink.as_str(), delivery.total, ids.join(","))
    });
    let expected = [("chat", 2, "a,c".to_owned()), ("mail", 1, "b".to_owned())];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn stuck_tasks_wait_for_the_end_of_a_mute_window_and_for_a_disabled_sink() {
    let muted = Route { mute: vec![name("mornings")], ..route(&[], &["chat"]) };
    let opening = play(stuck(), vec![muted], |_| {});
    let state = &opening.deliveries.first().unwrap().delivery.state;
    assert_eq!(*state, DeliveryState::Pending { due: at(3600) });
    let opening = play(stuck(), vec![route(&[], &["chat"])], |backlog| {
        let gate = Gate::Disabled { since: at(-9) };
        backlog.sinks =
            BTreeMap::from([(name("chat"), SinkState { gate, ..SinkState::default() })]);
    });
    let state = &opening.deliveries.first().unwrap().delivery.state;
    assert_eq!(*state, DeliveryState::Held { since: at(0), by: Hold::Disabled });
}
