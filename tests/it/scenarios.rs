//! Hostile listings: each scenario file, the real binary, and what must arrive all the same.

use std::{
    collections::BTreeSet, fs, os::unix::net::UnixStream, path::Path, process::Stdio,
    time::Duration,
};

use serde_json::Value;
use taskbell::sim::Scenario;

use crate::stage::{PROJECT, Stage};

fn read(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// How all that stands is told, with pages of ten.
const SOURCE: &str = "page_size = 10\nfirst_run = \"notify\"";

/// Runs `once` on a cloud like the named scenario, and then the daemon on another one.
async fn check(name: &str, code: i32, all_told: bool) {
    let stage = Stage::of(read(name), SOURCE, "").await;
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    judge(name, &stage, all_told);
    run_daemon(name, all_told).await;
}

/// Runs the daemon until its first poll is over and told.
async fn run_daemon(name: &str, all_told: bool) {
    let stage = Stage::of(read(name), SOURCE, "wait = \"0s\"").await;
    let mut daemon = stage.command(&["run"]);
    let mut daemon = daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Before somebody listens there, a command would open the store itself, and keep the daemon out.
    let socket = stage.store().join("control.sock");
    stage.see("the control socket", |_| UnixStream::connect(&socket).is_ok()).await;
    for _ in 0..300 {
        let output = stage.run(&["-o", "json", "source", "list"]).await;
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        if rows[0]["last_poll_at"].is_string() {
            let complete = rows[0]["outcome"] == "complete";
            assert!(complete || rows[0]["advice"].is_string(), "{name}: {rows}");
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if all_told {
        stage
            .see(name, |stage| {
                let told: BTreeSet<String> =
                    stage.told().into_iter().flat_map(|(_, ids)| ids).collect();
                stage.cloud.task_ids(PROJECT).iter().all(|id| told.contains(id))
            })
            .await;
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    judge(name, &stage, all_told);
}

fn judge(name: &str, stage: &Stage, all_told: bool) {
    let told: Vec<String> = stage.told().into_iter().flat_map(|(_, ids)| ids).collect();
    let distinct: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(distinct.len(), told.len(), "{name}: a failure was told twice");
    let listed = stage.cloud.task_ids(PROJECT);
    if all_told {
        assert!(!listed.is_empty());
        for id in &listed {
            assert!(distinct.contains(id), "{name}: {id} is listed and was not told");
        }
    } else {
        assert!(told.is_empty(), "{name}: {told:?}");
    }
}

#[tokio::test]
async fn every_scenario_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            read(path.file_stem().unwrap().to_str().unwrap());
        }
    }
}

#[tokio::test]
async fn a_list_that_can_be_walked_whole_in_the_end_is_told_whole() {
    for name in [
        "page_drift",
        "repeated_ids",
        "silent_cap",
        "ignored_offset",
        "missing_total",
        "throttled",
        "outage",
        "truncated",
        "reset",
        "drip",
        "page_growth",
        "odd_rows",
        "hostile_names",
    ] {
        check(name, 0, true).await;
    }
}

#[tokio::test]
async fn a_list_that_contradicts_itself_is_told_and_reported() {
    check("lying_total", 69, true).await;
}

#[tokio::test]
async fn what_is_no_list_tells_nothing_and_is_reported() {
    for name in ["html", "moved", "silent_success", "local_words"] {
        check(name, 69, false).await;
    }
}

#[tokio::test]
async fn what_only_the_operator_can_mend_has_its_own_exit() {
    for name in ["frozen_account", "locked_key"] {
        check(name, 77, false).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_clears_nothing() {
    for name in ["html", "moved", "silent_success", "local_words", "frozen_account"] {
        let faults = read(name).faults;
        let scenario = Scenario { faults: Vec::new(), ..read(name) };
        let stage = Stage::of(scenario, SOURCE, "").await;
        stage.finish().await;
        for fault in faults {
            stage.cloud.set_fault(fault);
        }
        for _ in 0..3 {
            stage.run(&["once"]).await;
        }
        let output = stage.run(&["-o", "json", "failure", "list", "--state", "cleared"]).await;
        assert_eq!(output.stdout, b"[]\n", "{name}: {output:?}");
    }
}

#[tokio::test]
async fn names_that_want_to_be_something_else_are_told_as_text() {
    let stage = Stage::of(read("hostile_names"), SOURCE, "").await;
    stage.finish().await;
    let table = stage.run(&["failure", "list"]).await;
    let shown = String::from_utf8(table.stdout).unwrap();
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    let mail = stage.mail.received().remove(0);
    let text = String::from_utf8_lossy(&mail.raw).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap();
    assert_eq!(head.lines().filter(|line| line.starts_with("Subject:")).count(), 1, "{head}");
}
