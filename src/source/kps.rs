//! The Key Pair Service's list of failed tasks.

use super::Kind;
pub(super) const KIND: Kind = Kind {
    name: "kps",
    summary: "",
    example: "",
    schema: || schemars::Schema::default(),
    build: |_| Err(crate::options::OptionError::new("", "")),
};
