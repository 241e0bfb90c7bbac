//! The keys that this kind has beside those of every list of this cloud.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use std::time::Duration;
use toml::Table;

use crate::{
    decide::cleanup::Cleanup,
    options::{self, OptionError, Period},
    source::{Extras, huawei},
};

const HOUR: Duration = Duration::from_secs(3600);

/// As the operator writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Whether the cloud is asked what became of a task that is no longer listed. Default: false.
    #[serde(default)]
    verify_cleared: bool,
    /// Tells of tasks that run for longer, 1 min to 30 d. Default: none.
    stuck_after: Option<Period>,
    /// Deletes records of failed tasks in the cloud once everybody was told. Default: never.
    cleanup: Option<CleanupOptions>,
}

/// Which records are deleted in the cloud, one by one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CleanupOptions {
    /// How long ago a failure was recorded at least, 1 h to 10 years.
    after: Period,
    /// Whether a sink must have taken the notice. If not, what nobody had to be told of goes too.
    /// What somebody is still owed always stays. Default: true.
    #[serde(default = "yes")]
    delivered: bool,
    /// Whether it is only logged what would be deleted. Default: true.
    #[serde(default = "yes")]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

const KEYS: [&str; 3] = ["verify_cleared", "stuck_after", "cleanup"];

/// The schema of all keys of this kind.
pub(super) fn schema() -> Schema {
    let mut schema = schemars::schema_for!(huawei::options::Options);
    let own = schemars::schema_for!(Options).to_value();
    for list in ["properties", "$defs"] {
        let own = own.get(list).and_then(serde_json::Value::as_object);
        let all = schema.get_mut(list).and_then(serde_json::Value::as_object_mut);
        if let (Some(own), Some(all)) = (own, all) {
            all.extend(own.clone());
        }
    }
    schema
}

/// Takes these keys out of the table and applies the rules documented on each.
///
/// # Errors
///
/// The first problem, with its key.
pub(super) fn take(table: &mut Table) -> Result<Extras, OptionError> {
    let own: Table =
        KEYS.iter().filter_map(|key| Some(((*key).to_owned(), table.remove(*key)?))).collect();
    let raw: Options = options::parse(own)?;
    let between = |key: &str, period: Period, least: Duration, most: Duration| {
        if (least..=most).contains(&period.0) {
            return Ok(period.0);
        }
        let (least, most) = (Period(least), Period(most));
        Err(OptionError::new(key, format!("must be between {least} and {most}")))
    };
    let stuck = raw.stuck_after;
    let stuck_after = stuck
        .map(|period| between("stuck_after", period, HOUR / 60, 30 * 24 * HOUR))
        .transpose()?;
    let cleanup = match raw.cleanup {
        None => None,
        Some(CleanupOptions { after, delivered, dry_run }) => Some(Cleanup {
            after: between("cleanup.after", after, HOUR, 10 * 365 * 24 * HOUR)?,
            delivered,
            dry_run,
        }),
    };
    Ok(Extras { verify_cleared: raw.verify_cleared, stuck_after, cleanup })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(keys: &str, expected: &str) {
        let error = take(&mut keys.parse().unwrap()).expect_err(keys);
        assert!(error.to_string().starts_with(expected), "{keys}: {error}");
    }

    #[test]
    fn nothing_is_wanted_unless_it_is_asked_for_and_then_nothing_is_deleted_at_first() {
        let mut table: Table = "region = 'x'".parse().unwrap();
        assert_eq!(take(&mut table).unwrap(), Extras::default());
        assert_eq!(table.len(), 1, "others keep their keys");
        let mut table: Table =
            "verify_cleared = true\nstuck_after = '30m'\ncleanup = { after = '7d' }"
                .parse()
                .unwrap();
        let cleanup = Cleanup { after: 168 * HOUR, delivered: true, dry_run: true };
        let all =
            Extras { verify_cleared: true, stuck_after: Some(HOUR / 2), cleanup: Some(cleanup) };
        assert_eq!(take(&mut table).unwrap(), all);
        assert!(table.is_empty());
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        refused("stuck_after = '59s'", "stuck_after: must be between 1m and 30d");
        refused("cleanup = {}", "cleanup.after: is required");
        refused("cleanup = { after = '1m' }", "cleanup.after: must be between 1h and 3650d");
        refused(
            "cleanup = { aftr = '7d' }",
            "cleanup.aftr: is not a known key; did you mean `after`",
        );
        refused("cleanup = true", "cleanup: invalid type");
        refused("verify_cleared = 'yes'", "verify_cleared: invalid type");
    }
}
