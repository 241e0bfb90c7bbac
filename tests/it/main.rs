//! Everything that is tested from outside the crate, as one binary.

mod config;
