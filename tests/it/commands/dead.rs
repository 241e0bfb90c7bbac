//! `dead …`, `delivery cancel`, `sink probe` and `state verify`

use super::desk::Desk;

/// How often chat was sent what it had refused.
fn sent(desk: &Desk, stage: &crate::stage::Stage) -> usize {
    stage.told().iter().filter(|(_, ids)| *ids == [desk.untold.clone()]).count()
}

async fn the_dead_are_replayed_under_their_ids(desk: Desk) {
    let before = sent(&desk, &desk.stage);
    let dead = desk.dead().await;
    let table = desk.ok(&["dead", "list"]).await;
    assert!(table.contains("answered 500 Internal Server Error"), "{table}");
    let would = desk.ok(&["dead", "replay", "--dry-run"]).await;
    assert_eq!(would, "1 delivery would be due again\n");
    let none = desk.ok(&["dead", "replay", "--sink", "mail", "--dry-run"]).await;
    assert_eq!(none, "0 deliveries would be due again\n");
    let old = desk.json(&["dead", "replay", "--since", "1ms", "--dry-run"]).await;
    assert_eq!(old, serde_json::json!({ "would_replay": [] }));
    let said = desk.refused(1, &["dead", "replay", "--sink", "chart"]).await;
    assert_eq!(said, "error: there is no sink `chart`; known are chat, mail\n");
    assert_eq!(desk.dead().await, dead, "nothing has happened yet");

    let when = if desk.running() { "now" } else { "by the next `run` or `once`" };
    let said = desk.ok(&["dead", "replay", "--sink", "chat"]).await;
    assert_eq!(said, format!("1 delivery due again, tried {when}\n"));
    desk.work("the replay", |stage| sent(&desk, stage) == before + 1).await;
    let told = desk.stage.told();
    let mine: Vec<_> = told.iter().filter(|(_, ids)| *ids == [desk.untold.clone()]).collect();
    let same = |(arrival, _): &&(taskbell::receiver::WebhookArrival, Vec<String>)| {
        (arrival.id.clone(), arrival.body.clone())
    };
    assert!(mine.iter().all(|one| same(one) == same(&mine[0])), "the same id, the same bytes");
    desk.ok(&["state", "verify"]).await;
}

async fn the_dead_are_purged_only_by_those_who_are_sure(desk: Desk) {
    let said = desk.refused(2, &["dead", "purge"]).await;
    assert_eq!(
        said,
        "error: this ends deliveries for good\nhelp: say --yes, or look first with --dry-run\n"
    );
    let would = desk.ok(&["dead", "purge", "--dry-run"]).await;
    assert_eq!(would, "1 delivery would end; nobody would be told\n");
    let dead: u64 = desk.dead().await.parse().unwrap();
    let purged = desk.json(&["dead", "purge", "--yes"]).await;
    assert_eq!(purged, serde_json::json!({ "purged": [dead] }));
    assert_eq!(desk.ok(&["dead", "purge", "--yes"]).await, "0 deliveries ended; nobody is told\n");
    let explained = desk.ok(&["failure", "explain", &desk.untold]).await;
    assert!(explained.contains("ended untold: the operator cancelled it"), "{explained}");
    account(&desk, &[("suppressed", 1), ("dead", 0)]).await;
}

async fn a_delivery_is_cancelled_once(desk: Desk) {
    let dead = desk.dead().await;
    let said = desk.ok(&["delivery", "cancel", &dead]).await;
    assert_eq!(said, format!("delivery {dead} is cancelled; nobody is told\n"));
    for id in [dead.as_str(), "99"] {
        let said = desk.refused(1, &["delivery", "cancel", id]).await;
        let problem =
            format!("error: delivery {id} is unknown, done already, or being attempted\n");
        assert_eq!(said, problem);
    }
    desk.refused(2, &["delivery", "cancel"]).await;
    desk.refused(2, &["delivery", "cancel", "x"]).await;
    assert_eq!(desk.json(&["delivery", "show", &dead]).await["state"], "suppressed");
    account(&desk, &[("suppressed", 1), ("dead", 0)]).await;
}

async fn a_probe_that_is_taken_sends_the_dead_again(desk: Desk) {
    let before = sent(&desk, &desk.stage);
    let dead = desk.dead().await;
    desk.stage.chat.set_answer(taskbell::receiver::HttpAnswer::status(500));
    let output = desk.stage.run(&["sink", "probe", "chat", "--resend"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("answered 500 Internal Server Error"), "{said}");
    assert_eq!(desk.dead().await, dead, "a probe that fails changes nothing");

    desk.stage.chat.set_answer(taskbell::receiver::HttpAnswer::status(204));
    let answer = desk.json(&["sink", "probe", "chat"]).await;
    assert_eq!(answer["accepted"], true);
    assert_eq!(answer["resent"], serde_json::json!([]));
    assert_eq!(desk.dead().await, dead, "nobody asked to send it again");
    let said = desk.ok(&["sink", "probe", "chat", "--resend"]).await;
    assert!(
        said.starts_with("chat: accepted (") && said.ends_with("; 1 dead is due again\n"),
        "{said}"
    );
    desk.work("the dead one", |stage| sent(&desk, stage) == before + 1).await;
    let said = desk.refused(1, &["sink", "probe", "chart"]).await;
    assert_eq!(said, "error: there is no sink `chart`; known are chat, mail\n");
}

async fn the_account_is_even(desk: Desk) {
    account(&desk, &[("routed", 2), ("told_singly", 1), ("dead", 1), ("lost", 0)]).await;
    let table = desk.ok(&["state", "verify"]).await;
    let head = table.lines().next().unwrap();
    assert!(head.starts_with("SINK") && head.ends_with("LOST"), "{table}");
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.trim_end().ends_with("nothing is wrong"), "{table}");
}

/// Looks up figures of chat.
async fn account(desk: &Desk, expected: &[(&str, u64)]) {
    let rows = desk.json(&["state", "verify"]).await;
    let mut rows = rows["sinks"].as_array().unwrap().iter();
    let chat = rows.find(|row| row["sink"] == "chat").unwrap();
    for (key, value) in expected {
        assert_eq!(chat[key], *value, "{key} of {chat}");
    }
}

mod tests {
    super::super::with_and_without_a_daemon! {
        the_dead_are_replayed_under_their_ids
        the_dead_are_purged_only_by_those_who_are_sure
        a_delivery_is_cancelled_once
        a_probe_that_is_taken_sends_the_dead_again
        the_account_is_even
    }
}
