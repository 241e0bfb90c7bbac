//! Everything that is tested from outside the crate, as one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it looks for has failed"
)]

mod amtool;
mod architecture;
mod browser;
mod clocks;
mod commands;
mod config;
mod credentials;
mod disk;
mod docs;
mod doctor;
mod end_to_end;
mod fleet;
mod follow_up;
mod frozen;
mod hostile;
mod init;
mod kill;
mod load;
mod model;
mod network;
mod power;
mod proxy;
mod replay;
mod route_commands;
mod routes;
mod scenarios;
mod security;
mod service;
mod sink_contract;
mod stage;
mod status;
mod store_contract;
mod store_health;
mod storm;
mod subject;
mod template;
mod timeline;
mod verify;
mod watch;
