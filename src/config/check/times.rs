//! Mute windows, and the digests and reminders of routes.
//!
//! What is wrong with one of them is noted, and then there is no config. So nothing here has to
//! tell what is wrong from what is left out.

use std::{collections::BTreeMap, time::Duration};

use toml::Table;

use super::{Check, SECOND, unknown};
use crate::{
    config::{
        locate::join,
        raw::{RawDigest, RawMute, RawRemind},
    },
    decide::{schedule::Schedule, window::Window},
    delivery::Remind,
    name::Name,
    options::{OptionError, Period},
};

/// Longest wait for a reminder.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A mute window, as routes refer to it.
pub(super) struct Mute {
    /// Its position in the file.
    nth: usize,
    /// Whether a route named it.
    used: bool,
}

impl Check {
    /// Reads the mute windows, and knows their names from now on.
    pub(super) fn windows(&mut self, root: &mut Table) -> BTreeMap<Name, Window> {
        let tables = self.list("", root, "mute").unwrap_or_default();
        let names = self.names("mute", &tables);
        let windows: Vec<_> =
            tables.into_iter().enumerate().map(|(nth, table)| self.window(nth, table)).collect();
        let good = names.iter().filter_map(|(name, nth)| {
            let window = windows.get(*nth).cloned().flatten()?;
            Some((name.clone(), window))
        });
        let good = good.collect();
        self.mutes =
            names.into_iter().map(|(name, nth)| (name, Mute { nth, used: false })).collect();
        good
    }

    fn window(&mut self, nth: usize, table: Table) -> Option<Window> {
        let path = format!("mute[{nth}]");
        let raw: RawMute = self.parse(&path, table)?;
        self.noted(&path, Window::parse(&raw.times, &raw.tz))
    }

    /// The windows of the list at `path`, none of them twice.
    pub(super) fn muted_by(&mut self, path: &str, names: &[String]) -> Vec<Name> {
        let mut found = Vec::new();
        for (nth, wanted) in names.iter().enumerate() {
            let path = format!("{path}[{nth}]");
            if names.iter().take(nth).any(|earlier| earlier == wanted) {
                self.problem(&path, &format!("`{wanted}` is listed already"));
            }
            let mut mutes = self.mutes.iter_mut();
            if let Some((name, mute)) = mutes.find(|(name, _)| name.as_str() == wanted) {
                mute.used = true;
                found.push(name.clone());
                continue;
            }
            let known: Vec<_> = self.mutes.keys().map(Name::as_str).collect();
            let problem = match known.as_slice() {
                [] => format!("`{wanted}` is not a mute window; there is no [[mute]]"),
                known => unknown("mute window", wanted, known),
            };
            self.problem(&path, &problem);
        }
        found
    }

    /// To be asked when all routes were read.
    pub(super) fn idle_windows(&mut self) {
        let idle: Vec<_> =
            self.mutes.values().filter(|mute| !mute.used).map(|mute| mute.nth).collect();
        for nth in idle {
            self.warn(&format!("mute[{nth}]"), "has no effect: no route names it");
        }
    }

    pub(super) fn digest(&mut self, path: &str, raw: &RawDigest) -> Option<Schedule> {
        self.noted(path, Schedule::parse(&raw.cron, &raw.tz))
    }

    pub(super) fn remind(&mut self, path: &str, raw: RawRemind) -> Option<Remind> {
        let raw = raw.0?;
        let max_path = join(path, "max");
        let first = self.period(&join(path, "first"), raw.first, SECOND..=WAIT_MAX);
        let max = self.period(&max_path, raw.max, SECOND..=WAIT_MAX);
        if let (Some(first), Some(max)) = (first, max)
            && max < first
        {
            self.problem(&max_path, &format!("must be at least `first`, {}", Period(first)));
        }
        let hundredths = |percent: u16| f64::from(percent) / 100.0;
        let factor_percent =
            (100..=1_000).find(|percent| hundredths(*percent).total_cmp(&raw.factor).is_eq());
        if factor_percent.is_none() {
            let problem = "must be between 1 and 10, with at most two decimals";
            self.problem(&join(path, "factor"), problem);
        }
        if !(1..=100).contains(&raw.count) {
            self.problem(&join(path, "count"), "must be between 1 and 100");
        }
        Some(Remind {
            first: first?,
            factor_percent: factor_percent?,
            max: max?,
            count: raw.count,
            sent: 0,
            of: None,
        })
    }

    /// What was parsed from the table at `path`.
    fn noted<T>(&mut self, path: &str, parsed: Result<T, OptionError>) -> Option<T> {
        parsed.map_err(|error| self.problem(&join(path, &error.path), &error.problem)).ok()
    }
}
