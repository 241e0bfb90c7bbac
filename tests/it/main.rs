//! Everything that is tested from outside the crate, as one binary.

mod config;
mod crash;
mod end_to_end;
mod sink_contract;
mod stage;
