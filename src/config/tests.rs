use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::{
    clock::SystemClock,
    decide::sift::{Sift, Walk},
    notice::{Notice, SourceInfo},
    options::SecretRef,
    sink::{Parcel, Receipt, SinkError},
    source::SourceError,
};

mod good;
mod many;
mod meaning;
mod routes;
mod sinks;
mod spelling;
mod text;
mod times;

/// A config of two-line tables, for edits by line.
const GOOD: &str = r#"[[source]]
name = "prod"
kind = "fake"

[[sink]]
name = "ops"
kind = "fake"

[[route]]
to = ["ops"]
"#;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only parsed")]
struct Options {
    region: Option<String>,
    project_id: Option<String>,
    page_size: Option<u16>,
    secret: Option<Vec<SecretRef>>,
    url: Option<SecretRef>,
    auth: Option<Auth>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only parsed")]
struct Auth {
    token: SecretRef,
}

#[derive(Debug)]
struct Fake(SourceInfo);

#[async_trait]
impl source::Source for Fake {
    fn info(&self) -> &SourceInfo {
        &self.0
    }

    async fn walk(&self, _: &mut Sift) -> Result<Walk, SourceError> {
        unreachable!("only built")
    }
}

#[async_trait]
impl sink::Sink for Fake {
    fn render(&self, _: &Notice) -> Vec<u8> {
        unreachable!("only built")
    }

    async fn send(&self, _: Parcel<'_>) -> Result<Receipt, SinkError> {
        unreachable!("only built")
    }

    async fn probe(&self) -> Result<(), SinkError> {
        unreachable!("only built")
    }
}

fn fake(name: Name, options: toml::Table) -> Result<Box<Fake>, OptionError> {
    drop(options::parse::<Options>(options)?);
    let info = SourceInfo { name, kind: "fake".into(), region: "r".into(), project_id: "p".into() };
    Ok(Box::new(Fake(info)))
}

const SOURCE: source::Kind = source::Kind {
    name: "fake",
    summary: "For tests",
    example: "",
    schema: || schemars::schema_for!(Options),
    build: |build| Ok(fake(build.name, build.options)?),
};

const SINK: sink::Kind = sink::Kind {
    name: "fake",
    summary: "For tests",
    reader: sink::Reader::Programs,
    limit: None,
    cleared: false,
    example: "",
    schema: || schemars::schema_for!(Options),
    build: |build| Ok(fake(build.name, build.options)?),
};

/// Like those that people read.
const CHAT: sink::Kind =
    sink::Kind { name: "chat", reader: sink::Reader::People, limit: Some("5/1m"), ..SINK };

/// Like those that keep an incident for each failure.
const PAGER: sink::Kind = sink::Kind { name: "pager", cleared: true, ..SINK };

fn parse(text: &str) -> Result<Config, ConfigError> {
    const KINDS: Kinds = Kinds { sources: &[&SOURCE], sinks: &[&SINK, &CHAT, &PAGER] };
    Config::parse_with(text, Path::new("c.toml"), KINDS)
}

/// [`GOOD`] with `to` instead of `from`, or at the end if `from` is empty.
#[track_caller]
fn edited(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    if from.is_empty() { format!("{GOOD}{to}\n") } else { GOOD.replacen(from, to, 1) }
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// A [`GOOD`] config with one edit is taken with these warnings.
#[track_caller]
fn warns(from: &str, to: &str, expected: &[&str]) {
    let config = parse(&edited(from, to)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lines(&config.warnings), expected, "{to}");
}

/// A [`GOOD`] config with one edit is refused in these words, one for each problem.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let text = edited(from, to);
    match parse(&text) {
        Ok(_) => panic!("is taken: {to}"),
        Err(error) => assert_eq!(lines(error.problems()), expected, "{to}"),
    }
}

const KIND: &str = "kind = \"fake\"\n";
const SINK_KIND: &str = "name = \"ops\"\nkind = \"fake\"\n";
const TO: &str = "to = [\"ops\"]\n";
