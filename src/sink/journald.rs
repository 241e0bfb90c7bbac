//! The systemd journal, in its native protocol.
//!
//! A notice becomes one entry for each failure that it lists, and one in front where it is more
//! than its failures: `journalctl TASKBELL_SERVER_NAME=web-01` finds them. What happened is the
//! first line of `MESSAGE`, more about it the second. Each kind of notice has a `MESSAGE_ID` of
//! its own. All entries of a notice have the same `TASKBELL_ID`, so a repeat can be told.
//!
//! The journal has no answer: an entry that is in its queue counts as taken. A journal that is
//! being started again is tried again. Entries are far below what fits a datagram (see
//! [`ENTRY_BYTES_MAX`]), so none has to be handed over as a file.

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError, frames,
    record::{Record, records},
    unix,
};
use crate::{
    journal::{SOCKET, field},
    notice::{Notice, NoticeKind},
    options::{self, OptionError},
    render::Words,
};

pub(super) const KIND: Kind = Kind {
    name: "journald",
    summary: "The systemd journal, with every detail as a field",
    reader: Reader::Programs,
    limit: None,
    cleared: false,
    example: r#"
name = "journal"
kind = "journald"
socket = "{folder}/socket"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Longest entry. Its texts have limits of their own that add up to less; a datagram may have
/// about 200 KiB.
const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Longest identifier. It stands in front of every line that `journalctl` prints.
const IDENTIFIER_BYTES_MAX: usize = 64;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// What entries are filed under, up to 64 characters. Default: `taskbell`.
    #[serde(default = "identifier")]
    identifier: String,
    /// The journal's socket. Default: `/run/systemd/journal/socket`.
    #[serde(default = "socket")]
    socket: PathBuf,
}

fn identifier() -> String {
    "taskbell".to_owned()
}

fn socket() -> PathBuf {
    SOCKET.into()
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let Options { identifier, socket } = options::parse(build.options)?;
    let length = (1..=IDENTIFIER_BYTES_MAX).contains(&identifier.len());
    if !length || identifier.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let problem = "must be 1 to 64 bytes without a space";
        return Err(OptionError::new("identifier", problem));
    }
    if !socket.is_absolute() {
        return Err(OptionError::new("socket", "must be an absolute path"));
    }
    Ok(Box::new(Journal { identifier, socket, words: build.words }))
}

#[derive(Debug)]
struct Journal {
    identifier: String,
    socket: PathBuf,
    words: Words,
}

/// Names a kind of notice for good, so that rules and catalogs can hold on to it.
fn message_id(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::TaskFailed => "f085aa8c559247f8af26624438059e39",
        NoticeKind::TaskCleared => "ac207ee872c545bba792139d981f3942",
        NoticeKind::TaskReminder => "35284dbb6bdf4cab956d0d2a7e3926d4",
        NoticeKind::TaskStuck => "0e4cd55ce5894483936ee50d1ba41ef6",
        NoticeKind::Digest => "693235dbf20f4afd94104b8f33c53f4d",
        NoticeKind::StormOpened => "ea197da25933432bae5ee86a9c6d3590",
        NoticeKind::StormUpdated => "1be773c1bb284d1ab415c388109d4fa6",
        NoticeKind::StormClosed => "8af9afeddc834c37af31e13b24b1dcc5",
        NoticeKind::SourceWatching => "b33ccb8d53b74915988d8b3040813d43",
        NoticeKind::SourceBlind => "62b7c9ee32034a7e91b244500a3eec52",
        NoticeKind::SourceSighted => "16ee63ba59e64f8dbd0903c6918b2125",
        NoticeKind::StateLost => "806685a1181341d38e5532d12be5c9d8",
        NoticeKind::StoreFailed => "d5e8b3cd69684cd5ba7ba6ab5f00a4c9",
        NoticeKind::SinkFailing => "c7d5c72ed42e446dae6130e88902239b",
        NoticeKind::Test => "497f8810f8f14a168fa3822654e017be",
    }
}

/// One entry: `NAME=value` lines.
fn entry(identifier: &str, record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    let message = match &record.detail {
        None => record.text.clone(),
        Some(detail) => format!("{}\n{detail}", record.text),
    };
    field(&mut out, "MESSAGE", &message);
    field(&mut out, "MESSAGE_ID", message_id(record.kind));
    field(&mut out, "PRIORITY", &record.severity.number().to_string());
    field(&mut out, "SYSLOG_IDENTIFIER", identifier);
    for (name, value) in &record.fields {
        let name = format!("TASKBELL_{}", name.to_ascii_uppercase());
        if out.len() + name.len() + value.len() < ENTRY_BYTES_MAX {
            field(&mut out, &name, value);
        }
    }
    out
}

#[async_trait]
impl Sink for Journal {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        let mut body = Vec::new();
        for record in records(notice, &self.words) {
            frames::push(&mut body, &entry(&self.identifier, &record));
        }
        body
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        unix::send(&self.socket, &frames::messages(parcel.body)?).await?;
        Ok(Receipt::Whole)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        unix::connect(&self.socket).map(drop)
    }
}
