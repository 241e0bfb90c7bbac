//! Values that must not be printed.
//!
//! A [`Secret`] has no `Display` and no `Serialize`, its `Debug` shows nothing, and its memory
//! is wiped when it is dropped. It can leave only through [`Secret::expose`], so a search for
//! that word lists every place a reviewer has to look at.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a key, a token, or a URL that works like one.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of `value`.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. The call site is where a reviewer looks.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(..)");
    }
}
