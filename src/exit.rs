//! Exit codes: what a script can hold on to. Those of `sysexits`, where it has one.

use std::process::ExitCode;

use crate::{config::ConfigError, source::FaultClass, store::StoreError};

/// How a command ended. In ascending order of severity, so that the most serious one wins.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, and new failures were told. Only with `--detailed-exitcode`.
    NewFailures,
    /// Something else failed, or a check did not hold.
    Failed,
    /// The command was called wrongly.
    Usage,
    /// Committed, but deliveries are still pending.
    Pending,
    /// A source could not be reached, or its poll was incomplete.
    SourceUnavailable,
    /// Credentials were refused.
    CredentialsRefused,
    /// Another instance holds the store.
    StoreHeld,
    /// The store cannot be read or is not durable.
    StoreUnusable,
    /// The config is wrong.
    ConfigInvalid,
}

impl Exit {
    /// All of them, in ascending order of severity.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::NewFailures,
        Self::Failed,
        Self::Usage,
        Self::Pending,
        Self::SourceUnavailable,
        Self::CredentialsRefused,
        Self::StoreHeld,
        Self::StoreUnusable,
        Self::ConfigInvalid,
    ];

    /// What it means, and what a script may do about it.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done.",
            Self::NewFailures => {
                "Done, and new failures were told. Only with `once --detailed-exitcode`."
            }
            Self::Failed => {
                "Something else failed, or a check did not hold: `check --deny-warnings`, \
                 `route test --verify-sinks`, `config diff`, `sink test`, `state verify`."
            }
            Self::Usage => "The command was called wrongly.",
            Self::Pending => {
                "Everything is committed, but deliveries are pending. The next run tries again."
            }
            Self::SourceUnavailable => {
                "A source could not be reached, or its poll was incomplete. Others were polled."
            }
            Self::CredentialsRefused => {
                "The cloud refused the credentials, or they may not read the list."
            }
            Self::StoreHeld => "Another process holds the store. Nothing was done.",
            Self::StoreUnusable => {
                "The store cannot be read, or its disk does not keep what is written."
            }
            Self::ConfigInvalid => "The config is wrong, or a secret that it names is not there.",
        }
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NewFailures => 10,
            Self::SourceUnavailable => 69,
            Self::StoreHeld => 73,
            Self::StoreUnusable => 74,
            Self::Pending => 75,
            Self::CredentialsRefused => 77,
            Self::ConfigInvalid => 78,
        }
    }

    /// What trouble with a source means for the exit.
    #[must_use]
    pub fn of_fault(class: FaultClass) -> Self {
        match class {
            FaultClass::Auth | FaultClass::Permission | FaultClass::AccountFrozen => {
                Self::CredentialsRefused
            }
            _ => Self::SourceUnavailable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&StoreError> for Exit {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Held { .. } => Self::StoreHeld,
            StoreError::Newer { .. }
            | StoreError::Unreadable { .. }
            | StoreError::Damaged { .. }
            | StoreError::NotDurable { .. }
            | StoreError::Silent { .. }
            | StoreError::Closed => Self::StoreUnusable,
        }
    }
}

impl From<&ConfigError> for Exit {
    fn from(_: &ConfigError) -> Self {
        Self::ConfigInvalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_in_the_order_of_severity() {
        assert!(Exit::ALL.is_sorted());
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Exit::ALL.len());
    }

    #[test]
    fn the_most_serious_one_wins() {
        let order = [
            Exit::ConfigInvalid,
            Exit::StoreUnusable,
            Exit::StoreHeld,
            Exit::CredentialsRefused,
            Exit::SourceUnavailable,
            Exit::Pending,
            Exit::NewFailures,
            Exit::Done,
        ];
        let codes: Vec<u8> = order.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [78, 74, 73, 77, 69, 75, 10, 0]);
        assert!(order.is_sorted_by(|worse, better| better < worse));
    }
}
