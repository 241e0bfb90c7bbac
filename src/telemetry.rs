//! Logs: where they go, how they look, and which are shown.
//!
//! Everything goes to stderr, one line for each event; stdout is for data. Values may come from
//! strangers, who name servers and key pairs, so in text no control character reaches the
//! terminal or the journal: it is written as an escape, and a value with spaces in quotes. Errors
//! are printed with all their causes.

use std::{
    fmt,
    io::{self, IsTerminal as _},
};

use clap::ValueEnum;
use thiserror::Error;
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::{ParseError, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format, Full, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

use crate::options;

mod fields;
mod journal;

use fields::SafeFields;
use journal::Journal;

/// Chooses what is shown, instead of the command line: `taskbell=debug,hyper=info`.
pub const FILTER_VARIABLE: &str = "TASKBELL_LOG";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// Time, level, spans, message and fields, for people
    #[default]
    Text,
    /// One JSON object a line, for programs
    Json,
    /// For the systemd journal: every field as one of its own, or, where standard error is a pipe,
    /// as text with the priority in front
    Journald,
}

/// Whether text has colours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Also in a file or a pipe
    Always,
    /// Nowhere
    Never,
}

/// What the operator chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Logging {
    /// How a line looks.
    pub format: LogFormat,
    /// What is shown of our own; of libraries, warnings at most.
    pub level: LevelFilter,
    /// Only for [`LogFormat::Text`].
    pub color: Color,
}

/// Why there are no logs.
#[derive(Debug, Error)]
pub enum LogError {
    /// The variable does not hold a filter.
    #[error("{FILTER_VARIABLE} must be like `debug` or `taskbell=debug,hyper=info`")]
    Filter(#[source] ParseError),
    /// It was done before in this process.
    #[error("logging is set up already")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// The level for a command that shows `default` when neither `-v` nor `-q` is given.
///
/// Each `-v` shows one level more, each `-q` one level less.
#[must_use]
pub fn level(default: Level, verbose: u8, quiet: u8) -> LevelFilter {
    const STEPS: [LevelFilter; 6] = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    let start = STEPS.iter().position(|step| *step == default).unwrap_or_default();
    let at = start.saturating_add(verbose.into()).saturating_sub(quiet.into());
    STEPS.get(at).copied().unwrap_or(LevelFilter::TRACE)
}

/// Sends the logs of this process to stderr from now on. To be called once.
///
/// # Errors
///
/// [`LogError`].
pub fn init(logging: Logging) -> Result<(), LogError> {
    let filter = filter(logging.level, options::env(FILTER_VARIABLE).as_deref())?;
    let color = match logging.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let plain = options::env("NO_COLOR").is_some_and(|value| !value.is_empty())
                || options::env("TERM").is_some_and(|term| term == "dumb");
            !plain && io::stderr().is_terminal()
        }
    };
    let journal = (logging.format == LogFormat::Journald).then(Journal::if_stderr_is_one).flatten();
    let subscriber = match journal {
        Some(journal) => Box::new(tracing_subscriber::registry().with(filter).with(journal)),
        None => subscriber(logging.format, color, filter, io::stderr),
    };
    tracing::subscriber::set_global_default(subscriber).map_err(LogError::Twice)
}

/// What is shown: what the variable says, or our own at `level` and libraries at most at `WARN`.
fn filter(level: LevelFilter, variable: Option<&str>) -> Result<Targets, LogError> {
    match variable.filter(|text| !text.trim().is_empty()) {
        Some(text) => text.parse().map_err(LogError::Filter),
        None => Ok(Targets::new()
            .with_target(env!("CARGO_CRATE_NAME"), level)
            .with_default(level.min(LevelFilter::WARN))),
    }
}

fn subscriber<W>(
    format: LogFormat,
    color: bool,
    filter: Targets,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => {
            let layer = lines.with_ansi(color).with_target(false).fmt_fields(SafeFields);
            Box::new(registry.with(layer))
        }
        LogFormat::Json => {
            Box::new(registry.with(lines.with_ansi(false).json().flatten_event(true)))
        }
        LogFormat::Journald => {
            let format = Format::default().without_time().with_level(false).with_target(false);
            let layer = lines.with_ansi(false).fmt_fields(SafeFields);
            Box::new(registry.with(layer.event_format(Journald(format))))
        }
    }
}

/// What syslog calls a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Puts the priority in front of each line, see `sd-daemon(3)`.
struct Journald(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Journald
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests;
