//! What a poll changes.

use std::time::Duration;

/// What to do with the failures that stand when a source is first polled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstRun {
    /// One message that says how many stand.
    #[default]
    Summary,
    /// Say nothing.
    Silent,
    /// Tell all of them.
    Notify,
    /// Tell those that are younger than this.
    Since(Duration),
}
