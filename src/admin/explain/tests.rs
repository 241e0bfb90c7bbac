use super::*;
use crate::{
    decide::health::Storm,
    delivery::{Delivery, DeliveryId, DeliveryState, LastAttempt, Outcome, Reason, Suppressed},
    failure::{Ack, Failure, FailureId, Origin},
    notice::{NoticeKind, Trouble},
    silence::OnExpire,
    task::Row,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn delivery(number: u64, sink: &str, kind: NoticeKind, state: DeliveryState) -> Delivery {
    let of = Delivery::example(number, kind, state, at(20));
    Delivery { sink: name(sink), source: Some(name("prod")), ..of }
}

fn failed(number: u64, sink: &str, state: DeliveryState) -> Delivery {
    delivery(number, sink, NoticeKind::TaskFailed, state)
}

fn detail(origin: Origin, deliveries: Vec<Delivery>) -> FailureDetail {
    let row = Row { task_id: Some("t".into()), ..Row::default() };
    let failure = Failure {
        id: FailureId(1),
        source: name("prod"),
        task: row.to_task(),
        generation: 1,
        episode: 0,
        origin,
        occurrences_24h: 4,
        first_seen_at: at(10),
        cleared_at: None,
        changed: None,
        ending: None,
    };
    FailureDetail {
        failure,
        missing: Some(0),
        undispatched: false,
        suppressed: Vec::new(),
        forming: Vec::new(),
        deliveries,
        ack: None,
    }
}

fn in_chinese() -> Wording {
    Wording { language: Language::Chinese, zone: None }
}

/// The figures, names and commands in a text.
fn marks(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '`')
        .filter(|word| word.contains('`') || word.chars().any(|c| c.is_ascii_digit()))
        .map(|word| word.trim_end_matches(char::is_alphabetic).to_owned())
        .collect();
    found.sort();
    found
}

#[track_caller]
fn alike(english: &str, chinese: &str) {
    assert_eq!(marks(english), marks(chinese), "{english}\n{chinese}");
}

/// In each language.
fn explained(detail: &FailureDetail, state: SinkState) -> [Explanation; 2] {
    let silence = Silence {
        number: 7,
        matchers: vec!["source = prod".into()],
        starts_at: at(0),
        ends_at: at(600),
        author: "ops".into(),
        comment: "kernel upgrade".into(),
        on_expire: OnExpire::Digest,
    };
    let dropping = Silence { number: 8, on_expire: OnExpire::Drop, ..silence.clone() };
    let sinks = BTreeMap::from([(name("chat"), state)]);
    let silences = [silence, dropping];
    let known = Known { routed: &[name("chat")], sinks: &sinks, silences: &silences };
    let (english, chinese) = (Wording::default(), in_chinese());
    let (english, chinese) = (explain(detail, known, &english), explain(detail, known, &chinese));
    // No language leaves out what another one says.
    assert_eq!(english.steps.len(), chinese.steps.len());
    for (one, other) in english.steps.iter().zip(&chinese.steps) {
        alike(&one.what, &other.what);
    }
    alike(&english.conclusion, &chinese.conclusion);
    [english, chinese]
}

#[track_caller]
fn check(detail: &FailureDetail, expected: &str) {
    let [english, _] = explained(detail, SinkState::default());
    assert_eq!(english.conclusion, expected);
    assert_eq!(english.told, expected.starts_with("You were told at"));
}

fn pending(second: i64) -> DeliveryState {
    DeliveryState::Pending { due: at(second) }
}

#[test]
fn every_state_of_a_delivery_ends_in_one_sentence() {
    let held = |by| DeliveryState::Held { since: at(30), by };
    let until = 500_000;
    for (state, expected) in [
        (
            DeliveryState::Delivered { at: at(31) },
            "You were told at 1970-01-01T00:00:31Z through chat.",
        ),
        (
            pending(60),
            "You were not told yet because chat has not taken it (not tried yet); the next try \
             is at 1970-01-01T00:01:00Z.",
        ),
        (
            held(Hold::Silence(7)),
            "You were not told yet because silence 7 of ops (kernel upgrade) holds it for chat \
             until 1970-01-01T00:10:00Z.",
        ),
        (
            held(Hold::Silence(8)),
            "You were not told because silence 8 of ops (kernel upgrade) holds it for chat until \
             1970-01-01T00:10:00Z and then drops it.",
        ),
        (held(Hold::Silence(9)), "You were not told yet because silence 9 holds it for chat."),
        (
            held(Hold::Window(name("nights"), until)),
            "You were not told yet because mute window nights holds it for chat until \
             1970-01-01T00:08:20Z.",
        ),
        (
            held(Hold::Digest(until)),
            "You were not told yet because it goes to chat with the digest of its route at \
             1970-01-01T00:08:20Z.",
        ),
        (
            held(Hold::Storm),
            "You were not told yet because chat is in storm and told with the next update.",
        ),
        (
            held(Hold::Disabled),
            "You were not told yet because chat says that it is gone (not tried yet); after \
             mending that, `taskbell sink probe chat`.",
        ),
        (
            DeliveryState::Dead { at: at(90) },
            "You were not told because chat did not take it in time (not tried yet); after \
             mending that, `taskbell delivery retry 3`.",
        ),
        (
            DeliveryState::Suppressed { at: at(90), why: Reason::Operator },
            "You were not told because the operator cancelled it.",
        ),
    ] {
        check(&detail(Origin::New, vec![failed(3, "chat", state)]), expected);
    }
}

#[test]
fn what_was_folded_is_spoken_for_by_where_it_went() {
    let folded =
        failed(3, "chat", DeliveryState::Folded { at: at(40), into: DeliveryId(9), held_by: None });
    let storm = Delivery {
        total: 5_000,
        ..delivery(9, "chat", NoticeKind::StormOpened, DeliveryState::Delivered { at: at(41) })
    };
    check(
        &detail(Origin::New, vec![folded.clone(), storm]),
        "You were told at 1970-01-01T00:00:41Z through chat in a storm notice of 5000.",
    );
    let digest = delivery(9, "chat", NoticeKind::Digest, pending(60));
    check(
        &detail(Origin::New, vec![folded, digest]),
        "You were not told yet because chat has not taken it (not tried yet); the next try is \
         at 1970-01-01T00:01:00Z.",
    );
}

#[test]
fn of_several_sinks_the_first_that_was_told_is_named_and_the_others_that_were_not() {
    let refused = LastAttempt {
        at: at(32),
        latency_ms: 8,
        outcome: Outcome::Retry,
        detail: "no answer from https://hook.example".into(),
    };
    let hook = Delivery { last: Some(refused), attempts: 1, ..failed(4, "hook", pending(90)) };
    check(
        &detail(
            Origin::New,
            vec![failed(3, "chat", DeliveryState::Delivered { at: at(31) }), hook],
        ),
        "You were told at 1970-01-01T00:00:31Z through chat; hook has not taken it (no answer \
         from https://hook.example); the next try is at 1970-01-01T00:01:30Z.",
    );
}

#[test]
fn a_failure_without_a_delivery_is_explained_too() {
    let none = || detail(Origin::New, Vec::new());
    check(
        &FailureDetail { forming: vec![(name("chat"), at(50))], ..none() },
        "You were not told yet because it waits for company until 1970-01-01T00:00:50Z and then \
         goes to chat.",
    );
    check(
        &FailureDetail { undispatched: true, ..none() },
        "You were not told yet because it waits to be dispatched; `taskbell run` or `taskbell \
         once` does that.",
    );
    let nobody = Suppressed { at: at(12), sink: None, why: Reason::NullRoute(2) };
    check(
        &FailureDetail { suppressed: vec![nobody], ..none() },
        "You were not told because route 2 sends it to nobody.",
    );
    check(
        &detail(Origin::Baseline, Vec::new()),
        "You were not told because it stood already when the source was first polled.",
    );
    check(
        &detail(Origin::Reappeared, Vec::new()),
        "You were not told because it came back soon after it had cleared.",
    );
    check(
        &none(),
        "You were not told, or the delivery is older than the retention; today it would go to \
         chat.",
    );
}

#[test]
fn the_chain_is_in_the_order_of_events() {
    let held = DeliveryState::Held { since: at(30), by: Hold::Storm };
    let mut detail = detail(Origin::New, vec![failed(3, "chat", held)]);
    detail.missing = Some(1);
    detail.ack = Some(Ack { at: at(45), by: "li".into(), comment: String::new() });
    let storm = Storm { since: at(25), next: at(900), told: 9, announced: true, last: None };
    let state = SinkState { storm: Some(storm), ..SinkState::default() };
    let [english, chinese] = explained(&detail, state);
    let steps = |explained: &Explanation| -> Vec<String> {
        let step =
            |step: &Step| format!("{}: {}", step.at.map_or(-1, Timestamp::as_second), step.what);
        explained.steps.iter().map(step).collect()
    };
    assert_eq!(
        steps(&english),
        [
            "10: recorded by a poll of prod (new, generation 1)",
            "10: 4th like it in 24 h",
            "20: route 1 opened delivery 3 of task.failed with 1 failure to chat (new)",
            "30: delivery 3 is held by a storm",
            "45: acknowledged by li: no reminders",
            "-1: not listed by the last complete poll",
        ]
    );
    assert_eq!(
        english.conclusion,
        "You were not told yet because chat is in storm and told with the next update at \
         1970-01-01T00:15:00Z."
    );
    assert_eq!(
        steps(&chinese),
        [
            "10: 轮询 prod 时记录（新出现，第 1 次失败）",
            "10: 24 小时内第 4 次同类失败",
            "20: 路由 1 建立投递 3（任务失败，1 条失败，新出现），发往 chat",
            "30: 投递 3 因告警风暴暂缓",
            "45: li 已确认跟进：不再提醒",
            "-1: 最近一次完整轮询未列出",
        ]
    );
    assert_eq!(
        chinese.conclusion,
        "尚未通知，原因：chat 处于告警风暴中，将随下次更新通知，时间：1970-01-01T00:15:00Z。"
    );
}

#[test]
fn times_are_those_of_the_zone_that_is_asked_for() {
    let told = failed(3, "chat", DeliveryState::Delivered { at: at(31) });
    let detail = detail(Origin::New, vec![told]);
    let known = Known { routed: &[], sinks: &BTreeMap::new(), silences: &[] };
    let zone = Zone::parse("Asia/Shanghai").unwrap();
    let wording = Wording { zone: Some(zone), ..in_chinese() };
    let explained = explain(&detail, known, &wording);
    assert_eq!(explained.conclusion, "已于 1970-01-01 08:00:31 UTC+8 通过 chat 通知。");
}

fn standing_in(number: u64, sink: &str, state: DeliveryState) -> Delivery {
    let trouble = Trouble {
        sink: Some(name("chat")),
        class: "suspect".into(),
        detail: "401".into(),
        advice: String::new(),
    };
    let of = delivery(number, sink, NoticeKind::SinkFailing, state);
    Delivery { trouble: Some(trouble), reason: "not_delivered".into(), ..of }
}

#[test]
fn what_only_the_fallback_was_told_counts_as_told_and_the_rest_as_owed() {
    let told = DeliveryState::Delivered { at: at(31) };
    let mail = standing_in(5, "mail", told.clone());
    let owed = detail(Origin::New, vec![failed(3, "chat", pending(60)), mail.clone()]);
    check(
        &owed,
        "You were told at 1970-01-01T00:00:31Z through mail, as the fallback of chat; chat has \
         not taken it (not tried yet); the next try is at 1970-01-01T00:01:00Z.",
    );
    let [english, chinese] = explained(&owed, SinkState::default());
    let opened = |explained: &Explanation, words: &str| {
        assert!(explained.steps.iter().any(|step| step.what.contains(words)), "{explained:?}");
    };
    opened(
        &english,
        "of sink.failing with 1 failure to mail, the fallback of chat (not_delivered)",
    );
    opened(&chinese, "发往 mail（chat 的备用渠道）");
    assert!(
        chinese.conclusion.starts_with("已于 1970-01-01T00:00:31Z 通过 mail（chat 的备用渠道）")
    );

    // Once the sink itself took it, that is what counts.
    check(
        &detail(
            Origin::New,
            vec![failed(3, "chat", DeliveryState::Delivered { at: at(90) }), mail],
        ),
        "You were told at 1970-01-01T00:01:30Z through chat.",
    );
    // Nor the fallback took it: both are named, what may still be told first.
    check(
        &detail(
            Origin::New,
            vec![
                failed(3, "chat", DeliveryState::Dead { at: at(40) }),
                standing_in(5, "mail", pending(70)),
            ],
        ),
        "You were not told yet because mail has not taken it (not tried yet); the next try is at \
         1970-01-01T00:01:10Z; chat did not take it in time (not tried yet); after mending that, \
         `taskbell delivery retry 3`.",
    );
}

#[test]
fn every_sink_that_was_not_told_is_named_and_the_soonest_first() {
    let held = |number, sink| {
        failed(number, sink, DeliveryState::Held { since: at(30), by: Hold::Silence(7) })
    };
    let both = detail(Origin::New, vec![held(3, "chat"), held(4, "mail")]);
    check(
        &both,
        "You were not told yet because silence 7 of ops (kernel upgrade) holds it for chat, mail \
         until 1970-01-01T00:10:00Z.",
    );
    let groups = vec![(name("a"), at(900)), (name("b"), at(50)), (name("c"), at(50))];
    check(
        &FailureDetail { forming: groups.clone(), ..both },
        "You were not told yet because it waits for company until 1970-01-01T00:00:50Z and then \
         goes to b, c; silence 7 of ops (kernel upgrade) holds it for chat, mail until \
         1970-01-01T00:10:00Z; it waits for company until 1970-01-01T00:15:00Z and then goes to a.",
    );
    let told = failed(3, "chat", DeliveryState::Delivered { at: at(31) });
    check(
        &FailureDetail { forming: groups, ..detail(Origin::New, vec![told]) },
        "You were told at 1970-01-01T00:00:31Z through chat; it waits for company until \
         1970-01-01T00:00:50Z and then goes to b, c; it waits for company until \
         1970-01-01T00:15:00Z and then goes to a.",
    );
}

/// Every state that a delivery can have.
fn states() -> Vec<DeliveryState> {
    let holds = [
        Hold::Silence(7),
        Hold::Silence(8),
        Hold::Silence(9),
        Hold::Window(name("nights"), 500_000),
        Hold::Digest(500_000),
        Hold::Storm,
        Hold::Disabled,
    ];
    let reasons = [
        Reason::NoRoute,
        Reason::NullRoute(2),
        Reason::Silence(8),
        Reason::Cleared,
        Reason::Operator,
    ];
    let fold = |held_by| DeliveryState::Folded { at: at(40), into: DeliveryId(99), held_by };
    let held = |by: &Hold| DeliveryState::Held { since: at(30), by: by.clone() };
    let mut all = vec![
        pending(60),
        DeliveryState::Delivered { at: at(31) },
        DeliveryState::Dead { at: at(90) },
        fold(None),
    ];
    all.extend(holds.iter().map(held));
    all.extend(holds.iter().cloned().map(|hold| fold(Some(hold))));
    all.extend(reasons.into_iter().map(|why| DeliveryState::Suppressed { at: at(90), why }));
    all
}

/// Of two sinks, one of them perhaps a fallback, in any states, for a failure of any origin, before
/// and after it cleared, in a group or in none.
#[test]
fn whatever_the_states_are_there_is_one_sentence_in_each_language() {
    let origins = [Origin::Baseline, Origin::New, Origin::Refailed, Origin::Reappeared];
    let mut sentences = 0;
    for first in states() {
        for second in states() {
            for (nth, kind) in NoticeKind::ALL.into_iter().enumerate() {
                let other = match kind {
                    NoticeKind::SinkFailing => standing_in(4, "mail", second.clone()),
                    _ => delivery(4, "mail", kind, second.clone()),
                };
                let one = failed(3, "chat", first.clone());
                let origin = origins[nth % origins.len()];
                let forming = if nth % 2 == 0 { vec![(name("hook"), at(50))] } else { Vec::new() };
                let mut detail = FailureDetail {
                    forming,
                    undispatched: nth % 3 == 0,
                    ..detail(origin, vec![one, other])
                };
                detail.failure.cleared_at = (nth % 5 == 0).then(|| at(80));
                let [english, chinese] = explained(&detail, SinkState::default());
                let shown = format!("{}\n{}\n{detail:?}", english.conclusion, chinese.conclusion);
                let told = english.conclusion.starts_with("You were told at ");
                assert!(told || english.conclusion.starts_with("You were not told"), "{shown}");
                assert!(english.conclusion.ends_with('.') && chinese.conclusion.ends_with('。'));
                assert!(!english.conclusion.contains(['\n', '}']), "{shown}");
                assert_eq!(chinese.conclusion.starts_with("已于"), told, "{shown}");
                assert_eq!([english.told, chinese.told], [told; 2], "{shown}");
                sentences += 1;
            }
        }
    }
    assert!(5_000 < sentences, "{sentences}");
}
