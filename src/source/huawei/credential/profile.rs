//! `kind = "profile"`: the credentials file of the official tools.
//!
//! `~/.huaweicloud/credentials` is an INI file; the section `[basic]` holds the keys of a user in
//! one region's project.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Built, fixed::fixed, in_header};
use crate::{
    options::{self, OptionError},
    secret::Secret,
    source::huawei::identity::{Identity, Proof},
};

/// Names the file, if the config does not.
const FILE_VARIABLE: &str = "HUAWEICLOUD_SDK_CREDENTIALS_FILE";

/// Where it is below the home folder.
const FILE: &str = ".huaweicloud/credentials";

/// Longest file. Real ones have a few lines for each of a few sections.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// `kind = "profile"`: the credentials file of the official tools.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Default: what `HUAWEICLOUD_SDK_CREDENTIALS_FILE` names, else `~/.huaweicloud/credentials`.
    file: Option<PathBuf>,
    /// Default: `basic`.
    #[serde(default = "basic")]
    section: String,
}

fn basic() -> String {
    "basic".to_owned()
}

pub(super) fn build(options: &Options) -> Built {
    let Some(path) = options.file.clone().or_else(|| default_file(&options::env)) else {
        return Err(OptionError::new("file", "is required: $HOME is not set"));
    };
    let identity = match read(&path, &options.section) {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => Err(format!("{} does not exist", path.display())),
        Err(problem) => Err(problem),
    };
    identity.map(fixed).map_err(|problem| OptionError::new("file", problem))
}

/// The file that the environment leads to.
pub(super) fn default_file(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named(FILE_VARIABLE).or_else(|| named("HOME").map(|home| home.join(FILE)))
}

/// The identity in a section of the file; `None` if there is no file.
///
/// # Errors
///
/// A sentence that names the file and the line, never what is in it.
pub(super) fn read(path: &Path, section: &str) -> Result<Option<Identity>, String> {
    let failed = |error: &io::Error| format!("cannot read {}: {error}", path.display());
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
        Ok(metadata) => metadata.len(),
    };
    if FILE_BYTES_MAX < length {
        return Err(format!("{} is longer than a list of credentials (64 KiB)", path.display()));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let found = parse(&text, section);
    found.map(Some).map_err(|problem| format!("{}: {problem}", path.display()))
}

/// Reads `key = value` lines under `[section]`. `#` and `;` begin a comment.
fn parse(text: &str, section: &str) -> Result<Identity, String> {
    let (mut access, mut secret, mut token, mut project_id) = (None, None, None, None);
    let (mut inside, mut found) = (false, false);
    for (line, number) in text.lines().zip(1_usize..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']');
            let name = name.ok_or_else(|| format!("line {number}: a section ends with `]`"))?;
            inside = name.trim() == section;
            found |= inside;
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {number}: must be `key = value` or `[section]`"))?;
        let value = value.trim();
        if !inside || value.is_empty() {
            continue;
        }
        let slot = match key.trim() {
            "ak" => &mut access,
            "sk" => &mut secret,
            "security_token" => &mut token,
            "project_id" => {
                project_id = Some(value.to_owned());
                continue;
            }
            // Keys for other programs.
            _ => continue,
        };
        let value = Secret::new(value.to_owned());
        in_header(&value).map_err(|problem| format!("line {number}: {problem}"))?;
        *slot = Some(value);
    }
    if !found {
        return Err(format!("there is no section [{section}]"));
    }
    let missing = |key: &str| format!("the section [{section}] has no `{key}`");
    let proof = Proof::Keys {
        access: access.ok_or_else(|| missing("ak"))?,
        secret: secret.ok_or_else(|| missing("sk"))?,
        token,
    };
    Ok(Identity { proof, project_id })
}

#[cfg(test)]
mod tests;
