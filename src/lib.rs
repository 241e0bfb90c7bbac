//! Tells people about failed cloud tasks, and keeps trying until they were told.

pub mod clock;
pub mod decide;
pub mod delivery;
pub mod failure;
pub mod http;
pub mod name;
pub mod notice;
pub mod options;
pub mod receiver;
pub mod render;
pub mod secret;
pub mod sink;
pub mod source;
pub mod task;
pub mod text;
