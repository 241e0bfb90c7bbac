//! `route show` and `route test`, by the real binary and with the config alone.

use std::process::Command;

use serde_json::{Value, json};

/// No secret of this file can be read, and nothing listens anywhere.
const CONFIG: &str = r#"
[[source]]
name = "prod"
kind = "kps"
region = "cn-north-4"
project_id = "p-1"
labels = { team = "platform" }
auth = { kind = "token", token = { file = "/nowhere" } }

[[sink]]
name = "chat"
kind = "webhook"
url = { env = "TASKBELL_NOT_SET" }

[[sink]]
name = "mail"
kind = "email"

[[route]]
match = ['labels.team = platform', 'region =~ "cn-.*"']
to = ["chat", "mail"]
group = { by = ["action", "source"], wait = "5s" }
continue = true

[[route.route]]
match = ['action = bind']
to = []

[[route.route]]
match = ['keypair = root']
group = { by = [], max_items = 1 }

[[route]]
to = ["mail"]
digest = { cron = "0 9 * * 1-5" }
mute = ["nights"]
remind = true

[[mute]]
name = "nights"
times = ["mon-sun 22:00-06:00"]
"#;

/// Runs `route` with these words: the exit code, standard output and standard error.
fn run(config: &str, args: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.current_dir(folder.path()).args(["--color", "never", "route"]).args(args);
    let output = command.arg("--config").arg(&file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the config is in {left:?}");
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn goes_to(args: &[&str], expected: &str) {
    let (code, stdout, stderr) = run(CONFIG, &[&["test"], args].concat());
    let sinks: Vec<_> = stdout.lines().collect();
    assert_eq!((code, sinks.join(" ").as_str()), (0, expected), "{args:?}: {stderr}");
}

#[track_caller]
fn fails(args: &[&str], code: i32, expected: &str) {
    let (actual, stdout, stderr) = run(CONFIG, &[&["test"], args].concat());
    assert_eq!(actual, code, "{args:?}: {stdout}{stderr}");
    assert!(stderr.contains(expected), "{args:?}: {stderr}");
}

#[test]
fn the_tree_is_shown_with_what_each_route_inherits() {
    let (code, stdout, _) = run(CONFIG, &["show"]);
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "1  labels.team = \"platform\", region =~ \"cn-.*\" -> chat, mail  (by action, source, \
         wait 5s, max_items 100), continue\n\
         \u{20} 2  action = \"bind\" -> nobody  (by action, source, wait 5s, max_items 100)\n\
         \u{20} 3  keypair = \"root\" -> chat, mail  (by source, wait 5s, max_items 1)\n\
         4  everything -> mail  (by source, wait 30s, max_items 100), digest 0 9 * * 1-5 UTC, \
         mute nights, remind after 4h\n"
    );
    let (_, stdout, _) = run(CONFIG, &["show", "-o", "json"]);
    let rows: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 4);
    assert_eq!(
        rows[2],
        json!({
            "route": 3,
            "parent": 1,
            "match": ["keypair = \"root\""],
            "to": ["chat", "mail"],
            "group": { "by": [], "wait": "5s", "max_items": 1 },
            "mute": [],
            "digest": null,
            "remind": null,
            "continue": false,
        })
    );
    assert_eq!(rows[3]["parent"], Value::Null);
}

#[test]
fn a_test_says_where_a_failure_goes() {
    goes_to(&[], "mail");
    goes_to(&["labels.team=platform", "region=cn-north-4"], "chat mail");
    goes_to(&["labels.team=platform", "region=north"], "mail");
    goes_to(&["labels.team=platform", "region=cn-x", "action=bind"], "mail");
    goes_to(&["error_message=a = b", "server_name=", "error_code=KPS.1", "project=x"], "mail");
    goes_to(&["keypair=root", "--verify-sinks", "mail"], "mail");
}

#[test]
fn a_source_of_the_config_brings_what_is_known_of_it() {
    goes_to(&["source=prod"], "chat mail");
    goes_to(&["source=prod", "labels.team=other"], "mail");
    goes_to(&["region=", "source=prod"], "mail");
    let (code, stdout, stderr) = run(CONFIG, &["test", "source=prdo"]);
    assert_eq!((code, stdout.as_str()), (0, "mail\n"));
    assert!(stderr.contains("the config has no such source"), "{stderr}");
}

#[test]
fn a_test_that_does_not_hold_fails_and_shows_both() {
    let ordered = ["source=prod", "--verify-sinks"];
    goes_to(&[&ordered[..], &["chat,mail"]].concat(), "chat mail");
    fails(
        &[&ordered[..], &["mail,chat"]].concat(),
        1,
        "error: it should go to mail, chat, but it goes to chat, mail",
    );
    fails(
        &["source=prod", "--verify-sinks", ""],
        1,
        "error: it should go to nobody, but it goes to chat, mail",
    );
    let nobody = CONFIG.replace("to = [\"mail\"]", "to = []");
    let (code, stdout, stderr) = run(&nobody, &["test", "--verify-sinks", ""]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let (code, stdout, stderr) = run(&nobody, &["test"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.contains("nobody is told"), "{stderr}");
}

#[test]
fn a_test_that_cannot_be_meant_is_a_usage_error() {
    fails(&["actoin=reset"], 2, "`actoin` is not a field; did you mean `action`?");
    fails(&["zzz=1"], 2, "`zzz` is not a field; fields are source, project,");
    fails(&["labels.=1"], 2, "the name of a label must be 1 to 64 characters");
    fails(&["action=rset"], 2, "`rset` is not an action; did you mean `reset`?");
    fails(&["source"], 2, "expected a key, `=` and a value");
    fails(&["source=a", "source=a"], 2, "`source` is given twice");
    fails(&["labels.a=1", "labels.a=2"], 2, "`labels.a` is given twice");
}

#[test]
fn programs_are_told_what_came_of_each_route() {
    let (code, stdout, _) = run(
        CONFIG,
        &["test", "-o", "json", "source=prod", "keypair=root", "--verify-sinks", "chat,mail"],
    );
    assert_eq!(code, 0);
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        answer,
        json!({
            "subject": {
                "source": "prod", "project": "p-1", "region": "cn-north-4", "keypair": "root",
                "labels.team": "platform",
            },
            "sinks": ["chat", "mail"],
            "matched": [3, 4],
            "routes": [
                { "route": 1, "outcome": "passed", "refused_by": null },
                { "route": 2, "outcome": "refused", "refused_by": "action = \"bind\"" },
                { "route": 3, "outcome": "matched", "refused_by": null },
                { "route": 4, "outcome": "matched", "refused_by": null },
            ],
        })
    );
    let (_, stdout, _) = run(CONFIG, &["test", "-o", "json"]);
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["routes"][0]["refused_by"], "labels.team = \"platform\"");
    assert_eq!(answer["routes"][1]["outcome"], "not_reached");
}
