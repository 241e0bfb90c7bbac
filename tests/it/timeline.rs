//! Stories against the clock: what happens when, and who must have been told what.
//!
//! Each file in `tests/timelines` is a story. It names receivers and a config, steps at instants
//! (tasks fail and clear, receivers answer this and that, commands are run, the daemon is killed,
//! started, told to read its config anew), and expectations. The cloud and the receivers run in
//! this process on real sockets; the daemon is the real binary.
//!
//! What holds in every story, beside what it says itself:
//!
//! * What a receiver accepted and no expectation names must not have arrived.
//! * All requests with one id have the same bytes.
//! * Nothing is accepted twice, unless the daemon was killed.
//! * `state verify` finds nothing lost, and the daemon ends with 0 when it is asked to.
//!
//! Orders and earliest instants are exact. Latest instants are generous, since the machine may be
//! busy with something else. All stories run at the same time.

mod judge;
mod record;
mod script;
mod world;

use std::{fs, path::PathBuf, time::Duration};

use script::Timeline;
use tokio::task::JoinSet;
use world::World;

/// No story takes that long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

fn files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/timelines");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let wanted = taskbell::options::env("TASKBELL_TIMELINE").unwrap_or_default();
    files.retain(|file| file.file_stem().unwrap().to_string_lossy().contains(&wanted));
    assert!(!files.is_empty(), "no story has `{wanted}` in its name");
    files
}

async fn play(file: PathBuf) -> Result<(), String> {
    let shown = file.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(&file).unwrap();
    let timeline: Timeline = toml::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
    let title = format!("{shown}: {}", timeline.title);
    let mut world = World::new(timeline).await;
    let problems = match tokio::time::timeout(PATIENCE, world.play()).await {
        Ok(problems) => problems,
        Err(_) => vec!["the story did not end in time".to_owned()],
    };
    if problems.is_empty() { Ok(()) } else { Err(world.report(&title, &problems)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_be_told_is_told_in_time_and_nobody_else() {
    let mut stories: JoinSet<Result<(), String>> = files().into_iter().map(play).collect();
    let mut failed = Vec::new();
    while let Some(story) = stories.join_next().await {
        failed.extend(story.unwrap().err());
    }
    failed.sort();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
