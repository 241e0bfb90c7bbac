//! What everything that talks to this cloud shares, whether it reads a list or sends a message.

pub mod sign;
