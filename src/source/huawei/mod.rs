//! What the sources of this cloud share: where a project's API is, who we are to it, how a list
//! is walked, and what a refusal means.

pub(super) mod client;
pub(super) mod credential;
pub(super) mod endpoint;
pub(super) mod examine;
pub(super) mod fault;
mod iam;
pub(super) mod identity;
pub(super) mod options;
pub(super) mod page;
pub(super) mod project;
mod region;
mod strikes;
pub(super) mod walk;
