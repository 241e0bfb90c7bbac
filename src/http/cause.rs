//! What is behind an error.

use std::{error::Error, fmt};

/// Whether `is_it` says yes to `error` or to any of its causes.
pub fn any_cause(
    error: &(dyn Error + 'static),
    is_it: &dyn Fn(&(dyn Error + 'static)) -> bool,
) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_it(error) {
            return true;
        }
        // An I/O error does not name what it wraps as its source, only what caused that.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped {
            let wrapped: &(dyn Error + 'static) = wrapped;
            return any_cause(wrapped, is_it);
        }
        next = error.source();
    }
    false
}

/// Prints an error and all its causes on one line, joined by `: `.
///
/// Errors in this crate do not repeat their source in `Display`, so printing one alone loses
/// the cause. A cause that repeats the text before it is left out: some libraries do that.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !shown.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            shown = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
