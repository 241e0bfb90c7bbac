//! Fields of events and spans as `name=value`, safe to look at.

use std::{
    error::Error,
    fmt::{self, Write as _},
};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

use crate::http::Chain;

/// The message bare, other fields as `name=value`, both without control characters.
pub(super) struct SafeFields;

impl<'w> FormatFields<'w> for SafeFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.writer.write_char(' ')?;
        }
        if field.name() == "message" {
            return write!(Escaped { to: &mut self.writer, quotes: false }, "{value}");
        }
        write!(self.writer, "{}=", field.name())?;
        let text = value.to_string();
        // A quotation mark alone would pass for the beginning of a quoted value.
        let ambiguous = |c: char| {
            c.is_whitespace() || c.is_control() || moves_text(c) || matches!(c, '"' | '=')
        };
        if text.is_empty() || text.contains(ambiguous) {
            self.writer.write_char('"')?;
            Escaped { to: &mut self.writer, quotes: true }.write_str(&text)?;
            self.writer.write_char('"')
        } else {
            Escaped { to: &mut self.writer, quotes: false }.write_str(&text)
        }
    }

    fn record(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record(field, format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format_args!("{value:?}"));
    }
}

/// Writes control characters, and marks that reorder the text around them, as escapes.
struct Escaped<'a, W> {
    to: &'a mut W,
    /// Whether the text stands in quotation marks, which then need an escape as well.
    quotes: bool,
}

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' if self.quotes => write!(self.to, "\\{c}")?,
                c if c.is_control() || moves_text(c) => write!(self.to, "{}", c.escape_default())?,
                c => self.to.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Line separators, and direction overrides, embeddings and isolates.
fn moves_text(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
