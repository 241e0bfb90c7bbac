use super::*;
use crate::{
    decide::{
        backlog::SourceView,
        fold::{Folder, Heritage},
        health::Storm,
        rules::{Limit, SinkRules},
    },
    delivery::DeliveryState,
    silence::Silence,
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn silence(number: u64, matcher: &str, ends: i64, on_expire: OnExpire) -> Silence {
    Silence {
        number,
        matchers: vec![matcher.to_owned()],
        starts_at: at(0),
        ends_at: at(ends),
        author: "ops".into(),
        comment: "maintenance".into(),
        on_expire,
    }
}

fn releasing(silences: &[Silence], sink: SinkRules) -> Releasing {
    let rules = Rules { sinks: BTreeMap::from([(name("chat"), sink)]), ..Rules::default() };
    Releasing {
        rules: Arc::new(rules),
        silences: Arc::new(Silences::compile(silences, Silences::default())),
        now: at(1_000),
    }
}

fn waiting(state: SinkState, holds: &[(Hold, usize, u64)]) -> Waiting {
    let holds = holds.iter().map(|(hold, deliveries, failures)| {
        (hold.clone(), HoldView { deliveries: *deliveries, failures: *failures })
    });
    let view = SinkView { state, holds: holds.collect() };
    Waiting { sinks: BTreeMap::from([(name("chat"), view)]), ..Waiting::default() }
}

/// What is due, an order a line.
fn due(releasing: &Releasing, waiting: &Waiting) -> String {
    let line = |order: &FoldOrder| {
        let what = match &order.what {
            What::Held(hold) => format!("held by {hold}"),
            What::Pending => "all that is pending".to_owned(),
            What::Again { delivery, .. } => format!("{delivery} again"),
            What::Overdue(before) => format!("what is older than {}", before.as_second()),
        };
        let to: Vec<&str> = order.to.iter().map(Name::as_str).collect();
        format!("{what}: {} {} to {}", order.kind.as_str(), order.reason, to.join(","))
    };
    releasing.due(waiting).iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_hold_ends_at_its_own_time() {
    let silences = [
        silence(1, "source = prod", 1_000, OnExpire::Digest),
        silence(2, "source = prod", 1_001, OnExpire::Digest),
    ];
    let releasing = releasing(&silences, SinkRules::DEFAULT);
    let window = |until: i64| Hold::Window(name("nights"), until);
    for (hold, expected) in [
        (Hold::Silence(1), "held by silence 1: digest silence_ended to chat"),
        (Hold::Silence(2), ""),
        (Hold::Silence(99), "held by silence 99: digest silence_ended to chat"),
        (window(1_000_000), "held by mute window nights: digest window_ended to chat"),
        (window(1_000_001), ""),
        (Hold::Digest(999_999), "held by the route's digest: digest schedule to chat"),
        (Hold::Digest(1_000_001), ""),
        (Hold::Disabled, "held by the sink, which is disabled: digest outage_ended to chat"),
        (Hold::Storm, "held by a storm: digest schedule to chat"),
    ] {
        let waiting = waiting(SinkState::default(), &[(hold.clone(), 1, 1)]);
        assert_eq!(due(&releasing, &waiting), expected, "{hold}");
    }
    let gone = SinkState { gate: Gate::Disabled { since: at(5) }, ..SinkState::default() };
    let waiting = waiting(gone, &[(Hold::Disabled, 1, 1)]);
    assert_eq!(due(&releasing, &waiting), "", "a disabled sink keeps what it holds");
}

#[test]
fn a_storm_opens_goes_on_and_ends_when_it_is_calm() {
    let sink = SinkRules {
        limit: Some(Limit { count: 3, per: std::time::Duration::from_secs(60) }),
        ..SinkRules::DEFAULT
    };
    let releasing = releasing(&[], sink);
    let storm = |announced, next: i64| SinkState {
        storm: Some(Storm { since: at(10), next: at(next), told: 0, announced, last: None }),
        ..SinkState::default()
    };
    let held = "held by a storm";
    for (state, deliveries, failures, expected) in [
        (storm(false, 900), 10, 5_000, format!("{held}: storm.opened storm to chat")),
        (storm(true, 1_001), 10, 5_000, String::new()),
        (storm(true, 1_000), 10, 5_000, format!("{held}: storm.updated storm to chat")),
        (storm(true, 1_000), 4, 40, format!("{held}: storm.updated storm to chat")),
        (storm(true, 1_000), 3, 50, format!("{held}: storm.closed storm to chat")),
        (storm(true, 1_000), 0, 0, format!("{held}: storm.closed storm to chat")),
        (storm(false, 1_000), 0, 0, format!("{held}: digest storm to chat")),
    ] {
        let holds = [(Hold::Storm, deliveries, failures)];
        let holds = if deliveries == 0 { &holds[..0] } else { &holds[..] };
        let waiting = waiting(state, holds);
        assert_eq!(due(&releasing, &waiting), expected, "{deliveries} of {failures}");
    }
}

#[test]
fn an_outage_that_is_over_is_caught_up_and_one_that_is_not_is_told_to_the_fallback() {
    let sink = SinkRules { fallback: vec![name("mail"), name("pager")], ..SinkRules::DEFAULT };
    let releasing = releasing(&[], sink);
    let back = SinkState { gate: Gate::CatchUp, ..SinkState::default() };
    assert_eq!(
        due(&releasing, &waiting(back, &[])),
        "all that is pending: digest outage_ended to chat"
    );
    let failing = |alarm: i64| SinkState {
        failing_since: Some(at(300)),
        alarm_at: Some(at(alarm)),
        ..SinkState::default()
    };
    assert_eq!(due(&releasing, &waiting(failing(1_001), &[])), "");
    assert_eq!(
        due(&releasing, &waiting(failing(1_000), &[])),
        "what is older than 400: sink.failing not_delivered to mail,pager"
    );
}

#[test]
fn the_next_wake_is_the_first_of_all_that_the_clock_decides() {
    let silences = [silence(1, "source = prod", 1_500, OnExpire::Digest)];
    let releasing = releasing(&silences, SinkRules::DEFAULT);
    let state = SinkState {
        storm: Some(Storm { since: at(0), next: at(1_400), told: 0, announced: true, last: None }),
        alarm_at: Some(at(1_300)),
        ..SinkState::default()
    };
    let holds = [(Hold::Silence(1), 1, 1), (Hold::Digest(1_200_000), 1, 1), (Hold::Disabled, 1, 1)];
    let mut waiting = waiting(state, &holds);
    assert_eq!(releasing.next(&waiting), Some(at(1_200)));
    waiting.next_reminder = Some(at(1_100));
    assert_eq!(releasing.next(&waiting), Some(at(1_100)));
    assert_eq!(releasing.next(&Waiting::default()), None);
}

fn failure(number: u64, action: &str, cleared: Option<i64>) -> Failure {
    let row = Row {
        task_id: Some(format!("task-{number}").into()),
        operate_type: Some(format!("FAILED_{action}").into()),
        ..Row::default()
    };
    Failure { cleared_at: cleared.map(at), ..Failure::example(number, &row, at(0)) }
}

/// Folds failures 1 (stands), 2 (cleared) and 3 (a bind, which stands) and says who is where.
fn folded(order: &FoldOrder, acked: u64) -> String {
    let mut folder = Folder::new(order);
    for failure in
        [failure(1, "RESET", None), failure(2, "RESET", Some(500)), failure(3, "BIND", None)]
    {
        folder.take(&failure, failure.id.0 == acked);
    }
    let views =
        BTreeMap::from([(name("prod"), SourceView { standing: 9, ..SourceView::default() })]);
    let done = folder.finish(&Heritage { deliveries: 3, ..Heritage::default() }, &views);
    let opened = done.opened.iter().map(|one| {
        let ids: Vec<u64> = one.all().iter().map(|id| id.0).collect();
        let held = match &one.delivery.state {
            DeliveryState::Held { by, .. } => format!(" held by {by}"),
            _ => String::new(),
        };
        let cleared = one.delivery.cleared.len();
        format!("{ids:?} cleared {cleared}, {} more open{held}", one.delivery.still_open)
    });
    let dropped = done.dropped.iter().map(|(id, why)| format!("{id} dropped: {why}"));
    opened.chain(dropped).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_a_silence_held_is_told_if_it_stands_and_nothing_else_holds_it() {
    let order = |silences: &[Silence]| {
        let releasing = releasing(silences, SinkRules::DEFAULT);
        let waiting = waiting(SinkState::default(), &[(Hold::Silence(1), 3, 3)]);
        releasing.due(&waiting).pop().unwrap()
    };
    let ended = silence(1, "source = prod", 900, OnExpire::Digest);
    assert_eq!(
        folded(&order(std::slice::from_ref(&ended)), 0),
        "[1, 3] cleared 0, 7 more open; 2 dropped: it cleared while it was held"
    );
    let binds = silence(2, "action = bind", 2_000, OnExpire::Digest);
    assert_eq!(
        folded(&order(&[ended, binds]), 0),
        "[1] cleared 0, 8 more open; [3] cleared 0, 8 more open held by silence 2; \
         2 dropped: it cleared while it was held"
    );
    let dropping = silence(1, "source = prod", 900, OnExpire::Drop);
    assert_eq!(
        folded(&order(&[dropping]), 0),
        "1 dropped: silence 1 drops what it holds; 2 dropped: silence 1 drops what it holds; \
         3 dropped: silence 1 drops what it holds"
    );
}

#[test]
fn after_an_outage_everything_is_told_even_what_cleared() {
    let releasing = releasing(&[], SinkRules::DEFAULT);
    let back = SinkState { gate: Gate::CatchUp, ..SinkState::default() };
    let order = releasing.due(&waiting(back, &[])).pop().unwrap();
    assert_eq!(folded(&order, 0), "[1, 2, 3] cleared 1, 7 more open");
}

#[test]
fn a_reminder_names_what_stands_and_nobody_looks_after() {
    let waiting =
        Waiting { reminders: vec![(at(900), DeliveryId(4), name("chat"))], ..Waiting::default() };
    let order =
        |silences: &[Silence]| releasing(silences, SinkRules::DEFAULT).due(&waiting).pop().unwrap();
    assert_eq!(folded(&order(&[]), 0), "[1, 3] cleared 0, 7 more open");
    assert_eq!(folded(&order(&[]), 3), "[1] cleared 0, 8 more open");
    let all = silence(1, "source = prod", 2_000, OnExpire::Digest);
    assert_eq!(folded(&order(&[all]), 0), "");
}
