//! The text of the config that the answers make.

use std::collections::BTreeMap;

use super::{
    answers::{Answer, Answers},
    form::{Form, Key, Spelling},
    place::Place,
};
use crate::secret::Secret;

/// How far to the right comments begin.
const COMMENT_COLUMN: usize = 44;

/// Longest comment behind a key; the reference says the rest.
const COMMENT_CHARS_MAX: usize = 60;

/// A config that is not written yet.
#[derive(Debug)]
pub(super) struct Draft {
    tables: Vec<Table>,
    /// By the names of their files.
    pub(super) secrets: BTreeMap<String, Secret>,
}

#[derive(Debug)]
struct Table {
    header: &'static str,
    name: String,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    key: String,
    value: Value,
    about: String,
}

#[derive(Debug)]
enum Value {
    /// As TOML.
    Plain(String),
    /// The name of the secret's file.
    Secret(String),
    /// Of keys within.
    Inner(Vec<(String, Value)>),
}

impl Draft {
    pub(super) fn new(answers: &Answers, source: &Form, sink: &Form) -> Self {
        let mut draft = Self { tables: Vec::new(), secrets: BTreeMap::new() };
        for form in [source, sink] {
            let table = draft.table(answers, form);
            draft.tables.push(table);
        }
        draft
    }

    fn table(&mut self, answers: &Answers, form: &Form) -> Table {
        let name = answers.name(form.table);
        let plain = |key: &str, value: &str, about: &str| Line {
            key: key.to_owned(),
            value: Value::Plain(quoted(value)),
            about: about.to_owned(),
        };
        let mut lines = vec![
            plain("name", &name, "in notices, logs and commands"),
            plain("kind", &form.kind, &form.summary),
        ];
        for key in &form.keys {
            if let Some(answer) = answers.0.get(&format!("{}.{}", form.table, key.path)) {
                let value = self.value(&name, key, answer);
                lines.push(Line { key: key.path.clone(), value, about: key.about.clone() });
            }
        }
        for choice in &form.choices {
            let path = format!("{}.{}", form.table, choice.path);
            let Some(Answer::Plain(kind)) = answers.0.get(&format!("{path}.kind")) else {
                continue;
            };
            let mut inner = vec![("kind".to_owned(), Value::Plain(quoted(kind)))];
            let shape = choice.shapes.iter().find(|shape| shape.kind == *kind);
            for key in shape.into_iter().flat_map(|shape| &shape.keys) {
                if let Some(answer) = answers.0.get(&format!("{}.{}", form.table, key.path)) {
                    let last = key.path.rsplit('.').next().unwrap_or_default().to_owned();
                    inner.push((last, self.value(&name, key, answer)));
                }
            }
            let (key, value) = (choice.path.clone(), Value::Inner(inner));
            lines.push(Line { key, value, about: String::new() });
        }
        Table { header: form.table, name, lines }
    }

    fn value(&mut self, name: &str, key: &Key, answer: &Answer) -> Value {
        match answer {
            Answer::Plain(text) => Value::Plain(match key.form {
                Spelling::Number | Spelling::Flag => text.clone(),
                Spelling::List => {
                    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
                }
                Spelling::Text | Spelling::Secret => quoted(text),
            }),
            Answer::Env(variable) => Value::Plain(format!("{{ env = {} }}", quoted(variable))),
            Answer::Secret(secret) => {
                let last = key.path.rsplit('.').next().unwrap_or_default();
                let mut file = format!("{name}-{last}").replace('_', "-");
                // A source and a sink may have the same name and the same key.
                while self.secrets.contains_key(&file) {
                    file.push_str("-2");
                }
                self.secrets.insert(file.clone(), secret.clone());
                Value::Secret(file)
            }
        }
    }

    /// With the secrets in it, for the test alone. Never printed and never written.
    pub(super) fn for_test(&self, place: &Place) -> String {
        self.text(place, &|file| {
            quoted(self.secrets.get(file).map(Secret::expose).unwrap_or_default())
        })
    }

    /// As it is written: with the places of the secrets.
    pub(super) fn for_file(&self, place: &Place) -> String {
        self.text(place, &|file| place.reference(file))
    }

    fn text(&self, place: &Place, secret: &dyn Fn(&str) -> String) -> String {
        let store = format!("path = {}", quoted(&place.store.display().to_string()));
        let mut text = vec![
            "# Written by `taskbell init`. `taskbell check` checks it, `taskbell schema` describes it;"
                .to_owned(),
            "# the guide's page \"Config\" lists every key.".to_owned(),
            String::new(),
            "[store]".to_owned(),
            commented(&store, "the record: one process at a time"),
        ];
        for Table { header, lines, .. } in &self.tables {
            text.extend([String::new(), format!("[[{header}]]")]);
            text.extend(lines.iter().map(|Line { key, value, about }| {
                commented(&format!("{key} = {}", spelled(value, secret)), about)
            }));
        }
        let sink = self.tables.last().map(|table| quoted(&table.name)).unwrap_or_default();
        let route = commented(&format!("to = [{sink}]"), "every failure goes there");
        text.extend([String::new(), "[[route]]".to_owned(), route, String::new()]);
        text.join("\n")
    }
}

fn spelled(value: &Value, secret: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::Plain(text) => text.clone(),
        Value::Secret(file) => secret(file),
        Value::Inner(keys) => {
            let keys =
                keys.iter().map(|(key, value)| format!("{key} = {}", spelled(value, secret)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The line with its first sentence of explanation behind it, if both fit.
fn commented(line: &str, about: &str) -> String {
    let about = about.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let width = line.chars().count();
    if about.is_empty() || COMMENT_CHARS_MAX < about.chars().count() || COMMENT_COLUMN < width {
        return line.to_owned();
    }
    format!("{line}{} # {about}", " ".repeat(COMMENT_COLUMN - width))
}

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
