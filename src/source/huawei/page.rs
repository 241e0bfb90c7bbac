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
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::walk::{Each, Page};
use crate::{
    source::scalar::{Bytes, number},
    task::Row,
};

/// Puts a value where it belongs in a row. Returns whether it belongs anywhere.
pub(in crate::source) type Take = for<'t> fn(&mut Row<'t>, &[u8], &'t RawValue) -> bool;

/// How one list writes its pages.
#[derive(Clone, Copy)]
pub(in crate::source) struct Shape {
    /// The key of the list.
    pub(in crate::source) rows: &'static str,
    /// The key of the list's own count.
    pub(in crate::source) total: &'static str,
    pub(in crate::source) take: Take,
}

/// Reads a page, handing its rows to `each`.
///
/// # Errors
///
/// When it is no JSON object, or its list is none. The rows before the error were handed over.
/// An end in the middle is told by [`serde_json::Error::is_eof`].
pub(in crate::source) fn read(
    shape: &Shape,
    text: &str,
    each: &mut Each<'_>,
) -> Result<Page, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(text);
    let page = PageVisitor { shape, each }.deserialize(&mut from)?;
    from.end()?;
    Ok(page)
}

struct PageVisitor<'e, 'f> {
    shape: &'e Shape,
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
        let Shape { rows, total, take } = *self.shape;
        while let Some(Bytes(key)) = map.next_key()? {
            if *key == *rows.as_bytes() {
                page.list = true;
                page.rows += map.next_value_seed(RowsVisitor { take, each: &mut *self.each })?;
            } else if *key == *total.as_bytes() {
                let total = number(map.next_value()?);
                page.total = total.and_then(|total| u64::try_from(total).ok());
            } else {
                let IgnoredAny = map.next_value()?;
            }
        }
        Ok(page)
    }
}

/// Returns the number of rows.
struct RowsVisitor<'e, 'f> {
    take: Take,
    each: &'e mut Each<'f>,
}

impl<'de> DeserializeSeed<'de> for RowsVisitor<'_, '_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<u64, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowsVisitor<'_, '_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_unit<E: de::Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<u64, S::Error> {
        let (mut rows, take) = (0, self.take);
        while let Some(()) = seq.next_element_seed(RowVisitor { take, each: &mut *self.each })? {
            rows += 1;
        }
        Ok(rows)
    }
}

struct RowVisitor<'e, 'f> {
    take: Take,
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
            if !(self.take)(&mut row, &key.0, value) && value.get() != "null" {
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
