//! The message that told of a failure is found again when it clears, by another process.

use serde_json::Value;
use taskbell::receiver::{HttpAnswer, HttpReply};

use crate::stage::{PROJECT, Stage};

/// The texts that a bot sent, with the message that each answers.
fn sent(stage: &Stage) -> Vec<(String, Value)> {
    let read = |arrival: taskbell::receiver::WebhookArrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap();
        let text = body["text"].as_str().unwrap().to_owned();
        (text, body["reply_parameters"]["message_id"].clone())
    };
    stage.chat.received().into_iter().map(read).collect()
}

fn answer(stage: &Stage, message: u32) {
    let body = format!(r#"{{"ok":true,"result":{{"message_id":{message}}}}}"#).into_bytes();
    let reply = HttpReply { status: 200, body, ..HttpReply::default() };
    stage.chat.set_answer(HttpAnswer::Reply(reply));
}

#[tokio::test]
async fn what_cleared_answers_the_message_that_told_of_it() {
    let stage = Stage::new("max_items = 1").await;
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let hook =
        format!("kind = \"webhook\"\n            url = \"http://{}/hook\"", stage.chat.address());
    let bot = format!(
        "kind = \"telegram\"\ntoken = \"1:a\"\nchat_id = \"-1\"\ncleared = true\n\
         base_url = \"http://{}\"",
        stage.chat.address()
    );
    assert!(text.contains(&hook), "{text}");
    std::fs::write(stage.config(), text.replace(&hook, &bot)).unwrap();

    answer(&stage, 1);
    stage.finish().await;
    answer(&stage, 2);
    let first = stage.fail("web-01");
    stage.finish().await;
    answer(&stage, 3);
    let second = stage.fail("web-02");
    stage.finish().await;
    answer(&stage, 4);
    for id in [&second, &first] {
        stage.cloud.clear_task(PROJECT, id).unwrap();
        for _ in 0..3 {
            stage.finish().await;
        }
    }
    let sent = sent(&stage);
    let answered: Vec<&Value> = sent.iter().map(|(_, message)| message).collect();
    let none = &Value::Null;
    assert_eq!(answered, [none, none, none, &Value::from(3), &Value::from(2)], "{sent:?}");
    assert!(sent[3].0.contains("web-02") && sent[4].0.contains("web-01"), "{sent:?}");
}
