//! A delivery: one notice owed to one sink.
//!
//! ```text
//!  pending(due) ── leased ──▶ accepted ─▶ delivered
//!    ▲   ▲  │ retry             │
//!    │   └──┴───────────────────┤
//!    │                          ├─ gone (410) ──▶ held ──┐
//!    │                          └─ older than max_age ──▶ dead
//!    └──────────────────────── retry, by the operator ────┴┘
//! ```

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    failure::FailureId,
    name::Name,
    notice::{Coverage, NoticeId, NoticeKind},
};

/// The number of a delivery in this store. Ascending in the order of opening.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct DeliveryId(pub u64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where a delivery stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum DeliveryState {
    /// Will be tried at or after `due`.
    Pending {
        /// Earliest instant of the next attempt.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        due: Timestamp,
    },
    /// Waits for the operator. Does not age.
    Held {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
    },
    /// The service took responsibility.
    Delivered {
        /// When its answer arrived.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
    /// Nobody will try again unless the operator says so.
    Dead {
        /// When we gave up.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
    },
}

impl DeliveryState {
    /// The word for filters, logs and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Held { .. } => "held",
            Self::Delivered { .. } => "delivered",
            Self::Dead { .. } => "dead",
        }
    }
}

/// What the last attempt came to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LastAttempt {
    /// When it began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// From the first byte to the verdict.
    pub latency_ms: u32,
    /// The reason class and the error chain, without secrets; at most
    /// [`LastAttempt::DETAIL_BYTES_MAX`].
    pub detail: String,
}

impl LastAttempt {
    /// Longest detail kept with a delivery. A whole chain fits; an answer's body does not.
    pub const DETAIL_BYTES_MAX: usize = 300;
}

/// One notice owed to one sink. This is the stored form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// The number in this store.
    pub id: DeliveryId,
    /// Names what is told. Fixed when the delivery is opened.
    pub notice_id: NoticeId,
    /// Which route chose it, counted from 1 in the order of the config at that time.
    pub route: u32,
    /// Where it goes.
    pub sink: Name,
    /// The source it is about.
    pub source: Name,
    /// What it says.
    pub kind: NoticeKind,
    /// Why it is said.
    pub reason: String,
    /// Which failures it names, ascending.
    pub failures: Vec<FailureId>,
    /// When the notice was closed and its content fixed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When the operator last brought it back from held or dead: its age counts from here.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub revived_at: Option<Timestamp>,
    /// See [`crate::notice::Notice::still_open`].
    pub still_open: u32,
    /// See [`crate::notice::Notice::coverage`].
    pub coverage: Coverage,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far, whatever they came to.
    pub attempts: u32,
    /// The latest of them.
    pub last: Option<LastAttempt>,
    /// The recipients still owed, where a sink has several and some were already told.
    pub recipients: Option<Vec<String>>,
}

/// What a failed attempt asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Time may help: connect, handshake, time limit, 408, 425, 429, 5xx, SMTP 4xx.
    Retry {
        /// The service's wish, a lower bound.
        after: Option<Duration>,
    },
    /// Probably configuration: other 4xx, a redirect, a wrong TLS name, SMTP 5xx. Tokens get
    /// rotated and URLs fixed, so the slow lane tries on.
    Suspect,
    /// The receiver is gone for good (410): hold, until the operator says otherwise.
    Gone,
}

impl Verdict {
    /// The word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Suspect => "suspect",
            Self::Gone => "gone",
        }
    }
}
