//! `baseline show` and `baseline reset`, with a daemon and without one.

use crate::{commands::desk::Desk, stage::PROJECT};

async fn shown_and_reset(desk: Desk) {
    let shown = desk.ok(&["baseline", "show"]).await;
    assert!(shown.contains("cloud") && shown.contains("FIRST POLL"), "{shown}");
    let rows = desk.json(&["baseline", "show", "cloud"]).await;
    assert!(rows[0]["baseline_at"].is_string() && rows[0]["first_poll_at"].is_string(), "{rows}");
    let unknown = desk.refused(1, &["baseline", "show", "cluod"]).await;
    assert!(unknown.contains("there is no source `cluod`"), "{unknown}");

    let unsure = desk.refused(2, &["baseline", "reset", "cloud"]).await;
    assert!(unsure.contains("may not be told") && unsure.contains("--yes"), "{unsure}");
    let unknown = desk.refused(1, &["baseline", "reset", "cluod", "--yes"]).await;
    assert!(unknown.contains("known are cloud"), "{unknown}");
    let reset = desk.json(&["baseline", "reset", "cloud", "--yes"]).await;
    assert_eq!(reset["running"], desk.running());
    // The next complete poll sets it anew, and says so as a first one would.
    let watching = |stage: &crate::stage::Stage| {
        stage.chat.received().iter().filter(|one| one.kind == "source.watching").count() == 2
    };
    desk.work("the second baseline", watching).await;
    let rows = desk.json(&["baseline", "show"]).await;
    assert!(rows[0]["baseline_at"].is_string(), "{rows}");
}

mod each {
    crate::commands::with_and_without_a_daemon! { shown_and_reset }
}

#[tokio::test]
async fn what_stands_at_a_reset_is_not_told_and_what_was_known_is_not_told_again() {
    let stage = crate::stage::Stage::new("max_items = 1").await;
    stage.finish().await;
    let known = stage.fail("web-1");
    stage.finish().await;
    let reset = stage.run(&["baseline", "reset", "cloud", "--yes"]).await;
    assert!(reset.status.success(), "{reset:?}");
    stage.fail("web-2");
    stage.finish().await;
    let after = stage.fail("web-3");
    stage.finish().await;
    let told: Vec<String> = stage.told().into_iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(told, [known, after]);
    let lost = stage.chat.received().iter().filter(|one| one.kind == "state.lost").count();
    assert_eq!(lost, 0, "it was reset and not lost");
    assert_eq!(stage.cloud.task_ids(PROJECT).len(), 6);
}
