//! Messages as syslog spells them.
//!
//! To other hosts: RFC 5424, with what is known as structured data under `taskbell@32473` (the
//! enterprise number that RFC 5612 keeps for use without one's own). The text is preceded by the
//! byte order mark that the RFC wants only where it is not ASCII: everything else reads the same
//! with and without it, and many receivers keep the mark as part of the text.
//!
//! To the socket of this host: `<priority>name: text [key="value" …]`, the one form that every
//! daemon behind `/dev/log` reads. They know the time and the host themselves, and several of
//! them take the header of RFC 5424 for text.

use jiff::Timestamp;

use crate::{
    notice::Notice,
    render::Words,
    sink::record::{Record, records},
    text,
};

/// The name of our structured data.
const SD_ID: &str = "taskbell@32473";

/// What is kept free for the text where the structured data would fill the message.
const TEXT_BYTES_MIN: usize = 256;

/// Marks UTF-8.
const BOM: &str = "\u{FEFF}";

/// The form of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// RFC 5424, for other hosts.
    Rfc5424,
    /// The short form, for the socket of this host.
    Local,
}

/// What is the same in all messages of a sink.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) form: Form,
    /// 0 to 23.
    pub(super) facility: u8,
    /// 1 to 255 printable ASCII characters, or `-`.
    pub(super) hostname: String,
    /// 1 to 48 printable ASCII characters.
    pub(super) app_name: String,
    /// Longest message.
    pub(super) bytes_max: usize,
}

/// The messages of `notice`, one for each of its records.
pub(super) fn messages(style: &Style, notice: &Notice, words: &Words) -> Vec<String> {
    let records = records(notice, words);
    records.iter().map(|record| message(style, record, notice.created_at)).collect()
}

fn message(style: &Style, record: &Record, at: Timestamp) -> String {
    let priority = 8 * style.facility + record.severity.number();
    let text = match &record.detail {
        None => record.text.clone(),
        Some(detail) => format!("{}: {detail}", record.text),
    };
    match style.form {
        Form::Rfc5424 => {
            let time = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            let Style { hostname, app_name, .. } = style;
            let kind = record.kind.as_str();
            let head = format!("<{priority}>1 {time} {hostname} {app_name} - {kind} ");
            let room = style.bytes_max.saturating_sub(head.len() + TEXT_BYTES_MIN);
            let data = structured(record, &format!("[{SD_ID}"), room);
            let room = style.bytes_max.saturating_sub(head.len() + data.len() + 1 + BOM.len());
            let text = text::clean(&text, room);
            let mark = if text.is_ascii() { "" } else { BOM };
            format!("{head}{data} {mark}{text}")
        }
        Form::Local => {
            let head = format!("<{priority}>{}: ", style.app_name);
            let room = style.bytes_max.saturating_sub(head.len() + TEXT_BYTES_MIN);
            let data = structured(record, "[taskbell", room);
            let room = style.bytes_max.saturating_sub(head.len() + data.len() + 1);
            format!("{head}{} {data}", text::clean(&text, room))
        }
    }
}

/// What is known, as far as it fits into `room` bytes. What does not is left out whole: a value
/// that was cut would be taken for another one.
fn structured(record: &Record, begin: &str, room: usize) -> String {
    let mut out = begin.to_owned();
    for (name, value) in &record.fields {
        let parameter = format!(" {name}=\"{}\"", escaped(value));
        if out.len() + parameter.len() < room {
            out.push_str(&parameter);
        }
    }
    out.push(']');
    out
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
