//! Answers of services as they were documented or seen, and what we make of each.

use std::time::Duration;

use serde_json::Value;
use taskbell::{
    delivery::Verdict,
    receiver::{HttpAnswer, HttpReply, SmtpAnswers, SmtpReceiver},
    sink::Sink,
};

use super::{ANYWHERE, KINDS, build, example, examples, send, services::answering, word};

const ROWS: &str = include_str!("../../vectors/sink-responses.jsonl");

/// Services of the rows that are no kinds of ours.
const UNKNOWN: &[&str] = &["opsgenie", "healthchecks", "grafana_oncall", "teams_connector_legacy"];

/// Rows that we judge in another way: service, status, a part of the body, our verdict, why.
const OTHERWISE: &[(&str, u64, &str, &str, &str)] = &[];

/// What a row's class is among our verdicts: the verdict's word, and the wait if there is one.
fn expected(class: &str) -> (&str, Option<f64>) {
    match class {
        "delivered" => ("taken", None),
        // Nothing is given up before its time: what needs a change of the config or of this
        // program is tried again in the slow lane, and the operator is told.
        "permanent" | "config" => ("suspect", None),
        "retry_after(date)" => ("retry", None),
        class => match class.strip_prefix("retry_after(") {
            Some(rest) => ("retry", Some(rest.trim_end_matches(')').parse().unwrap())),
            None => (class, None),
        },
    }
}

/// The `[[sink]]` table for a service of the rows.
fn table(service: &str, address: std::net::SocketAddr) -> Option<String> {
    let name = match service {
        "slack_webhook" | "slack_api" => "slack",
        "teams_workflows" => "teams",
        "huawei_smn" => "smn",
        name => name,
    };
    let kind = KINDS.iter().find(|kind| kind.name == name)?;
    if service == "slack_api" {
        return Some(format!(
            "name = 'a'\nkind = 'slack'\ntoken = 'xoxb-example'\nchannel = 'C1'\n\
             base_url = 'http://{address}'"
        ));
    }
    Some(example(kind, address))
}

/// `Retry-After` and the like. Names must live as long as the program.
fn headers(row: &Value) -> Vec<(&'static str, String)> {
    let known = ["Content-Type", "Retry-After", "X-Limit-App-Reset", "Ping-Body-Limit"];
    let given = row["headers"].as_object().unwrap();
    let header = |name: &'static str| Some((name, given.get(name)?.as_str()?.to_owned()));
    let headers: Vec<_> = known.into_iter().filter_map(header).collect();
    assert_eq!(headers.len(), given.len(), "{row}");
    headers
}

async fn over_http(row: &Value) -> Option<(&'static str, Option<f64>)> {
    let receiver = answering(200, "").await;
    let status = u16::try_from(row["status"].as_u64().unwrap()).unwrap();
    let body = row["body"].as_str().unwrap().as_bytes().to_vec();
    let delay = Duration::ZERO;
    let headers = headers(row);
    receiver.set_answer(HttpAnswer::Reply(HttpReply { status, headers, body, delay }));
    let table = table(row["sink"].as_str().unwrap(), receiver.address())?;
    Some(judged(&*build(&table)).await)
}

async fn over_smtp(row: &Value) -> (&'static str, Option<f64>) {
    let receiver = SmtpReceiver::start(ANYWHERE).await.unwrap();
    let end = row["reply"].as_str().unwrap().to_owned();
    receiver.set_answers(SmtpAnswers { end, ..SmtpAnswers::default() });
    let email = KINDS.iter().find(|kind| kind.name == "email").unwrap();
    judged(&*build(&example(email, receiver.address()))).await
}

async fn judged(sink: &dyn Sink) -> (&'static str, Option<f64>) {
    let result = send(sink, &examples::one()).await;
    let after = match &result {
        Err(error) => match error.verdict {
            Verdict::Retry { after } => after.map(|after| after.as_secs_f64()),
            Verdict::Suspect | Verdict::Gone => None,
        },
        Ok(_) => None,
    };
    (word(&result), after)
}

#[tokio::test]
async fn every_answer_that_was_seen_is_judged_as_it_was_meant() {
    let (mut rows, mut unknown, mut otherwise) = (0, 0, 0);
    let mut wrong = Vec::new();
    for line in ROWS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        rows += 1;
        let service = row["sink"].as_str().unwrap();
        let actual =
            if service == "smtp" { Some(over_smtp(&row).await) } else { over_http(&row).await };
        let Some((word, after)) = actual else {
            assert!(UNKNOWN.contains(&service), "{service} is no kind");
            unknown += 1;
            continue;
        };
        let (mut meant, wait) = expected(row["verdict"].as_str().unwrap());
        let body = row["body"].as_str().unwrap_or_default();
        let ours = OTHERWISE.iter().find(|(name, status, part, _, _)| {
            *name == service && row["status"] == *status && body.contains(part)
        });
        if let Some((_, _, _, ours, why)) = ours {
            assert!(*ours != meant && !why.is_empty(), "{line}");
            meant = ours;
            otherwise += 1;
        }
        if word != meant || (wait.is_some() && after != wait) {
            wrong.push(format!("{word} {after:?}, but meant {meant}: {line}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((rows, unknown, otherwise), (170, 19, OTHERWISE.len()));
}
