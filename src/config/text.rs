//! In which words notices are told: language, time zone, hints and templates.

use std::{path::PathBuf, sync::Arc};

use toml::{Table, Value};

use super::{
    check::{Check, unknown},
    locate::join,
    raw::{RawHint, RawLanguage, RawTemplate, RawText},
};
use crate::{
    render::{Hints, Language, Zone},
    sink,
};

/// In which words one sink is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The language.
    pub language: Language,
    /// The zone of all times.
    pub zone: Zone,
    /// Files with words of the operator's own.
    pub templates: TemplateFiles,
}

/// The files of templates; where there is none, the text is the built-in one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TemplateFiles {
    /// One line, for subjects and titles.
    pub title: Option<PathBuf>,
    /// Plain text.
    pub text: Option<PathBuf>,
    /// A page of HTML, for mails.
    pub html: Option<PathBuf>,
}

impl From<RawTemplate> for TemplateFiles {
    fn from(raw: RawTemplate) -> Self {
        Self { title: raw.title, text: raw.text, html: raw.html }
    }
}

/// What sinks inherit.
#[derive(Default)]
pub(super) struct Inherited {
    text: Text,
    /// By the name of the kind.
    templates: Vec<(String, TemplateFiles)>,
}

impl Inherited {
    /// The language and zone of what says nothing else.
    pub(super) fn shared(&self) -> (Language, Zone) {
        (self.text.language, self.text.zone.clone())
    }

    /// The words of a sink of `kind`, before its own keys count.
    pub(super) fn of(&self, kind: &str) -> Text {
        let templates = self.templates.iter().find(|(name, _)| name == kind);
        let templates = templates.map(|(_, files)| files.clone()).unwrap_or_default();
        Text { templates, ..self.text.clone() }
    }
}

impl Check {
    /// `[text]` and `[template.<kind>]`.
    pub(super) fn inherited(
        &mut self,
        root: &mut Table,
        kinds: &[&'static sink::Kind],
    ) -> Option<Inherited> {
        let text: Option<RawText> = self.one(root, "text");
        let text = text.and_then(|raw| {
            let zone = self.zone("text.time_zone", &raw.time_zone);
            Some(Text {
                language: raw.language.0,
                zone: zone?,
                templates: TemplateFiles::default(),
            })
        });
        let tables: Table = self.one(root, "template")?;
        let known: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
        let mut templates = Vec::new();
        for (kind, value) in tables {
            let path = join("template", &kind);
            if !known.contains(&kind.as_str()) {
                self.problem(&path, &unknown("kind of sink", &kind, &known));
                continue;
            }
            match value {
                Value::Table(table) => {
                    let raw: RawTemplate = self.parse(&path, table)?;
                    templates.push((kind, raw.into()));
                }
                _ => self.problem(&path, &format!("must be a table, written [{path}]")),
            }
        }
        Some(Inherited { text: text?, templates })
    }

    /// `[hints]`, in the order of the file.
    pub(super) fn hints(&mut self, root: &mut Table) -> Option<Arc<Hints>> {
        let table: Table = self.one(root, "hints")?;
        let mut hints = Hints::default();
        for (key, value) in table {
            let path = join("hints", &key);
            let RawHint { text, link } = match value {
                Value::String(text) => RawHint { text, link: None },
                Value::Table(table) => self.parse(&path, table)?,
                _ => {
                    self.problem(
                        &path,
                        "must be a text, or { text = \"…\", link = \"https://…\" }",
                    );
                    continue;
                }
            };
            if let Err(problem) = hints.add(&key, text, link) {
                self.problem(&path, &problem);
            }
        }
        Some(Arc::new(hints))
    }

    /// What a sink inherits, and what it says itself.
    pub(super) fn text(
        &mut self,
        path: &str,
        inherited: Text,
        own: (Option<RawLanguage>, Option<String>, Option<RawTemplate>),
    ) -> Option<Text> {
        let (language, zone, template) = own;
        let mut text = inherited;
        if let Some(language) = language {
            text.language = language.0;
        }
        if let Some(zone) = zone {
            text.zone = self.zone(&join(path, "time_zone"), &zone)?;
        }
        if let Some(template) = template {
            let TemplateFiles { title, text: plain, html } = template.into();
            let kind = text.templates;
            text.templates = TemplateFiles {
                title: title.or(kind.title),
                text: plain.or(kind.text),
                html: html.or(kind.html),
            };
        }
        Some(text)
    }

    fn zone(&mut self, path: &str, name: &str) -> Option<Zone> {
        Zone::parse(name).map_err(|problem| self.problem(path, &problem)).ok()
    }
}
