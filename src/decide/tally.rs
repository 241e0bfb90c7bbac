//! What many failures have in common.

use std::{cmp::Reverse, collections::BTreeMap};

use super::recur::normalised;
use crate::{
    failure::Failure,
    notice::{Count, Tally},
    text,
};

/// Most distinct values remembered of each list, while failures are counted. A storm over more
/// servers than this has no server that stands out; what stands out is not forgotten.
pub const TALLY_VALUES_MAX: usize = 1024;

/// Longest message in a tally. It has to fit a line beside its count.
const MESSAGE_BYTES_MAX: usize = 80;

/// Counts failures that are all in memory.
#[must_use]
pub fn tally(failures: &[Failure]) -> Tally {
    let mut tallier = Tallier::default();
    for failure in failures {
        tallier.add(failure);
    }
    tallier.finish()
}

/// Counts failures one after the other, however many there are.
#[derive(Clone, Debug, Default)]
pub struct Tallier {
    actions: Values,
    errors: Values,
    servers: Values,
    sources: Values,
}

impl Tallier {
    /// Counts one more, by the texts it was first listed with. What is not known of it is not
    /// counted, so a list may add up to less than the number of failures.
    pub fn add(&mut self, failure: &Failure) {
        let text = &failure.task.text;
        self.actions.add(failure.task.action.as_str());
        self.sources.add(failure.source.as_str());
        if let Some(server) = text.server_name.as_deref().or(text.server_id.as_deref()) {
            self.servers.add(server);
        }
        match (text.error_code.as_deref(), text.error_message.as_deref()) {
            (Some(code), _) => self.errors.add(code),
            (None, Some(message)) => {
                self.errors.add(&text::clean(&normalised(message), MESSAGE_BYTES_MAX));
            }
            (None, None) => (),
        }
    }

    /// The most frequent values, most frequent first, those that are equally frequent by value.
    #[must_use]
    pub fn finish(self) -> Tally {
        Tally {
            actions: self.actions.top(),
            errors: self.errors.top(),
            servers: self.servers.top(),
            sources: self.sources.top(),
        }
    }
}

/// How often each value was met.
#[derive(Clone, Debug, Default)]
struct Values(BTreeMap<String, u32>);

impl Values {
    /// Makes room, if need be, by forgetting the values that were met least often. One that was
    /// forgotten starts anew, so beyond [`TALLY_VALUES_MAX`] a count may be too small.
    fn add(&mut self, value: &str) {
        if let Some(count) = self.0.get_mut(value) {
            *count = count.saturating_add(1);
            return;
        }
        if TALLY_VALUES_MAX <= self.0.len() {
            let fewest = self.0.values().copied().min().unwrap_or_default();
            self.0.retain(|_, count| fewest < *count);
        }
        self.0.insert(value.to_owned(), 1);
    }

    fn top(self) -> Vec<Count> {
        let mut all: Vec<Count> =
            self.0.into_iter().map(|(value, count)| Count { value, count }).collect();
        // The sort is stable, and a map is in the order of its values.
        all.sort_by_key(|one| Reverse(one.count));
        all.truncate(Tally::TOP_MAX);
        all
    }
}

#[cfg(test)]
mod tests;
