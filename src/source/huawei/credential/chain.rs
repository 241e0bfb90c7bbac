//! `kind = "default"`: whatever this host has, as the official tools look for it.
//!
//! The environment comes first, then the credentials file, then the agency of the ECS that we run
//! on. The first that is there is taken; one that is there and wrong is an error, not skipped:
//! another identity than the intended one is a puzzle, and may see another project.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Built, Setting, fixed::fixed, in_header, metadata, profile};
use crate::{
    options::{self, OptionError},
    secret::Secret,
    source::huawei::identity::{Identity, Proof},
};

const ACCESS_KEY: &str = "HUAWEICLOUD_SDK_AK";
const SECRET_KEY: &str = "HUAWEICLOUD_SDK_SK";
const SECURITY_TOKEN: &str = "HUAWEICLOUD_SDK_SECURITY_TOKEN";
const PROJECT_ID: &str = "HUAWEICLOUD_SDK_PROJECT_ID";

/// The section of the credentials file that the official tools read.
const SECTION: &str = "basic";

/// `kind = "default"`: what this host has: keys in the environment, else the credentials file, else the
/// agency of the ECS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Where the ECS metadata service is. Default: `http://169.254.169.254`.
    metadata_endpoint: Option<String>,
}

pub(super) fn build(options: &Options, setting: &Setting) -> Built {
    let own = |problem: String| OptionError::new("", problem);
    if let Some(identity) = environment(&options::env).map_err(own)? {
        return Ok(fixed(identity));
    }
    if let Some(path) = profile::default_file(&options::env)
        && let Some(identity) = profile::read(&path, SECTION).map_err(own)?
    {
        return Ok(fixed(identity));
    }
    metadata::at(options.metadata_endpoint.as_deref(), "metadata_endpoint", setting)
}

/// The identity that the environment holds, if any.
fn environment(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Identity>, String> {
    let read = |name: &str| env(name).filter(|value| !value.is_empty());
    let secret = |name: &str| {
        let secret = read(name).map(Secret::new);
        match secret.as_ref().map(in_header) {
            Some(Err(problem)) => Err(format!("environment variable {name} {problem}")),
            _ => Ok(secret),
        }
    };
    let token = secret(SECURITY_TOKEN)?;
    let half = |set, missing| {
        format!("environment variable {set} is set, but {missing} is not; set both or neither")
    };
    match (secret(ACCESS_KEY)?, secret(SECRET_KEY)?) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(half(ACCESS_KEY, SECRET_KEY)),
        (None, Some(_)) => Err(half(SECRET_KEY, ACCESS_KEY)),
        (Some(access), Some(secret)) => {
            let proof = Proof::Keys { access, secret, token };
            Ok(Some(Identity { proof, project_id: read(PROJECT_ID) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(set: &[(&str, &str)], expected: &str) {
        let env = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let actual = match environment(&env) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(identity)) => {
                let project = identity.project_id.as_deref().unwrap_or("-");
                format!("{} {project}", identity.describe())
            }
            Err(problem) => problem,
        };
        assert_eq!(actual, expected, "{set:?}");
    }

    #[test]
    fn the_environment_holds_a_whole_key_or_none() {
        let (ak, sk, st) = ((ACCESS_KEY, "a"), (SECRET_KEY, "s"), (SECURITY_TOKEN, "t"));
        check(&[], "nothing");
        check(&[(ACCESS_KEY, ""), (SECRET_KEY, "")], "nothing");
        check(&[st], "nothing");
        check(&[ak, sk], "an access key -");
        check(&[ak, sk, (PROJECT_ID, "p1")], "an access key p1");
        check(&[ak, sk, st], "a temporary access key -");
        check(
            &[ak],
            "environment variable HUAWEICLOUD_SDK_AK is set, but HUAWEICLOUD_SDK_SK is not; \
             set both or neither",
        );
        check(
            &[sk],
            "environment variable HUAWEICLOUD_SDK_SK is set, but HUAWEICLOUD_SDK_AK is not; \
             set both or neither",
        );
        check(
            &[(ACCESS_KEY, "a b"), sk],
            "environment variable HUAWEICLOUD_SDK_AK must not hold blanks, line breaks or \
             non-ASCII",
        );
    }
}
