//! Templates: the operator's own words for a notice.
//!
//! A template sees the notice as [`super::Data`] has it, its built-in words, and nothing else: no
//! environment, no files, no clock. It cannot include another one. So the same notice gives the
//! same text, as with the built-in words. What it does not know is an error and not an empty
//! text, and it is stopped when it takes too many steps or writes too much.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::{Data, Style, Words, sample};
use crate::{
    notice::{Notice, NoticeKind},
    text,
};

mod filters;

/// Longest template. A page of HTML fits several times.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Longest text that a template may write. Mail clients cut at 100 KiB.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Most steps of a template. Notices of 100 failures take some ten thousand.
const FUEL: u64 = 500_000;

/// Longest part of a template that is quoted in an error.
const QUOTE_BYTES_MAX: usize = 80;

/// Stands for what is not known, except in JSON, where it is `null`.
const UNKNOWN: &str = "-";

/// The one template of its environment.
const NAME: &str = "template";

/// What a template writes, which decides how values in it are escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// One line: line breaks become spaces.
    Line,
    /// Plain text.
    Plain,
    /// HTML. Values are escaped.
    Html,
    /// JSON. Values are written as JSON, texts with their quotes.
    Json,
}

/// A template, compiled.
pub struct Template {
    /// For messages.
    file: String,
    target: Target,
    environment: Environment<'static>,
}

impl Template {
    /// Reads and compiles the file at `path`.
    ///
    /// # Errors
    ///
    /// What is wrong, with file and line.
    pub fn open(path: &Path, target: Target, style: &Style) -> Result<Self, String> {
        let shown = path.display().to_string();
        let unreadable = |error: io::Error| format!("{shown}: cannot be read: {error}");
        let file = File::open(path).map_err(unreadable)?;
        let mut source = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut source).map_err(unreadable)?;
        if FILE_BYTES_MAX < u64::try_from(source.len()).unwrap_or(u64::MAX) {
            return Err(format!("{shown}: is longer than a template can be (64 KiB)"));
        }
        Self::compile(&shown, source, target, style)
    }

    /// [`Template::open`], and tries it on a notice of every kind.
    ///
    /// # Errors
    ///
    /// What is wrong, with file and line.
    pub fn read(path: &Path, target: Target, style: &Style) -> Result<Self, String> {
        let template = Self::open(path, target, style)?;
        let words = Words::new(style.clone());
        for kind in NoticeKind::ALL {
            let tried = template.render(&Seen::of(&sample(kind), &words));
            tried
                .map_err(|problem| format!("{problem}, for a notice of type {}", kind.as_str()))?;
        }
        Ok(template)
    }

    /// Compiles `source`. `file` is for messages only.
    ///
    /// # Errors
    ///
    /// What is wrong, with file and line.
    pub fn compile(
        file: &str,
        source: String,
        target: Target,
        style: &Style,
    ) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        environment.set_auto_escape_callback(move |_| match target {
            Target::Line | Target::Plain => AutoEscape::None,
            Target::Html => AutoEscape::Html,
            Target::Json => AutoEscape::Json,
        });
        environment.set_formatter(move |out, state, value| match target {
            Target::Line | Target::Plain | Target::Html if value.is_none() => {
                out.write_str(UNKNOWN).map_err(minijinja::Error::from)
            }
            _ => minijinja::escape_formatter(out, state, value),
        });
        filters::add(&mut environment, style);
        let added = environment.add_template_owned(NAME, source);
        added.map_err(|error| explain(file, &error))?;
        Ok(Self { file: file.to_owned(), target, environment })
    }

    /// What it writes, which decides how values in it are escaped.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// What it writes about `seen`.
    ///
    /// # Errors
    ///
    /// What is wrong, with file, line and the words of the template that are to blame.
    pub fn render(&self, seen: &impl Serialize) -> Result<String, String> {
        let explained = |error: minijinja::Error| explain(&self.file, &error);
        let template = self.environment.get_template(NAME).map_err(explained)?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(Serde(seen), &mut out).map(drop).map_err(explained)?;
        let text = String::from_utf8(out.0).unwrap_or_default();
        match self.target {
            Target::Line => Ok(text::clean(text.trim(), super::TITLE_BYTES_MAX)),
            Target::Json => match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                Ok(_) => Ok(text),
                Err(error) => Err(format!("{}: does not give JSON: {error}", self.file)),
            },
            Target::Plain | Target::Html => Ok(text),
        }
    }
}

/// What a template sees. Beside the data, all of it is a function of the notice.
#[derive(Debug, Serialize)]
pub struct Seen<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    timestamp: Timestamp,
    /// The same: a template has no other clock.
    now: Timestamp,
    /// The built-in words, to build upon.
    title: String,
    text: String,
    #[serde(flatten)]
    data: Data<'a>,
}

impl<'a> Seen<'a> {
    /// What a template sees of `notice`, with the built-in words of `words`.
    #[must_use]
    pub fn of(notice: &'a Notice, words: &'a Words) -> Self {
        Self {
            kind: notice.kind.as_str(),
            id: notice.id.as_str(),
            timestamp: notice.created_at,
            now: notice.created_at,
            title: words.built_in_headline(notice),
            text: words.built_in_plain(notice),
            data: words.data(notice),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)
    }
}

/// Takes bytes until there are too many.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if TEXT_BYTES_MAX < self.0.len() + bytes.len() {
            return Err(io::Error::other("the text is longer than 256 KiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// "greeting.j2:3: there is no such field in `f.at`"
fn explain(file: &str, error: &minijinja::Error) -> String {
    let mut out = file.to_owned();
    if let Some(line) = error.line() {
        let _infallible = write!(out, ":{line}");
    }
    let kind = match error.kind() {
        ErrorKind::OutOfFuel => format!("takes more than {FUEL} steps"),
        ErrorKind::WriteFailure => "writes more than 256 KiB".to_owned(),
        ErrorKind::UndefinedError => "there is no such field".to_owned(),
        kind => kind.to_string(),
    };
    out.push_str(": ");
    out.push_str(&kind);
    let said = matches!(error.kind(), ErrorKind::UndefinedError | ErrorKind::WriteFailure);
    if let Some(detail) = error.detail().filter(|_| !said) {
        out.push_str(": ");
        out.push_str(detail);
    }
    let quoted = error.range().and_then(|range| error.template_source()?.get(range));
    if let Some(quoted) = quoted.filter(|quoted| !quoted.is_empty()) {
        let _infallible = write!(out, " in `{}`", text::clean(quoted, QUOTE_BYTES_MAX));
    }
    out
}

#[cfg(test)]
mod tests;
