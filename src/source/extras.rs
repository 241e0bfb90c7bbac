//! What a source may be able to do beside listing what failed, and what the operator wants of it.

use std::{fmt, time::Duration};

use crate::decide::cleanup::Cleanup;

/// What the operator wants of a source beside its list. Nothing, unless it was asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    /// Whether the cloud is asked what became of a task that is no longer listed.
    pub verify_cleared: bool,
    /// A task that runs for longer is told.
    pub stuck_after: Option<Duration>,
    /// Whether, and which, records are deleted in the cloud.
    pub cleanup: Option<Cleanup>,
}

/// A task's id that may stand in a path: that of a UUID, with its hyphens or without.
///
/// Everything else is refused. Without an id, or with one that a path resolves (`.`), a request to
/// delete one record would be a request to delete them all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskId(String);

impl TaskId {
    /// Takes an id as it was listed.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let uuid = raw.len() == 36
            && raw
                .bytes()
                .enumerate()
                .all(|(at, byte)| if hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        let plain = raw.len() == 32 && raw.bytes().all(|byte| byte.is_ascii_hexdigit());
        (uuid || plain).then(|| Self(raw.to_owned()))
    }

    /// The id: hexadecimal digits and hyphens, 32 or 36 of them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the cloud says about one task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TaskFate {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It has not ended, or the cloud's word is not known.
    Pending,
    /// The cloud knows no such task any more.
    Unknown,
}

impl TaskFate {
    /// Reads a status such as `SUCCESS_RESET`. The part behind the first `_` says nothing here,
    /// and is known to be wrong at times.
    #[must_use]
    pub fn of_status(status: &str) -> Self {
        match status.split('_').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "SUCCESS" => Self::Succeeded,
            "FAILED" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_those_of_the_samples_and_nothing_that_a_path_resolves() {
        for good in ["aee8d2fe-5484-4753-9177-5a38dc15546c", &"0".repeat(32)] {
            assert_eq!(TaskId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "/",
            "a/b",
            "%2e",
            "aee8d2fe-5484-4753-9177-5a38dc15546",
            "aee8d2fe-5484-4753-9177-5a38dc15546c/",
            "aee8d2fe/5484-4753-9177-5a38dc15546c",
            "aee8d2fe-5484-4753-9177-5a38dc15546?",
            "........-....-....-....-............",
            "--------------------------------",
        ] {
            assert_eq!(TaskId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_status_says_how_it_ended_by_its_first_part() {
        for (status, expected) in [
            ("SUCCESS_RESET", TaskFate::Succeeded),
            ("FAILED_BIND", TaskFate::Failed),
            ("failed", TaskFate::Failed),
            ("RUNNING_RESET", TaskFate::Pending),
            ("READY_UNBIND", TaskFate::Pending),
            ("", TaskFate::Pending),
        ] {
            assert_eq!(TaskFate::of_status(status), expected, "{status}");
        }
    }

    proptest! {
        /// Whatever the list holds, what is asked for is one record below the list.
        #[test]
        fn no_id_leads_anywhere_else(raw in "\\PC{0,40}|[0-9a-fA-F./%-]{30,40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}") {
            if let Some(id) = TaskId::parse(&raw) {
                let text = format!("https://kms.example/v3/p1/failed-tasks/{id}");
                let url = url::Url::parse(&text).unwrap();
                let segments: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments, ["v3", "p1", "failed-tasks", raw.as_str()]);
                prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
