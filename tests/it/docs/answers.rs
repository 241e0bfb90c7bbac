//! What `-o json` answers, made from the answers themselves: the page that scripts hold on to.

use std::{collections::BTreeMap, fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, slice};

use serde_json::Value;
use taskbell::receiver::HttpAnswer;

use super::{blesses, top};
use crate::stage::Stage;

/// Commands in the order of a story. `PENDING` is a delivery that a chat does not take.
const STORY: [&str; 36] = [
    "check",
    "check --online",
    "doctor",
    "once",
    "plan",
    "config diff new.toml",
    "source list",
    "baseline show",
    "sink list",
    "sink kinds",
    "sink test mail",
    "sink probe mail",
    "route show",
    "route test action=reset",
    "failure list",
    "failure show 4",
    "failure explain 4",
    "failure ack 4",
    "failure unack 4",
    "delivery list",
    "delivery show PENDING",
    "delivery retry PENDING",
    "delivery cancel PENDING",
    "dead replay --dry-run",
    "dead replay",
    "dead purge --dry-run",
    "dead purge --yes",
    "silence add action=bind --for 2h --comment test",
    "silence list",
    "silence expire 1",
    "state info",
    "state verify",
    "state export taskbell.archive",
    "state compact",
    "baseline reset cloud --yes",
    "version",
];

/// The keys of an object, and of what is in it.
fn keys(objects: &[Value]) -> String {
    let mut found: BTreeMap<&String, String> = BTreeMap::new();
    for (key, value) in objects.iter().filter_map(Value::as_object).flatten() {
        let within = match value {
            Value::Object(_) => keys(slice::from_ref(value)),
            Value::Array(items) => keys(items),
            _ => String::new(),
        };
        let known = found.entry(key).or_default();
        if known.len() < within.len() {
            *known = within;
        }
    }
    let named = found.into_iter().map(|(key, within)| match within.as_str() {
        "" => format!("`{key}`"),
        within => format!("`{key}` ({within})"),
    });
    named.collect::<Vec<_>>().join(", ")
}

fn shape(answer: &Value) -> String {
    match answer {
        Value::Array(items) => {
            assert!(!items.is_empty(), "an empty list shows nothing");
            format!("a list of {}", keys(items))
        }
        other => keys(slice::from_ref(other)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_json_have_the_names_that_the_page_says() {
    let stage = Stage::new("wait = \"0s\"").await;
    stage.finish().await;
    stage.fail("web-01");
    stage.finish().await;
    stage.chat.set_answer(HttpAnswer::status(503));
    stage.fail("web-02");
    stage.run(&["once"]).await;
    stage.fail("web-03");
    fs::set_permissions(stage.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::copy(stage.config(), folder.path().join("new.toml")).unwrap();
    let pending = stage.run(&["-o", "json", "delivery", "list", "--state", "pending"]).await;
    let pending: Value = serde_json::from_slice(&pending.stdout).unwrap();
    let pending = pending[0]["id"].to_string();
    let mut page = format!(
        "{}# Answers in JSON\n\nWith `-o json` a command prints one JSON value. Names stay, new \
         ones may come: ignore what you do not know. Instants are RFC 3339 in UTC; what is not \
         there is null. In brackets is what an object, or each of a list, holds.\n\n\
         `dead list` answers as `delivery list` does, and `state import` as `state export`. \
         `schema`, `completions`, `man` and `template render` print what they make, whatever \
         `-o` says.\n\n| command | answer |\n|---|---|\n",
        super::reference::MADE
    );
    for told in STORY {
        let line = told.replace("PENDING", &pending);
        let mut command = stage.command(&["-o", "json"]);
        command.args(line.split(' ')).current_dir(folder.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{told}: {error}: {output:?}"));
        let name = told.replace("PENDING", "ID").replace(" 4", " ID");
        writeln!(page, "| `{name}` | {} |", shape(&answer)).unwrap();
    }
    let path = top().join("docs/reference/json.md");
    if blesses() {
        fs::write(&path, page).unwrap();
        return;
    }
    let shown = fs::read_to_string(&path).unwrap_or_default();
    let differs = shown.lines().zip(page.lines()).find(|(shown, made)| shown != made);
    assert!(
        shown == page,
        "docs/reference/json.md says otherwise; BLESS=1 rewrites it\n{differs:#?}"
    );
}
