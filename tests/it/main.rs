//! Everything that is tested from outside the crate, as one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it looks for has failed"
)]

mod architecture;
mod commands;
mod config;
mod crash;
mod docs;
mod end_to_end;
mod follow_up;
mod model;
mod route_commands;
mod routes;
mod scenarios;
mod sink_contract;
mod stage;
mod store_contract;
mod store_health;
mod storm;
mod template;
mod timeline;
mod verify;
mod watch;
