//! The status page: where it listens, and who may use it.

use std::net::SocketAddr;

use super::{check::Check, raw::RawStatus};
use crate::{
    options::{OptionError, SecretRef},
    secret::Secret,
};

/// Shortest token. Shorter ones can be guessed through the page itself.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Most names. One for each proxy in front of the page.
const HOSTS_MAX: usize = 32;

/// `[status]`.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it listens.
    pub listen: SocketAddr,
    token: Option<SecretRef>,
    /// Names, in lower case, under which it may be asked for.
    pub hosts: Vec<String>,
}

impl Status {
    /// Reads the token, if there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is too short to be one.
    pub fn token(&self) -> Result<Option<Secret>, OptionError> {
        let wrong = |problem: String| OptionError::new("token", problem);
        let Some(token) = &self.token else { return Ok(None) };
        let secret = token.read().map_err(wrong)?;
        if secret.expose().len() < TOKEN_BYTES_MIN {
            let problem = format!("must have {TOKEN_BYTES_MIN} characters or more");
            return Err(wrong(problem));
        }
        Ok(Some(secret))
    }

    /// Whether the token stands in the config file itself.
    pub(super) fn has_literal_token(&self) -> bool {
        self.token.as_ref().is_some_and(SecretRef::is_literal)
    }
}

impl Check {
    /// `None`: something is wrong. `Some(None)`: it is off.
    #[expect(clippy::option_option, reason = "wrong and off are two things")]
    pub(super) fn status(&mut self, raw: RawStatus) -> Option<Option<Status>> {
        let RawStatus { listen, token, hosts } = raw;
        if listen.is_empty() {
            return Some(None);
        }
        let Ok(listen) = listen.parse::<SocketAddr>() else {
            self.problem(
                "status.listen",
                "must be an address with a port, such as \"127.0.0.1:9464\" or \"[::]:9464\", or \
                 \"\" for no status page",
            );
            return None;
        };
        if token.is_none() && !listen.ip().is_loopback() {
            self.problem(
                "status.token",
                "is required, since status.listen can be reached from other hosts",
            );
            return None;
        }
        if HOSTS_MAX < hosts.len() {
            self.problem("status.hosts", &format!("must be at most {HOSTS_MAX} names"));
            return None;
        }
        for (nth, host) in hosts.iter().enumerate() {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if host.is_empty() || !host.bytes().all(allowed) {
                let problem = "must be the name of a host, without scheme and port";
                self.problem(&format!("status.hosts[{nth}]"), problem);
                return None;
            }
        }
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        Some(Some(Status { listen, token, hosts }))
    }
}
