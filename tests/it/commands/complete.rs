//! What a shell is offered: names always, ids while a daemon runs, and never an error.

use std::{fs, path::Path, process::Command};

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

/// zsh finds an installed script by its folder, and runs it at the first completion of a session.
#[expect(clippy::print_stdout, reason = "whoever reads the output learns what was left out")]
async fn the_first_completion_of_zsh_is_answered(desk: Desk) {
    let folder = tempfile::tempdir().unwrap();
    let script = desk.ok(&["completions", "zsh"]).await;
    fs::write(folder.path().join("_taskbell"), script).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_taskbell")).parent().unwrap();
    let path = taskbell::options::env("PATH").unwrap_or_default();
    let mut zsh = Command::new("zsh");
    zsh.args([
        "-fc",
        "fpath=($1 $fpath); compdef() { :; }; _describe() { print -rl -- $other; }; \
         autoload -U _taskbell; words=(taskbell sink test \"\"); CURRENT=4; _taskbell",
        "zsh",
    ]);
    zsh.arg(folder.path()).env("TASKBELL_CONFIG", desk.stage.config());
    zsh.env("PATH", format!("{}:{path}", program.display()));
    match tokio::task::spawn_blocking(move || zsh.output()).await.unwrap() {
        Err(_) => println!("zsh is not installed: its completion was not tried"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.lines().any(|line| line.starts_with("chat:")), "{output:?}");
        }
    }
}

mod tests {
    super::super::with_and_without_a_daemon! {
        shells_are_offered_names_and_the_ids_of_a_daemon
        the_first_completion_of_zsh_is_answered
    }
}
