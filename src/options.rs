//! The small types that options are written in, and errors that name the key.
//!
//! Used by the config and by every kind of source and sink, each of which parses its own table.

use std::{fmt, fs, io, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use thiserror::Error;

use crate::secret::Secret;

/// What is wrong with an option, and where.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{path}: {problem}")]
pub struct OptionError {
    /// The key as the operator typed it, dotted, relative to the table that was parsed: for
    /// instance `auth.access_key`. Empty for the table itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl OptionError {
    /// An error about the key at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

/// Reads a table into the options of a kind. Unknown keys are refused if `T` says so.
///
/// # Errors
///
/// The first problem, with the dotted key and, for an unknown key, the nearest known one.
pub fn parse<T: de::DeserializeOwned>(table: toml::Table) -> Result<T, OptionError> {
    serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        explain(&path, &error.into_inner().to_string())
    })
}

/// Turns serde's words about the value at `path` into ours.
#[must_use]
pub fn explain(path: &str, message: &str) -> OptionError {
    // toml appends the place, which the caller knows better.
    let message = message.split("\nin ").next().unwrap_or_default().trim();
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let key = quoted(rest).unwrap_or_default();
        let known: Vec<&str> = rest.split('`').skip(3).step_by(2).collect();
        // serde_path_to_error counts the unknown key as part of the path for some formats.
        let parent = path.strip_suffix(&key).unwrap_or(path).trim_end_matches('.');
        return OptionError::new(join(parent, &key), unknown_key(&known, &key));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let key = quoted(rest).unwrap_or_default();
        return OptionError::new(join(path, &key), "is required");
    }
    OptionError::new(path, message)
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// "is not known; did you mean …" for `key` among the `known` ones.
#[must_use]
pub fn unknown_key(known: &[&str], key: &str) -> String {
    match nearest(known, key) {
        Some(near) => format!("is not a known key; did you mean `{near}`?"),
        None => format!("is not a known key; known are {}", known.join(", ")),
    }
}

/// The known word most like `word`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(known: &[&'a str], word: &str) -> Option<&'a str> {
    // Below this, what is found has only the length in common.
    const LIKENESS_MIN: f64 = 0.75;
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, word), *candidate))
        .filter(|(likeness, _)| LIKENESS_MIN <= *likeness)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A length of time, written with its unit: `"30s"`, `"1d2h30m"`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Period(pub Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time with its unit, such as \"30s\" or \"1d2h30m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                humantime::parse_duration(text)
                    .map(Period)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Visitor)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        // Of a month, nobody knows how long it is.
        if text.contains("month") && self.0.subsec_nanos() == 0 {
            let (days, rest) = (self.0.as_secs() / DAY_SECONDS, self.0.as_secs() % DAY_SECONDS);
            write!(f, "{days}d")?;
            return if rest == 0 { Ok(()) } else { Self(Duration::from_secs(rest)).fmt(f) };
        }
        f.write_str(&text.replace(' ', "").replace("days", "d").replace("day", "d"))
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time with its unit, such as \"30s\" or \"1d2h30m\"."
        })
    }
}

/// Where a secret is written: in place, or somewhere safer.
#[derive(Clone)]
pub enum SecretRef {
    /// In the config file itself.
    Literal(Secret),
    /// In an environment variable.
    Env(String),
    /// Alone in a file; the line break at the end does not count.
    File(PathBuf),
    /// Handed over by systemd in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl SecretRef {
    /// The secret itself.
    ///
    /// # Errors
    ///
    /// A sentence that names the variable or the file, never what is in it.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::Literal(secret) => return Ok(secret.clone()),
            Self::Env(name) => {
                env(name).ok_or(format!("environment variable {name} is not set"))?
            }
            Self::File(path) => read_file(path)?,
            Self::Credential(name) => {
                let folder = env("CREDENTIALS_DIRECTORY").ok_or(format!(
                    "credential {name}: $CREDENTIALS_DIRECTORY is not set; \
                     run under systemd with LoadCredential={name}:…, or by hand with \
                     CREDENTIALS_DIRECTORY=/etc/taskbell/credentials"
                ))?;
                read_file(&PathBuf::from(folder).join(name))?
            }
        };
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            return Err(format!("{self:?} is empty"));
        }
        Ok(Secret::new(trimmed.to_owned()))
    }

    /// Whether the secret stands in the config file itself.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

/// Longest file that can be a secret. The largest in the field are cloud tokens of some KiB.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

fn read_file(path: &PathBuf) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let length = fs::metadata(path).map_err(failed)?.len();
    if SECRET_FILE_BYTES_MAX < length {
        return Err(format!("{} is longer than a secret can be (64 KiB)", path.display()));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Reads an environment variable; one that is not Unicode counts as absent.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("a literal secret"),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a secret: \"…\", { env = \"NAME\" }, { file = \"/path\" } \
                     or { credential = \"name\" }",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
                Ok(SecretRef::Literal(Secret::new(text.to_owned())))
            }

            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<SecretRef, M::Error> {
                const KEYS: &[&str] = &["env", "file", "credential"];
                let Some(key) = map.next_key::<String>()? else {
                    return Err(de::Error::custom("a secret needs one of env, file, credential"));
                };
                let secret = match key.as_str() {
                    "env" => SecretRef::Env(map.next_value()?),
                    "file" => SecretRef::File(map.next_value()?),
                    "credential" => SecretRef::Credential(map.next_value()?),
                    _ => return Err(de::Error::unknown_field(&key, KEYS)),
                };
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(_) => Err(de::Error::custom(
                        "a secret takes exactly one of env, file, credential",
                    )),
                }
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let place = |key: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string" } },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({
            "description": "A secret: a literal, or where to find it.",
            "anyOf": [{ "type": "string" }, place("env"), place("file"), place("credential")]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Options {
        timeout: Option<Period>,
        password: Option<SecretRef>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        port: u16,
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = parse::<Options>(text.parse().unwrap()).expect_err("is wrong");
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        check("timout = '30s'", "timout: is not a known key; did you mean `timeout`?");
        check("zzz = 1", "zzz: is not a known key; known are timeout, password, inner");
        check("inner = { prot = 1 }", "inner.prot: is not a known key; did you mean `port`?");
        check("inner = {}", "inner.port: is required");
        check(
            "timeout = '30'",
            "timeout: invalid value: string \"30\", expected a length of time with its unit, \
             such as \"30s\" or \"1d2h30m\"",
        );
        check(
            "inner = { port = 70000 }",
            "inner.port: invalid value: integer `70000`, expected u16",
        );
    }

    #[test]
    fn a_secret_is_read_from_where_it_says_and_names_only_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(SecretRef::File(path).read().unwrap().expose(), "s3cret");
        let error = SecretRef::Env("TASKBELL_NOT_SET".into()).read().unwrap_err();
        assert_eq!(error, "environment variable TASKBELL_NOT_SET is not set");
        let literal = SecretRef::Literal(Secret::new("s3cret".into()));
        assert!(!format!("{literal:?}").contains("s3cret"));
    }

    #[test]
    fn periods_are_printed_as_they_are_written() {
        for text in
            ["0s", "30s", "1m", "1h30m", "250ms", "1d", "1d2h30m", "90d", "3650d", "10years"]
        {
            let period = humantime::parse_duration(text).map(Period).unwrap();
            assert_eq!(period.to_string(), text);
        }
    }
}
