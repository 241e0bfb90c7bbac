//! The real binary, killed with SIGKILL at every named place, then started again.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt as _};

use taskbell::failpoint;

use crate::stage::Stage;

/// Compares what arrived with what was listed.
fn check(stage: &Stage, listed: &BTreeSet<String>, place: &str) {
    let told = stage.told();
    let named: BTreeSet<String> = told.iter().flat_map(|(_, ids)| ids.clone()).collect();
    assert_eq!(&named, listed, "{place}: what was listed and what was told differ");
    for id in listed {
        let notices: BTreeSet<(&str, &[u8])> = told
            .iter()
            .filter(|(_, ids)| ids.contains(id))
            .map(|(arrival, _)| (arrival.id.as_str(), arrival.body.as_slice()))
            .collect();
        assert_eq!(notices.len(), 1, "{place}: a repeat of {id} differs from the original");
    }
}

async fn kill_at(place: &str, nth: u32) {
    let stage = Stage::new("max_items = 1").await;
    stage.run(&["once"]).await;
    let listed: BTreeSet<String> = ["a", "b", "c"].iter().map(|name| stage.fail(name)).collect();
    let status = stage.once_killed_at(place, nth).await;
    // A place that is passed less often than `nth` lets the run end by itself.
    assert!(status.signal() == Some(9) || 1 < nth, "{place} was not passed: {status:?}");
    stage.finish().await;
    check(&stage, &listed, place);
}

#[tokio::test]
async fn a_process_killed_at_any_place_loses_nothing_and_repeats_only_the_same() {
    for place in failpoint::NAMES {
        for nth in [1, 2, 3] {
            kill_at(place, nth).await;
        }
    }
}

#[tokio::test]
async fn a_first_run_killed_at_any_place_still_tells_no_standing_failure_singly() {
    for place in failpoint::NAMES {
        let stage = Stage::new("max_items = 1").await;
        stage.once_killed_at(place, 1).await;
        stage.finish().await;
        check(&stage, &BTreeSet::new(), place);
        let watching: BTreeSet<String> = stage
            .chat
            .received()
            .into_iter()
            .filter(|arrival| arrival.kind == "source.watching")
            .map(|arrival| arrival.id)
            .collect();
        assert_eq!(watching.len(), 1, "{place}");
    }
}
