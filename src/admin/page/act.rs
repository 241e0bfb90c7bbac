//! Orders from the page: forms, so that they work without a script.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::{StatusCode, Uri, header::SET_COOKIE},
    response::Response,
};
use serde::Serialize;
use serde_json::Value;

use super::{Desk, Reader, fill, local, param, see_other, set_cookie, words::Words};
use crate::{
    admin::{
        TestKind,
        ask::Ask,
        guard::SESSION,
        operate::{DeadQuery, NewAck, NewSilence},
        problem::Problem,
    },
    silence::OnExpire,
};

/// The wait before a wrong token is answered, so that trying many takes long.
const WRONG_TOKEN_WAIT: std::time::Duration = std::time::Duration::from_millis(500);

#[derive(Serialize)]
struct SignIn<'a> {
    t: &'a Words,
    to: &'a str,
    wrong: bool,
    token: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    t: &'a Words,
    tone: &'static str,
    title: String,
    text: &'a str,
    back: &'a str,
}

/// The page with the form for the token.
pub(super) fn sign_in_page(reader: &Reader, uri: &Uri) -> Result<Response, Problem> {
    let to = param(uri, "to").unwrap_or_default();
    sign_in(reader, local(&to), false)
}

fn sign_in(reader: &Reader, to: &str, wrong: bool) -> Result<Response, Problem> {
    let page = SignIn { t: reader.words, to, wrong, token: reader.token };
    reader.page(reader.words.get("sign_in"), &fill("sign_in.html", &page)?)
}

/// The fields of a form.
struct Form(BTreeMap<String, String>);

impl Form {
    fn text(&self, name: &str) -> String {
        self.0.get(name).map(|text| text.trim().to_owned()).unwrap_or_default()
    }

    fn number(&self, name: &str) -> Result<u64, Problem> {
        self.text(name).parse().map_err(|_| Problem::invalid(format!("{name} must be a number")))
    }
}

/// Does what a form asks for and goes back to where it was.
pub(super) async fn order(
    desk: &Desk,
    reader: &Reader,
    order: &str,
    body: &Bytes,
) -> Result<Response, Problem> {
    let form = Form(url::form_urlencoded::parse(body).into_owned().collect());
    let back = form.text("back");
    let ask = match order {
        "sign-in" => return enter(desk, reader, &form).await,
        "sign-out" => {
            let mut response = see_other(&back);
            let gone = set_cookie(desk.guard.cookie(), "", 0);
            response.headers_mut().append(SET_COOKIE, gone);
            return Ok(response);
        }
        "ack" => {
            let by = form.text("by");
            if by.is_empty() {
                return complain(reader, reader.words.get("name_needed"), &back);
            }
            let ack = NewAck { by, comment: form.text("comment") };
            Ask::Acknowledge(form.number("id")?.to_string(), Some(ack))
        }
        "unack" => Ask::Acknowledge(form.number("id")?.to_string(), None),
        "silence" => Ask::AddSilence(new_silence(&form)?),
        "expire" => Ask::ExpireSilence(form.number("id")?),
        "retry" => Ask::Retry(form.number("id")?),
        "replay" => {
            let sink = Some(form.text("sink")).filter(|sink| !sink.is_empty());
            Ask::ReplayDead(DeadQuery { sink, ..DeadQuery::default() })
        }
        "test" => Ask::TestSink(form.text("sink"), TestKind::Test),
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such order")),
    };
    match desk.admin.answer(ask).await {
        Ok(answer) if order == "test" => tested(reader, &answer, &back),
        Ok(_) => Ok(see_other(&with_done(&back, order))),
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status().is_server_error() {
                return Err(problem);
            }
            complain(reader, &problem.detail, &back)
        }
    }
}

fn with_done(back: &str, order: &str) -> String {
    let joint = if back.contains('?') { '&' } else { '?' };
    format!("{}{joint}done={order}", local(back))
}

fn new_silence(form: &Form) -> Result<NewSilence, Problem> {
    let lines = form.text("matchers");
    let matchers = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(NewSilence {
        matchers: matchers.map(str::to_owned).collect(),
        seconds: form.number("hours")?.saturating_mul(3_600),
        author: form.text("author"),
        comment: form.text("comment"),
        on_expire: if form.text("drop") == "on" { OnExpire::Drop } else { OnExpire::Digest },
    })
}

/// What a test message came to.
fn tested(reader: &Reader, answer: &Value, back: &str) -> Result<Response, Problem> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let accepted = answer.get("accepted") == Some(&Value::Bool(true));
    let latency = answer.get("latency_ms").map(Value::to_string).unwrap_or_default();
    let key = if accepted { "test_accepted" } else { "test_refused" };
    let title = reader.words.with(key, &[("sink", text("sink")), ("ms", &latency)]);
    let said = if accepted { "" } else { text("answer") };
    let tone = if accepted { "ok" } else { "bad" };
    message(reader, (tone, title, said), back)
}

/// A page that says what went wrong.
pub(super) fn problem(reader: &Reader, problem: &Problem) -> Result<Response, Problem> {
    let title = match problem.status() {
        StatusCode::NOT_FOUND => "problem_not_found",
        StatusCode::BAD_REQUEST => "problem_bad_request",
        _ => "problem_other",
    };
    let title = reader.words.get(title).to_owned();
    let mut response = message(reader, ("bad", title, &problem.detail), "/")?;
    *response.status_mut() = problem.status();
    Ok(response)
}

fn complain(reader: &Reader, text: &str, back: &str) -> Result<Response, Problem> {
    let title = reader.words.get("not_done").to_owned();
    let mut response = message(reader, ("bad", title, text), back)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

fn message(
    reader: &Reader,
    (tone, title, text): (&'static str, String, &str),
    back: &str,
) -> Result<Response, Problem> {
    let message = Message { t: reader.words, tone, title: title.clone(), text, back: local(back) };
    reader.page(&title, &fill("message.html", &message)?)
}

/// Signs in with the token.
async fn enter(desk: &Desk, reader: &Reader, form: &Form) -> Result<Response, Problem> {
    let to = form.text("to");
    if !desk.guard.is_token(&form.text("token")) {
        tokio::time::sleep(WRONG_TOKEN_WAIT).await;
        let mut response = sign_in(reader, local(&to), true)?;
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(response);
    }
    let session = desk.guard.session(reader.now).unwrap_or_default();
    let seconds = u32::try_from(SESSION.as_secs()).unwrap_or(u32::MAX);
    let mut response = see_other(&to);
    let cookie = set_cookie(desk.guard.cookie(), &session, seconds);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
