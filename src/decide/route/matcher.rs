//! One condition of a route, as the operator writes it: `action =~ "reset|replace"`.
//!
//! The language is Alertmanager's: `=`, `!=`, `=~`, `!~`, regular expressions that must match
//! the whole value, and an absent value that is the empty string. Everything that can be wrong
//! with a condition is found when it is parsed, so that matching cannot fail.

use std::{fmt, iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use super::Subject;
use crate::{name::Name, options, task::Action};

/// Longest condition. A list of a hundred server names fits; a pasted file does not.
pub const MATCHER_BYTES_MAX: usize = 4096;

/// Most memory that one compiled expression may take. Ordinary ones need much less; nested
/// counts such as `(a{100}){100}` need more than this and are refused.
pub const REGEX_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What stands before the name of a label.
const LABEL_PREFIX: &str = "labels.";

/// What a condition looks at, and what failures are grouped by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Field {
    /// The operator's name for the source.
    Source,
    /// The cloud project's id.
    Project,
    /// The cloud region.
    Region,
    /// `reset`, `replace`, `unbind`, `bind` or `other`.
    Action,
    /// As listed, for instance `FAILED_RESET` or a job's name.
    OperateType,
    /// For instance `KPS.6009`.
    ErrorCode,
    /// Free text.
    ErrorMessage,
    /// The server's name.
    ServerName,
    /// The key pair's name.
    Keypair,
    /// One of the failure's or its source's `labels`, written `labels.<name>`.
    Label(Box<str>),
}

impl Field {
    /// The names of all fields but the labels, in the order that help texts list them.
    pub const NAMES: [&'static str; 9] = [
        "source",
        "project",
        "region",
        "action",
        "operate_type",
        "error_code",
        "error_message",
        "server_name",
        "keypair",
    ];

    /// Reads a field's name.
    ///
    /// # Errors
    ///
    /// A sentence that names the nearest field, or all of them.
    pub fn parse(raw: &str) -> Result<Self, String> {
        Ok(match raw {
            "source" => Self::Source,
            "project" => Self::Project,
            "region" => Self::Region,
            "action" => Self::Action,
            "operate_type" => Self::OperateType,
            "error_code" => Self::ErrorCode,
            "error_message" => Self::ErrorMessage,
            "server_name" => Self::ServerName,
            "keypair" => Self::Keypair,
            _ => match raw.strip_prefix(LABEL_PREFIX) {
                Some(label) => match Name::parse(label) {
                    Ok(label) => Self::Label(label.as_str().into()),
                    Err(error) => return Err(format!("the name of a label {error}")),
                },
                None => return Err(unknown_field(raw)),
            },
        })
    }
}

fn unknown_field(raw: &str) -> String {
    let known = || format!("{} and {LABEL_PREFIX}<name>", Field::NAMES.join(", "));
    match options::nearest(&Field::NAMES, raw) {
        _ if raw.is_empty() => format!("expected a field: one of {}", known()),
        Some(near) => format!("`{raw}` is not a field; did you mean `{near}`?"),
        None => format!("`{raw}` is not a field; fields are {}", known()),
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Project => f.write_str("project"),
            Self::Region => f.write_str("region"),
            Self::Action => f.write_str("action"),
            Self::OperateType => f.write_str("operate_type"),
            Self::ErrorCode => f.write_str("error_code"),
            Self::ErrorMessage => f.write_str("error_message"),
            Self::ServerName => f.write_str("server_name"),
            Self::Keypair => f.write_str("keypair"),
            Self::Label(name) => write!(f, "{LABEL_PREFIX}{name}"),
        }
    }
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Op {
    Is,
    IsNot,
    Like,
    Unlike,
}

impl Op {
    fn as_str(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Like => "=~",
            Self::Unlike => "!~",
        }
    }
}

/// One condition.
#[derive(Clone, Debug)]
pub struct Matcher {
    field: Field,
    op: Op,
    value: String,
    /// Set for [`Op::Like`] and [`Op::Unlike`], and anchored at both ends.
    regex: Option<Regex>,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("character {at}: {problem}")]
pub struct MatcherError {
    /// The first character that does not fit, counted from 1.
    pub at: usize,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Matcher {
    /// Reads `field op value`, the value bare or in double quotes.
    ///
    /// Between quotes, `\"`, `\\` and `\n` stand for one character. Any other backslash stands
    /// for itself, so that `\d` and `\.` of a regular expression need no doubling.
    ///
    /// # Errors
    ///
    /// The first mistake and its position.
    pub fn parse(raw: &str) -> Result<Self, MatcherError> {
        if MATCHER_BYTES_MAX < raw.len() {
            let problem = format!("is longer than {MATCHER_BYTES_MAX} bytes");
            return Err(MatcherError { at: 1, problem });
        }
        let mut scanner = Scanner { chars: raw.chars().peekable(), at: 1 };
        scanner.skip_space();
        let field_at = scanner.at;
        let field = Field::parse(&scanner.word())
            .map_err(|problem| MatcherError { at: field_at, problem })?;
        scanner.skip_space();
        let op = scanner.op()?;
        scanner.skip_space();
        let value_at = scanner.at;
        let value = scanner.value()?;
        scanner.skip_space();
        if scanner.chars.peek().is_some() {
            return scanner.fail("expected the end; write each condition as a string of its own");
        }
        let fail = |problem| MatcherError { at: value_at, problem };
        let regex = match op {
            Op::Is | Op::IsNot => None,
            Op::Like | Op::Unlike => Some(anchored(&value).map_err(fail)?),
        };
        let matcher = Self { field, op, value, regex };
        matcher.check_action().map_err(fail)?;
        Ok(matcher)
    }

    /// Actions are a closed set, so a condition about one that does not exist is a slip.
    fn check_action(&self) -> Result<(), String> {
        let names = Action::ALL.map(Action::as_str);
        if self.field != Field::Action || names.iter().any(|name| self.compares_equal(name)) {
            return Ok(());
        }
        Err(match options::nearest(&names, &self.value) {
            Some(near) => format!("`{}` is not an action; did you mean `{near}`?", self.value),
            None => {
                format!("`{}` is not an action; actions are {}", self.value, names.join(", "))
            }
        })
    }

    /// What the condition looks at.
    #[must_use]
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// Whether the condition holds for a value of its field.
    #[must_use]
    pub fn holds_for(&self, value: &str) -> bool {
        let negated = matches!(self.op, Op::IsNot | Op::Unlike);
        self.compares_equal(value) != negated
    }

    /// Whether the condition holds for a failure.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.holds_for(subject.get(&self.field))
    }

    fn compares_equal(&self, value: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        }
    }
}

/// As [`Matcher::parse`] reads it, with the value in quotes.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{} {} \"{value}\"", self.field, self.op.as_str())
    }
}

/// Compiles `pattern` so that it must match a whole value.
fn anchored(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|error| {
            match error {
                regex::Error::CompiledTooBig(_) => {
                    "the regular expression is too large; shorten its repetitions".to_owned()
                }
                error => {
                    // The words before the last line repeat the pattern and draw an arrow.
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    let reason = last.strip_prefix("error: ").unwrap_or(last);
                    format!("the regular expression is wrong: {reason}")
                }
            }
        })
    };
    // Alone first: `a)|(b` would be taken within the brackets, and would undo the anchors.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    /// Of the next character, counted from 1.
    at: usize,
}

impl Scanner<'_> {
    fn fail<T>(&self, problem: &str) -> Result<T, MatcherError> {
        Err(MatcherError { at: self.at, problem: problem.to_owned() })
    }

    fn next_if(&mut self, wanted: impl FnOnce(&char) -> bool) -> Option<char> {
        let c = self.chars.next_if(wanted)?;
        self.at += 1;
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(&char) -> bool) -> String {
        std::iter::from_fn(|| self.next_if(&wanted)).collect()
    }

    fn skip_space(&mut self) {
        while self.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn word(&mut self) -> String {
        self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
    }

    fn op(&mut self) -> Result<Op, MatcherError> {
        const EXPECTED: &str = "expected one of =, !=, =~, !~";
        let start = self.at;
        match self.take_while(|c| matches!(c, '=' | '!' | '~')).as_str() {
            "=" => Ok(Op::Is),
            "!=" => Ok(Op::IsNot),
            "=~" => Ok(Op::Like),
            "!~" => Ok(Op::Unlike),
            _ => Err(MatcherError { at: start, problem: EXPECTED.to_owned() }),
        }
    }

    fn value(&mut self) -> Result<String, MatcherError> {
        if self.next_if(|c| *c == '"').is_some() {
            return self.quoted();
        }
        let value = self.take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`'));
        match self.chars.peek() {
            Some('"' | '\'' | '`') => self.fail("put the whole value in double quotes"),
            _ if value.is_empty() => self.fail("expected a value; write \"\" for an empty one"),
            _ => Ok(value),
        }
    }

    fn quoted(&mut self) -> Result<String, MatcherError> {
        let mut value = String::new();
        loop {
            match self.next_if(|_| true) {
                Some('"') => return Ok(value),
                Some('\\') => match self.next_if(|c| matches!(c, '"' | '\\' | 'n')) {
                    Some('n') => value.push('\n'),
                    Some(c) => value.push(c),
                    None => value.push('\\'),
                },
                Some(c) => value.push(c),
                None => return self.fail("expected a closing \""),
            }
        }
    }
}
