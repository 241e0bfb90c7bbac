//! What a shell is offered: names always, ids while a daemon runs, and never an error.

use std::process::Command;

use super::desk::Desk;

/// What bash is offered for the last word, flags aside: those come where nothing else does.
async fn offered(desk: &Desk, words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    let index = words.len().to_string();
    command.env("TASKBELL_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", index).env("TASKBELL_CONFIG", desk.stage.config());
    command.args(["--", "taskbell"]).args(words);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let is_word = |line: &&str| !line.is_empty() && !line.starts_with('-');
    text.lines().map(str::trim).filter(is_word).map(str::to_owned).collect()
}

async fn shells_are_offered_names_and_the_ids_of_a_daemon(desk: Desk) {
    assert_eq!(offered(&desk, &["sink", "test", "ch"]).await, ["chat"]);
    assert_eq!(offered(&desk, &["failure", "list", "--source", ""]).await, ["cloud"]);
    assert!(offered(&desk, &["fail"]).await.contains(&"failure".to_owned()));
    let dead = desk.dead().await;
    let ids = offered(&desk, &["delivery", "retry", ""]).await;
    assert_eq!(ids.contains(&dead), desk.running(), "{ids:?}");
    let ids = offered(&desk, &["failure", "explain", ""]).await;
    assert_eq!(ids.is_empty(), !desk.running(), "{ids:?}");
    let absent = ["--config", "/absent", "sink", "test", "x"];
    assert!(offered(&desk, &absent).await.is_empty());
}

mod tests {
    super::super::with_and_without_a_daemon! {
        shells_are_offered_names_and_the_ids_of_a_daemon
    }
}
