//! What the sources of this cloud share: how a request is authorised, and what a refusal means.

pub(super) mod credential;
pub(super) mod fault;
