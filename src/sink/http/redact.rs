//! What must not be repeated in an error: receivers like to echo what they were sent.

use std::fmt;

use url::Url;

use crate::{secret::Secret, text};

/// Most characters of a refusal's body that are kept: a sentence, not a page.
const EXCERPT_CHARS_MAX: usize = 120;

/// Shortest part of a URL that is taken for a secret. Shorter ones are words such as `hooks`.
const URL_PART_BYTES_MIN: usize = 6;

/// Shortest configured secret that is looked for in an answer: a shorter one is in every text.
const SECRET_BYTES_MIN: usize = 3;

/// What must not be repeated in an error.
#[derive(Clone, Default)]
pub(in crate::sink) struct Redactor {
    /// Longest first, so that no part of one is left when a shorter one lies inside it.
    needles: Vec<Secret>,
}

impl Redactor {
    /// Hides `secrets`, whole.
    pub(in crate::sink) fn new(secrets: &[&str]) -> Self {
        let mut this = Self::default();
        this.hide(secrets, SECRET_BYTES_MIN);
        this
    }

    /// Hides what follows the host in `url`: each part alone too, plain and percent-decoded.
    pub(super) fn hide_url(&mut self, url: &Url) {
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let mut parts = vec![url.path().to_owned(), url.query().unwrap_or_default().to_owned()];
        parts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        parts.extend([url.username().to_owned(), url.password().unwrap_or_default().to_owned()]);
        parts.extend(parts.clone().iter().map(|part| decode(part)));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.hide(&parts, URL_PART_BYTES_MIN);
    }

    fn hide(&mut self, texts: &[&str], bytes_min: usize) {
        let long = texts.iter().filter(|text| bytes_min <= text.len());
        self.needles.extend(long.map(|text| Secret::new((*text).to_owned())));
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.expose().len()));
        self.needles.dedup();
    }

    /// The first words of `answer`, on one line, without any of the secrets.
    pub(in crate::sink) fn excerpt(&self, answer: &str) -> String {
        let mut shown = answer.to_owned();
        for needle in &self.needles {
            if shown.contains(needle.expose()) {
                shown = shown.replace(needle.expose(), "[secret]");
            }
        }
        let short: String = shown.trim().chars().take(EXCERPT_CHARS_MAX).collect();
        text::clean(&short, 4 * EXCERPT_CHARS_MAX)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}
