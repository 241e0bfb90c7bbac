//! `check --online` and `doctor`: what is planted is named, with what to do about it.

use std::{fs, process::Output};

use serde_json::Value;
use taskbell::sim::{Fault, Scenario};

use crate::stage::{PROJECT, Stage};

#[cfg(debug_assertions)]
mod all;
mod tls;

/// Puts `to` in the place of `from` in the config.
fn edit(stage: &Stage, from: &str, to: &str) {
    let text = fs::read_to_string(stage.config()).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    fs::write(stage.config(), text.replace(from, to)).unwrap();
}

/// The lines of an answer, and the policy that may come with it.
fn lines(output: &Output) -> (Vec<Value>, Value) {
    let mut value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    match value {
        Value::Array(lines) => (lines, Value::Null),
        _ => {
            let lines = value["findings"].take();
            (lines.as_array().unwrap().clone(), value["policy"].take())
        }
    }
}

fn line<'a>(lines: &'a [Value], what: &str, step: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["what"] == what && line["step"] == step);
    found.unwrap_or_else(|| panic!("no {what} {step} in {lines:?}"))
}

/// Checks a broken set-up online. The last line about the source is the one that failed.
#[track_caller]
fn named(what: &str, output: &Output, (code, class, words): (i32, &str, &str)) {
    let (lines, _) = lines(output);
    let last = lines.iter().rfind(|line| line["what"] == "source").unwrap();
    assert_eq!(last["verdict"], "failed", "{what}: {last}");
    assert_eq!(last["class"], class, "{what}: {last}");
    let detail = last["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{what}: {detail}");
    assert!(!last["advice"].as_str().unwrap().is_empty(), "{what}");
    assert_eq!(output.status.code(), Some(code), "{what}");
}

const ONLINE: [&str; 4] = ["check", "--online", "-o", "json"];

/// The keys by which a project can be looked up.
fn with_region(stage: &Stage) {
    let url = stage.cloud.url();
    edit(
        stage,
        "[[sink]]\n            name = \"chat\"",
        &format!("region = 'cn-north-4'\niam_endpoint = '{url}'\n[[sink]]\nname = \"chat\""),
    );
}

#[tokio::test]
async fn a_good_set_up_is_found_good_and_nothing_is_sent() {
    let stage = Stage::new("").await;
    for args in [&ONLINE[..], &["doctor", "-o", "json"]] {
        let output = stage.run(args).await;
        let (lines, policy) = lines(&output);
        let failed: Vec<_> = lines.iter().filter(|line| line["verdict"] == "failed").collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(output.status.code(), Some(0));
        for step in ["dns", "reach", "clock", "identity", "list"] {
            line(&lines, "source", step);
        }
        assert_eq!(lines.iter().filter(|line| line["what"] == "sink").count(), 2);
        if args[0] == "doctor" {
            for (what, step) in [("store", "space"), ("store", "flush"), ("host", "limits")] {
                line(&lines, what, step);
            }
            let action = &policy["Statement"][0]["Action"][0];
            assert_eq!(action, "kps:domainKeypairs:getfailtask");
        }
    }
    assert!(stage.chat.received().is_empty());
    assert!(stage.mail.received().is_empty());
    assert!(!stage.store().exists(), "a doctor leaves no trace");
    let text = String::from_utf8(stage.run(&["doctor"]).await.stdout).unwrap();
    assert!(text.contains("ok    source cloud list: readable; its first page has 3"), "{text}");
    assert!(text.contains("0 failed\n"), "{text}");
}

#[tokio::test]
async fn each_planted_fault_of_a_source_is_named() {
    let demo = Scenario::demo;
    for (what, status, code, expected) in [
        ("wrong region", 404, "APIGW.0101", (69, "not_in_region", "APIGW.0101")),
        ("frozen account", 403, "KPS.9004", (77, "account_frozen", "KPS.9004")),
        ("throttled", 429, "APIGW.0308", (69, "throttled", "APIGW.0308")),
        ("busy", 503, "APIGW.0613", (69, "upstream", "APIGW.0613")),
    ] {
        let stage = Stage::of(demo(), "", "").await;
        let (status, error_code) = (Some(status), Some(code.to_owned()));
        stage.cloud.set_fault(Fault { status, error_code, ..Fault::default() });
        named(what, &stage.run(&ONLINE).await, expected);
    }
    let stage = Stage::of(demo(), "", "").await;
    stage.cloud.set_fault(Fault { html: Some(200), ..Fault::default() });
    named("captive portal", &stage.run(&ONLINE).await, (69, "schema", "no page of tasks"));

    let stage = Stage::of(demo(), "", "").await;
    edit(&stage, "-not-a-real-one", "-wrong");
    named("wrong keys", &stage.run(&ONLINE).await, (77, "auth", "verify aksk signature fail"));

    let stage = Stage::of(demo(), "", "").await;
    with_region(&stage);
    edit(&stage, PROJECT, "fedcba9876543210fedcba9876543210");
    let words = format!("but the project of region cn-north-4 is {PROJECT}");
    named("wrong project", &stage.run(&ONLINE).await, (69, "not_in_region", &words));
    // A poll finds it as well, and so the notice says it; it asks for it once.
    assert_eq!(stage.run(&["once"]).await.status.code(), Some(69));
    let list = stage.run(&["source", "list", "-o", "json"]).await;
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["class"], "not_in_region", "{list}");
    assert!(list[0]["detail"].as_str().unwrap().contains(&words), "{list}");

    let mut scenario = demo();
    scenario.access_keys[0].projects = Some(vec!["fedcba9876543210fedcba9876543210".to_owned()]);
    let stage = Stage::of(scenario, "", "").await;
    with_region(&stage);
    named("missing permission", &stage.run(&ONLINE).await, (77, "permission", "KPS.9003"));

    let mut scenario = demo();
    scenario.tokens[0].expires_in = Some(taskbell::options::Period(std::time::Duration::ZERO));
    let stage = Stage::of(scenario, "", "").await;
    let text = fs::read_to_string(stage.config()).unwrap();
    let auth = text.lines().find(|line| line.trim().starts_with("auth =")).unwrap();
    edit(&stage, auth, "auth = { kind = 'token', token = 'simulator-token' }");
    named("expired token", &stage.run(&ONLINE).await, (77, "auth", "APIGW.0307"));

    let stage = Stage::of(demo(), "", "").await;
    edit(&stage, &stage.cloud.url(), "http://127.0.0.1:9");
    named("nobody there", &stage.run(&ONLINE).await, (69, "network", "http://127.0.0.1:9"));
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_clock_that_is_off_is_measured() {
    let stage = Stage::new("").await;
    for (shift_ms, code, clock) in [("120000", 0, "warning"), ("-1200000", 69, "failed")] {
        let mut command = stage.command(&ONLINE);
        command.env("TASKBELL_CLOCK_SHIFT", shift_ms);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let (lines, _) = lines(&output);
        let found = line(&lines, "source", "clock");
        assert_eq!(found["verdict"], clock, "{found}");
        let detail = found["detail"].as_str().unwrap();
        let side = if shift_ms.starts_with('-') { "behind" } else { "ahead of" };
        assert!(detail.starts_with("this host's clock is ") && detail.contains(side), "{detail}");
        if code != 0 {
            named("skew", &output, (69, "clock_skew", "behind the cloud's"));
        }
    }
}

#[tokio::test]
async fn a_doctor_names_everything_that_is_broken_at_once() {
    let stage = Stage::new("").await;
    edit(&stage, "-not-a-real-one", "-wrong");
    edit(&stage, &format!("http://{}/hook", stage.chat.address()), "http://127.0.0.1:9/hook");
    edit(&stage, &format!("smtp://{}", stage.mail.address()), "smtp+starttls://127.0.0.1:9");
    let file = stage.config().with_file_name("file");
    fs::write(&file, "").unwrap();
    edit(&stage, &stage.store().display().to_string(), &file.join("store").display().to_string());
    let output = stage.run(&["doctor", "-o", "json"]).await;
    // The store is the most serious of them.
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    let (lines, _) = lines(&output);
    for (what, step) in [("store", "folder"), ("source", "list")] {
        assert_eq!(line(&lines, what, step)["verdict"], "failed", "{what} {step}: {lines:?}");
    }
    for name in ["chat", "mail"] {
        let sink = lines.iter().find(|line| line["name"] == name).unwrap();
        assert_eq!(sink["verdict"], "failed");
        assert!(sink["detail"].as_str().unwrap().contains("127.0.0.1:9"), "{sink}");
    }
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!shown.contains("secret-key"), "{shown}");
}

#[tokio::test]
async fn a_doctor_sees_who_holds_the_store_and_who_can_look_into_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let stage = Stage::new("").await;
    stage.finish().await;
    fs::set_permissions(stage.store(), fs::Permissions::from_mode(0o755)).unwrap();
    let (lines, _) = lines(&stage.run(&["doctor", "-o", "json"]).await);
    let folder = line(&lines, "store", "folder");
    assert_eq!(folder["verdict"], "failed", "nobody opens such a store");
    assert!(folder["advice"].as_str().unwrap().starts_with("chmod 700 "), "{folder}");
    let left: Vec<_> =
        fs::read_dir(stage.store()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("doctor")), "{left:?}");
}

#[tokio::test]
async fn a_doctor_takes_a_config_that_cannot_be_used_for_a_finding() {
    let stage = Stage::new("").await;
    edit(&stage, "access_key = \"SIMULATOR0ACCESSKEY0\"", "access_key = { env = 'NOT_SET' }");
    let output = stage.run(&["doctor", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let (found, _) = lines(&output);
    let detail = line(&found, "config", "spelling")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("NOT_SET is not set"), "{detail}");
    assert_eq!(line(&found, "host", "limits")["verdict"], "ok");
    edit(&stage, "kind = \"kps\"", "kind = \"kqs\"");
    let output = stage.run(&["doctor", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(78));
    let (found, _) = lines(&output);
    assert!(line(&found, "config", "spelling")["detail"].as_str().unwrap().contains("kqs"));
}
