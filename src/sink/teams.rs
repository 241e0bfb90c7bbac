//! Microsoft Teams: a workflow that is started by a webhook and posts an adaptive card.
//!
//! * Limits: 28 KB for the whole message, which the workflow finds out after it said yes.
//! * Answers: 202 means that the workflow was started. Whether the card appears cannot be heard.
//! * Text goes into text runs, which know no markup; a mention would need an entry of its own.
//! * The old connectors at `webhook.office.com` are shut; such a URL is refused.
//! * No idempotency and no threads: a repeat is a second message.

use serde_json::{Value, json};
use url::Url;

use super::{
    Build, Kind, Reader, Sink,
    fit::{View, fit},
    hook,
    http::{Answered, Reply, Service, words},
    payload::bytes,
};
use crate::{
    notice::Notice,
    options::OptionError,
    render::{Pair, Tone, Words},
};

pub(super) const KIND: Kind = Kind {
    name: "teams",
    summary: "Microsoft Teams, by a workflow's webhook",
    reader: Reader::People,
    limit: Some("10/10m"),
    cleared: false,
    example: r#"
name = "oncall"
kind = "teams"
url = "http://{endpoint}/workflows/0a1b2c3d/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=example-signature"
"#,
    schema: || schemars::schema_for!(hook::Options),
    build,
};

/// Largest body; the workflow adds to it before it meets the limit of 28 KB.
const BYTES_MAX: usize = 24_000;

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: hook::Options = crate::options::parse(build.options.clone())?;
    let url = options.url.read().map_err(|problem| OptionError::new("url", problem))?;
    if Url::parse(url.expose()).is_ok_and(|url| is_retired(&url)) {
        let problem = "is of an Office 365 connector, which are shut; make a workflow that posts \
                       to a channel when a webhook request is received, and give its URL";
        return Err(OptionError::new("url", problem));
    }
    hook::build(build, Teams)
}

fn is_retired(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "webhook.office.com"
        || host.ends_with(".webhook.office.com")
        || (host == "outlook.office.com" && url.path().starts_with("/webhook"))
}

#[derive(Debug)]
struct Teams;

impl Service for Teams {
    const VERDICT_IN_BODY: bool = false;

    fn payload(&self, notice: &Notice, words: &Words) -> Vec<u8> {
        let make = |view: &View<'_>| bytes(&message(view));
        fit(&words.brief(notice), make, |body| body.len() <= BYTES_MAX)
    }

    fn judge(&self, reply: &Reply<'_>) -> Answered {
        let json = reply.json().unwrap_or_default();
        let error = json.get("error");
        let code = error.and_then(|error| error.get("code"));
        match (reply.is_success(), code.and_then(Value::as_str)) {
            (true, _) => Answered::Accepted,
            (false, Some("WorkflowNotFound")) => Answered::gone("WorkflowNotFound"),
            (false, Some(_)) => {
                reply.refused(words(code, error.and_then(|error| error.get("message"))))
            }
            (false, None) => reply.by_status(),
        }
    }
}

fn message(view: &View<'_>) -> Value {
    let mut body = vec![headline(view)];
    let spacings = ["Medium"].into_iter().chain(std::iter::repeat("None"));
    let lead = view.lead.lines().zip(spacings);
    body.extend(lead.map(|(lead, spacing)| line(spacing, &[(lead, false)])));
    body.extend(pairs(&view.notes, "Medium"));
    for item in &view.items {
        if item.facts.is_empty() {
            body.push(line("Small", &[("• ", false), (&item.title, false)]));
        } else if item.title.is_empty() {
            body.extend(pairs(&item.facts, "Medium"));
        } else {
            body.push(line("Large", &[(&item.title, true)]));
            body.extend(pairs(&item.facts, "None"));
        }
    }
    body.extend(view.more.iter().map(|more| line("Medium", &[(more, true)])));
    body.extend(view.foot.iter().map(|foot| subtle(foot)));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": view.headline,
                "msteams": { "width": "full" },
                "body": body,
            },
        }],
    })
}

fn headline(view: &View<'_>) -> Value {
    let color = match view.tone {
        Tone::Bad => "Attention",
        Tone::Warning => "Warning",
        Tone::Good => "Good",
        Tone::Calm => "Accent",
    };
    let run = json!({
        "type": "TextRun", "text": view.headline, "weight": "Bolder", "size": "Large", "color": color,
    });
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

/// A line for each pair, the first one so far below what is above it.
fn pairs(pairs: &[Pair], spacing: &'static str) -> Vec<Value> {
    let spacings = [spacing].into_iter().chain(std::iter::repeat("None"));
    let lines = pairs.iter().zip(spacings).map(|((label, value), spacing)| {
        line(spacing, &[(&format!("{label}: "), true), (value, false)])
    });
    lines.collect()
}

/// One line of runs, each strong or not.
fn line(spacing: &str, runs: &[(&str, bool)]) -> Value {
    let run = |(text, strong): &(&str, bool)| {
        let weight = if *strong { "Bolder" } else { "Default" };
        json!({ "type": "TextRun", "text": text, "weight": weight })
    };
    let runs: Vec<Value> = runs.iter().map(run).collect();
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": runs })
}

fn subtle(text: &str) -> Value {
    let run = json!({ "type": "TextRun", "text": text, "isSubtle": true, "size": "Small" });
    json!({ "type": "RichTextBlock", "spacing": "Small", "inlines": [run] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_old_connectors_are_known() {
        for (url, expected) in [
            ("https://contoso.webhook.office.com/webhookb2/x", true),
            ("https://webhook.office.com/x", true),
            ("https://outlook.office.com/webhook/x", true),
            ("https://prod-01.westeurope.logic.azure.com:443/workflows/x", false),
            ("https://notwebhook.office.com.example/x", false),
        ] {
            assert_eq!(is_retired(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
