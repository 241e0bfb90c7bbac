//! Where each key of the config file stands, and errors that say so.
//!
//! A key is named by its path as the operator would type it: `delivery.max_age`,
//! `source.prod-beijing.interval`, `route[0].match[1]`. Elements of a list that have a name go by
//! it; others are counted from 0. Text of the file is never shown: it may hold a secret.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use crate::text;

/// Longest explanation of one problem. Values are quoted in some, and may be of any length.
const PROBLEM_BYTES_MAX: usize = 600;

/// One thing that is wrong, or odd, with the config file.
///
/// Prints as `config.toml:14: source.prod-beijing.interval: must be between 1s and 1h`, without
/// the parts that do not apply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; where a key is missing, that of the table it is missing from.
    pub line: Option<usize>,
    /// Counted from 1 in characters; only where the file is not TOML.
    pub column: Option<usize>,
    /// The key as the operator would type it. Empty if it is about the whole file.
    pub key: String,
    /// What is wrong, and what to do about it. One line without secrets.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{place}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Something odd that does not keep the program from running.
pub type Warning = Problem;

/// Why there is no config.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// None was named, and none is where it is looked for.
    #[error(
        "no config file: neither {} exists; name one with --config or TASKBELL_CONFIG",
        .searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" nor ")
    )]
    NotFound {
        /// Where it was looked for, in that order.
        searched: Vec<PathBuf>,
    },
    /// The file could not be read.
    #[error("{}: cannot be read", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file could be read, but must not be used. Never empty, in the order of the file.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

impl ConfigError {
    /// What is wrong with the file's content. Empty if it was not read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            Self::NotFound { .. } | Self::Unreadable { .. } => &[],
        }
    }
}

/// The lines of all keys of one file.
#[derive(Clone, Debug)]
pub(super) struct Places {
    file: PathBuf,
    /// By path, with list elements counted: `source[0].interval`.
    lines: BTreeMap<String, usize>,
    /// From the path of a list element, `source[0]`, to how it is shown.
    shown: BTreeMap<String, String>,
}

impl Places {
    /// Notes where each key of `root`, parsed from `text`, stands.
    pub(super) fn of(file: &Path, text: &str, root: &DeTable<'_>) -> Self {
        let mut places = Self::none(file);
        let breaks: Vec<usize> =
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect();
        places.table(&breaks, "", root);
        places
    }

    /// For a file whose keys are not known.
    pub(super) fn none(file: &Path) -> Self {
        Self { file: file.to_owned(), lines: BTreeMap::new(), shown: BTreeMap::new() }
    }

    /// Shows the list element at `path`, such as `source[0]`, as `shown` from now on.
    pub(super) fn show_as(&mut self, path: &str, shown: String) {
        self.shown.insert(path.to_owned(), shown);
    }

    /// Whether the list element at `path` is shown by its name.
    pub(super) fn is_shown(&self, path: &str) -> bool {
        self.shown.contains_key(path)
    }

    /// The line of the key at `path`, or of the nearest table around it.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once(['.', '['])?.0;
        }
    }

    /// A problem with the key at `path`.
    pub(super) fn problem(&self, path: &str, problem: &str) -> Problem {
        let element = path.split_once(']').map_or("", |(element, _)| element);
        let key = match self.shown.get(&format!("{element}]")) {
            Some(shown) => path.replacen(&format!("{element}]"), shown, 1),
            None => path.to_owned(),
        };
        Problem {
            file: self.file.clone(),
            line: self.line(path),
            column: None,
            key: text::clean(&key, PROBLEM_BYTES_MAX),
            problem: text::clean(problem, PROBLEM_BYTES_MAX),
        }
    }

    fn table(&mut self, breaks: &[usize], path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.value(breaks, path, key.span().start, value.get_ref());
        }
    }

    fn value(&mut self, breaks: &[usize], path: String, at: usize, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(breaks, &path, table),
            DeValue::Array(values) => {
                for (nth, value) in values.iter().enumerate() {
                    let path = format!("{path}[{nth}]");
                    self.value(breaks, path, value.span().start, value.get_ref());
                }
            }
            _ => (),
        }
        self.lines.insert(path, 1 + breaks.partition_point(|line_end| *line_end < at));
    }
}

/// The path of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// What is wrong with a file that is not TOML, with line and column and without its text.
pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map(|span| span.start);
    let before = at.and_then(|at| text.get(..at));
    Problem {
        file: file.to_owned(),
        line: before.map(|before| 1 + before.matches('\n').count()),
        column: before
            .map(|before| 1 + before.rsplit('\n').next().unwrap_or_default().chars().count()),
        key: String::new(),
        problem: text::clean(&format!("is not TOML: {}", error.message()), PROBLEM_BYTES_MAX),
    }
}

/// What is wrong with a file that is not text.
pub(super) fn not_utf8(file: &Path, bytes: &[u8], valid_up_to: usize) -> Problem {
    let before = bytes.get(..valid_up_to).unwrap_or_default();
    Problem {
        file: file.to_owned(),
        line: Some(before.split(|b| *b == b'\n').count()),
        column: None,
        key: String::new(),
        problem: "is not UTF-8 text; save the file as UTF-8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[store]
path = 'x' # 2
kind.a = 1

[[sink]]
name = 'a' # 6
to = [
  'x', # 8
  'y',
]
auth = { kind = 'k',
  key = 1 } # 12
[[sink]]
labels.'a.b' = 'ü'; # 14
";

    #[test]
    fn each_key_is_found_on_its_line_and_a_missing_one_at_its_table() {
        let text = TEXT.replace(';', "");
        let root = DeTable::parse(&text).unwrap();
        let places = Places::of(Path::new("f"), &text, root.get_ref());
        for (path, line) in [
            ("store", Some(1)),
            ("store.path", Some(2)),
            ("store.kind.a", Some(3)),
            ("store.retention", Some(1)),
            ("sink[0]", Some(5)),
            ("sink[0].name", Some(6)),
            ("sink[0].timeout", Some(5)),
            ("sink[0].to", Some(7)),
            ("sink[0].to[0]", Some(8)),
            ("sink[0].to[1]", Some(9)),
            ("sink[0].to[7]", Some(7)),
            ("sink[0].auth.key", Some(12)),
            ("sink[0].auth.nothing", Some(11)),
            ("sink[1].name", Some(13)),
            ("sink[1].labels.a.b", Some(14)),
            ("route", None),
            ("", None),
        ] {
            assert_eq!(places.line(path), line, "{path}");
        }
    }

    #[test]
    fn a_syntax_error_is_placed_but_not_quoted() {
        let error = DeTable::parse(TEXT).unwrap_err();
        let problem = syntax(Path::new("f"), TEXT, &error);
        assert_eq!((problem.line, problem.column), (Some(14), Some(19)));
        assert!(!problem.to_string().contains('ü'), "{problem}");
    }

    #[test]
    fn a_list_element_is_shown_by_its_name() {
        let mut places = Places::none(Path::new("f"));
        places.show_as("sink[1]", "sink.ops".to_owned());
        for (path, shown) in [
            ("sink[1].to[2]", "f: sink.ops.to[2]: x"),
            ("sink[1]", "f: sink.ops: x"),
            ("sink[0].to[1]", "f: sink[0].to[1]: x"),
            ("store.path", "f: store.path: x"),
            ("", "f: x"),
        ] {
            assert_eq!(places.problem(path, "x").to_string(), shown);
        }
    }
}
