//! Where failures come from.
//!
//! A source walks one cloud list from its first page to its last and hands each row to a
//! [`Sift`], which knows what the ledger knows. It neither remembers nor decides anything.
//!
//! # Adding a source
//!
//! 1. Copy `kps.rs` to `<kind>.rs`; change its options, its rows and its `KIND`.
//! 2. Add `mod <kind>;` and `&<kind>::KIND` below. An unlisted `KIND` is dead code, and dead
//!    code is denied.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

use crate::{
    clock::Clock,
    decide::sift::{Sift, Walk},
    http::{Chain, Clients},
    name::Name,
    notice::SourceInfo,
    options::OptionError,
};

mod extras;
#[cfg(fuzzing)]
pub mod fuzz;
mod huawei;
mod json;
mod kps;
#[cfg(test)]
mod peer;
mod scalar;
mod sdrs;

pub use extras::{Extras, TaskFate, TaskId};
pub use huawei::credential::{Shelf, Standings};

/// Every kind of source, in the order that help texts list them.
pub const KINDS: &[&Kind] = &[&kps::KIND, &sdrs::KIND, &json::KIND];

/// How a kind of source is named, explained and built.
pub struct Kind {
    /// The `kind` of a `[[source]]` table. Payloads carry it: never rename it.
    pub name: &'static str,
    /// One line for help texts.
    pub summary: &'static str,
    /// A `[[source]]` table that works once `{endpoint}` is filled in.
    pub example: &'static str,
    /// The JSON Schema of the kind's own keys.
    pub schema: fn() -> schemars::Schema,
    /// Reads the kind's own keys and builds the source. Does no I/O but reading secrets.
    pub build: fn(Build) -> Result<Box<dyn Source>, OptionError>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a kind builds a source from.
pub struct Build {
    /// The operator's name for it.
    pub name: Name,
    /// The table without the keys that all sources share.
    pub options: toml::Table,
    /// Signatures and tokens carry the time.
    pub clock: Arc<dyn Clock>,
    /// The process's HTTP clients.
    pub clients: Clients,
    /// The process's credentials.
    pub shelf: Shelf,
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options may hold literal secrets.
        f.debug_struct("Build").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One list of failed tasks in one cloud project.
///
/// # Contract
///
/// * **Whole.** A walk begins at the first row and ends as [`crate::decide::sift::End`] says. It asks for
///   pages explicitly and does not trust a short page to be the last.
/// * **Bounded.** Pages, rows and bytes have named limits. The caller drops the future when the
///   poll's time is up.
/// * **Patient, not stubborn.** A throttled or failed page is asked for again a few times within
///   the walk. A refused credential is never sent twice: five bad signatures lock the key.
/// * **Secrets.** Neither `Debug` nor an error may show a token or a key.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// Which list this is.
    fn info(&self) -> &SourceInfo;

    /// Scheme, host and port of whom it asks. Sources of one host share its budget of requests, and
    /// wait for it one by one while it does not answer. Empty: it shares with nobody.
    #[expect(clippy::unnecessary_literal_bound, reason = "implementations return their own")]
    fn origin(&self) -> &str {
        ""
    }

    /// Walks the list once, handing every row to `sift`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when a page could not be had. Rows handed over before that were listed
    /// all the same, and the caller may use them as a partial poll.
    async fn walk(&self, sift: &mut Sift) -> Result<Walk, SourceError>;

    /// Requests that a poll makes if the list is short: what is reckoned with before the first one.
    fn requests(&self) -> u32 {
        1
    }

    /// Goes the way to the list step by step and reads its beginning, for an operator who wants
    /// to know what is wrong. Ends where it cannot go on.
    async fn examine(&self) -> Vec<Finding> {
        let mut sift = Sift::new(Arc::default());
        sift.begin_walk();
        let walked = self.walk(&mut sift).await;
        vec![Finding::of("list", walked.map(|walk| format!("{} rows", walk.rows)))]
    }

    /// What the cloud must allow our identity to do, in the words of its permission system.
    fn actions(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What the operator wants of it beside its list. What is not wanted, or what the kind does
    /// not have, is never asked for with the methods below.
    fn extras(&self) -> Extras {
        Extras::default()
    }

    /// Walks the list of running tasks once, as [`Source::walk`] does that of the failed ones.
    ///
    /// # Errors
    ///
    /// As there.
    async fn walk_running(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        let _unused = sift;
        Err(unable())
    }

    /// What became of a task.
    ///
    /// # Errors
    ///
    /// When the cloud does not say.
    async fn task(&self, id: &TaskId) -> Result<TaskFate, SourceError> {
        let _unused = id;
        Err(unable())
    }

    /// Deletes the record of one failed task. That there is none is a success.
    ///
    /// # Errors
    ///
    /// When the cloud refuses, or its answer was not heard: then it may have been deleted.
    async fn delete(&self, id: &TaskId) -> Result<(), SourceError> {
        let _unused = id;
        Err(unable())
    }
}

fn unable() -> SourceError {
    SourceError::new(FaultClass::Request, "this kind of source cannot do that")
}

/// What one step of [`Source::examine`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The step: `dns`, `reach`, `clock`, `identity`, `project`, `list` and so on.
    pub step: &'static str,
    /// Whether that is good.
    pub seen: Seen,
    /// One line. No secrets.
    pub detail: String,
    /// What to do about it; empty if nothing.
    pub advice: String,
}

/// Whether a finding is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It is.
    Good,
    /// It works, but not for ever or not as it should.
    Odd,
    /// It is not.
    Bad(FaultClass),
}

impl Finding {
    /// The finding that is the outcome of a step.
    #[must_use]
    pub fn of(step: &'static str, outcome: Result<String, SourceError>) -> Self {
        match outcome {
            Ok(detail) => Self { step, seen: Seen::Good, detail, advice: String::new() },
            Err(error) => {
                let advice = error.class.advice().to_owned();
                let detail = Chain(&error).to_string();
                Self { step, seen: Seen::Bad(error.class), detail, advice }
            }
        }
    }

    /// One that works and needs looking after.
    #[must_use]
    pub fn odd(step: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { step, seen: Seen::Odd, detail: detail.into(), advice: advice.into() }
    }

    /// Whether the way ends here.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.seen, Seen::Bad(_))
    }
}

/// What kind of trouble keeps us from seeing. The word goes into logs, metrics and notices.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FaultClass {
    /// The credentials were refused.
    Auth,
    /// They are good, but may not read this list.
    Permission,
    /// The account is frozen or in arrears.
    AccountFrozen,
    /// The service is not offered at this address.
    NotInRegion,
    /// Too many requests.
    Throttled,
    /// Our clock and the cloud's are too far apart.
    ClockSkew,
    /// The TLS handshake failed.
    Tls,
    /// The name could not be resolved.
    Dns,
    /// The connection failed or broke.
    Network,
    /// No answer in time.
    Timeout,
    /// The cloud answered that it failed.
    Upstream,
    /// The answer is not what the API promises.
    Schema,
    /// The list could not be walked whole.
    Incomplete,
    /// The request is wrong, by our or the configuration's fault.
    Request,
}

impl FaultClass {
    /// Every class.
    pub const ALL: [Self; 14] = [
        Self::Auth,
        Self::Permission,
        Self::AccountFrozen,
        Self::NotInRegion,
        Self::Throttled,
        Self::ClockSkew,
        Self::Tls,
        Self::Dns,
        Self::Network,
        Self::Timeout,
        Self::Upstream,
        Self::Schema,
        Self::Incomplete,
        Self::Request,
    ];

    /// The class with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::AccountFrozen => "account_frozen",
            Self::NotInRegion => "not_in_region",
            Self::Throttled => "throttled",
            Self::ClockSkew => "clock_skew",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Upstream => "upstream",
            Self::Schema => "schema",
            Self::Incomplete => "incomplete",
            Self::Request => "request",
        }
    }

    /// One sentence: what to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Auth => {
                "Check the key, token or password under auth, and that its user is enabled; \
                 refused ones are asked with seldom, since the cloud locks them."
            }
            Self::Permission => {
                "Check project_id, and grant the identity the permission to read this list; \
                 taskbell doctor prints the policy."
            }
            Self::AccountFrozen => "Settle the account's arrears or have it unfrozen.",
            Self::NotInRegion => "Check region, endpoint and project_id; the list is not there.",
            Self::Throttled => "Lengthen interval, or have fewer programs share the quota.",
            Self::ClockSkew => "Set this host's clock; 15 minutes is the most the cloud accepts.",
            Self::Tls => "Check the endpoint's certificate and this host's root certificates.",
            Self::Dns => "Check the endpoint's spelling and this host's resolver.",
            Self::Network => "Check the route, the firewall and the proxy to the endpoint.",
            Self::Timeout => "Check the route to the endpoint, or lengthen timeout.",
            Self::Upstream => "The cloud has trouble; polling goes on.",
            Self::Schema => {
                "Something else answers there; check endpoint, and for a proxy or a captive portal."
            }
            Self::Incomplete => "The list changes under the walk; new failures are told anyway.",
            Self::Request => "Check project_id and endpoint.",
        }
    }
}

/// Why a walk did not reach its end.
///
/// `Display` says what failed and leaves the cause to `source()`.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct SourceError {
    /// Decides what the operator is told to do.
    pub class: FaultClass,
    /// What failed, with the cloud's code and the request id if there were any. No secrets.
    pub what: String,
    /// The service's wish, where it gave one.
    pub retry_after: Option<Duration>,
    /// What caused it.
    #[source]
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// An error without a cause.
    #[must_use]
    pub fn new(class: FaultClass, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), retry_after: None, cause: None }
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}
