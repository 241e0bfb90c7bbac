//! A delivery: one notice owed to one sink.
//!
//! ```text
//!  held(silence | window | digest | storm | disabled) ── its end ──▶ folded into one notice
//!
//!  pending(due) ── leased ──▶ accepted ─▶ delivered
//!    ▲   ▲  │ retry             │
//!    │   └──┴───────────────────┤
//!    │                          ├─ gone (410): the sink is disabled ──▶ held(disabled)
//!    │                          └─ refused until older than max_age ──▶ dead
//!    └────────────────────────── retry, replay, probe ──────────────────┘
//!
//!  pending or held ──▶ suppressed(silence dropped it, cleared meanwhile, the operator)
//! ```
//!
//! Every failure that a route sends to a sink is, for that sink, in exactly one of these states,
//! or in a group that has not closed. `folded` points to the delivery that speaks for it.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Ending, FailureId},
    name::Name,
    notice::{Coverage, NoticeId, NoticeKind, Sources, Tally, Trouble},
    task::Task,
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

/// What keeps a delivery back. Ordered, so that it can be a key. Stored: never reorder.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Hold {
    /// A silence, by its number.
    Silence(u64),
    /// A mute window, until this instant in milliseconds since 1970.
    Window(Name, i64),
    /// The route's digest is due at this instant, in milliseconds since 1970.
    Digest(i64),
    /// The sink is in storm; what is held is told with the next update.
    Storm,
    /// The receiver said that it is gone.
    Disabled,
}

impl Hold {
    /// The word for logs and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Silence(_) => "silence",
            Self::Window(..) => "window",
            Self::Digest(_) => "digest",
            Self::Storm => "storm",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(number) => write!(f, "silence {number}"),
            Self::Window(name, _) => write!(f, "mute window {name}"),
            Self::Digest(_) => f.write_str("the route's digest"),
            Self::Storm => f.write_str("a storm"),
            Self::Disabled => f.write_str("the sink, which is disabled"),
        }
    }
}

/// Why nobody is told. Stored: never reorder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Reason {
    /// No route matched.
    NoRoute,
    /// This route sends it to nobody, on purpose. Counted from 1.
    NullRoute(u32),
    /// This silence drops what it held.
    Silence(u64),
    /// It cleared while it was held.
    Cleared,
    /// The operator cancelled it.
    Operator,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("no route matched"),
            Self::NullRoute(route) => write!(f, "route {route} sends it to nobody"),
            Self::Silence(number) => write!(f, "silence {number} drops what it holds"),
            Self::Cleared => f.write_str("it cleared while it was held"),
            Self::Operator => f.write_str("the operator cancelled it"),
        }
    }
}

/// That nobody is told about a failure, or that one sink is not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Suppressed {
    /// When it was decided.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// The sink; `None`: no sink was chosen at all.
    pub sink: Option<Name>,
    /// Why.
    pub why: Reason,
}

/// Where a delivery stands. Stored: never reorder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum DeliveryState {
    /// Will be tried at or after `due`.
    Pending {
        /// Earliest instant of the next attempt.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        due: Timestamp,
    },
    /// Kept back. Does not age.
    Held {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// By what.
        by: Hold,
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
    /// Told, or to be told, by another delivery to the same sink.
    Folded {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// By which.
        into: DeliveryId,
        /// What held it until then; `None`: it waited for its sink.
        held_by: Option<Hold>,
    },
    /// Not told, on purpose.
    Suppressed {
        /// Since when.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        at: Timestamp,
        /// Why.
        why: Reason,
    },
}

impl DeliveryState {
    /// The words of [`DeliveryState::as_str`], in the order that help texts list them.
    pub const NAMES: [&'static str; 6] =
        ["pending", "held", "delivered", "dead", "folded", "suppressed"];

    /// The word for filters, logs and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Held { .. } => "held",
            Self::Delivered { .. } => "delivered",
            Self::Dead { .. } => "dead",
            Self::Folded { .. } => "folded",
            Self::Suppressed { .. } => "suppressed",
        }
    }

    /// Whether `word` of [`DeliveryState::NAMES`] is that of a state in which nothing more happens.
    #[must_use]
    pub fn is_word_of_done(word: &str) -> bool {
        matches!(word, "delivered" | "folded" | "suppressed")
    }

    /// Since when nothing more happens to it, by itself or by the operator.
    #[must_use]
    pub fn done_at(&self) -> Option<Timestamp> {
        match self {
            Self::Delivered { at } | Self::Folded { at, .. } | Self::Suppressed { at, .. } => {
                Some(*at)
            }
            Self::Pending { .. } | Self::Held { .. } | Self::Dead { .. } => None,
        }
    }

    /// Whether nothing more happens to it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done_at().is_some()
    }
}

/// What an attempt came to, in one word. Stored: never reorder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The service took responsibility.
    Accepted,
    /// See [`Verdict::Retry`].
    Retry,
    /// See [`Verdict::Suspect`].
    Suspect,
    /// See [`Verdict::Gone`].
    Gone,
}

impl Outcome {
    /// The word for logs, metrics and notices.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Retry => "retry",
            Self::Suspect => "suspect",
            Self::Gone => "gone",
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry { .. } => Self::Retry,
            Verdict::Suspect => Self::Suspect,
            Verdict::Gone => Self::Gone,
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
    /// In one word.
    pub outcome: Outcome,
    /// The reason class and the error chain, without secrets; at most
    /// [`LastAttempt::DETAIL_BYTES_MAX`].
    pub detail: String,
}

impl LastAttempt {
    /// Longest detail kept with a delivery. A whole chain fits; an answer's body does not.
    pub const DETAIL_BYTES_MAX: usize = 300;

    /// Whether the receiver refused it in a way that looks like configuration.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Suspect | Outcome::Gone)
    }
}

/// When what was told and still stands is told again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Remind {
    /// The wait after the notice was accepted.
    pub first: Duration,
    /// Each wait is so many hundredths of the one before it. 100 and more.
    pub factor_percent: u16,
    /// Longest wait.
    pub max: Duration,
    /// Most reminders.
    pub count: u32,
    /// Those that were sent.
    pub sent: u32,
    /// For a reminder, the delivery that told first: each one is about what still stands of it.
    pub of: Option<DeliveryId>,
}

impl Default for Remind {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { first: 4 * hour, factor_percent: 200, max: 24 * hour, count: 5, sent: 0, of: None }
    }
}

/// One notice owed to one sink. This is the stored form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// The number in this store.
    pub id: DeliveryId,
    /// Names what is told. Fixed when the delivery is opened.
    pub notice_id: NoticeId,
    /// Which route chose it, counted from 1 in the order of the config at that time. 0: none
    /// did, as for a digest of several or a notice about a sink.
    pub route: u32,
    /// Where it goes.
    pub sink: Name,
    /// The source it is about; `None` for several, or for none.
    pub source: Option<Name>,
    /// See [`crate::notice::Notice::sources`].
    pub sources: Option<Sources>,
    /// What it says.
    pub kind: NoticeKind,
    /// Why it is said.
    pub reason: String,
    /// Which failures it lists, ascending; at most [`crate::notice::FAILURES_MAX`].
    pub failures: Vec<FailureId>,
    /// All that it speaks for. If that is more than `failures`, the store keeps the whole list
    /// beside the record.
    pub total: u32,
    /// Those of `failures` that had cleared when the content was fixed, and when they did.
    pub cleared: Vec<Cleared>,
    /// When the notice was closed and its content fixed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When the operator last brought it back from held or dead: its age counts from here.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub revived_at: Option<Timestamp>,
    /// See [`crate::notice::Notice::still_open`].
    pub still_open: u32,
    /// See [`crate::notice::Notice::so_far`].
    pub so_far: u32,
    /// See [`crate::notice::Notice::coverage`].
    pub coverage: Coverage,
    /// See [`crate::notice::Notice::tally`].
    pub tally: Option<Tally>,
    /// See [`crate::notice::Notice::trouble`].
    pub trouble: Option<Trouble>,
    /// See [`crate::notice::Notice::since`].
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub since: Option<Timestamp>,
    /// Deliveries to the same sink that come first: a cleared notice never overtakes the one
    /// that it clears.
    pub after: Vec<DeliveryId>,
    /// When to tell again what still stands.
    pub remind: Option<Remind>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far, whatever they came to.
    pub attempts: u32,
    /// The latest of them.
    pub last: Option<LastAttempt>,
    /// The recipients still owed, where a sink has several and some were already told.
    pub recipients: Option<Vec<String>>,
    /// Whether an attempt may have been accepted without our hearing of it, or was accepted in
    /// part. Its content must not change any more.
    pub uncertain: bool,
    /// Whether the fallback was told that it is not delivered.
    pub alarmed: bool,
    /// Tasks that it lists and that are no failures: they run for too long. At most
    /// [`crate::notice::FAILURES_MAX`].
    pub running: Vec<Task>,
}

#[cfg(test)]
impl Delivery {
    /// The delivery `number` of `kind` to `chat`, opened at `created_at` for failure 1.
    pub(crate) fn example(
        number: u64,
        kind: NoticeKind,
        state: DeliveryState,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id: DeliveryId(number),
            notice_id: NoticeId::from([7; 20]),
            route: 1,
            sink: Name::parse("chat").expect("a name"),
            source: None,
            sources: None,
            kind,
            reason: "new".into(),
            failures: vec![FailureId(1)],
            total: 1,
            cleared: Vec::new(),
            created_at,
            revived_at: None,
            still_open: 0,
            so_far: 0,
            coverage: Coverage::default(),
            tally: None,
            trouble: None,
            since: None,
            after: Vec::new(),
            remind: None,
            state,
            attempts: 0,
            last: None,
            recipients: None,
            uncertain: false,
            alarmed: false,
            running: Vec::new(),
        }
    }
}

/// A failure that cleared, as a notice says it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cleared {
    /// Which.
    pub id: FailureId,
    /// When it was found to be no longer listed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// See [`crate::failure::Failure::ending`].
    pub ending: Option<Ending>,
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
        Outcome::from(self).as_str()
    }
}
