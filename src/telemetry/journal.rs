//! Logs as entries of the systemd journal, with every field as one of its own.
//!
//! `journalctl TASKBELL_SINK=chat` then finds what was logged about a sink. `MESSAGE` is the line
//! that text logs have, fields included, since `journalctl` shows nothing else.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::Path,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    field::RecordFields,
    fmt::{FormatFields as _, format::Writer},
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::fields::SafeFields;
use crate::{http::Chain, journal::field, options, text};

/// What entries are filed under.
const IDENTIFIER: &str = "taskbell";

/// Longest value, the message included. Our own are far shorter; a datagram holds about 200 KiB.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Sends each event to the journal.
pub(super) struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// Opens the journal's socket, if standard error leads to the journal anyway. Not otherwise: in
    /// a pipe, whoever reads it wants the lines.
    pub(super) fn if_stderr_is_one() -> Option<Self> {
        let stream = options::env("JOURNAL_STREAM")?;
        let stderr = rustix::fs::fstat(io::stderr()).ok()?;
        if stream != format!("{}:{}", stderr.st_dev, stderr.st_ino) {
            return None;
        }
        Self::open(Path::new(crate::journal::SOCKET)).ok()
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self { socket })
    }
}

/// The fields of a span, as text and one by one.
struct Known {
    text: String,
    fields: Vec<(String, String)>,
}

impl Known {
    fn of<R: RecordFields>(fields: R) -> Self {
        let mut known = Self { text: String::new(), fields: Vec::new() };
        known.add(fields);
        known
    }

    fn add<R: RecordFields>(&mut self, fields: R) {
        fields.record(&mut Collect(&mut self.fields));
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let written = SafeFields.format_fields(Writer::new(&mut self.text), fields);
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

/// Gathers fields, the message aside.
struct Collect<'a>(&'a mut Vec<(String, String)>);

impl Collect<'_> {
    fn keep(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        let capital =
            |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = field.name().chars().map(capital).collect();
        self.0.push((format!("TASKBELL_{name}"), text::clean(value, VALUE_BYTES_MAX)));
    }
}

impl Visit for Collect<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.keep(field, &Chain(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Known::of(attributes));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut extensions = span.extensions_mut();
            if let Some(known) = extensions.get_mut::<Known>() {
                known.add(values);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let own = Known::of(event);
        let (mut message, mut fields) = (String::new(), Vec::new());
        let spans = context.event_scope(event).into_iter().flat_map(Scope::from_root);
        for span in spans {
            message.push_str(span.name());
            if let Some(known) = span.extensions().get::<Known>().filter(|k| !k.text.is_empty()) {
                message.extend(["{", &known.text, "}"]);
                fields.extend(known.fields.iter().cloned());
            }
            message.push_str(": ");
        }
        message.push_str(&own.text);
        let message = text::clean(&message, VALUE_BYTES_MAX);
        fields.extend(own.fields);
        let level = *event.metadata().level();
        if self.socket.send(&entry(level, &message, &fields)).is_err() {
            // The journal is being started again; it reads standard error then.
            drop(writeln!(io::stderr(), "<{}>{message}", super::priority(level)));
        }
    }
}

fn entry(level: Level, message: &str, fields: &[(String, String)]) -> Vec<u8> {
    let mut entry = Vec::new();
    field(&mut entry, "MESSAGE", message);
    field(&mut entry, "PRIORITY", &super::priority(level).to_string());
    field(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
    for (name, value) in fields {
        field(&mut entry, name, value);
    }
    entry
}
