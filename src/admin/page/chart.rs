//! Failures by hour and action: counted as they are recorded, and drawn.
//!
//! The counts are kept here, not asked for with each page: a page must not read the history.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use super::Reader;
use crate::{
    failure::Failure,
    store::{FailureSearch, Position, Store, StoreError},
    task::Action,
};

/// Hours that are shown.
const HOURS: i64 = 24;

/// Failures that are read at a time.
const READ: usize = 1_000;

/// Most reads of one refresh. What is beyond is counted at the next one.
const READS_MAX: usize = 200;

/// How the drawing is laid out, in its own units: it takes the width that there is, so there are
/// no words in it.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 90;
const STEP: i64 = WIDTH / HOURS;

/// Every so many hours, the time is said below.
const TICK_HOURS: usize = 4;

type ByAction = [u64; Action::ALL.len()];

/// The counts.
#[derive(Debug, Default)]
pub(in crate::admin) struct Chart {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// The last failure that was counted; `None`: nothing was read yet.
    last: Option<u64>,
    /// By hours since 1970.
    hours: BTreeMap<i64, ByAction>,
}

impl Counts {
    fn add(&mut self, failure: &Failure) {
        let at = failure.task.failed_at.unwrap_or(failure.first_seen_at);
        let counts = self.hours.entry(hour(at)).or_default();
        let mut actions = Action::ALL.into_iter().zip(counts);
        if let Some((_, count)) = actions.find(|(action, _)| *action == failure.task.action) {
            *count += 1;
        }
        self.last = self.last.max(Some(failure.id.0));
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

impl Chart {
    fn with<T>(&self, f: impl FnOnce(&mut Counts) -> T) -> T {
        f(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what was recorded since the last time; at first, what was recorded in the last day.
    pub(in crate::admin) async fn refresh(
        &self,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let oldest = hour(now).saturating_sub(HOURS);
        let last = self.with(|counts| counts.last);
        let mut from = last.map_or(Position::Below(u64::MAX), Position::Above);
        for _ in 0..READS_MAX {
            let found = store.search_failures(FailureSearch::all(from, READ)).await?;
            let too_old = |failure: &Failure| hour(failure.first_seen_at) < oldest;
            let enough = last.is_none() && found.items.last().is_some_and(too_old);
            self.with(|counts| {
                let all = found.items.iter().filter(|failure| !too_old(failure));
                all.for_each(|failure| counts.add(failure));
            });
            match found.rest {
                Some(rest) if !enough => {
                    from = last.map_or(Position::Below(rest), |_| Position::Above(rest));
                }
                _ => break,
            }
        }
        self.with(|counts| {
            counts.last.get_or_insert(0);
            counts.hours.retain(|hour, _| oldest < *hour);
        });
        Ok(())
    }

    /// The hours up to `now`, the oldest first, with how many of each action.
    fn hours(&self, now: Timestamp) -> Vec<(i64, ByAction)> {
        let last = hour(now);
        self.with(|counts| {
            let hours = (0..HOURS).rev().map(|back| last.saturating_sub(back));
            hours.map(|at| (at, counts.hours.get(&at).copied().unwrap_or_default())).collect()
        })
    }

    /// All of the hours that are shown.
    pub(super) fn total(&self, now: Timestamp) -> u64 {
        self.hours(now).iter().flat_map(|(_, counts)| counts).sum()
    }

    /// The drawing. Only numbers and our own words go into it, so that nothing needs escaping.
    pub(super) fn draw(&self, reader: &Reader) -> String {
        let hours = self.hours(reader.now);
        let total = hours.iter().flat_map(|(_, counts)| counts).sum::<u64>();
        let label = reader.words.with("chart_label", &[("n", &total.to_string())]);
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-label=\"{label}\">"
        );
        let most = most(&hours);
        for (nth, (at, counts)) in (0_i64..).zip(&hours) {
            bar(&mut svg, reader, (nth, *at), counts, most);
        }
        svg.push_str("</svg>");
        svg
    }

    /// The highest bar.
    pub(super) fn most(&self, now: Timestamp) -> u64 {
        most(&self.hours(now))
    }

    /// When the hours began that are named below, in equal steps.
    pub(super) fn ticks(&self, reader: &Reader) -> Vec<String> {
        let hours = self.hours(reader.now);
        hours.iter().step_by(TICK_HOURS).map(|(at, _)| clock(reader, *at)).collect()
    }

    /// The same as rows of a table: the hour, and how many of each action. Only hours that have
    /// some.
    pub(super) fn rows(&self, reader: &Reader) -> Vec<(String, ByAction)> {
        let hours = self.hours(reader.now).into_iter();
        hours
            .filter(|(_, counts)| counts.iter().any(|count| 0 < *count))
            .map(|(at, counts)| (clock(reader, at), counts))
            .collect()
    }
}

fn clock(reader: &Reader, hour: i64) -> String {
    let at = Timestamp::from_second(hour.saturating_mul(3_600)).unwrap_or(reader.now);
    let full = reader.zone.full(at);
    full.split(' ').nth(1).unwrap_or_default().get(..5).unwrap_or_default().to_owned()
}

fn most(hours: &[(i64, ByAction)]) -> u64 {
    hours.iter().map(|(_, counts)| counts.iter().sum()).max().unwrap_or(0)
}

/// One hour: its bar, from the ground up.
fn bar(svg: &mut String, reader: &Reader, (nth, at): (i64, i64), counts: &ByAction, most: u64) {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return;
    }
    let _infallible = write!(svg, "<g><title>{} · {total}</title>", clock(reader, at));
    let mut ground = HEIGHT;
    for (action, count) in Action::ALL.into_iter().zip(counts).filter(|(_, count)| 0 < **count) {
        let share = i64::try_from(u128::from(*count) * 90 / u128::from(most.max(1)));
        // What happened at all is seen.
        let height = share.unwrap_or(0).max(2).min(ground);
        ground -= height;
        let _infallible = write!(
            svg,
            "<rect class=\"act-{}\" x=\"{}\" y=\"{ground}\" width=\"{}\" height=\"{height}\"/>",
            action.as_str(),
            nth * STEP + 4,
            STEP - 8,
        );
    }
    svg.push_str("</g>");
}
