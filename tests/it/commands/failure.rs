//! `failure ack`, `unack`, `show` and `explain`

use super::desk::Desk;

async fn a_failure_is_looked_after_and_given_back(desk: Desk) {
    let id = desk.json(&["failure", "show", &desk.told]).await["id"].to_string();
    let said = desk.ok(&["failure", "ack", &desk.told, "--by", "mei", "--comment", "on it"]).await;
    assert_eq!(said, format!("failure {id} is looked after by mei\n"));
    let shown = desk.json(&["failure", "show", &id]).await;
    assert_eq!(shown["acknowledged"]["by"], "mei");
    assert_eq!(shown["acknowledged"]["comment"], "on it");
    let table = desk.ok(&["failure", "show", &id]).await;
    for line in ["acknowledged.by", "server.name", "deliveries"] {
        assert!(table.lines().any(|row| row.starts_with(line)), "{line}: {table}");
    }
    let explained = desk.ok(&["failure", "explain", &id]).await;
    assert!(explained.contains("acknowledged by mei: no reminders"), "{explained}");

    let answer = desk.json(&["failure", "ack", &id, "--by", "ann"]).await;
    assert_eq!(
        answer,
        serde_json::json!({ "id": id.parse::<u64>().unwrap(), "acknowledged": true })
    );
    let said = desk.ok(&["failure", "unack", &id]).await;
    assert_eq!(said, format!("failure {id} is no longer acknowledged\n"));
    assert!(desk.json(&["failure", "show", &id]).await["acknowledged"].is_null());

    let long = "x".repeat(513);
    let said = desk.refused(1, &["failure", "ack", &id, "--comment", &long]).await;
    assert_eq!(said, "error: the comment has 513 bytes; 512 is the most\n");
    for unknown in ["99", "no-such-task"] {
        for command in ["ack", "unack", "show", "explain"] {
            let said = desk.refused(1, &["failure", command, unknown]).await;
            assert!(
                said.starts_with(&format!("error: no failure `{unknown}` is recorded")),
                "{command}: {said}"
            );
        }
    }
}

async fn a_list_is_narrowed_by_the_conditions_of_routes(desk: Desk) {
    let named = async |matchers: &[&str]| -> Vec<String> {
        let rows = desk.json(&[&["failure", "list"], matchers].concat()).await;
        let name = |row: &serde_json::Value| row["server"]["name"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(name).collect()
    };
    let all = named(&[]).await;
    let first = all[0].clone();
    let only = format!("server_name = \"{first}\"");
    assert_eq!(
        named(&[&only]).await,
        all.iter().filter(|one| **one == first).cloned().collect::<Vec<_>>()
    );
    assert_eq!(named(&[&only, "source = cloud", "action =~ \".*\""]).await, named(&[&only]).await);
    assert_eq!(named(&["source = cloud", "source = other"]).await, Vec::<String>::new());
    let but = format!("server_name != \"{first}\"");
    assert_eq!(named(&[&only]).await.len() + named(&[&but, "--newest"]).await.len(), all.len());
    let said = desk.refused(1, &["failure", "list", "serverr = x"]).await;
    assert!(said.contains("did you mean `server_name`?"), "{said}");
    let said = desk.refused(1, &["failure", "list", &only, "--delivery", "1"]).await;
    assert!(said.contains("does not take `match`"), "{said}");
}

async fn a_list_that_is_cut_says_how_it_goes_on(desk: Desk) {
    let ids = async |more: &[&str]| -> Vec<u64> {
        let rows = desk.json(&[&["failure", "list"], more].concat()).await;
        rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    let all = ids(&[]).await;
    let newest: Vec<u64> = all.iter().rev().copied().collect();
    assert_eq!(ids(&["--newest"]).await, newest);
    assert_eq!(ids(&["--newest", "--limit", "2"]).await, newest[..2]);
    let output = desk.stage.run(&["failure", "list", "--limit", "2"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    let on = format!("`--after {}` shows what follows", all[1]);
    assert!(said.starts_with("as many as `--limit` says, 2; ") && said.contains(&on), "{said}");
    let output = desk.stage.run(&["failure", "list"]).await;
    assert!(output.stderr.is_empty(), "{output:?}");
}

async fn a_failure_is_explained_to_the_end(desk: Desk) {
    let told = desk.ok(&["failure", "explain", &desk.told]).await;
    for part in ["failed, by the cloud's clock", "recorded by a poll of cloud (new, generation 1)"]
    {
        assert!(told.contains(part), "{told}");
    }
    assert!(told.lines().last().unwrap().starts_with("You were told at "), "{told}");
    let steps = desk.json(&["failure", "explain", &desk.told]).await;
    let instant = |step: &serde_json::Value| -> jiff::Timestamp {
        step["at"].as_str().unwrap().parse().unwrap()
    };
    let times: Vec<_> = steps["steps"].as_array().unwrap().iter().map(instant).collect();
    assert!(times.is_sorted(), "{times:?}");

    let untold = desk.ok(&["failure", "explain", &desk.untold]).await;
    let last = untold.lines().last().unwrap();
    let dead = desk.dead().await;
    assert!(last.starts_with("You were told at ") && last.contains("through mail"), "{last}");
    let owed = format!(
        "; chat did not take it in time (http://{} answered 500 Internal Server Error); after \
         mending that, `taskbell delivery retry {dead}`.",
        desk.stage.chat.address()
    );
    assert!(last.ends_with(&owed), "{last}");
}

mod tests {
    super::super::with_and_without_a_daemon! {
        a_failure_is_looked_after_and_given_back
        a_list_is_narrowed_by_the_conditions_of_routes
        a_list_that_is_cut_says_how_it_goes_on
        a_failure_is_explained_to_the_end
    }
}
