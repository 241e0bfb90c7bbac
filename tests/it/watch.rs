//! The watch itself, with the real binary over real sockets: blindness in one-shot mode, signs of
//! life, what became of tasks, tasks that do not end, and the clean-up of the cloud's list.

mod baseline;
mod cleanup;
mod heartbeat;
mod many;
mod sight;
mod tasks;

use serde_json::Value;

use crate::stage::Stage;

/// Changes the config of a stage.
fn rewrite(stage: &Stage, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(stage.config()).unwrap();
    std::fs::write(stage.config(), change(text)).unwrap();
}

/// The chat also hears of what cleared.
fn tell_cleared(stage: &Stage) {
    rewrite(stage, |text| text.replace("name = \"chat\"", "name = \"chat\"\ncleared = true"));
}

/// What the chat was told in notices of a type.
fn said(stage: &Stage, kind: &str) -> Vec<Value> {
    let mine = stage.chat.received().into_iter().filter(|arrival| arrival.kind == kind);
    let taken = mine.filter(|arrival| arrival.answered.is_some_and(|status| status < 300));
    taken.map(|arrival| serde_json::from_slice(&arrival.body).unwrap()).collect()
}

/// The answer of a command, for programs.
async fn json(stage: &Stage, args: &[&str]) -> Value {
    let output = stage.run(&[&["-o", "json"], args].concat()).await;
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
