//! Google Chat: a webhook of a space.
//!
//! * Limits: 32 000 bytes, one message a second and space, shared with everything else that writes
//!   there.
//! * Answers: 200 with the `name` of the message. 404 means that the space or the webhook is gone.
//! * A card whose text knows a little HTML, with `& < >` escaped, which leaves no mention either.
//! * What is said about one failure goes into one thread. No idempotency: a repeat is a second
//!   message.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Build, Kind, Parcel, Reader, Sink, SinkError,
    escape::{entities, no_tags},
    fit::{View, fit},
    http::{Answered, Posted, Reach, Redactor, Reply, Request, Service, read, words, yes},
    payload::bytes,
};
use crate::{
    notice::{Notice, thread_id},
    options::{self, OptionError, SecretRef},
    render::{Pair, Words},
};

pub(super) const KIND: Kind = Kind {
    name: "googlechat",
    summary: "Google Chat, by a webhook of a space",
    reader: Reader::People,
    limit: Some("30/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "googlechat"
url = "http://{endpoint}/v1/spaces/AAAAAAAA/messages?key=example-api-key&token=example-space-token"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Largest body.
const BYTES_MAX: usize = 32_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The whole webhook URL, which works like a password.
    url: SecretRef,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let url = read("url", &options.url)?;
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, Redactor::default())?;
    Ok(Box::new(Posted { endpoint, words: build.words, service: GoogleChat }))
}

#[derive(Debug)]
struct GoogleChat;

impl Service for GoogleChat {
    const VERDICT_IN_BODY: bool = true;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let thread = match notice.failures.as_slice() {
            [one] if notice.omitted() == 0 => thread_id(one),
            _ => notice.id.to_string(),
        };
        let make = |view: &View<'_>| bytes(&message(view, &thread));
        fit(&words.brief(notice), make, |body| body.len() <= BYTES_MAX)
    }

    fn request(&self, parcel: &Parcel<'_>) -> Result<Request, SinkError> {
        // Without it the thread is not looked at.
        let query = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD".to_owned();
        Ok(Request { query: Some(query), ..Request::json(parcel.body.to_vec()) })
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let Some(json) = reply.json() else { return reply.without_a_yes() };
        if reply.is_success() {
            let kept = json.contains_key("name");
            return if kept { Answered::Accepted } else { Answered::Unclear };
        }
        let error = json.get("error");
        let field = |name| error.and_then(|error| error.get(name));
        let why = words(field("status"), field("message"));
        match (reply.status, field("status").and_then(Value::as_str)) {
            (404, Some("NOT_FOUND")) => Answered::gone(why),
            _ => reply.refused(why),
        }
    }
}

fn message(view: &View<'_>, thread: &str) -> Value {
    let text = |text: &str| json!({ "textParagraph": { "text": text } });
    let pair = |(label, value): &Pair| format!("<b>{label}</b>: {}", entities(value));
    let pairs = |pairs: &[Pair]| pairs.iter().map(pair).collect::<Vec<_>>().join("<br>");
    let mut widgets = vec![entities(&view.lead).replace('\n', "<br>"), pairs(&view.notes)];
    for item in &view.items {
        let title = Some(&item.title).filter(|title| !title.is_empty());
        let shown = match (title, item.facts.is_empty()) {
            (Some(title), true) => format!("• {}", entities(title)),
            (Some(title), false) => {
                format!("<b>{}</b><br>{}", entities(title), pairs(&item.facts))
            }
            (None, _) => pairs(&item.facts),
        };
        widgets.push(shown);
    }
    widgets.push(entities(&view.more.join(" ")));
    let foot = view.foot.iter().map(|line| entities(line)).collect::<Vec<_>>().join("<br>");
    widgets.push(format!("<i>{foot}</i>"));
    widgets.retain(|shown| !shown.is_empty());
    let widgets: Vec<Value> = widgets.iter().map(|shown| text(shown)).collect();
    json!({
        "fallbackText": no_tags(view.headline),
        "cardsV2": [{
            "cardId": "taskbell",
            "card": {
                "header": { "title": no_tags(view.headline) },
                "sections": [{ "widgets": widgets }],
            },
        }],
        "thread": { "threadKey": thread },
    })
}
