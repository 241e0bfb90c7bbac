//! What the sources of this cloud share.

pub mod sign;
