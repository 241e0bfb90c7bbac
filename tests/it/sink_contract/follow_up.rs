//! What is said later: in the thread of the message that told first, or in its place.

use serde_json::Value;
use taskbell::{
    message::{MessageRef, Original},
    receiver::{HttpAnswer, HttpReply, WebhookArrival, WebhookReceiver},
    sink::{Parcel, Receipt, Sink, SinkError},
};

use super::{build, example, examples, kind, now, services::answering, word};

fn reply(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer::Reply(HttpReply { status, body: body.as_bytes().to_vec(), ..HttpReply::default() })
}

/// A service that keeps messages, and how it speaks.
struct Keeper {
    kind: &'static str,
    yes: &'static str,
    /// The `[[sink]]` table beside name, kind and the address.
    table: &'static str,
    /// The path of a message of its own.
    target: &'static str,
}

const SLACK: Keeper = Keeper {
    kind: "slack",
    yes: r#"{"ok":true,"channel":"C01","ts":"1732356005.000100"}"#,
    table: "token = 'xoxb-example'\nchannel = '#运维'",
    target: "/api/chat.postMessage",
};

const TELEGRAM: Keeper = Keeper {
    kind: "telegram",
    yes: r#"{"ok":true,"result":{"message_id":7}}"#,
    table: "token = '1:a'\nchat_id = '-1001'\nthread = 3",
    target: "/bot1:a/sendMessage",
};

const DISCORD: Keeper = Keeper {
    kind: "discord",
    yes: r#"{"id":"110","channel_id":"2"}"#,
    table: "thread = 5",
    target: "/api/webhooks/1/t?wait=true&thread_id=5",
};

impl Keeper {
    fn sink(&self, receiver: &WebhookReceiver, more: &str) -> Box<dyn Sink> {
        let place = match self.kind {
            "discord" => format!("url = 'http://{}/api/webhooks/1/t'", receiver.address()),
            _ => format!("base_url = 'http://{}'", receiver.address()),
        };
        let (kind, table) = (self.kind, self.table);
        build(&format!("name = 'a'\nkind = '{kind}'\n{place}\n{table}\n{more}"))
    }

    /// Tells of a failure, and then, with `more` in the table, that it cleared; the service
    /// answers the latter as `answers` say and then with a yes. Gives what arrived then.
    async fn follow(
        &self,
        more: &str,
        over: bool,
        answers: &[(u16, &str)],
    ) -> (Vec<WebhookArrival>, Result<Receipt, SinkError>) {
        let receiver = answering(200, self.yes).await;
        let told = tell(&*self.sink(&receiver, ""), None).await.unwrap();
        let Receipt::Kept(message) = told else { panic!("{told:?}") };
        receiver.set_first(answers.iter().map(|(status, body)| reply(*status, body)));
        let original = Original { message, over };
        let result = tell(&*self.sink(&receiver, more), Some(&original)).await;
        let mut all = receiver.received();
        let later = all.split_off(1);
        assert_eq!((all[0].method.as_str(), all[0].target.as_str()), ("POST", self.target));
        (later, result)
    }

    /// The one request that arrives.
    async fn followed(&self, more: &str, over: bool) -> (WebhookArrival, Value) {
        let (mut later, result) = self.follow(more, over, &[]).await;
        assert_eq!((word(&result), later.len()), ("taken", 1));
        let arrival = later.remove(0);
        let body = serde_json::from_slice(&arrival.body).unwrap();
        (arrival, body)
    }
}

async fn tell(sink: &dyn Sink, original: Option<&Original>) -> Result<Receipt, SinkError> {
    let notice = examples::named(if original.is_some() { "cleared" } else { "one" });
    let body = sink.render(&notice);
    sink.send(Parcel { id: &notice.id, body: &body, recipients: None, original, now: now() }).await
}

#[tokio::test]
async fn slack_answers_in_the_thread_or_edits_the_message() {
    let (thread, body) = SLACK.followed("", true).await;
    assert_eq!(thread.target, SLACK.target);
    assert_eq!(
        (&body["channel"], &body["thread_ts"]),
        (&"#运维".into(), &"1732356005.000100".into())
    );
    let (edit, body) = SLACK.followed("follow_up = 'edit'", true).await;
    assert_eq!(edit.target, "/api/chat.update");
    assert_eq!((&body["channel"], &body["ts"]), (&"C01".into(), &"1732356005.000100".into()));
    assert_eq!((&body["thread_ts"], &body["parse"]), (&Value::Null, &"none".into()));
    assert!(body["attachments"].is_array());
    // While something of it stands, it is answered.
    let (_, body) = SLACK.followed("follow_up = 'edit'", false).await;
    assert_eq!(body["thread_ts"], "1732356005.000100");
    let (alone, body) = SLACK.followed("follow_up = 'message'", true).await;
    assert_eq!((alone.target.as_str(), &body["thread_ts"]), (SLACK.target, &Value::Null));
}

#[tokio::test]
async fn telegram_answers_the_message_or_edits_it() {
    let (answer, body) = TELEGRAM.followed("", true).await;
    assert_eq!(answer.target, TELEGRAM.target);
    assert_eq!(body["reply_parameters"]["message_id"], 7);
    let (edit, body) = TELEGRAM.followed("follow_up = 'edit'", true).await;
    assert_eq!(edit.target, "/bot1:a/editMessageText");
    assert_eq!((&body["message_id"], &body["chat_id"]), (&7.into(), &"-1001".into()));
    assert_eq!(body["reply_parameters"], Value::Null);
}

#[tokio::test]
async fn discord_edits_the_message_if_it_may() {
    let (edit, body) = DISCORD.followed("edit = true", true).await;
    assert_eq!(
        (edit.method.as_str(), edit.target.as_str()),
        ("PATCH", "/api/webhooks/1/t/messages/110?thread_id=5")
    );
    assert_eq!(body["allowed_mentions"]["parse"], Value::Array(Vec::new()));
    for (more, over) in [("", true), ("edit = true", false)] {
        let (alone, _) = DISCORD.followed(more, over).await;
        assert_eq!((alone.method.as_str(), alone.target.as_str()), ("POST", DISCORD.target));
    }
}

#[tokio::test]
async fn a_message_that_is_gone_costs_a_request_and_not_the_notice() {
    let telegram = |what: &str| {
        format!(r#"{{"ok":false,"error_code":400,"description":"Bad Request: {what}"}}"#)
    };
    for (keeper, more, status, gone) in [
        (&SLACK, "", 200, r#"{"ok":false,"error":"thread_not_found"}"#.to_owned()),
        (
            &SLACK,
            "follow_up = 'edit'",
            200,
            r#"{"ok":false,"error":"message_not_found"}"#.to_owned(),
        ),
        (&TELEGRAM, "", 400, telegram("message to be replied not found")),
        (&TELEGRAM, "follow_up = 'edit'", 400, telegram("message to edit not found")),
        (&DISCORD, "edit = true", 404, r#"{"code":10008,"message":"Unknown Message"}"#.to_owned()),
    ] {
        let (later, result) = keeper.follow(more, true, &[(status, &gone)]).await;
        assert_eq!(word(&result), "taken", "{} {more}", keeper.kind);
        let [_, plain] = later.as_slice() else { panic!("{} {more}: {later:?}", keeper.kind) };
        assert_eq!((plain.method.as_str(), plain.target.as_str()), ("POST", keeper.target));
        let body: Value = serde_json::from_slice(&plain.body).unwrap();
        let keys = ["thread_ts", "ts", "reply_parameters", "message_id"];
        assert!(keys.iter().all(|key| body[key].is_null()), "{body}");
        // Once is enough.
        let (later, result) = keeper.follow(more, true, &[(status, &gone), (status, &gone)]).await;
        assert_eq!((word(&result), later.len()), ("suspect", 2), "{} {more}", keeper.kind);
    }
}

#[tokio::test]
async fn an_edit_that_was_made_before_is_a_yes() {
    let same = r#"{"ok":false,"error_code":400,
        "description":"Bad Request: message is not modified: specified new message content…"}"#;
    let (later, result) = TELEGRAM.follow("follow_up = 'edit'", true, &[(400, same)]).await;
    assert_eq!((word(&result), later.len()), ("taken", 1));
}

#[tokio::test]
async fn a_message_of_another_channel_or_of_nonsense_is_not_followed() {
    for (keeper, table) in [
        (&SLACK, "token = 'xoxb-example'\nchannel = 'C2'\nfollow_up = 'edit'"),
        (&TELEGRAM, "token = '1:a'\nchat_id = '-1002'\nfollow_up = 'edit'"),
    ] {
        for message in ["C1/C01/1732356005.000100", "-1001/7", "x", "//", "%FF/a/b", "a/b/c/d"] {
            let receiver = answering(200, keeper.yes).await;
            let sink = Keeper { table, ..*keeper }.sink(&receiver, "");
            let message = MessageRef::parse(message.to_owned()).unwrap();
            let original = Original { message, over: true };
            tell(&*sink, Some(&original)).await.unwrap();
            let all = receiver.received();
            assert_eq!((all.len(), all[0].target.as_str()), (1, keeper.target));
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_place_is_a_yes_all_the_same() {
    for (keeper, yes) in [
        (&SLACK, r#"{"ok":true}"#),
        (&SLACK, r#"{"ok":true,"channel":"","ts":7}"#),
        (&TELEGRAM, r#"{"ok":true}"#),
        (&TELEGRAM, r#"{"ok":true,"result":true}"#),
        (&DISCORD, r#"{"id":110}"#),
    ] {
        let receiver = answering(200, yes).await;
        let told = tell(&*keeper.sink(&receiver, ""), None).await.unwrap();
        assert_eq!(told, Receipt::Whole, "{yes}");
    }
    let huge = format!(r#"{{"id":"{}"}}"#, "1".repeat(1000));
    let receiver = answering(200, &huge).await;
    assert_eq!(tell(&*DISCORD.sink(&receiver, ""), None).await.unwrap(), Receipt::Whole);
    // An incoming webhook never learns where its messages are.
    let receiver = answering(200, "ok").await;
    let sink = build(&example(kind("slack"), receiver.address()));
    assert_eq!(tell(&*sink, None).await.unwrap(), Receipt::Whole);
}
