//! How often the like of a failure was seen within a day.
//!
//! Tasks have fresh ids, so "again" is judged by what a failure says: the same source, action,
//! server, key pair and error. The numbers in a message differ each time and count for nothing.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{name::Name, task::Task};

/// How far back occurrences count.
const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Stands for a number, an address or an id in a normalised message.
const MARK: char = '#';

/// What may stand between the parts of one number, address or date.
const JOINERS: [char; 4] = ['.', ':', '-', ','];

/// Shortest run of hex digits that is taken for an id as a whole. A shorter one, such as `db1`,
/// is a name of which only the number differs.
const HEX_CHARS_MIN: usize = 6;

/// What makes failures alike. Eight bytes, since a collision costs one wrong "again".
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Fingerprint(pub [u8; 8]);

/// The fingerprint of a task that `source` lists, from the texts it was first listed with.
#[must_use]
pub fn fingerprint(source: &Name, task: &Task) -> Fingerprint {
    let text = &task.text;
    // The kind of a text is hashed with it: a name must not pass for an id.
    let server = match (text.server_id.as_deref(), text.server_name.as_deref()) {
        (Some(id), _) => ["id", id],
        (None, Some(name)) => ["name", name],
        (None, None) => ["none", ""],
    };
    let message;
    let error = match (text.error_code.as_deref(), text.error_message.as_deref()) {
        (Some(code), _) => ["code", code],
        (None, Some(raw)) => {
            message = normalised(raw);
            ["message", message.as_str()]
        }
        (None, None) => ["none", ""],
    };
    let keypair = text.keypair.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    let words = [source.as_str(), task.action.as_str(), keypair];
    for word in words.iter().chain(&server).chain(&error) {
        hash.update(word.as_bytes());
        // Cleaned texts hold no zero.
        hash.update([0]);
    }
    let mut short = [0; 8];
    short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    Fingerprint(short)
}

/// A message without what differs from time to time.
///
/// Numbers, hex runs, UUIDs and IP addresses become one mark each, upper case becomes lower case,
/// and white space one space. What is normalised already stays as it is.
#[must_use]
pub fn normalised(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message.trim();
    while let Some(first) = rest.chars().next() {
        let of_token = |c: char| c.is_alphanumeric() || JOINERS.contains(&c);
        let length = if of_token(first) {
            rest.find(|c| !of_token(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match first {
            c if c.is_whitespace() => push_space(&mut out),
            MARK => push_mark(&mut out),
            c if of_token(c) => push_token(&mut out, token),
            c => out.push(c),
        }
        rest = after;
    }
    out
}

fn push_space(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Adds a mark, unless it would only go on with the one before: `10.0.0.1` is one mark.
fn push_mark(out: &mut String) {
    let mut before = out.chars().rev();
    match (before.next(), before.next()) {
        (Some(MARK), _) => (),
        (Some(joiner), Some(MARK)) if JOINERS.contains(&joiner) => {
            out.pop();
        }
        _ => out.push(MARK),
    }
}

/// Adds a run of letters, digits and joiners.
fn push_token(out: &mut String, token: &str) {
    let core = token.trim_matches(JOINERS);
    let is_address = || core.parse::<IpAddr>().is_ok() || core.parse::<SocketAddr>().is_ok();
    // Without a digit it is a word that happens to look like one: `ab::cd`.
    let has_digit = core.bytes().any(|byte| byte.is_ascii_digit());
    if has_digit && (is_address() || is_uuid(core)) {
        let (before, after) = token.split_once(core).unwrap_or_default();
        out.push_str(before);
        push_mark(out);
        out.push_str(after);
        return;
    }
    let mut rest = token;
    while let Some(first) = rest.chars().next() {
        if JOINERS.contains(&first) {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let end = rest.find(JOINERS).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        push_word(out, word);
        rest = after;
    }
}

/// Adds a run of letters and digits.
fn push_word(out: &mut String, word: &str) {
    let digits = word.strip_prefix("0x").or(word.strip_prefix("0X")).unwrap_or(word);
    let is_hex = HEX_CHARS_MIN <= digits.len()
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    if is_hex || (digits.len() < word.len() && u64::from_str_radix(digits, 16).is_ok()) {
        push_mark(out);
        return;
    }
    for c in word.chars() {
        match c {
            c if c.is_ascii_alphabetic() => out.push(c.to_ascii_lowercase()),
            c if c.is_numeric() => push_mark(out),
            c => out.extend(c.to_lowercase()),
        }
    }
}

fn is_uuid(word: &str) -> bool {
    let groups = word
        .split('-')
        .map(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

/// Counts occurrences over the last 24 hours.
#[derive(Clone, Debug, Default)]
pub struct Recurrence {
    /// How many are remembered of each fingerprint.
    totals: BTreeMap<Fingerprint, u32>,
    /// The same by instant. One poll sees any number of the like at one instant.
    counts: BTreeMap<(Timestamp, Fingerprint), u32>,
}

impl Recurrence {
    /// Most entries remembered, an entry being a fingerprint at an instant: 8 MiB at most. When
    /// more come within a day, the oldest are forgotten and counts are too small, never too large.
    pub const ENTRIES_MAX: usize = 65_536;

    /// Counts one more occurrence at `at` and returns how many there were in the 24 hours up to
    /// then, this one included.
    ///
    /// Instants behind `at` count too: a clock that was set back makes nothing rare.
    pub fn note(&mut self, fingerprint: Fingerprint, at: Timestamp) -> u32 {
        let since = at.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        while let Some(oldest) = self.counts.first_entry()
            && oldest.key().0 <= since
        {
            let ((_, forgotten), count) = oldest.remove_entry();
            self.forget(forgotten, count);
        }
        let count = self.counts.entry((at, fingerprint)).or_default();
        *count = count.saturating_add(1);
        let total = self.totals.entry(fingerprint).or_default();
        *total = total.saturating_add(1);
        let total = *total;
        if Self::ENTRIES_MAX < self.counts.len()
            && let Some(((_, forgotten), count)) = self.counts.pop_first()
        {
            self.forget(forgotten, count);
        }
        total
    }

    fn forget(&mut self, fingerprint: Fingerprint, count: u32) {
        if let Some(total) = self.totals.get_mut(&fingerprint) {
            *total = total.saturating_sub(count);
            if *total == 0 {
                self.totals.remove(&fingerprint);
            }
        }
    }
}

#[cfg(test)]
mod tests;
