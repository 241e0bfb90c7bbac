//! Where notices leave the process.
//!
//! # Adding a sink
//!
//! 1. Copy `wecom.rs` to `<kind>.rs`; change its payload, its judgement and its `KIND`.
//! 2. Add `mod <kind>;` and `&<kind>::KIND` below. An unlisted `KIND` is dead code, and dead
//!    code is denied.
//!
//! The contract suite then runs against it, and `sink kinds` lists it.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    delivery::Verdict,
    http::{Clients, ca},
    message::{MessageRef, Original},
    name::Name,
    notice::{Notice, NoticeId},
    options::OptionError,
    render::Words,
};

mod alertmanager;
mod dial;
mod dingtalk;
mod discord;
mod email;
mod escape;
mod exec;
mod feishu;
mod file;
mod fit;
mod follow;
mod frames;
mod googlechat;
mod gotify;
mod hook;
mod http;
mod identity;
mod journald;
mod labels;
mod mattermost;
mod ntfy;
mod pagerduty;
mod payload;
mod pushover;
mod record;
mod rocketchat;
mod slack;
mod smn;
mod syslog;
mod teams;
mod telegram;
mod unix;
mod webhook;
mod wecom;

pub use webhook::signature;

/// Every kind of sink, in the order that `sink kinds` prints them.
pub const KINDS: &[&Kind] = &[
    &webhook::KIND,
    &email::KIND,
    &slack::KIND,
    &teams::KIND,
    &discord::KIND,
    &telegram::KIND,
    &mattermost::KIND,
    &rocketchat::KIND,
    &googlechat::KIND,
    &feishu::KIND,
    &dingtalk::KIND,
    &wecom::KIND,
    &pagerduty::KIND,
    &alertmanager::KIND,
    &ntfy::KIND,
    &gotify::KIND,
    &pushover::KIND,
    &smn::KIND,
    &file::KIND,
    &exec::KIND,
    &syslog::KIND,
    &journald::KIND,
];

/// How a kind of sink is named, explained and built.
pub struct Kind {
    /// The `kind` of a `[[sink]]` table.
    pub name: &'static str,
    /// One line for help texts and the README.
    pub summary: &'static str,
    /// Who reads what it is sent.
    pub reader: Reader,
    /// The `limit` of a sink that has none of its own, as the config writes it: below what the
    /// service itself refuses. `None`: no limit.
    pub limit: Option<&'static str>,
    /// The `cleared` of a sink that does not say: whether it is told when a failure is no longer
    /// listed. True for kinds that keep something open until then.
    pub cleared: bool,
    /// A `[[sink]]` table that works once `{endpoint}` (host and port) or, of a kind that stays on
    /// this host, `{folder}` is filled in. The contract suite builds it, so it cannot go stale.
    pub example: &'static str,
    /// The JSON Schema of the kind's own keys.
    pub schema: fn() -> schemars::Schema,
    /// Reads the kind's own keys and builds the sink. Does no I/O but reading secrets.
    pub build: fn(Build) -> Result<Box<dyn Sink>, OptionError>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who reads what a kind of sink is sent: what a burst of failures becomes unless the config says
/// otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reader {
    /// People, by mail or in a chat. Nobody reads a hundred messages, and those that matter drown
    /// among them, so a burst is told as one storm.
    People,
    /// Programs, from their own webhook to a file of lines. They count and sort for themselves, so
    /// a burst is told like anything else. Receivers that keep an incident for each failure belong
    /// here, whoever they wake: of a failure that is told within a storm they could neither open
    /// one nor resolve it.
    Programs,
}

/// What a kind builds a sink from.
pub struct Build {
    /// The operator's name for it.
    pub name: Name,
    /// The table without the keys that all sinks share.
    pub options: toml::Table,
    /// The process's HTTP clients.
    pub clients: Clients,
    /// How the operator wants notices worded.
    pub words: Words,
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options may hold literal secrets.
        f.debug_struct("Build").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Carries one notice to one place, once.
///
/// # Contract
///
/// * **Pure rendering.** [`Sink::render`] depends on the notice and the sink's options alone: the
///   same notice gives the same bytes, in another process too.
/// * **One attempt.** No retries and no sleeps inside: waiting is decided in
///   [`crate::decide::retry`] and survives a restart.
/// * **Bounded.** The caller drops the future after the sink's `timeout`. At most
///   [`ANSWER_BYTES_MAX`] bytes of an answer are read.
/// * **Cancel safety.** Dropping the future may lose the answer but not our records: the notice
///   is sent again under the same id.
/// * **Repeats.** Delivery is at least once. If the service has a field for it, send the
///   [`NoticeId`]; equal ids are equal messages.
/// * **Follow-up.** [`Parcel::original`] may change where a message appears, never whether: what is
///   refused with it is sent without it, within the attempt.
/// * **Size.** A payload is within the service's limit. What had no room is counted in it, with the
///   command that lists it; no notice becomes several messages because it is long.
/// * **Secrets.** The rendered bytes are stored and hold none. Neither `Debug` nor an error may show a token, or a URL that holds one.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// The bytes that are stored and sent at every attempt.
    fn render(&self, notice: &Notice) -> Vec<u8>;

    /// Sends `parcel` and waits for the service's verdict.
    ///
    /// `Ok` means that the service took responsibility, not merely that it answered.
    ///
    /// # Errors
    ///
    /// See [`SinkError`]; [`SinkError::verdict`] says what to do about it.
    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError>;

    /// Opens the way to the service without sending anything: resolves, connects, and
    /// authenticates where the protocol can do so without a message.
    ///
    /// # Errors
    ///
    /// As [`Sink::send`].
    async fn probe(&self) -> Result<(), SinkError>;
}

/// Most bytes of an answer that are read. Verdicts of every service fit; a receiver that
/// answers with a film does not fill our memory.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One attempt's freight.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// Equal ids are equal messages.
    pub id: &'a NoticeId,
    /// What [`Sink::render`] gave.
    pub body: &'a [u8],
    /// The recipients still owed, where an earlier attempt told some of them. `None`: all.
    pub recipients: Option<&'a [String]>,
    /// For what is said later: the message that told of all its failures, if one did and the
    /// sink said where it is. It may be gone by now; then a message of its own has to do.
    pub original: Option<&'a Original>,
    /// The instant of the attempt. Timestamps and signatures renew; the body does not.
    pub now: Timestamp,
}

/// What the service took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Receipt {
    /// Everything.
    Whole,
    /// Everything, and this is where the message is, for what is said about it later.
    Kept(MessageRef),
    /// Some recipients accepted; these did not, for now or for good.
    Part {
        /// Still owed.
        owed: Vec<String>,
        /// Why, for the record: the first refusal's words.
        error: SinkErrorText,
        /// Whether time alone can help any of them.
        verdict: Verdict,
    },
}

/// An error's text that was checked to hold no secret, at most a line.
pub type SinkErrorText = String;

/// Why a notice was not taken.
///
/// `Display` says what failed, naming the host and never the path, and leaves the cause to
/// `source()`. Print it with [`crate::http::Chain`].
#[derive(Debug, Error)]
#[error("{what}")]
pub struct SinkError {
    /// What failed. No secrets.
    pub what: String,
    /// What it asks for.
    pub verdict: Verdict,
    /// Whether the service may have taken the notice without our hearing of it: the answer was
    /// lost on its way, or says neither yes nor no. A repeat may then be a second message.
    pub uncertain: bool,
    /// What caused it, stripped of URLs.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SinkError {
    /// An error without a cause, and without a doubt: the notice was not taken.
    #[must_use]
    pub fn new(verdict: Verdict, what: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, uncertain: false, cause: None }
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}
