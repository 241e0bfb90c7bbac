//! Text that strangers wrote, made safe to keep and to show.
//!
//! Names and messages in a listing are chosen by whoever can create a server or a key pair.
//! They are cleaned once, where they enter, so that no mail header, log line, terminal or page
//! behind that door ever meets a control character. Escaping for a target's own markup is the
//! target's business.

use std::borrow::Cow;

/// What stands in for a character that was taken out.
const REPLACEMENT: char = '\u{FFFD}';

/// Marks that a text was cut. It is part of the length that [`clean`] promises.
const CUT: &str = "…";

/// Bytes as text, with what is no UTF-8 replaced.
///
/// For megabytes of what is nearly always good: that is found out many times faster than
/// [`String::from_utf8_lossy`] does.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A copy of `raw` of at most `bytes_max` bytes without control characters.
///
/// Line breaks and tabs become one space. Other control characters, and the marks that change
/// the direction of the text around them, become U+FFFD: they forge headers, hide text in
/// terminals and reorder lines. A text that is too long is cut on a character boundary and
/// ends in `…`. `bytes_max` is at least 8.
#[must_use]
pub fn clean(raw: &str, bytes_max: usize) -> String {
    // Nearly every text is this.
    if raw.len() <= bytes_max && raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return raw.to_owned();
    }
    let mut out = String::with_capacity(raw.len().min(bytes_max));
    let room = bytes_max.saturating_sub(CUT.len());
    // Where the text must end if it turns out to be too long.
    let mut cut_at = 0;
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\r' if chars.peek() == Some(&'\n') => continue,
            '\r' | '\n' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_direction_mark(c) => REPLACEMENT,
            c => c,
        };
        if out.len() + c.len_utf8() > bytes_max {
            out.truncate(cut_at);
            out.push_str(CUT);
            return out;
        }
        out.push(c);
        if out.len() <= room {
            cut_at = out.len();
        }
    }
    out
}

/// Overrides, embeddings and isolates. The plain left-to-right and right-to-left marks are
/// left alone: they are ordinary in Arabic and Hebrew names and move nothing else.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, bytes_max: usize, expected: &str) {
        let actual = clean(raw, bytes_max);
        assert_eq!(actual, expected, "raw={raw:?} bytes_max={bytes_max}");
        assert!(actual.len() <= bytes_max);
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        check("web-01 (北京)", 64, "web-01 (北京)");
        check("", 64, "");
    }

    #[test]
    fn line_breaks_become_one_space_and_controls_are_marked() {
        check("a\r\nBcc: b", 64, "a Bcc: b");
        check("a\nb\tc\rd", 64, "a b c d");
        check("nul\0 esc\u{1b}[31m", 64, "nul\u{FFFD} esc\u{FFFD}[31m");
        check("evil\u{202E}txt", 64, "evil\u{FFFD}txt");
    }

    #[test]
    fn a_long_text_is_cut_on_a_character_boundary() {
        check("1234567890", 10, "1234567890");
        check("12345678901", 10, "1234567…");
        check("北京北京北京", 10, "北京…");
        assert_eq!(clean(&"x".repeat(1_000_000), 256).len(), 256);
    }
}
