//! email

use super::Kind;
pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "",
    example: "",
    schema: || schemars::Schema::default(),
    build: |_| Err(crate::options::OptionError::new("", "")),
};
