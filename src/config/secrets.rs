//! Secrets that stand in the config file itself.
//!
//! Options are opaque here, so secrets are known by the names of their keys. The list is the one
//! place to add to when a kind brings a key of a new name.

use toml::{Table, Value};
use url::Url;

use super::{Config, Warning, locate::join};
use crate::{http, options::SecretRef};

/// Keys whose value is a secret, in every kind.
const KEYS: &[&str] = &[
    "access_key",
    "heartbeat_url",
    "password",
    "routing_key",
    "secret",
    "secret_key",
    "security_token",
    "token",
    "topic",
    "url",
    "user_key",
];

/// The bits of a file's mode that let the group or others read it.
const READABLE_BY_OTHERS: u32 = 0o044;

/// Tables that hold secrets. A text in the place of one may be a secret that was misplaced.
const TABLES: &[&str] = &["auth", HEADERS];

/// The table whose every value is a secret, whatever its key.
const HEADERS: &str = "headers";

/// Whether what stands at `path`, or in place of a table on the way to it, may be a secret.
pub(super) fn is_secret(path: &str) -> bool {
    path.split(['.', '[']).any(|key| KEYS.contains(&key) || TABLES.contains(&key))
}

/// Warns if others than the owner can read a file of this `mode` and secrets stand in it.
pub(super) fn exposed(config: &Config, mode: u32) -> Option<Warning> {
    if mode & READABLE_BY_OTHERS == 0 {
        return None;
    }
    let mut paths = Vec::new();
    // One table may stand for several sources, which follow one another.
    for source in config.sources.chunk_by(|a, b| a.table == b.table).filter_map(<[_]>::first) {
        let path = format!("source[{}]", source.table);
        if source.heartbeat_url.as_ref().is_some_and(SecretRef::is_literal) {
            paths.push(join(&path, "heartbeat_url"));
        }
        literals(&path, &source.options, &mut paths);
    }
    for (nth, sink) in config.sinks.iter().enumerate() {
        literals(&format!("sink[{nth}]"), &sink.options, &mut paths);
    }
    if config.status.as_ref().is_some_and(super::Status::has_literal_token) {
        paths.push("status.token".to_owned());
    }
    let first = paths.first()?;
    let keys: Vec<_> = paths.iter().map(|path| config.places.problem(path, "").key).collect();
    let problem = format!(
        "others can read this file (mode {:04o}) and secrets stand in it: {}; chmod 600 it, or \
         write {{ env = \"NAME\" }}, {{ file = \"/path\" }} or {{ credential = \"name\" }} instead",
        mode & 0o7777,
        keys.join(", "),
    );
    Some(Warning { key: String::new(), ..config.places.problem(first, &problem) })
}

fn literals(path: &str, table: &Table, found: &mut Vec<String>) {
    let all = path.rsplit('.').next() == Some(HEADERS);
    for (key, value) in table {
        let path = join(path, key);
        let is_named = all || KEYS.contains(&key.as_str());
        match value {
            Value::Table(table) => literals(&path, table, found),
            value if is_named && is_literal(value) => found.push(path),
            _ => (),
        }
    }
}

/// Whether `value` is, or lists, a text that works like a secret.
fn is_literal(value: &Value) -> bool {
    match value {
        // What only this host can reach does not become worse by being read on it.
        Value::String(text) => !is_loopback_url(text),
        Value::Array(values) => values.iter().any(is_literal),
        _ => false,
    }
}

fn is_loopback_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| http::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_sink_that_takes_a_secret_is_known_as_one() {
        for kind in crate::sink::KINDS {
            let schema = serde_json::to_value((kind.schema)()).unwrap();
            let properties = schema["properties"].as_object().unwrap();
            let secret = |schema: &serde_json::Value| schema.to_string().contains("$defs/Secret");
            for (key, _) in properties.iter().filter(|(_, schema)| secret(schema)) {
                assert!(is_secret(key), "{}: {key}", kind.name);
            }
        }
    }
}
