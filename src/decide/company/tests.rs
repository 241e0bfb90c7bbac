use std::collections::BTreeMap;

use super::*;
use crate::{
    decide::{
        backlog::{Backlog, Opening, Seed, Seeded},
        group::{Dispatching, dispatch},
        route::{Route, Routes},
        rules::{Rules, SinkRules, SourceFacts, StormRule},
        silence::Silences,
    },
    notice::SourceInfo,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn source(nth: usize) -> Name {
    name(&format!("s{nth:03}"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + second).unwrap()
}

/// The sources, and a sink that people read.
fn rules(count: usize, sink: SinkRules) -> Rules {
    let facts = |nth| {
        let (name, text) = (source(nth), String::new);
        let info = SourceInfo { name, kind: text(), region: text(), project_id: text() };
        (source(nth), SourceFacts::new(info, BTreeMap::new()))
    };
    Rules {
        routes: Routes(vec![Route { to: vec![name("chat")], ..Route::default() }]),
        sinks: BTreeMap::from([(name("chat"), sink)]),
        sources: (0..count).map(facts).collect(),
        ..Rules::default()
    }
}

fn people() -> SinkRules {
    SinkRules { storm: Some(StormRule::default()), ..SinkRules::DEFAULT }
}

fn trouble(detail: &str) -> Trouble {
    let (class, advice) = ("auth".to_owned(), "Check the key.".to_owned());
    Trouble { sink: None, class, detail: detail.to_owned(), advice }
}

fn blind(nth: usize) -> Seed {
    let since = at(-200 - i64::try_from(nth).unwrap());
    Seed::Blind { source: source(nth), at: at(-1), since, trouble: trouble("refused") }
}

fn sighted(nth: usize, reason: &str) -> Seed {
    let (reason, since) = (reason.to_owned(), at(-900));
    Seed::Sighted { source: source(nth), at: at(-1), since, reason, trouble: None }
}

/// What passes of dispatch make of seeds, with the groups that are open.
struct Play {
    rules: Rules,
    views: BTreeMap<Name, SourceView>,
    ahead: BTreeMap<Name, Vec<(Name, DeliveryId)>>,
    informed: BTreeMap<Name, Vec<Name>>,
    forming: BTreeMap<String, Forming>,
}

impl Play {
    fn new(count: usize, sink: SinkRules) -> Self {
        let seen = SourceView {
            outcome: "complete".into(),
            last_complete_at: Some(at(-5)),
            has_baseline: true,
            ..SourceView::default()
        };
        let views = (0..count).map(|nth| (source(nth), seen.clone())).collect();
        let (ahead, informed, forming) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rules: rules(count, sink), views, ahead, informed, forming }
    }

    fn change(&mut self, sources: std::ops::Range<usize>, change: impl Fn(&mut SourceView)) {
        sources.for_each(|nth| change(self.views.get_mut(&source(nth)).unwrap()));
    }

    /// Dispatches at a second. Returns the deliveries.
    fn pass(&mut self, second: i64, seeds: Vec<Seed>) -> Vec<Delivery> {
        let seeds = (0..).zip(seeds);
        let seeds = seeds.map(|(number, seed)| Seeded { number, seed, failures: Vec::new() });
        let backlog = Backlog {
            seeds: seeds.collect(),
            forming: self.forming.clone(),
            sources: self.views.clone(),
            blind: self.ahead.clone(),
            informed: self.informed.clone(),
            ..Backlog::default()
        };
        let silences = Silences::default();
        let now = at(second);
        let by = Dispatching { rules: &self.rules, silences: &silences, close_all: false, now };
        let Opening { forming, closed, deliveries, uninformed, .. } = dispatch(backlog, by);
        self.informed.retain(|source, _| !uninformed.contains(source));
        self.forming.retain(|key, _| !closed.contains(key));
        self.forming.extend(forming.into_iter().map(|group| (group.key.clone(), group)));
        deliveries.into_iter().map(|opened| opened.delivery).collect()
    }
}

fn troubled(view: &mut SourceView) {
    view.outcome = "auth".to_owned();
}

fn is_blind(view: &mut SourceView) {
    troubled(view);
    view.blind = true;
}

#[test]
fn the_first_waits_for_those_in_the_same_trouble_and_all_are_one_notice() {
    let mut play = Play::new(300, people());
    play.change(0..300, troubled);
    for nth in 0..299 {
        play.change(nth..nth + 1, is_blind);
        assert_eq!(play.pass(0, vec![blind(nth)]), [], "{nth}");
    }
    play.change(299..300, is_blind);
    let [one] = play.pass(1, vec![blind(299)]).try_into().unwrap();
    let sources = one.sources.unwrap();
    assert_eq!((sources.count, sources.names.len()), (300, Sources::NAMES_MAX));
    assert_eq!((sources.names.first(), sources.unnamed()), (Some(&source(0)), 290));
    assert_eq!((one.source, &*one.reason, one.total), (None, "auth", 0));
    assert_eq!(one.since, Some(at(-499)));
    assert_eq!(one.trouble, Some(trouble("s000: refused")));
    assert_eq!(play.pass(2, Vec::new()), [], "each is told once");
}

#[test]
fn nobody_waits_for_those_that_do_not_follow() {
    let mut play = Play::new(300, people());
    // The others are seen, blind already, or in another trouble.
    play.change(1..100, is_blind);
    play.change(100..200, |view| view.outcome = "timeout".to_owned());
    play.change(0..1, is_blind);
    let [one] = play.pass(0, vec![blind(0)]).try_into().unwrap();
    assert_eq!((one.source, one.sources), (Some(source(0)), None));
    // Few are told one by one, and at once.
    let mut play = Play::new(3, people());
    play.change(0..3, troubled);
    assert_eq!(play.pass(0, vec![blind(0)]).len(), 1);
    let mut play = Play::new(300, people());
    play.change(0..3, troubled);
    play.change(0..2, is_blind);
    assert_eq!(play.pass(0, vec![blind(0), blind(1)]).len(), 2);
}

#[test]
fn nobody_waits_longer_than_two_minutes() {
    let mut play = Play::new(300, people());
    play.change(0..300, troubled);
    play.change(0..5, is_blind);
    assert_eq!(play.pass(0, (0..5).map(blind).collect()), []);
    assert_eq!(play.pass(119, Vec::new()), []);
    let [one] = play.pass(120, Vec::new()).try_into().unwrap();
    assert_eq!(one.sources.unwrap().count, 5);
}

#[test]
fn a_sink_that_keeps_something_open_for_each_is_told_of_each() {
    for sink in [SinkRules::DEFAULT, SinkRules { keeps_open: true, ..people() }] {
        let mut play = Play::new(300, sink);
        play.change(0..300, troubled);
        let told = play.pass(0, (0..50).map(blind).collect());
        let sources: Vec<_> = told.into_iter().filter_map(|one| one.source).collect();
        assert_eq!(sources, (0..50).map(source).collect::<Vec<_>>());
    }
}

#[test]
fn who_is_seen_again_before_it_was_told_to_be_blind_is_taken_out() {
    let mut play = Play::new(300, people());
    play.change(0..300, troubled);
    play.change(0..5, is_blind);
    assert_eq!(play.pass(0, (0..5).map(blind).collect()), []);
    play.change(0..300, |view| {
        *view = SourceView { outcome: "complete".into(), ..SourceView::default() }
    });
    // Nobody else follows now, so what is left is told.
    let told = play.pass(1, vec![sighted(4, "complete")]);
    let [many, again] = told.try_into().unwrap();
    assert_eq!((many.kind, many.sources.unwrap().count), (NoticeKind::SourceBlind, 4));
    assert_eq!((again.kind, again.source), (NoticeKind::SourceSighted, Some(source(4))));
    // The last one leaves nothing behind.
    let mut play = Play::new(300, people());
    play.change(0..300, troubled);
    assert_eq!(play.pass(0, vec![blind(7)]), []);
    let told = play.pass(1, vec![sighted(7, "complete")]);
    assert_eq!(told.len(), 1);
    assert!(play.forming.is_empty(), "{:?}", play.forming);
}

#[test]
fn they_are_seen_again_as_one_and_behind_what_told_them_blind() {
    let mut play = Play::new(300, people());
    play.change(0..300, is_blind);
    for nth in 0..299 {
        play.change(nth..nth + 1, |view| view.blind = false);
        assert_eq!(play.pass(0, vec![sighted(nth, "complete")]), [], "{nth}");
    }
    play.change(299..300, |view| view.blind = false);
    let told = vec![(name("chat"), DeliveryId(7)), (name("mail"), DeliveryId(8))];
    play.ahead = (0..300).map(|nth| (source(nth), told.clone())).collect();
    let [one] = play.pass(1, vec![sighted(299, "complete")]).try_into().unwrap();
    assert_eq!((one.kind, one.sources.unwrap().count), (NoticeKind::SourceSighted, 300));
    assert_eq!(one.after, [DeliveryId(7)]);
}

#[test]
fn after_a_time_in_which_nobody_ran_they_wait_for_those_not_polled_yet() {
    let mut play = Play::new(10, people());
    play.change(0..10, |view| view.last_complete_at = Some(at(-890)));
    for nth in 0..9 {
        play.change(nth..nth + 1, |view| view.last_complete_at = Some(at(-1)));
        assert_eq!(play.pass(0, vec![sighted(nth, "not_running")]), [], "{nth}");
    }
    play.change(9..10, |view| view.last_complete_at = Some(at(-1)));
    let [one] = play.pass(1, vec![sighted(9, "not_running")]).try_into().unwrap();
    assert_eq!((&*one.reason, one.sources.unwrap().count), ("not_running", 10));
}

#[test]
fn the_same_sources_have_the_same_name_and_others_another() {
    let id = |sources: std::ops::Range<usize>| {
        let mut play = Play::new(300, people());
        let [one] = play.pass(0, sources.map(blind).collect()).try_into().unwrap();
        one.notice_id
    };
    assert_eq!(id(0..9), id(0..9));
    assert_ne!(id(0..9), id(0..8));
}

fn watching(nth: usize) -> Seed {
    Seed::Watching { source: source(nth), at: at(-1), standing: 2, lost: false, as_of: None }
}

#[test]
fn three_hundred_new_sources_are_one_notice_that_counts_what_stands() {
    let mut play = Play::new(300, people());
    play.views.clear();
    let seen = |play: &mut Play, nth| {
        let outcome = "complete".to_owned();
        let view = SourceView { outcome, has_baseline: true, ..SourceView::default() };
        play.views.insert(source(nth), view);
    };
    for nth in 0..299 {
        seen(&mut play, nth);
        assert_eq!(play.pass(0, vec![watching(nth)]), [], "{nth}");
    }
    seen(&mut play, 299);
    let [one] = play.pass(1, vec![watching(299)]).try_into().unwrap();
    assert_eq!((one.kind, &*one.reason), (NoticeKind::SourceWatching, "first_run"));
    assert_eq!((one.source, one.sources.unwrap().count), (None, 300));
    assert_eq!((one.still_open, one.since, one.trouble), (600, None, None));
}

#[test]
fn a_new_source_waits_for_no_old_one_and_for_none_that_cannot_be_seen() {
    let mut play = Play::new(300, people());
    let [one] = play.pass(0, vec![watching(7)]).try_into().unwrap();
    assert_eq!((one.source, one.sources, one.still_open), (Some(source(7)), None, 2));
    // Three that cannot be seen are not waited for; three that were not polled yet are.
    play.change(0..3, |view| {
        *view = SourceView { outcome: "auth".to_owned(), ..SourceView::default() }
    });
    assert_eq!(play.pass(0, vec![watching(8)]).len(), 1);
    play.change(0..3, |view| view.outcome.clear());
    assert_eq!(play.pass(0, vec![watching(9)]), []);
    assert_eq!(play.pass(120, Vec::new()).len(), 1, "two minutes and no longer");
}

#[test]
fn a_record_that_was_lost_is_told_of_all_sources_at_once() {
    let mut play = Play::new(5, people());
    let lost = |as_of| {
        move |nth| {
            let (source, at) = (source(nth), at(-1));
            Seed::Watching { source, at, standing: 1, lost: true, as_of }
        }
    };
    for (as_of, reason) in [(None, "state_lost"), (Some(at(-600)), "state_restored")] {
        let told = play.pass(0, (0..5).map(lost(as_of)).collect());
        let [one] = told.try_into().unwrap();
        assert_eq!((one.kind, &*one.reason), (NoticeKind::StateLost, reason));
        assert_eq!((one.sources.unwrap().count, one.still_open, one.since), (5, 5, as_of));
    }
}

#[test]
fn who_was_told_in_the_place_of_another_hears_of_the_end_once() {
    let mut play = Play::new(1, people());
    play.rules.sinks.insert(name("mail"), people());
    // Gone from the config since, and told by the route anyway.
    let told = ["gone", "chat", "mail"].map(name).to_vec();
    play.informed.insert(source(0), told);
    play.ahead.insert(source(0), vec![(name("mail"), DeliveryId(9))]);
    let told = play.pass(0, vec![sighted(0, "complete")]);
    let sinks: Vec<_> = told.iter().map(|one| (one.sink.as_str(), one.kind)).collect();
    let kind = NoticeKind::SourceSighted;
    assert_eq!(sinks, [("chat", kind), ("mail", kind)]);
    assert_eq!(told[1].after, [DeliveryId(9)], "behind what told of it");
    assert!(play.informed.is_empty());
    assert_eq!(play.pass(1, vec![sighted(0, "complete")]).len(), 1, "of the next one, it was not");
}
