//! Hostile listings: each scenario file, the real binary, and what must arrive all the same.

use std::{collections::BTreeSet, fs, path::Path};

use taskbell::sim::Scenario;

use crate::stage::{PROJECT, Stage};

fn read(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// Runs `once` on a cloud like the named scenario, telling all that stands, with pages of ten.
async fn check(name: &str, code: i32, all_told: bool) {
    let source = "page_size = 10\nfirst_run = \"notify\"";
    let stage = Stage::of(read(name), source, "").await;
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
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
    check("html", 69, false).await;
}
