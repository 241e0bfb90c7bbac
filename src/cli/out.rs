//! The one place that prints.

use std::{
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use serde_json::Value;

use super::table::Table;
use crate::{exit::Exit, http::Chain};

/// Prints a line of data. A reader that went away ends the command quietly.
pub(super) fn line(text: &str) -> Exit {
    text_as_is(&format!("{text}\n"))
}

/// Prints data as it is.
pub(super) fn text_as_is(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error, None, Exit::Failed),
        _ => Exit::Done,
    }
}

/// Prints a value for programs.
pub(super) fn json(value: &Value) -> Exit {
    // Values hold string keys only, so this cannot fail.
    line(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Prints an error with its causes, and what to do about it; gives back `exit`.
pub(super) fn fail(error: &(dyn Error + 'static), help: Option<&str>, exit: Exit) -> Exit {
    let mut text = format!("error: {}\n", Chain(error));
    if let Some(help) = help {
        text.push_str("help: ");
        text.push_str(help);
        text.push('\n');
    }
    // Nobody reads it if standard error is gone.
    drop(io::stderr().write_all(text.as_bytes()));
    exit
}

/// Says something to whoever sits there, apart from the data.
pub(super) fn note(text: &str) {
    prompt(&format!("{text}\n"));
}

/// The same, only if somebody does.
pub(super) fn note_if(asks: bool, text: &str) {
    if asks {
        note(text);
    }
}

/// A question, whose answer stands on the same line.
pub(super) fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nobody reads it if standard error is gone.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// A length of time on the command line.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| {
        "expected a length of time with its unit, such as \"30s\" or \"1d2h30m\"".to_owned()
    })
}

/// So many of something, in words.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Prints rows under a head. On a terminal they fit its width, and what had no room is named;
/// elsewhere each cell is whole.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Exit {
    let screen = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    let limit = screen.map(|(width, _)| usize::from(width.0));
    let Table { text, without } = super::table::table(head, rows, limit);
    let exit = text_as_is(&text);
    if !without.is_empty() {
        let without = without.join(", ");
        note(&format!("no room for {without}: a wider screen, a pipe or `-o json` shows all"));
    }
    exit
}

/// Prints fields and their values. A long value goes on in the next line of the screen.
pub(super) fn fields(rows: &[Vec<String>]) -> Exit {
    text_as_is(&super::table::table(&["FIELD", "VALUE"], rows, None).text)
}
