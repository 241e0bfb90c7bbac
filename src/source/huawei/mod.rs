//! What the sources of this cloud share: where a project's API is, how a request is authorised,
//! how a list is walked, and what a refusal means.

pub(super) mod client;
pub(super) mod credential;
pub(super) mod fault;
pub(super) mod options;
pub(super) mod walk;
