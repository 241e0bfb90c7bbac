//! The one place that prints.

use std::{
    error::Error,
    io::{self, Write as _},
};

use serde_json::Value;

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

/// So many of something, in words.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Prints rows under a head, in columns as wide as their widest cell.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Exit {
    // Wider cells would push the next column off the screen.
    const CELL_CHARS_MAX: usize = 60;
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let cut = |cell: &String| -> String {
        if cell.chars().count() <= CELL_CHARS_MAX {
            return cell.clone();
        }
        cell.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
    };
    let cells: Vec<Vec<String>> =
        std::iter::once(&head).chain(rows).map(|row| row.iter().map(cut).collect()).collect();
    let mut widths = vec![0; head.len()];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &cells {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text_as_is(&text)
}
