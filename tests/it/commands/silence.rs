//! `silence …`

use super::desk::Desk;

const WEB: &str = "server_name =~ \"web-.*\"";

async fn a_silence_is_added_listed_and_ended(desk: Desk) {
    let empty = desk.ok(&["silence", "list"]).await;
    assert_eq!(empty.lines().count(), 1, "only the head: {empty}");
    let cloud = "source = cloud";
    let added = desk
        .ok(&[
            "silence",
            "add",
            WEB,
            cloud,
            "--for",
            "90m",
            "--comment",
            "moving",
            "--author",
            "mei",
        ])
        .await;
    let listed = desk.json(&["silence", "list"]).await;
    let one = &listed[0];
    let until = one["ends_at"].as_str().unwrap();
    assert_eq!(added, format!("silence 1 holds until {until}\n"));
    assert_eq!((&one["id"], &one["state"]), (&1.into(), &"active".into()));
    assert_eq!(one["matchers"], serde_json::json!([WEB, cloud]));
    assert_eq!((&one["author"], &one["comment"]), (&"mei".into(), &"moving".into()));
    assert_eq!(one["on_expire"], "digest");
    let table = desk.ok(&["silence", "list"]).await;
    assert!(table.contains("server_name =~ \"web-.*\", source = cloud"), "{table}");

    let when = if desk.running() { "is told now" } else { "is told by the next `run` or `once`" };
    let ended = desk.ok(&["silence", "expire", "1"]).await;
    assert_eq!(ended, format!("silence 1 has ended; what it held and still stands {when}\n"));
    assert_eq!(desk.json(&["silence", "list"]).await[0]["state"], "ended");
    let again = desk.refused(1, &["silence", "expire", "1"]).await;
    assert!(again.starts_with("error: silence 1 has ended at 2"), "{again}");

    desk.ok(&["silence", "add", WEB, "--for", "1h", "--comment", "x", "--drop"]).await;
    let dropped = desk.ok(&["silence", "expire", "2"]).await;
    assert_eq!(dropped, "silence 2 has ended; nobody is told of what it held\n");
}

async fn a_silence_that_cannot_be_meant_is_refused_with_the_rule(desk: Desk) {
    let long = "x".repeat(513);
    let hour = ["--for", "1h"];
    for (args, problem) in [
        (
            vec!["server = web-1", "--comment", "x", "--for", "1h"],
            "`server = web-1`: character 1: `server` is not a field; did you mean `server_name`?",
        ),
        (
            vec!["server_name =~ \"web-(\"", "--comment", "x", "--for", "1h"],
            "the regular expression is wrong: unclosed group",
        ),
        (vec![WEB, "--for", "0s", "--comment", "x"], "a silence lasts 1s to 365d"),
        (vec![WEB, "--for", "400d", "--comment", "x"], "a silence lasts 1s to 365d"),
        (
            [&[WEB][..], &hour, &["--comment", " "]].concat(),
            "the comment of a silence must not be empty",
        ),
        (
            [&[WEB][..], &hour, &["--comment", &long]].concat(),
            "the comment has 513 bytes; 512 is the most",
        ),
        (
            [&[WEB][..], &hour, &["--comment", "x", "--author", &long]].concat(),
            "the author has 513 bytes; 512 is the most",
        ),
    ] {
        let said = desk.refused(1, &[&["silence", "add"][..], &args].concat()).await;
        assert!(said.starts_with("error: ") && said.contains(problem), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    for (args, missing) in [
        (vec![WEB, "--comment", "x"], "--for <TIME>"),
        (vec![WEB, "--for", "1h"], "--comment <TEXT>"),
        (vec!["--for", "1h", "--comment", "x"], "<MATCHER>..."),
    ] {
        let said = desk.refused(2, &[&["silence", "add"][..], &args].concat()).await;
        assert!(said.contains(missing), "{said}");
    }
    assert_eq!(
        desk.refused(1, &["silence", "expire", "7"]).await,
        "error: there is no silence 7\n"
    );
    assert_eq!(desk.json(&["silence", "list"]).await, serde_json::json!([]));
}

mod tests {
    super::super::with_and_without_a_daemon! {
        a_silence_is_added_listed_and_ended
        a_silence_that_cannot_be_meant_is_refused_with_the_rule
    }
}
