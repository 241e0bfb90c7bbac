//! A task: one row of the cloud's list, as it was listed.
//!
//! Rows are read leniently, because the list's documentation contradicts itself: every field
//! may be absent or null, and an unknown `operate_type` passes through. A row is borrowed from
//! the page it came on ([`Row`]) and turned into an owned [`Task`] only when the ledger does
//! not know it yet, so a listing that holds nothing new costs no allocation per row.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::text;

/// Longest task id kept. The cloud documents no limit; without one, a broken answer could
/// fill the store with megabyte ids.
pub const ID_BYTES_MAX: usize = 128;

/// Longest name or code kept: of a server, a key pair, an operation, an error.
pub const NAME_BYTES_MAX: usize = 256;

/// Longest error message kept. Enough for the gateway's canonical request echoes, and small
/// enough that a notice of 100 failures fits every service.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Most labels of a task. A notice of 100 failures has room for as many of each.
pub const LABELS_MAX: usize = 8;

/// Longest value of a label, for the same reason.
pub const LABEL_BYTES_MAX: usize = 128;

/// What identifies a task within its source: 16 bytes of SHA-256.
///
/// Of the task id where there is one, of the whole row otherwise, so that a row without an
/// id is never dropped.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct TaskKey(pub [u8; 16]);

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the task was doing to the server's key pair.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Reset the key pair of a stopped server.
    Reset,
    /// Replace one key pair by another.
    Replace,
    /// Take the key pair off.
    Unbind,
    /// Put a key pair on.
    Bind,
    /// A value of `operate_type` that names none of these.
    Other,
}

impl Action {
    /// Every action, in the order that pages list them.
    pub const ALL: [Self; 5] = [Self::Reset, Self::Replace, Self::Unbind, Self::Bind, Self::Other];

    /// Reads the suffix of an `operate_type` such as `FAILED_RESET` or `RUNNING_RESET`.
    ///
    /// The prefix says nothing here: the failed list is known to hold `RUNNING_…` rows.
    #[must_use]
    pub fn of_operate_type(operate_type: &str) -> Self {
        let suffix = operate_type.rsplit('_').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|action| suffix.eq_ignore_ascii_case(action.as_str()))
            .unwrap_or(Self::Other)
    }

    /// The word for config, logs, metrics and payloads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Replace => "replace",
            Self::Unbind => "unbind",
            Self::Bind => "bind",
            Self::Other => "other",
        }
    }
}

/// One row, borrowed from the page it came on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Row<'a> {
    /// The cloud's id of the task. Empty counts as absent.
    pub task_id: Option<Cow<'a, str>>,
    /// `FAILED_RESET` and the like; any string.
    pub operate_type: Option<Cow<'a, str>>,
    /// When the task failed, in milliseconds since 1970, if it could be read as a number.
    pub failed_at_ms: Option<i64>,
    /// A code such as `KPS.6009`; null is normal.
    pub error_code: Option<Cow<'a, str>>,
    /// Free text.
    pub error_message: Option<Cow<'a, str>>,
    /// The server's id.
    pub server_id: Option<Cow<'a, str>>,
    /// The server's name, chosen by its owner.
    pub server_name: Option<Cow<'a, str>>,
    /// The key pair's name, chosen by its owner.
    pub keypair: Option<Cow<'a, str>>,
    /// What the operator wants to know of it beside that: names and values, at most [`LABELS_MAX`].
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
}

impl Row<'_> {
    /// The task's identity.
    #[must_use]
    pub fn key(&self) -> TaskKey {
        let mut hash = Sha256::new();
        match self.usable_id() {
            Some(id) => hash.update(id.as_bytes()),
            // A byte that no id starts with keeps the two kinds of key apart.
            None => {
                hash.update([0]);
                self.each_text(|text| {
                    hash.update(text.as_bytes());
                    hash.update([0]);
                });
                hash.update(self.failed_at_ms.unwrap_or(i64::MIN).to_be_bytes());
            }
        }
        let mut key = [0; 16];
        key.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        TaskKey(key)
    }

    /// A checksum over everything but the id and the time.
    ///
    /// Tells that a row's text changed. A collision costs one missed update of a text and
    /// nothing else.
    #[must_use]
    pub fn text_crc(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        self.each_text(|text| {
            crc.update(text.as_bytes());
            crc.update(&[0]);
        });
        for text in self.labels.iter().flat_map(|(name, value)| [name, value.as_ref()]) {
            crc.update(text.as_bytes());
            crc.update(&[0]);
        }
        crc.finalize()
    }

    /// An owned, cleaned and bounded copy.
    #[must_use]
    pub fn to_task(&self) -> Task {
        let name = |text: &Option<Cow<'_, str>>| {
            text.as_deref().map(|text| text::clean(text, NAME_BYTES_MAX))
        };
        let operate_type = name(&self.operate_type).unwrap_or_default();
        let key = self.key();
        Task {
            id: match self.usable_id() {
                Some(id) => id.to_owned(),
                None => format!("content-{key:?}"),
            },
            key,
            text_crc: self.text_crc(),
            action: Action::of_operate_type(&operate_type),
            failed_at: self.failed_at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            text: TaskText {
                operate_type,
                error_code: name(&self.error_code),
                error_message: self
                    .error_message
                    .as_deref()
                    .map(|text| text::clean(text, MESSAGE_BYTES_MAX)),
                server_id: name(&self.server_id),
                server_name: name(&self.server_name),
                keypair: name(&self.keypair),
                labels: self.labels(),
            },
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let each = self.labels.iter().take(LABELS_MAX);
        let clean = |(name, value): &(&str, Cow<'_, str>)| {
            ((*name).to_owned(), text::clean(value, LABEL_BYTES_MAX))
        };
        each.map(clean).filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The id, if it is one that can stand in a URL, a log and a key as it is.
    fn usable_id(&self) -> Option<&str> {
        let id = self.task_id.as_deref()?;
        let fits = !id.is_empty() && id.len() <= ID_BYTES_MAX;
        (fits && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(id)
    }

    /// Calls `f` with each text of the row, an absent one as a marker no text contains. Labels are
    /// left out: a config that wants others makes no other task of it.
    fn each_text(&self, mut f: impl FnMut(&str)) {
        // An unusable id is content too: two rows that differ only in it are two tasks.
        let odd_id = if self.usable_id().is_some() { None } else { self.task_id.as_deref() };
        for text in [
            odd_id,
            self.operate_type.as_deref(),
            self.error_code.as_deref(),
            self.error_message.as_deref(),
            self.server_id.as_deref(),
            self.server_name.as_deref(),
            self.keypair.as_deref(),
        ] {
            f(text.unwrap_or("\u{1}"));
        }
    }
}

/// A task as the ledger keeps it: owned, cleaned and bounded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Task {
    /// The cloud's id: 1 to [`ID_BYTES_MAX`] bytes of visible ASCII, or `content-` and the key.
    pub id: String,
    /// The identity within the source.
    pub key: TaskKey,
    /// See [`Row::text_crc`].
    pub text_crc: u32,
    /// Derived from the operate type.
    pub action: Action,
    /// When the task failed, by the cloud's clock.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub failed_at: Option<Timestamp>,
    /// What may change without the task being another one.
    pub text: TaskText,
}

/// The texts of a task. The cloud may change them while the task stays listed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct TaskText {
    /// As listed, for instance `FAILED_RESET`.
    pub operate_type: String,
    /// For instance `KPS.6009`.
    pub error_code: Option<String>,
    /// Free text.
    pub error_message: Option<String>,
    /// The server's id.
    pub server_id: Option<String>,
    /// The server's name.
    pub server_name: Option<String>,
    /// The key pair's name.
    pub keypair: Option<String>,
    /// See [`Row::labels`]. None is empty.
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row<'_> {
        Row { task_id: Some(id.into()), server_name: Some("web-01".into()), ..Row::default() }
    }

    #[test]
    fn an_action_is_read_from_the_suffix_of_any_operate_type() {
        for (operate_type, expected) in [
            ("FAILED_RESET", Action::Reset),
            ("RUNNING_RESET", Action::Reset),
            ("failed_replace", Action::Replace),
            ("FAILED_UNBIND", Action::Unbind),
            ("FAILED_BIND", Action::Bind),
            ("RUNNING", Action::Other),
            ("", Action::Other),
            ("FAILED_RÉSET", Action::Other),
        ] {
            assert_eq!(Action::of_operate_type(operate_type), expected, "{operate_type}");
        }
    }

    #[test]
    fn a_task_is_the_same_while_only_its_text_changes() {
        let before = row("a-1");
        let after = Row { server_name: Some("web-02".into()), ..before.clone() };
        assert_eq!(before.key(), after.key());
        assert_ne!(before.text_crc(), after.text_crc());
        assert_ne!(before.key(), row("a-2").key());
    }

    #[test]
    fn a_row_without_a_usable_id_is_known_by_its_content() {
        for bad in ["", "two words", "nul\0", &"x".repeat(129), "名"] {
            let odd = row(bad);
            assert!(odd.to_task().id.starts_with("content-"), "{bad:?}");
            assert_eq!(odd.key(), odd.clone().key());
            let other = Row { keypair: Some("k".into()), ..odd.clone() };
            assert_ne!(odd.key(), other.key(), "{bad:?}");
        }
        assert_ne!(row("").key(), row("two words").key());
    }

    #[test]
    fn absent_and_empty_texts_differ_but_both_are_taken() {
        let absent = Row::default();
        let empty = Row { error_code: Some("".into()), ..Row::default() };
        assert_ne!(absent.key(), empty.key());
        assert_eq!(absent.to_task().action, Action::Other);
    }

    #[test]
    fn labels_are_text_and_not_identity() {
        let bare = Row { server_name: Some("web-01".into()), ..Row::default() };
        let labelled = Row {
            labels: vec![
                ("team", "a\nb".into()),
                ("long", "x".repeat(200).into()),
                ("no", "".into()),
            ],
            ..bare.clone()
        };
        assert_eq!(bare.key(), labelled.key());
        assert_ne!(bare.text_crc(), labelled.text_crc());
        let labels = labelled.to_task().text.labels;
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["long", "team"]);
        assert_eq!((labels["team"].as_str(), labels["long"].len()), ("a b", LABEL_BYTES_MAX));
    }

    #[test]
    fn hostile_texts_are_cleaned_and_bounded() {
        let huge = "x".repeat(1_000_000);
        let task = Row {
            task_id: Some("t".into()),
            error_message: Some(huge.as_str().into()),
            server_name: Some("a\r\nBcc: b".into()),
            failed_at_ms: Some(i64::MAX),
            ..Row::default()
        }
        .to_task();
        assert_eq!(task.text.error_message.unwrap().len(), MESSAGE_BYTES_MAX);
        assert_eq!(task.text.server_name.unwrap(), "a Bcc: b");
        assert_eq!(task.failed_at, None);
    }
}
