//! Reads one answer: its rows, the list's own count, and what leads to the next page.
//!
//! Rows are handed on one by one, borrowed from the text. None is dropped: one that has no id
//! where it should be is known by its content.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::pointer::Pointer;
use crate::{
    name::Name,
    options::OptionError,
    source::scalar::{number, text, time},
    task::{LABELS_MAX, Row},
};

/// Most values that make a row a failure.
const WORDS_MAX: usize = 32;

/// Most parts of an id.
const PARTS_MAX: usize = 4;

/// Most rows at the head of a page that may lack an id.
const NAMELESS_MAX: usize = 1000;

/// Where things are in a row. The words are those of notices.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    /// What tells tasks apart: one place, or up to four that do so together.
    task_id: Parts,
    /// When it failed. A later time of the same task is a new failure.
    failed_at: Option<Pointer>,
    /// What it was doing, for instance the name of the job.
    operate_type: Option<Pointer>,
    error_code: Option<Pointer>,
    error_message: Option<Pointer>,
    /// The id of the server, or of whatever it failed on.
    server_id: Option<Pointer>,
    /// The name of the server, or of whatever it failed on.
    server_name: Option<Pointer>,
    keypair: Option<Pointer>,
    /// What else routes, payloads and templates see as `labels.<name>`: up to 8 places, each by the
    /// name of its label. Default: none.
    #[serde(default)]
    labels: BTreeMap<String, Pointer>,
}

/// One pointer or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a JSON Pointer such as \"/id\", or a list of them")]
enum Parts {
    One(Pointer),
    Several(Vec<Pointer>),
}

impl Parts {
    fn as_slice(&self) -> &[Pointer] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.as_slice().iter().map(Pointer::to_string).collect();
        f.write_str(&parts.join(", "))
    }
}

/// Which rows are failures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Only {
    /// Where a row says what became of it.
    at: Pointer,
    /// The words there that mean a failure. 1 to 32.
    #[schemars(length(min = 1, max = 32))]
    is: Vec<String>,
}

/// How a row writes times.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimeForm {
    /// `2026-11-23T10:00:00Z`. Without an offset it is taken as UTC.
    #[default]
    Rfc3339,
    /// Seconds since 1970; a fraction is kept to the millisecond.
    S,
    /// Milliseconds since 1970.
    Ms,
}

/// What an answer says beside its rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Page {
    /// Rows on it, failures or not.
    pub(super) rows: u64,
    /// The list's own count.
    pub(super) total: Option<u64>,
    /// What leads to the next page; empty and null count as nothing.
    pub(super) next: Option<String>,
    /// Whether there was a list at all. Null counts: it is how some servers write "none".
    pub(super) list: bool,
    /// Rows that have an id.
    pub(super) named: u64,
}

/// One row, and whether it is a failure.
pub(super) type Each<'a> = dyn FnMut(&Row<'_>, bool) + 'a;

/// How the answers of one list are read.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) list: Pointer,
    pub(super) total: Option<Pointer>,
    pub(super) next: Option<Pointer>,
    pub(super) only: Option<Only>,
    pub(super) row: RawRow,
    pub(super) time: TimeForm,
}

impl Rows {
    /// Applies the rules documented on each key.
    ///
    /// # Errors
    ///
    /// The first problem, with its key.
    pub(super) fn check(&self) -> Result<(), OptionError> {
        if !(1..=PARTS_MAX).contains(&self.row.task_id.as_slice().len()) {
            return Err(OptionError::new("row.task_id", "must be 1 to 4 JSON Pointers"));
        }
        let labels = &self.row.labels;
        if LABELS_MAX < labels.len() {
            let problem = format!("must be at most {LABELS_MAX} labels");
            return Err(OptionError::new("row.labels", problem));
        }
        for name in labels.keys() {
            let fault = |error| {
                OptionError::new(
                    format!("row.labels.{name}"),
                    format!("the name of a label {error}"),
                )
            };
            Name::parse(name).map_err(fault)?;
        }
        match &self.only {
            Some(only) if !(1..=WORDS_MAX).contains(&only.is.len()) => {
                Err(OptionError::new("only.is", "must name 1 to 32 words"))
            }
            _ => Ok(()),
        }
    }

    /// Where ids should be, for messages.
    pub(super) fn id_place(&self) -> String {
        self.row.task_id.to_string()
    }

    /// Reads an answer, handing its rows to `each`.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or what should be a list is none. The rows before the error were
    /// handed over; of a page on which none has an id, none is ([`Page::named`]). An end in the middle is told by [`serde_json::Error::is_eof`].
    pub(super) fn read(&self, json: &str, each: &mut Each<'_>) -> Result<Page, serde_json::Error> {
        let at = |pointer: &Option<Pointer>| match pointer {
            Some(pointer) => pointer.find(json),
            None => Ok(None),
        };
        let mut page = Page {
            total: at(&self.total)?.and_then(number).and_then(|total| u64::try_from(total).ok()),
            next: at(&self.next)?
                .and_then(text)
                .map(Cow::into_owned)
                .filter(|next| !next.is_empty()),
            ..Page::default()
        };
        let Some(list) = self.list.find(json)? else { return Ok(page) };
        page.list = true;
        let mut from = serde_json::Deserializer::from_str(list.get());
        ListVisitor { rows: self, page: &mut page, each }.deserialize(&mut from)?;
        Ok(page)
    }

    /// Reads one row. What is no object has nothing anywhere.
    fn row<'t>(&'t self, json: &'t RawValue) -> Result<(Row<'t>, bool), serde_json::Error> {
        let value = |pointer: &Option<Pointer>| match pointer {
            Some(pointer) => pointer.find(json.get()),
            None => Ok(None),
        };
        let word = |pointer: &Option<Pointer>| Ok(value(pointer)?.and_then(scalar));
        let mut row = Row {
            task_id: self.id(json.get())?,
            operate_type: word(&self.row.operate_type)?,
            failed_at_ms: value(&self.row.failed_at)?.and_then(|value| self.time.read(value)),
            error_code: word(&self.row.error_code)?,
            error_message: word(&self.row.error_message)?,
            server_id: word(&self.row.server_id)?,
            server_name: word(&self.row.server_name)?,
            keypair: word(&self.row.keypair)?,
            labels: Vec::new(),
        };
        if row == Row::default() {
            row.error_message = Some(json.get().into());
        }
        for (name, place) in &self.row.labels {
            let value = place.find(json.get())?.and_then(scalar);
            row.labels.extend(value.map(|value| (name.as_str(), value)));
        }
        let is_failure = match &self.only {
            None => true,
            Some(only) => {
                let word = only.at.find(json.get())?.and_then(scalar);
                word.is_some_and(|word| only.is.iter().any(|is| *is == word))
            }
        };
        Ok((row, is_failure))
    }

    /// The parts of the id joined by `/`; none if one of several is missing.
    fn id<'t>(&self, json: &'t str) -> Result<Option<Cow<'t, str>>, serde_json::Error> {
        let parts: Result<Option<Vec<Cow<'t, str>>>, _> = self
            .row
            .task_id
            .as_slice()
            .iter()
            .map(|part| Ok(part.find(json)?.and_then(text)))
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map(|parts| parts.into_iter().collect());
        Ok(parts?.map(|mut parts| match parts.len() {
            1 => parts.swap_remove(0),
            _ => parts.join("/").into(),
        }))
    }
}

/// A string, the digits of a number, or `true` and `false`. Lists and objects as they are written:
/// some services put several causes into one field.
fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    match value.get() {
        "null" | "\"\"" => None,
        json => Some(text(value).unwrap_or(Cow::Borrowed(json))),
    }
}

impl TimeForm {
    /// Milliseconds since 1970, if it is a time.
    fn read(self, value: &RawValue) -> Option<i64> {
        match self {
            Self::Ms => number(value),
            Self::S => {
                let text = text(value)?;
                let text = text.trim();
                match text.parse::<i64>() {
                    Ok(seconds) => seconds.checked_mul(1000),
                    Err(_) => {
                        let ms = text.parse::<f64>().ok()? * 1000.0;
                        format!("{ms:.0}").parse().ok()
                    }
                }
            }
            Self::Rfc3339 => time(value),
        }
    }
}

struct ListVisitor<'e, 'f> {
    rows: &'e Rows,
    page: &'e mut Page,
    each: &'e mut Each<'f>,
}

impl<'de> DeserializeSeed<'de> for ListVisitor<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ListVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list at \"{}\"", self.rows.list)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        // Held back until one has an id: if none has, the place is wrong and all would be told
        // as what they are not.
        let mut nameless = Vec::new();
        while let Some(json) = seq.next_element::<&'de RawValue>()? {
            let (row, is_failure) = self.rows.row(json).map_err(de::Error::custom)?;
            self.page.rows += 1;
            self.page.named += u64::from(row.task_id.is_some());
            if self.page.named == 0 {
                if NAMELESS_MAX <= nameless.len() {
                    return Err(de::Error::custom("too many rows without an id"));
                }
                nameless.push((row, is_failure));
                continue;
            }
            for (row, is_failure) in nameless.drain(..) {
                (self.each)(&row, is_failure);
            }
            (self.each)(&row, is_failure);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
