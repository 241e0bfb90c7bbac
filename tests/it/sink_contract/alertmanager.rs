//! An alert is its labels: what ends one must carry those that it began with.

use serde_json::Value;
use taskbell::{
    name::Name,
    notice::{Notice, NoticeKind, Trouble},
};

use super::{ANYWHERE, build, example, examples, kind, kinds, occasions};

fn alerts(notice: &Notice) -> Vec<Value> {
    let sink = build(&example(kind("alertmanager"), ANYWHERE));
    serde_json::from_slice(&sink.render(notice)).unwrap()
}

#[test]
fn a_cleared_failure_ends_the_alert_that_it_began() {
    let told = examples::many(3);
    let began = alerts(&told);
    assert_eq!(began.len(), 3);
    assert!(began.iter().all(|alert| alert["endsAt"] == "2026-12-23T10:00:05Z"), "{began:?}");

    let mut cleared = told.failures[1].clone();
    cleared.cleared_at = Some("2026-11-23T11:00:00Z".parse().unwrap());
    // Over several sources, and with another text: neither may change what the alert is.
    cleared.changed = Some(told.failures[2].task.text.clone());
    let notice = examples::notice(NoticeKind::TaskCleared, "cleared", vec![cleared]);
    let ended = alerts(&Notice { source: None, ..notice });
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["labels"], began[1]["labels"]);
    assert_eq!(ended[0]["endsAt"], "2026-11-23T11:00:00Z");
}

#[test]
fn what_begins_an_alert_of_our_own_and_what_ends_it_agree() {
    let since = Some("2026-11-23T09:00:00Z".parse().unwrap());
    let trouble = Some(Trouble {
        sink: None,
        class: "auth".to_owned(),
        detail: "401".to_owned(),
        advice: String::new(),
    });
    for (begins, ends) in [
        (NoticeKind::SourceBlind, NoticeKind::SourceSighted),
        (NoticeKind::StormOpened, NoticeKind::StormClosed),
    ] {
        let of = |kind| examples::notice(kind, "x", Vec::new());
        let began = alerts(&Notice { since, trouble: trouble.clone(), ..of(begins) });
        let ended = alerts(&Notice { since, ..of(ends) });
        assert_eq!(began[0]["labels"], ended[0]["labels"], "{begins:?}");
        assert_eq!(ended[0]["endsAt"], "2026-11-23T10:00:05Z", "{ends:?}");
    }
}

#[test]
fn a_webhook_that_speaks_as_alertmanager_gives_alerts_the_same_labels() {
    let table = "name = 'a'\nkind = 'webhook'\nurl = 'http://h'\nformat = 'alertmanager'";
    let webhook = build(table);
    for (case, notice) in occasions::every().into_iter().chain(kinds::all()) {
        let body: Value = serde_json::from_slice(&webhook.render(&notice)).unwrap();
        let labels: Vec<Value> =
            alerts(&notice).into_iter().map(|mut alert| alert["labels"].take()).collect();
        for alert in body["alerts"].as_array().unwrap() {
            assert!(labels.contains(&alert["labels"]), "{case}: {alert} {labels:?}");
        }
    }
}

#[test]
fn an_alert_never_ends_before_it_begins_however_the_clocks_go() {
    let mut notice = examples::one();
    notice.failures[0].task.failed_at = Some("2030-01-01T00:00:00Z".parse().unwrap());
    notice.failures[0].cleared_at = Some(examples::created_at());
    notice.since = Some("2030-01-01T00:00:00Z".parse().unwrap());
    let storm = Notice { kind: NoticeKind::StormClosed, total: 9, ..notice.clone() };
    for alert in alerts(&notice).into_iter().chain(alerts(&storm)) {
        let instant =
            |key: &str| -> jiff::Timestamp { alert[key].as_str().unwrap().parse().unwrap() };
        assert!(instant("startsAt") <= instant("endsAt"), "{alert}");
    }
}

#[test]
fn the_operators_labels_stand_beside_ours_and_never_instead() {
    let table = example(kind("alertmanager"), ANYWHERE)
        + "\nlabels = { team = 'platform', alertname = 'x', empty = '' }";
    let alerts: Vec<Value> =
        serde_json::from_slice(&build(&table).render(&examples::one())).unwrap();
    let labels = alerts[0]["labels"].as_object().unwrap();
    assert_eq!(labels["team"], "platform");
    assert_eq!(labels["alertname"], "TaskFailed");
    assert_eq!(labels.get("empty"), None);
    assert!(Name::parse(labels["source"].as_str().unwrap()).is_ok());
}
