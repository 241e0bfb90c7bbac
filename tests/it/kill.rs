//! The real binary, killed with SIGKILL at every boundary of its work, then started again.
//!
//! Two kinds of places: the named ones in the code (`failpoint.rs`), also while the record is
//! copied, written anew, repaired or brought from another host, and the points of an exchange with the cloud, an HTTP receiver and a mail server, where a proxy kills the process. After each
//! kill the binary runs until nothing is owed, and what arrived is compared with what was listed:
//!
//! * Nothing is lost: each failure that was listed arrived.
//! * What arrived twice arrived with the same id and the same bytes, mails with the same
//!   `Message-ID`.
//! * A sink with one attempt at a time was told in the order of its deliveries, unless it refused
//!   one in between.
//!
//! `TASKBELL_KILL_ROUNDS` says how often at each place, 2 if it says nothing.
//! `TASKBELL_KILL_TABLE=1` writes the results into `docs/guarantee.md`.

mod record;
mod scene;
mod table;

use std::sync::{Arc, Mutex};

use scene::{Kill, Scene, Story};
use table::{Row, write_table};
use taskbell::failpoint;
use tokio::task::JoinSet;

use crate::proxy::Point;

/// Rounds at each place, unless the environment says otherwise.
const ROUNDS: u32 = 2;

/// Places that are tried at the same time: while one process starts, another one writes.
const AT_ONCE: usize = 3;

fn rounds() -> u32 {
    let asked = taskbell::options::env("TASKBELL_KILL_ROUNDS");
    asked.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Every place with the story that passes it.
fn places() -> Vec<(Kill, Story)> {
    let named = failpoint::NAMES.iter().flat_map(|name| {
        let stories: &[Story] = match *name {
            "dispatch.before_fold" | "dispatch.after_fold" => &[Story::Storm],
            "reload.before" | "reload.after" => &[Story::Reload],
            "copy.before_rename" | "copy.after_rename" => &[Story::Copy],
            "repair.before_aside" | "repair.after_aside" => &[Story::Repair],
            "swap.before" | "swap.after" => &[Story::Compact, Story::Repair, Story::Import],
            _ => &[Story::Failures],
        };
        stories.iter().map(move |story| (Kill::At(name), *story))
    });
    let exchanges = ["the cloud", "HTTP", "SMTP"].into_iter();
    let wired = exchanges
        .flat_map(|wire| Point::ALL.map(|point| (Kill::Wire { wire, point }, Story::Failures)));
    named.chain(wired).collect()
}

#[tokio::test]
async fn a_process_killed_at_any_place_loses_nothing_and_repeats_only_the_same() {
    let rounds = rounds();
    let rows: Arc<Mutex<Vec<(usize, Row)>>> = Arc::default();
    let mut running = JoinSet::new();
    for (nth, (kill, story)) in places().into_iter().enumerate() {
        if AT_ONCE <= running.len() {
            running.join_next().await.unwrap().unwrap();
        }
        let rows = Arc::clone(&rows);
        running.spawn(async move {
            let mut scene = Scene::new(story).await;
            let mut row = Row::new(kill, story);
            for round in 0..rounds {
                scene.round(kill, round, &mut row).await;
            }
            rows.lock().unwrap().push((nth, row));
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    let mut rows = std::mem::take(&mut *rows.lock().unwrap());
    rows.sort_by_key(|(nth, _)| *nth);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    for row in &rows {
        assert!(0 < row.killed, "{}: no process was killed there", row.place);
        assert_eq!(row.wrong, Vec::<String>::new(), "{}", row.place);
    }
    if taskbell::options::env("TASKBELL_KILL_TABLE").is_some() {
        write_table(&rows);
    }
}

#[tokio::test]
async fn a_first_run_killed_at_any_place_still_tells_no_standing_failure_singly() {
    for place in failpoint::NAMES.iter().filter(|name| !name.starts_with("reload")) {
        scene::first_run_killed_at(place).await;
    }
}
