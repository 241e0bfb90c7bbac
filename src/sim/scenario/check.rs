//! What a scenario's spelling does not show: ranges, and rules that span keys.

use std::time::Duration;

use super::{Event, EventAction, Project, Scenario};
use crate::options::OptionError;

/// Shortest distance of a repeated event, so that a long run cannot be swamped by one.
const EVERY_MIN: Duration = Duration::from_millis(10);

/// Most projects and most tasks made by one `count`: a typing error should not eat the host.
const COUNT_MAX: usize = 1_000_000;

impl Scenario {
    /// Applies the rules documented on each key.
    ///
    /// # Errors
    ///
    /// The first one broken.
    pub(super) fn check(&self) -> Result<(), OptionError> {
        if self.projects.is_empty() {
            return Err(OptionError::new("project", "at least one is required"));
        }
        for (index, project) in self.projects.iter().enumerate() {
            project.check().map_err(|error| within(&error, "project", index))?;
        }
        for (index, event) in self.events.iter().enumerate() {
            event.check().map_err(|error| within(&error, "event", index))?;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            fault.check().map_err(|error| within(&error, "fault", index))?;
        }
        if self.paging.silent_cap == Some(0) {
            return Err(OptionError::new("paging.silent_cap", "must be at least 1"));
        }
        let ids: Vec<String> = self.projects.iter().flat_map(Project::ids).collect();
        let named = self
            .events
            .iter()
            .filter_map(|event| event.project.as_ref())
            .chain(self.faults.iter().filter_map(|fault| fault.project.as_ref()));
        for project in named {
            if !ids.contains(project) {
                let problem = format!("an event or a fault names {project}, which is not there");
                return Err(OptionError::new("project", problem));
            }
        }
        Ok(())
    }
}

/// Puts the place of an element before the key inside it; people count from 1.
fn within(error: &OptionError, list: &str, index: usize) -> OptionError {
    OptionError::new(format!("{list} {}: {}", index + 1, error.path), error.problem.clone())
}

impl Project {
    fn check(&self) -> Result<(), OptionError> {
        if self.id.len() != 32 || u128::from_str_radix(&self.id, 16).is_err() {
            return Err(OptionError::new("id", "must be 32 hexadecimal digits"));
        }
        if !(1..=COUNT_MAX).contains(&self.count) {
            return Err(OptionError::new("count", format!("must be from 1 to {COUNT_MAX}")));
        }
        if COUNT_MAX < self.generate.count.saturating_mul(self.count) {
            let problem = format!("makes more than {COUNT_MAX} tasks in all");
            return Err(OptionError::new("generate.count", problem));
        }
        Ok(())
    }
}

impl Event {
    fn check(&self) -> Result<(), OptionError> {
        if self.every.is_some_and(|every| every.0 < EVERY_MIN) {
            return Err(OptionError::new("every", "must be at least 10ms"));
        }
        if self.times.is_some() && self.every.is_none() {
            return Err(OptionError::new("times", "is of use only with `every`"));
        }
        let appears = self.action == EventAction::Appear;
        if appears && (self.all || !self.ids.is_empty()) {
            return Err(OptionError::new("do", "`appear` takes `count` or `task`, not ids"));
        }
        if COUNT_MAX < self.count {
            return Err(OptionError::new("count", format!("must be at most {COUNT_MAX}")));
        }
        if self.resolved && self.action != EventAction::Clear {
            return Err(OptionError::new("resolved", "is of use only with `clear`"));
        }
        Ok(())
    }
}
