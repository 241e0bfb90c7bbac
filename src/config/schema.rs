//! The JSON Schema of the config file, for editors and for other programs.
//!
//! Put together when it is asked for: the shared keys come from the `Raw` structs, each kind's
//! own keys from the kind. A table of sources or sinks becomes one alternative for each kind, so
//! that an editor offers the keys of the kind that was typed.

use std::collections::BTreeSet;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::raw::RawFile;
use crate::{sink, source};

/// Where schemas keep what is used more than once.
const DEFS: &str = "$defs";

/// Describes the whole config file.
///
/// # Panics
///
/// Never: the structs it is made from are fixed.
#[must_use]
pub fn schema() -> Value {
    let mut root = SchemaGenerator::default().into_root_schema_for::<RawFile>().to_value();
    let mut alternatives = |shared: &str, kinds: Vec<(&str, &str, Schema)>| {
        let each = kinds.into_iter().map(|(name, summary, own)| {
            alternative(&mut root, shared, name, summary, own.to_value())
        });
        let each: Vec<_> = each.collect();
        if let Some(table) = defs(&mut root).get_mut(shared) {
            *table = json!({ "oneOf": each });
        }
    };
    let sources = source::KINDS.iter().map(|kind| (kind.name, kind.summary, (kind.schema)()));
    alternatives("RawSource", sources.collect());
    let sinks = sink::KINDS.iter().map(|kind| (kind.name, kind.summary, (kind.schema)()));
    alternatives("RawSink", sinks.collect());
    let mut root = renamed(root, &|name| name.strip_prefix("Raw").unwrap_or(name).to_owned());
    if let Some(root) = root.as_object_mut() {
        root.insert("title".to_owned(), json!("taskbell"));
    }
    root
}

/// The keys that a table of this schema may have, if it allows no others.
pub(super) fn closed_keys(schema: &Schema) -> Option<BTreeSet<String>> {
    let schema = schema.as_object()?;
    if schema.get("additionalProperties")? != &json!(false) {
        return None;
    }
    Some(schema.get("properties")?.as_object()?.keys().cloned().collect())
}

/// The shared keys of `[[source]]` or `[[sink]]` together with those of one kind.
fn alternative(root: &mut Value, shared: &str, kind: &str, summary: &str, own: Value) -> Value {
    // Two kinds may call different things by the same name.
    let mut own = renamed(own, &|name| format!("{kind}.{name}"));
    let moved = std::mem::take(defs(&mut own));
    let all = defs(root);
    all.extend(moved);
    let mut merged = all.get(shared).cloned().unwrap_or_default();
    for list in ["properties", "required"] {
        let Some(own) = own.get_mut(list).map(Value::take) else { continue };
        match (merged.get_mut(list), own) {
            (Some(Value::Object(merged)), Value::Object(own)) => merged.extend(own),
            (Some(Value::Array(merged)), Value::Array(own)) => merged.extend(own),
            _ => (),
        }
    }
    if let Some(merged) = merged.as_object_mut() {
        merged.insert("description".to_owned(), json!(summary));
    }
    if let Some(key) = merged.pointer_mut("/properties/kind").and_then(Value::as_object_mut) {
        key.insert("const".to_owned(), json!(kind));
    }
    merged
}

/// The definitions of a schema; none are added if there were none.
fn defs(schema: &mut Value) -> &mut Map<String, Value> {
    let defs = match schema {
        Value::Object(schema) => schema.entry(DEFS).or_insert_with(|| json!({})),
        other => other,
    };
    if !defs.is_object() {
        *defs = json!({});
    }
    defs.as_object_mut().expect("was made an object above")
}

/// The same schema with each of its definitions, and each use of one, under another name.
fn renamed(schema: Value, name: &impl Fn(&str) -> String) -> Value {
    const PREFIX: &str = "#/$defs/";
    match schema {
        Value::Object(fields) => {
            let rename = |(key, value): (String, Value)| match (key.as_str(), value) {
                (DEFS, Value::Object(defs)) => {
                    let defs = defs.into_iter().map(|(key, def)| (name(&key), renamed(def, name)));
                    (key, Value::Object(defs.collect()))
                }
                ("$ref", Value::String(target)) => {
                    let target = target.strip_prefix(PREFIX).unwrap_or(&target);
                    (key, json!(format!("{PREFIX}{}", name(target))))
                }
                (_, value) => (key, renamed(value, name)),
            };
            Value::Object(fields.into_iter().map(rename).collect())
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| renamed(item, name)).collect())
        }
        other => other,
    }
}
