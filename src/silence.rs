//! A silence: what the operator does not want to hear until a given time.
//!
//! A silence holds, it does not discard: when it ends, what still stands is told in one notice,
//! unless its author said that nobody wants that either.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What becomes of what a silence held. Stored: never reorder.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    /// What still stands is told as one notice.
    #[default]
    Digest,
    /// Nothing is told.
    Drop,
}

/// A silence. This is the stored form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Silence {
    /// The number in this store. Ascending in the order of adding.
    pub number: u64,
    /// Conditions in the language of routes; all must hold. 1 to [`Silence::MATCHERS_MAX`].
    pub matchers: Vec<String>,
    /// From then on.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub starts_at: Timestamp,
    /// Until then. Moved to the present when it is expired by hand.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub ends_at: Timestamp,
    /// Who added it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// What becomes of what it held.
    pub on_expire: OnExpire,
}

impl Silence {
    /// Most conditions. One about each field, some of them twice.
    pub const MATCHERS_MAX: usize = 16;

    /// Longest author or comment: a sentence or two, and a link.
    pub const TEXT_BYTES_MAX: usize = 512;

    /// Most silences that are remembered, ended ones included. Each is looked at for each notice.
    pub const COUNT_MAX: usize = 1_000;

    /// Whether it holds at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }
}
