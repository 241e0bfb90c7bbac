//! Pages that are made from the code: commands, config, sources, sinks, exit codes.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use serde_json::{Map, Value};
use taskbell::{
    config,
    exit::Exit,
    sink::{self, Reader},
    source,
};

/// Wide enough for tables, narrow enough for a page.
const WIDTH: usize = 100;

/// The heading of what every command takes.
const EVERY: &str = "\nOptions of every command:";

pub(super) const MADE: &str =
    "<!-- Made from the code by a test; BLESS=1 cargo test docs rewrites it. -->\n\n";

/// The name and the text of each page.
pub(super) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("commands.md", commands()),
        ("config.md", config_page()),
        ("sources.md", sources()),
        ("sinks.md", sinks()),
        ("exit-codes.md", exit_codes()),
    ]
}

fn commands() -> String {
    let mut root = taskbell::cli::Cli::command().term_width(WIDTH);
    root.build();
    let mut page = format!("{MADE}# Commands\n\n");
    let help = root.render_long_help().to_string();
    writeln!(page, "```text\n{}\n```", help.trim_end()).unwrap();
    command(&mut page, &root, "taskbell");
    page
}

fn command(page: &mut String, parent: &Command, path: &str) {
    for sub in parent.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        let mut sub = sub.clone();
        let help = sub.render_long_help().to_string();
        let own = help.split(EVERY).next().unwrap_or_default().trim_end();
        writeln!(page, "\n## `{path}`\n\n```text\n{own}\n```").unwrap();
        command(page, &sub, &path);
    }
}

fn exit_codes() -> String {
    let mut page = format!(
        "{MADE}# Exit codes\n\nThe most serious one wins: the table is in that order, the mildest \
         first.\n\n| code | means |\n|---|---|\n"
    );
    for exit in Exit::ALL {
        writeln!(page, "| {} | {} |", exit.code(), exit.meaning()).unwrap();
    }
    page
}

fn config_page() -> String {
    let schema = config::schema();
    let mut page = format!(
        "{MADE}# Config\n\nEvery key outside of the kinds' own, which are on the pages of \
         [sources](sources.md) and [sinks](sinks.md). [`config.toml`](../../config.toml) shows all \
         of them in place. Lengths of time have a unit: `\"250ms\"`, `\"30s\"`, `\"1h30m\"`, \
         `\"90d\"`. A secret is `\"in place\"`, `{{ env = \"NAME\" }}`, `{{ file = \"/path\" }}` or \
         `{{ credential = \"name\" }}`. `taskbell schema` prints the same as JSON Schema.\n"
    );
    for (name, property) in properties(&schema) {
        let list = property.get("items");
        let table = resolve(&schema, list.unwrap_or(property));
        let brackets = if list.is_some() { ("[[", "]]") } else { ("[", "]") };
        let (open, close) = brackets;
        write!(page, "\n## `{open}{name}{close}`\n\n{}\n", words(property, table)).unwrap();
        let own = |kinds: Vec<schemars::Schema>| -> Vec<String> {
            let names = |kind: schemars::Schema| -> Vec<String> {
                properties(kind.as_value()).map(|(name, _)| name.clone()).collect()
            };
            kinds.into_iter().flat_map(names).collect()
        };
        match name.as_str() {
            "source" => {
                let own = own(source::KINDS.iter().map(|kind| (kind.schema)()).collect());
                shared(&mut page, &schema, table, &own);
            }
            "sink" => {
                let own = own(sink::KINDS.iter().map(|kind| (kind.schema)()).collect());
                shared(&mut page, &schema, table, &own);
            }
            _ => keys(&mut page, &schema, table, &[]),
        }
    }
    page
}

/// What all kinds of a table share: what the first has and does not call its own.
fn shared(page: &mut String, schema: &Value, table: &Value, own: &[String]) {
    if let Some(first) = table.pointer("/oneOf/0") {
        keys(page, schema, first, own);
    }
}

fn sources() -> String {
    let mut page = format!(
        "{MADE}# Sources\n\nWhat each kind has beside the keys of [every source](config.md#source).\n"
    );
    for kind in source::KINDS {
        write!(page, "\n## `{}`\n\n{}.\n", kind.name, kind.summary).unwrap();
        let schema = (kind.schema)().to_value();
        keys(&mut page, &schema, &schema, &[]);
    }
    page
}

fn sinks() -> String {
    let mut page = format!(
        "{MADE}# Sinks\n\nWhat each kind has beside the keys of [every sink](config.md#sink), and \
         their defaults that depend on the kind.\n"
    );
    for kind in sink::KINDS {
        write!(page, "\n## `{}`\n\n{}.\n\n", kind.name, kind.summary).unwrap();
        let storm = match kind.reader {
            Reader::People => "`storm` is on: people read it",
            Reader::Programs => "`storm` is off: programs read it",
        };
        let limit = kind.limit.unwrap_or("none");
        writeln!(page, "`limit = \"{limit}\"`; `cleared = {}`; {storm}.", kind.cleared).unwrap();
        let schema = (kind.schema)().to_value();
        keys(&mut page, &schema, &schema, &[]);
    }
    page
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// A table of the keys of a table.
fn keys(page: &mut String, root: &Value, table: &Value, without: &[String]) {
    let mut rows = Rows { root, without, text: String::new() };
    rows.add(table, "", 0);
    let rows = rows.text;
    if rows.is_empty() {
        if let Some(values) = table.get("additionalProperties") {
            writeln!(page, "\nAny key; each is {}.", spelled(root, values)).unwrap();
        }
        return;
    }
    write!(page, "\n| key | is | default | what |\n|---|---|---|---|\n{rows}").unwrap();
}

/// The rows of a table of keys.
struct Rows<'a> {
    /// Where references lead to.
    root: &'a Value,
    /// Keys that are left out.
    without: &'a [String],
    text: String,
}

impl Rows<'_> {
    fn add(&mut self, table: &Value, within: &str, depth: usize) {
        let root = self.root;
        let required = table.get("required").and_then(Value::as_array);
        let inner = 0 < depth;
        let left_out = |name: &String| {
            if inner { name == "kind" } else { self.without.contains(name) }
        };
        let all: Vec<_> = properties(table).filter(|(name, _)| !left_out(name)).collect();
        for (name, property) in all {
            let must = required.is_some_and(|names| names.contains(&Value::from(name.as_str())));
            let target = resolve(root, property);
            let default = match property.get("default") {
                _ if must => "required".to_owned(),
                None | Some(Value::Null) => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let path = format!("{within}{name}");
            let (is, what) = (spelled(root, property), words(property, target));
            let what = what.replace('|', "\\|");
            writeln!(self.text, "| `{path}` | {is} | {default} | {what} |").unwrap();
            if is.contains("time") || is == "secret" || name == "route" || 1 < depth {
                continue;
            }
            let shapes = target.get("oneOf").or_else(|| target.get("anyOf"));
            let shapes = shapes.and_then(Value::as_array).into_iter().flatten();
            for shape in std::iter::once(target).chain(shapes) {
                let shape = resolve(root, shape);
                let kind = shape.pointer("/properties/kind/const").and_then(Value::as_str);
                let path = match kind {
                    Some(kind) => format!("{path} {kind}: "),
                    None => format!("{path}."),
                };
                self.add(shape, &path, depth + 1);
            }
        }
    }
}

/// Follows references, and takes what is not null of an optional value.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    if let Some(found) = pointer.and_then(|pointer| root.pointer(pointer)) {
        return resolve(root, found);
    }
    match not_null(schema).as_slice() {
        [one] => resolve(root, one),
        _ => schema,
    }
}

fn not_null(schema: &Value) -> Vec<&Value> {
    let all = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    all.filter(|one| one.get("type") != Some(&Value::from("null"))).collect()
}

/// How a value is written.
fn spelled(root: &Value, schema: &Value) -> String {
    let target = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    match target.rsplit(['/', '.']).next() {
        Some("Secret") => return "secret".to_owned(),
        Some("Period") => return "time".to_owned(),
        _ => {}
    }
    if let [one] = not_null(schema).as_slice() {
        return spelled(root, one);
    }
    let schema = resolve(root, schema);
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    let shapes = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(shapes) = shapes {
        let mut all: Vec<String> = shapes.iter().map(|shape| spelled(root, shape)).collect();
        all.dedup();
        return all.join(" or ");
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return "any".to_owned(),
    };
    let kind = kinds.into_iter().find(|kind| *kind != "null").unwrap_or("any");
    match kind {
        "array" => {
            let item = schema.get("items").map_or("any".to_owned(), |item| spelled(root, item));
            if item.contains([' ', '`']) {
                format!("list of {item}")
            } else {
                format!("list of {item}s")
            }
        }
        "object" => match schema.get("additionalProperties").filter(|value| value.is_object()) {
            Some(value) => format!("table of {}", spelled(root, value)),
            None => "table".to_owned(),
        },
        "integer" | "number" => numbers(schema, kind),
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

fn numbers(schema: &Value, kind: &str) -> String {
    let kind = if kind == "integer" { "whole number" } else { "number" };
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!("{kind}, {least} to {most}"),
        _ => kind.to_owned(),
    }
}

/// What a key is for, on one line.
fn words(property: &Value, target: &Value) -> String {
    let of = |value: &Value| -> Option<String> {
        let fields: &Map<String, Value> = value.as_object()?;
        let text = fields.get("description")?.as_str()?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    of(property).or_else(|| of(target)).unwrap_or_default()
}
