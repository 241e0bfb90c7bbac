//! What a kind of source or sink wants to know, from the schema of its own keys.

use serde_json::Value;

use crate::{sink, source};

/// Optional keys that are asked for all the same: without them the secrets beside them are of no
/// use, or the cloud has to be asked for what the operator may know. Optional secrets are asked for
/// anyway; what else a kind knows can be set, and added to the file later.
const OFFERED: [&str; 7] =
    ["region", "project_id", "url", "username", "channel", "keyword", "chat_id"];

/// May hold a password, and is wanted by few: the environment's is taken anyway.
const PROXY: &str = "proxy";

/// Deepest table within a table. The config has one, `auth`.
const DEPTH_MAX: usize = 3;

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spelling {
    Text,
    Number,
    Flag,
    /// Of texts, with commas between.
    List,
    Secret,
}

/// One key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    /// Dotted from the table on: `auth.access_key`.
    pub(super) path: String,
    /// What it means, in a sentence or two.
    pub(super) about: String,
    pub(super) form: Spelling,
    pub(super) required: bool,
    /// Whether it is asked for.
    pub(super) asked: bool,
}

/// One of several shapes that a table may have, told apart by its `kind`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) kind: String,
    pub(super) about: String,
    pub(super) keys: Vec<Key>,
}

/// A table within the kind's own that comes in several shapes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Choice {
    /// Its key: `auth`.
    pub(super) path: String,
    pub(super) required: bool,
    pub(super) shapes: Vec<Shape>,
}

/// All that a kind wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Form {
    /// `source` or `sink`.
    pub(super) table: &'static str,
    pub(super) kind: String,
    pub(super) summary: String,
    pub(super) keys: Vec<Key>,
    pub(super) choices: Vec<Choice>,
}

/// The kinds of sources, in the order of the code's list.
pub(super) fn source_kinds() -> Vec<&'static str> {
    source::KINDS.iter().map(|kind| kind.name).collect()
}

/// The kinds of sinks, in the order of the code's list.
pub(super) fn sink_kinds() -> Vec<&'static str> {
    sink::KINDS.iter().map(|kind| kind.name).collect()
}

impl Form {
    /// What sources of this kind want to know.
    pub(super) fn source(kind: &str) -> Self {
        let kind = source::KINDS.iter().find(|known| known.name == kind);
        kind.map_or_else(Self::none, |kind| {
            Self::of("source", kind.name, kind.summary, (kind.schema)().as_value())
        })
    }

    /// What sinks of this kind want to know.
    pub(super) fn sink(kind: &str) -> Self {
        let kind = sink::KINDS.iter().find(|known| known.name == kind);
        kind.map_or_else(Self::none, |kind| {
            Self::of("sink", kind.name, kind.summary, (kind.schema)().as_value())
        })
    }

    /// The command line lets no unknown kind through.
    fn none() -> Self {
        Self::of("sink", "", "", &Value::Null)
    }

    pub(super) fn of(table: &'static str, kind: &str, summary: &str, schema: &Value) -> Self {
        let mut form = Self {
            table,
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            keys: Vec::new(),
            choices: Vec::new(),
        };
        let (keys, choices) = read(schema, schema, "", true, 0);
        form.keys = keys;
        form.choices = choices;
        // The region first, since ids and credentials depend on it; then what is required; then the
        // address, with which most chats need nothing else; within that, the order of the schema.
        form.keys.sort_by_key(|key| (key.path != "region", !key.required, key.path != "url"));
        form
    }

    /// Every key that can be set, `kind` aside.
    pub(super) fn known(&self) -> Vec<&Key> {
        let within = self.choices.iter().flat_map(|choice| &choice.shapes);
        self.keys.iter().chain(within.flat_map(|shape| &shape.keys)).collect()
    }
}

fn read(
    root: &Value,
    table: &Value,
    path: &str,
    needed: bool,
    depth: usize,
) -> (Vec<Key>, Vec<Choice>) {
    let (mut keys, mut choices) = (Vec::new(), Vec::new());
    let required: Vec<&str> = table
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = table.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten().filter(|(name, _)| *name != "kind") {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let schema = resolve(root, property);
        let required = needed && required.contains(&name.as_str());
        if let Some(shapes) = shapes(root, schema, &path, depth) {
            choices.push(Choice { path, required, shapes });
            continue;
        }
        let Some(form) = form_of(root, schema) else { continue };
        let secret = form == Spelling::Secret && name != PROXY;
        let asked = required || secret || OFFERED.contains(&name.as_str());
        keys.push(Key { path, about: about(property, schema), form, required, asked });
    }
    (keys, choices)
}

/// Follows a reference, and takes what is not null of an optional value.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // A reference within an option within a reference; more there is not.
    for _ in 0..4 {
        let target = schema.get("$ref").and_then(Value::as_str);
        if let Some(found) = target.and_then(|target| root.pointer(target.strip_prefix('#')?)) {
            schema = found;
            continue;
        }
        let options = schema.get("anyOf").and_then(Value::as_array);
        let is_null = |value: &&Value| value.get("type") == Some(&Value::from("null"));
        match options.map(|all| all.iter().filter(|value| !is_null(value)).collect::<Vec<_>>()) {
            Some(all) if all.len() == 1 => schema = all.first().copied().unwrap_or(schema),
            _ => break,
        }
    }
    schema
}

/// The shapes of a table that is told apart by its `kind`.
fn shapes(root: &Value, schema: &Value, path: &str, depth: usize) -> Option<Vec<Shape>> {
    let all = schema.get("oneOf").and_then(Value::as_array).filter(|_| depth < DEPTH_MAX)?;
    all.iter()
        .map(|one| {
            let kind = one.pointer("/properties/kind/const")?.as_str()?.to_owned();
            let (keys, _) = read(root, one, path, true, depth + 1);
            Some(Shape { kind, about: about(one, one), keys })
        })
        .collect()
}

fn form_of(root: &Value, schema: &Value) -> Option<Spelling> {
    if is_secret(root, schema) {
        return Some(Spelling::Secret);
    }
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return Some(Spelling::Text);
    }
    let kind = match schema.get("type")? {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null")?
        }
        _ => return None,
    };
    match kind {
        "string" => Some(Spelling::Text),
        "integer" | "number" => Some(Spelling::Number),
        "boolean" => Some(Spelling::Flag),
        "array" => Some(Spelling::List),
        // A table of the operator's own words, such as `headers`, is better written in the file.
        _ => None,
    }
}

/// A secret can be written as the name of a credential.
fn is_secret(root: &Value, schema: &Value) -> bool {
    let options = schema.get("anyOf").and_then(Value::as_array);
    options.into_iter().flatten().any(|option| {
        option.pointer("/properties/credential").is_some()
            || option.get("$ref").is_some_and(|_| is_secret(root, resolve(root, option)))
    })
}

/// The words about a key, on one line.
fn about(property: &Value, schema: &Value) -> String {
    let words = |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = words(property).or_else(|| words(schema)).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
