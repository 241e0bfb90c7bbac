//! Kinds that need nothing but a URL: the address and the password in one.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Sink,
    http::{Posted, Reach, Redactor, Service, read, yes},
};
use crate::options::{self, OptionError, SecretRef};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// The whole webhook URL, which works like a password.
    pub(super) url: SecretRef,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// Whether the host may be on a private network or this very host.
    #[serde(default = "yes")]
    allow_private: bool,
}

/// Builds a sink that posts what `service` says.
///
/// # Errors
///
/// What is wrong with the options.
pub(super) fn build<S: Service>(build: Build, service: S) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let url = read("url", &options.url)?;
    let reach = Reach::new(options.ca_file.as_deref(), options.allow_private);
    let endpoint = reach.endpoint(("url", &url), build.clients, Redactor::default())?;
    Ok(Box::new(Posted { endpoint, words: build.words, service }))
}
