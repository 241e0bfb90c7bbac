//! Every decision, as a pure function of what is known and of `now`.
//!
//! Nothing in here is async, reads a clock, does I/O or logs, and nothing in here can fail. A
//! decision returns a value that says what and why; the steps carry it out.
//!
//! What the operator writes for a decision is parsed here too, when the config is loaded. Only
//! that can be refused, and only that looks up time zones.

pub mod backlog;
pub mod cleanup;
mod close;
mod company;
pub mod coverage;
pub mod diff;
pub mod fold;
pub mod group;
pub mod health;
pub mod last_words;
pub mod narrow;
pub mod recur;
pub mod release;
pub mod remind;
pub mod retry;
pub mod route;
pub mod rules;
pub mod schedule;
pub mod sift;
pub mod sight;
pub mod silence;
pub mod stuck;
pub mod tally;
pub mod upkeep;
mod watch;
pub mod window;
mod zone;
