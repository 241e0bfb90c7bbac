//! What a config would have told of what is on record: `worker::replay`, of which `config diff`
//! shows the differences.

use std::{path::Path, sync::Arc};

use jiff::{Timestamp, ToSpan as _};
use taskbell::{
    config::Config,
    failure::{Ending, Failure, FailureId, Origin},
    name::Name,
    progress::Meter,
    task::Row,
    worker::replay::{Replayed, replay},
};

const SOURCE_AND_SINK: &str = r#"
[[source]]
name = "prod"
kind = "kps"
endpoint = "http://127.0.0.1:1"
project_id = "p"
auth = { kind = "token", token = "example" }

[[sink]]
name = "chat"
kind = "webhook"
url = "http://127.0.0.1:1"
"#;

/// A Wednesday.
fn at(second: i64) -> Timestamp {
    "2026-11-25T08:00:00Z".parse::<Timestamp>().unwrap() + second.seconds()
}

fn failed(number: u64, second: i64) -> Failure {
    let row = Row { task_id: Some(format!("t{number}").into()), ..Row::default() };
    Failure {
        id: FailureId(number),
        source: Name::parse("prod").unwrap(),
        task: row.to_task(),
        generation: 1,
        episode: 0,
        origin: Origin::New,
        occurrences_24h: 1,
        first_seen_at: at(second),
        cleared_at: None,
        changed: None,
        ending: None,
    }
}

fn cleared(number: u64, second: i64, cleared_second: i64) -> Failure {
    Failure { cleared_at: Some(at(cleared_second)), ..failed(number, second) }
}

/// Under a config with these keys of the sink and of the only route, until `end`.
async fn replayed(failures: &[Failure], (sink, route): (&str, &str), end: i64) -> Replayed {
    let text = format!("{SOURCE_AND_SINK}{sink}\n[[route]]\nto = [\"chat\"]\n{route}\n");
    let config = Config::parse(&text, Path::new("config.toml")).unwrap();
    let meter = Meter::default();
    let work = meter.begin("failures", 1);
    replay(failures, Arc::new(config.rules()), at(end), &work).await.unwrap()
}

/// What was told, a line each: when, as what, about how many, which.
fn lines(replayed: &Replayed) -> Vec<String> {
    let line = |one: &taskbell::worker::replay::ToldThen| {
        let second = one.at.duration_since(at(0)).as_secs();
        format!("{second} {} {} {}", one.kind.as_str(), one.total, one.tasks.join(","))
    };
    replayed.told.iter().map(line).collect()
}

#[tokio::test]
async fn what_waits_at_the_end_is_played_on_until_it_is_out() {
    let failures = [failed(1, 0), failed(2, 100), failed(3, 105)];
    let group = "group = { wait = \"30s\" }";
    let all = replayed(&failures, ("", group), 110).await;
    assert_eq!(lines(&all), ["30 task.failed 1 t1", "130 task.failed 2 t2,t3"]);
    assert_eq!(all.waiting, 0);

    let digest = "digest = { cron = \"0 9 1 * *\" }";
    let monthly = replayed(&failures, ("", digest), 110).await;
    assert_eq!(
        lines(&monthly),
        [format!("{} digest 3 t1,t2,t3", 6 * 86_400 - 8 * 3_600 + 9 * 3_600)]
    );
    assert_eq!(monthly.waiting, 0);

    let mute =
        "mute = [\"mornings\"]\n[[mute]]\nname = \"mornings\"\ntimes = [\"wed 07:00-12:00\"]";
    let muted = replayed(&failures, ("", mute), 110).await;
    assert_eq!(lines(&muted), ["14400 digest 3 t1,t2,t3"]);
}

#[tokio::test]
async fn what_waits_for_too_long_is_said_to_wait() {
    let digest = "digest = { cron = \"0 9 1 3 *\" }";
    let yearly = replayed(&[failed(1, 0), failed(2, 100)], ("", digest), 110).await;
    assert_eq!(lines(&yearly), Vec::<String>::new());
    assert_eq!(yearly.waiting, 2);
}

#[tokio::test]
async fn reminders_and_storms_come_to_an_end() {
    let failures: Vec<Failure> = (1..=60).map(|number| failed(number, 0)).collect();
    let storm = "storm = { threshold = 50, update = \"10m\" }";
    let told = replayed(&failures, (storm, "group = { wait = \"0s\" }"), 5).await;
    let kinds: Vec<&str> = told.told.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["storm.opened", "storm.closed"]);
    assert_eq!((told.told[0].total, told.told[1].at), (60, at(600)));

    let remind = "group = { wait = \"0s\" }\nremind = { first = \"1m\", factor = 1, count = 100 }";
    let told = replayed(&failures[..1], ("", remind), 130).await;
    let expected = ["0 task.failed 1 t1", "60 task.reminder 1 t1", "120 task.reminder 1 t1"];
    assert_eq!(lines(&told), expected, "those of the time after are nobody's business");
}

#[tokio::test]
async fn what_cleared_is_replayed_too() {
    let group = "group = { wait = \"10s\" }";
    let failures = [cleared(1, 0, 100), cleared(2, 100, 105), failed(3, 200)];
    let told = replayed(&failures, ("cleared = true", group), 300).await;
    assert_eq!(
        lines(&told),
        [
            "10 task.failed 1 t1",
            "110 task.cleared 1 t1",
            // It cleared before it was told. That it cleared comes behind it.
            "110 task.failed 1 t2",
            "115 task.cleared 1 t2",
            "210 task.failed 1 t3",
        ]
    );
    let told = replayed(&failures, ("", group), 300).await;
    assert_eq!(
        lines(&told),
        ["10 task.failed 1 t1", "110 task.failed 1 t2", "210 task.failed 1 t3"]
    );
    let told = replayed(&failures, ("cleared = true", group), 50).await;
    assert!(lines(&told).iter().all(|line| !line.contains("cleared")), "nobody knew that yet");
}

#[tokio::test]
async fn what_failed_again_or_was_deleted_by_us_did_not_clear() {
    let again =
        Failure { id: FailureId(2), generation: 2, origin: Origin::Refailed, ..failed(1, 100) };
    let ours = Failure { ending: Some(Ending::Deleted), ..cleared(3, 0, 100) };
    let failures = [cleared(1, 0, 100), ours, again];
    let group = "group = { wait = \"0s\" }";
    let told = replayed(&failures, ("cleared = true", group), 300).await;
    assert_eq!(lines(&told), ["0 task.failed 2 t1,t3", "100 task.failed 1 t1"]);
}
