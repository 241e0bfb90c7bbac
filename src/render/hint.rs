//! What to do about a failure, in one sentence.
//!
//! The operator's own hints come first, then what the message gives away, then what the error
//! code stands for: many causes share a code, and the message is the more telling of the two.

use regex::{Regex, RegexBuilder};

use super::Language;
use crate::task::TaskText;

mod finder;
mod known;

use known::CODES;

/// Begins a key of the config that is a pattern for messages.
const PATTERN: &str = "re:";

/// Most bytes that a pattern may take when it is compiled. Larger ones are lists, which belong
/// into several patterns.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Longest text of a hint: a sentence or two.
pub const HINT_BYTES_MAX: usize = 500;

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hint<'a> {
    /// One sentence.
    pub text: &'a str,
    /// Where to read on.
    pub link: Option<&'a str>,
}

/// The hints there are: the operator's own, and those that are built in.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    own: Vec<(Key, Own)>,
}

/// What a hint of the operator is for.
#[derive(Clone, Debug)]
enum Key {
    /// An error code, whole, in either case.
    Code(String),
    /// A pattern that is found somewhere in the message.
    Message(Regex),
}

#[derive(Clone, Debug)]
struct Own {
    text: String,
    link: Option<String>,
}

impl Hints {
    /// Adds a hint of the operator behind those that are there. An empty text says that there is
    /// nothing to say.
    ///
    /// # Errors
    ///
    /// What is wrong, in words that fit behind the key.
    pub fn add(&mut self, key: &str, text: String, link: Option<String>) -> Result<(), String> {
        let key = match key.strip_prefix(PATTERN) {
            None if key.is_empty() => {
                return Err("must be an error code or re:<pattern>".to_owned());
            }
            None => Key::Code(key.to_owned()),
            Some(pattern) => {
                let regex = RegexBuilder::new(pattern)
                    .case_insensitive(true)
                    .size_limit(PATTERN_BYTES_MAX)
                    .build();
                Key::Message(regex.map_err(|error| format!("is not a pattern: {error}"))?)
            }
        };
        if HINT_BYTES_MAX < text.len() || text.chars().any(char::is_control) {
            return Err(format!("must be one line of at most {HINT_BYTES_MAX} bytes"));
        }
        if let Some(link) = &link {
            let known = link.starts_with("https://") || link.starts_with("http://");
            let odd = |c: char| c.is_control() || c.is_whitespace() || "<>\"'`".contains(c);
            if !known || link.chars().any(odd) || HINT_BYTES_MAX < link.len() {
                return Err("its link must be an https:// or http:// URL".to_owned());
            }
        }
        self.own.push((key, Own { text, link }));
        Ok(())
    }

    /// What to do about a failure with these texts, if anybody knows.
    #[must_use]
    pub fn of(&self, text: &TaskText, language: Language) -> Option<Hint<'_>> {
        let code = text.error_code.as_deref().unwrap_or_default();
        let message = text.error_message.as_deref().unwrap_or_default();
        let fits = |key: &Key| match key {
            Key::Code(wanted) => code.eq_ignore_ascii_case(wanted),
            Key::Message(pattern) => !message.is_empty() && pattern.is_match(message),
        };
        // Whoever names a code means it, in whichever order the two were written.
        let codes = self.own.iter().filter(|(key, _)| matches!(key, Key::Code(_)));
        let patterns = self.own.iter().filter(|(key, _)| matches!(key, Key::Message(_)));
        if let Some((_, own)) = codes.chain(patterns).find(|(key, _)| fits(key)) {
            let hint = Hint { text: &own.text, link: own.link.as_deref() };
            return Some(hint).filter(|hint| !hint.text.is_empty());
        }
        let of_code = || CODES.iter().find(|known| known.is_for(code)).map(|known| known.words);
        let words = finder::words_about(message).or_else(of_code)?;
        Some(Hint { text: words.in_language(language), link: None })
    }
}

#[cfg(test)]
mod tests;
