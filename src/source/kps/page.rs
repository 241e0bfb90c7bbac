//! Reads one page of the list.
//!
//! Rows are handed on one by one while the text is read, borrowed from it, so a page of any size
//! costs no memory but its own. The documentation contradicts itself and the types of related
//! lists differ from their description, so everything is read leniently: a field may be absent,
//! null or of another type, a number may be a string and the other way round.
//!
//! A row is never dropped. One that is no object, or holds nothing that we know, is handed on
//! with its JSON as error message, and is then known by its content.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::{
    source::huawei::walk::{Each, Page},
    task::Row,
};

/// Reads a page, handing its rows to `each`.
///
/// # Errors
///
/// When it is no JSON object, or its `tasks` is no list. The rows before the error were handed
/// over. An end in the middle is told by [`serde_json::Error::is_eof`].
pub(super) fn read(text: &str, each: &mut Each<'_>) -> Result<Page, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(text);
    let page = PageVisitor { each }.deserialize(&mut from)?;
    from.end()?;
    Ok(page)
}

struct PageVisitor<'e, 'f> {
    each: &'e mut Each<'f>,
}

impl<'de> DeserializeSeed<'de> for PageVisitor<'_, '_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Page, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageVisitor<'_, '_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of tasks")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Page, M::Error> {
        let mut page = Page::default();
        while let Some(key) = map.next_key::<Bytes<'de>>()? {
            match &*key.0 {
                b"tasks" => {
                    page.list = true;
                    page.rows += map.next_value_seed(TasksVisitor { each: &mut *self.each })?;
                }
                b"total" => {
                    let total = number(map.next_value()?);
                    page.total = total.and_then(|total| u64::try_from(total).ok());
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(page)
    }
}

/// Returns the number of rows.
struct TasksVisitor<'e, 'f> {
    each: &'e mut Each<'f>,
}

impl<'de> DeserializeSeed<'de> for TasksVisitor<'_, '_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<u64, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TasksVisitor<'_, '_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_unit<E: de::Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<u64, S::Error> {
        let mut rows = 0;
        while let Some(()) = seq.next_element_seed(RowVisitor { each: &mut *self.each })? {
            rows += 1;
        }
        Ok(rows)
    }
}

struct RowVisitor<'e, 'f> {
    each: &'e mut Each<'f>,
}

impl RowVisitor<'_, '_> {
    /// Hands on a row that is none.
    #[expect(clippy::unnecessary_wraps, reason = "ends the visits below")]
    fn odd<E>(self, json: &str) -> Result<(), E> {
        (self.each)(&Row { error_message: Some(json.into()), ..Row::default() });
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for RowVisitor<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut row = Row::default();
        // What fits nowhere; nearly always empty, so nearly never allocated.
        let mut rest: Vec<(Cow<'de, [u8]>, &'de RawValue)> = Vec::new();
        while let Some(key) = map.next_key::<Bytes<'de>>()? {
            let value: &RawValue = map.next_value()?;
            if !take(&mut row, &key.0, value) && value.get() != "null" {
                rest.push((key.0, value));
            }
        }
        if rest.is_empty() || row != Row::default() {
            (self.each)(&row);
            return Ok(());
        }
        let pair = |(key, value): &(Cow<'_, [u8]>, &RawValue)| {
            format!("{}:{value}", Value::from(String::from_utf8_lossy(key)))
        };
        let pairs: Vec<String> = rest.iter().map(pair).collect();
        self.odd(&format!("{{{}}}", pairs.join(",")))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&RawValue>()? {
            items.push(item.get());
        }
        self.odd(&format!("[{}]", items.join(",")))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.odd("null")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.odd(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.odd(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.odd(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.odd(&value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.odd(&Value::from(value).to_string())
    }
}

/// Puts `value` where it belongs. Returns whether it belongs anywhere.
fn take<'de>(row: &mut Row<'de>, key: &[u8], value: &'de RawValue) -> bool {
    let slot = match key {
        b"task_id" => &mut row.task_id,
        b"operate_type" => &mut row.operate_type,
        b"task_error_code" => &mut row.error_code,
        b"task_error_msg" => &mut row.error_message,
        b"server_id" => &mut row.server_id,
        b"server_name" => &mut row.server_name,
        b"keypair_name" => &mut row.keypair,
        b"task_time" => {
            row.failed_at_ms = number(value);
            return row.failed_at_ms.is_some();
        }
        _ => return false,
    };
    *slot = text(value);
    slot.is_some()
}

/// A string or the digits of a number.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    match json.as_bytes() {
        [b'"', .., b'"'] => Some(unquote(json)),
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

/// The string that `json` writes. Escapes that stand for no character, such as half of a
/// surrogate pair that a cut name left behind, become U+FFFD: one odd name must not hide the
/// whole list.
fn unquote(json: &str) -> Cow<'_, str> {
    let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<Bytes<'_>>(json) {
        Ok(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()),
        Err(_) => Cow::Borrowed(inner),
    }
}

/// A whole number, written as a number or as a string. A fraction is rounded away.
fn number(value: &RawValue) -> Option<i64> {
    let text = text(value)?;
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{:.0}", text.parse::<f64>().ok()?).parse().ok())
}

/// A string as it is written, whether or not it is Unicode.
struct Bytes<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Owned(bytes.to_owned())))
            }
        }
        from.deserialize_bytes(BytesVisitor)
    }
}

#[cfg(test)]
mod tests;
