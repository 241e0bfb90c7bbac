//! Tells people about failed cloud tasks, and keeps trying until they were told.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decide;
pub mod delivery;
pub mod exit;
pub mod failpoint;
pub mod failure;
pub mod http;
pub mod name;
pub mod notice;
pub mod options;
pub mod receiver;
pub mod render;
pub mod secret;
pub mod silence;
pub mod sim;
pub mod sink;
pub mod source;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod text;
pub mod worker;
