//! What was answered so far: on the command line, then by being asked.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use super::{
    Args, InitError,
    form::{Choice, Form, Key, Shape, Spelling},
    is_set,
    terminal::Terminal,
};
use crate::{options, secret::Secret};

/// Longest secret; see [`options::SecretRef`].
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// One `KEY=VALUE` of the command line.
#[derive(Clone, Debug)]
pub(super) struct Given {
    key: String,
    value: String,
}

impl Given {
    pub(super) fn parse(raw: &str) -> Result<Self, String> {
        let (key, value) = raw.split_once('=').ok_or("expected a key, `=` and a value")?;
        let named = ["source.", "sink."].iter().any(|table| key.starts_with(table));
        if !named {
            return Err(format!("`{key}` must begin with `source.` or `sink.`"));
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// As it was typed.
    Plain(String),
    /// What will be in a file of its own.
    Secret(Secret),
    /// The environment variable that holds a secret.
    Env(String),
}

/// By key, dotted from the table on: `source.auth.access_key`.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(pub(super) BTreeMap<String, Answer>);

impl Answers {
    /// Takes what the command line says in the clear.
    pub(super) fn take(&mut self, args: &Args) -> Result<(), InitError> {
        let short = [("source.region", &args.region), ("source.project_id", &args.project_id)];
        for (key, value) in short {
            if let Some(value) = value {
                self.plain(key, value);
            }
        }
        for Given { key, value } in &args.set {
            if self.0.contains_key(key) {
                return Err(wrong(key, "is given twice"));
            }
            self.plain(key, value);
        }
        Ok(())
    }

    /// Reads the secrets from where the command line says that they are.
    pub(super) async fn take_secrets(
        &mut self,
        args: &Args,
        terminal: &mut Terminal,
    ) -> Result<(), InitError> {
        for Given { key, value } in &args.secrets {
            if self.0.contains_key(key) {
                return Err(wrong(key, "is given twice"));
            }
            let answer = match value.strip_prefix("env:") {
                Some(name) if is_set(name) => Answer::Env(name.to_owned()),
                Some(name) => {
                    return Err(wrong(key, &format!("environment variable {name} is not set")));
                }
                None if value == "-" => Answer::Secret(terminal.secret(key).await?),
                None => {
                    Answer::Secret(read(Path::new(value)).map_err(|problem| wrong(key, &problem))?)
                }
            };
            self.0.insert(key.clone(), answer);
        }
        Ok(())
    }

    fn plain(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), Answer::Plain(value.to_owned()));
    }

    /// The kind that was chosen before, if any.
    pub(super) fn kind(&self, table: &str) -> Option<&str> {
        self.text(&format!("{table}.kind"))
    }

    pub(super) fn set_kind(&mut self, table: &str, kind: &str) {
        self.plain(&format!("{table}.kind"), kind);
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Answer::Plain(text)) => Some(text),
            _ => None,
        }
    }

    /// What the table is called in notices and commands.
    pub(super) fn name(&self, table: &str) -> String {
        let of = |key: &str| self.text(&format!("{table}.{key}"));
        of("name").or_else(|| of("region")).or_else(|| of("kind")).unwrap_or(table).to_owned()
    }

    /// Refuses keys that this kind does not have, and secrets in the clear.
    pub(super) fn check(&self, form: &Form) -> Result<(), InitError> {
        let known = form.known();
        let choices: Vec<String> =
            form.choices.iter().map(|choice| format!("{}.kind", choice.path)).collect();
        let mut paths: Vec<&str> = known.iter().map(|key| key.path.as_str()).collect();
        paths.extend(choices.iter().map(String::as_str));
        paths.extend(["name", "kind"]);
        let within = format!("{}.", form.table);
        for (key, answer) in &self.0 {
            let Some(path) = key.strip_prefix(&within) else { continue };
            if !paths.contains(&path) {
                return Err(wrong(key, &options::unknown_key(&paths, path)));
            }
            let secret = known.iter().any(|key| key.path == path && key.form == Spelling::Secret);
            match answer {
                Answer::Plain(_) if secret => {
                    let problem = "is a secret, which other users could see here; \
                                   give it as --secret KEY=FILE";
                    return Err(wrong(key, problem));
                }
                Answer::Secret(_) | Answer::Env(_) if !secret => {
                    return Err(wrong(key, "is no secret; give it as --set KEY=VALUE"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks for what is not answered. Gives back what is required and still missing, which can be
    /// only if nothing may be asked.
    pub(super) async fn ask(
        &mut self,
        form: &Form,
        auth: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<Vec<String>, InitError> {
        let mut missing = self.ask_keys(form.table, &form.keys, terminal).await?;
        for choice in form.choices.iter().filter(|choice| choice.required) {
            match self.choose(form.table, choice, auth, terminal).await? {
                Some(shape) => {
                    missing.extend(self.ask_keys(form.table, &shape.keys, terminal).await?);
                }
                None => missing.push(format!("{}.{}.kind", form.table, choice.path)),
            }
        }
        Ok(missing)
    }

    /// Which shape a table within the table has.
    async fn choose<'a>(
        &mut self,
        table: &str,
        choice: &'a Choice,
        given: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<Option<&'a Shape>, InitError> {
        let path = format!("{table}.{}.kind", choice.path);
        let known: Vec<&str> = choice.shapes.iter().map(|shape| shape.kind.as_str()).collect();
        let said = given.or_else(|| self.text(&path)).map(str::to_owned);
        let kind = match said {
            Some(kind) => kind,
            None if !terminal.asks() => return Ok(None),
            None => {
                for shape in &choice.shapes {
                    super::out::note(&format!("  {}", shape.about));
                }
                terminal.choose(&path, &known, None).await?
            }
        };
        let Some(shape) = choice.shapes.iter().find(|shape| shape.kind == kind) else {
            return Err(wrong(&path, &format!("`{kind}` is none of {}", known.join(", "))));
        };
        self.plain(&path, &kind);
        Ok(Some(shape))
    }

    async fn ask_keys(
        &mut self,
        table: &str,
        keys: &[Key],
        terminal: &mut Terminal,
    ) -> Result<Vec<String>, InitError> {
        let mut missing = Vec::new();
        for key in keys {
            let path = format!("{table}.{}", key.path);
            if self.0.contains_key(&path) || !key.asked {
                continue;
            }
            if !terminal.asks() {
                if key.required {
                    missing.push(path);
                }
                continue;
            }
            if let Some(answer) = terminal.ask(&path, key).await? {
                self.0.insert(path, answer);
            }
        }
        Ok(missing)
    }

    /// Forgets what was answered by being asked, so that it is asked again.
    pub(super) fn forget(&mut self, args: &Args) -> Result<(), InitError> {
        let secrets = args.secrets.iter().map(|given| given.key.clone());
        let kept: Vec<String> = secrets.collect();
        self.0.retain(|key, _| kept.contains(key));
        self.take(args)
    }
}

fn wrong(key: &str, problem: &str) -> InitError {
    InitError::Key { key: key.to_owned(), problem: problem.to_owned() }
}

/// The secret in a file, as [`options::SecretRef`] reads it.
fn read(path: &Path) -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(text))
}
