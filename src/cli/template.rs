//! What a template writes, before anybody is sent it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde_json::{Map, Value};
use thiserror::Error;

use super::out;
use crate::{
    exit::Exit,
    notice::NoticeKind,
    render::{Language, Seen, Style, Target, Template, Words, Zone, sample},
};

/// `template …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TemplateCommand {
    /// Print what a template writes about a notice
    Render(RenderArgs),
}

/// What to render, and as what.
#[derive(Debug, clap::Args)]
pub(super) struct RenderArgs {
    /// The template
    file: PathBuf,
    /// A notice as a webhook carries it, instead of a made-up one
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The type of the made-up notice: `task.failed`, digest, `source.blind`, …
    #[arg(long, value_name = "TYPE", default_value = "task.failed", value_parser = kind)]
    notice: NoticeKind,
    /// What it writes, which decides how values are escaped
    #[arg(long = "as", value_name = "TARGET", value_enum, default_value_t)]
    target: As,
    /// The language of the built-in words: en or zh
    #[arg(long, default_value = "en", value_parser = language)]
    language: Language,
    /// The zone of times, by its IANA name
    #[arg(long, default_value = "UTC", value_parser = Zone::parse)]
    time_zone: Zone,
}

fn kind(word: &str) -> Result<NoticeKind, String> {
    let known = NoticeKind::ALL.map(NoticeKind::as_str).join(", ");
    let found = NoticeKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    found.ok_or_else(|| format!("is not a type; known are {known}"))
}

fn language(word: &str) -> Result<Language, String> {
    let found = Language::ALL.into_iter().find(|language| language.as_str() == word);
    found.ok_or_else(|| "is not a language; known are en and zh".to_owned())
}

/// [`Target`] on the command line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum As {
    /// One line, as for titles
    Line,
    /// Plain text
    #[default]
    Text,
    /// A page of HTML
    Html,
    /// JSON
    Json,
}

/// Why there is nothing to print.
#[derive(Debug, Error)]
enum TemplateError {
    /// The data cannot be used.
    #[error("{}: {problem}", .file.display())]
    Data {
        /// Where it is.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The template is broken.
    #[error("{0}")]
    Template(String),
}

pub(super) fn run(command: &TemplateCommand) -> Exit {
    let TemplateCommand::Render(args) = command;
    match render(args) {
        Ok(text) if text.ends_with('\n') => out::text_as_is(&text),
        Ok(text) => out::line(&text),
        Err(error) => out::fail(&error, None, Exit::Failed),
    }
}

fn render(args: &RenderArgs) -> Result<String, TemplateError> {
    let (language, zone) = (args.language, args.time_zone.clone());
    let style = Style { language, zone, ..Style::default() };
    let target = match args.target {
        As::Line => Target::Line,
        As::Text => Target::Plain,
        As::Html => Target::Html,
        As::Json => Target::Json,
    };
    let template = Template::open(&args.file, target, &style).map_err(TemplateError::Template)?;
    let rendered = match &args.data {
        Some(file) => template.render(&data(file)?),
        None => {
            let words = Words::new(style);
            template.render(&Seen::of(&sample(args.notice), &words))
        }
    };
    rendered.map_err(TemplateError::Template)
}

/// The body of a webhook as a template sees it. The built-in words are not part of a body, so its
/// type stands for them.
fn data(file: &Path) -> Result<Value, TemplateError> {
    let wrong = |problem: String| TemplateError::Data { file: file.to_owned(), problem };
    let bytes = fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut body: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("is not JSON: {error}")))?;
    let Some(Value::Object(mut seen)) = body.remove("data") else {
        return Err(wrong("is not the body of a webhook: it has no object `data`".to_owned()));
    };
    let kind = body.get("type").cloned().unwrap_or_default();
    let timestamp = body.get("timestamp").cloned().unwrap_or_default();
    for (key, value) in [
        ("id", Value::from("tb_0000000000000000000000000000000000000000")),
        ("title", kind.clone()),
        ("text", kind.clone()),
        ("type", kind),
        ("now", timestamp.clone()),
        ("timestamp", timestamp),
    ] {
        seen.insert(key.to_owned(), value);
    }
    Ok(Value::Object(seen))
}
