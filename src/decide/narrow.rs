//! Which failures somebody asks for, in the words that routes and silences have.

use std::sync::Arc;

use super::{
    route::{Matcher, NO_LABELS, Subject},
    rules::Rules,
};
use crate::{failure::Failure, silence::Silence};

/// Conditions, all of which must hold, and what they look at beside the failure.
#[derive(Clone, Debug)]
pub struct Conditions {
    matchers: Vec<Matcher>,
    rules: Arc<Rules>,
}

impl Conditions {
    /// Reads conditions, one a line. `None`: there are none.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is, or that there are too many.
    pub fn parse(lines: &str, rules: &Arc<Rules>) -> Result<Option<Self>, String> {
        let lines: Vec<&str> =
            lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        // Each may take some memory.
        if Silence::MATCHERS_MAX < lines.len() {
            return Err(format!("there are more than {} conditions", Silence::MATCHERS_MAX));
        }
        let parse =
            |line: &&str| Matcher::parse(line).map_err(|error| format!("`{line}`: {error}"));
        let matchers = lines.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok((!matchers.is_empty()).then(|| Self { matchers, rules: Arc::clone(rules) }))
    }

    /// Whether all hold for a failure. Of a source that is not in the config any more, nothing but
    /// its name is known.
    #[must_use]
    pub fn hold(&self, failure: &Failure) -> bool {
        let info = self.rules.info(&failure.source);
        let facts = self.rules.sources.get(&failure.source);
        let labels = facts.map_or(&NO_LABELS, |facts| &facts.labels);
        let subject = Subject::of(failure, &info, labels);
        self.matchers.iter().all(|matcher| matcher.matches(&subject))
    }
}
