//! Faults: which requests go wrong, and how.
//!
//! A fault first selects requests, by what they ask, by their number and by the time, and then
//! says what happens to them. Its effects combine: `status` with `delay`, `repeat` with `drip`.
//! When several faults select one request, they are laid over one another and the first one
//! wins where they disagree. All of this is decided by [`plan`], which does no I/O.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::options::{OptionError, Period};

/// What a request asks for, as faults and counters see it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// A page of the failed tasks.
    #[default]
    List,
    /// A page of the running tasks.
    Running,
    /// One task.
    Task,
    /// Deleting one or all failed tasks.
    Delete,
    /// Binding and unbinding.
    Bind,
    /// Tokens, temporary keys and projects.
    Iam,
    /// The metadata service.
    Metadata,
    /// Everything, paths that do not exist included.
    Any,
}

/// One `[[fault]]`.
///
/// The default selects every list request and does nothing to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// What is asked for: `list` (default), `running`, `task`, `delete`, `bind`, `iam`, `metadata`,
    /// `any`.
    pub on: On,
    /// Only requests for this project. Numbers in `requests` then count its requests alone.
    pub project: Option<String>,
    /// Only these requests, counted from 1 among those of the same `on`: `"3"`, `"2..4"` (the
    /// second, third and fourth), `"2.."`. Left out: every one.
    pub requests: Option<Requests>,
    /// Only from this long after the start (or after the fault was set, for one set later).
    pub from: Option<Period>,
    /// Only until this long after the start.
    pub until: Option<Period>,

    /// Answer with this status and the error body that belongs to it.
    pub status: Option<u16>,
    /// With `status`: the `Retry-After` header, word for word. Left out: no such header.
    pub retry_after: Option<String>,
    /// With `status`: another error code than the usual one.
    pub error_code: Option<String>,
    /// With `status`: another error message than the usual one.
    pub error_message: Option<String>,
    /// Answer with this status and the HTML page of a load balancer.
    pub html: Option<u16>,
    /// Answer 200 with no body at all.
    pub empty: bool,
    /// Answer 200 with a list that opens well and then goes on for this many bytes of spaces,
    /// chunked, so that no `Content-Length` warns the client.
    pub huge_bytes: Option<u64>,
    /// Answer 302 with this `Location`.
    pub redirect: Option<String>,

    /// In a page: list its first rows, this many, once more at its end.
    pub repeat: Option<usize>,
    /// In a page: added to `total`; may be negative.
    pub total_add: Option<i64>,
    /// In a page: leave `total` out.
    pub no_total: bool,
    /// After the page: this many of the newest rows are gone, so that the rest moves up.
    pub then_clear: usize,
    /// After the page: this many new rows appear on top, so that the rest moves down.
    pub then_insert: usize,

    /// Wait this long before the answer.
    pub delay: Option<Period>,
    /// Send the head, this many bytes of the body, and close, although `Content-Length`
    /// promised the whole.
    pub truncate_bytes: Option<usize>,
    /// Send only this many bytes of the body, with a `Content-Length` that agrees: the answer
    /// is whole, the JSON is not.
    pub cut_bytes: Option<usize>,
    /// Reset the connection: `"before"` the first byte, or in the `"middle"` of the body.
    pub reset: Option<Reset>,
    /// Send the body a few bytes at a time: `{ bytes = 10, every = "100ms" }`.
    pub drip: Option<Drip>,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// Nothing is sent.
    Before,
    /// The head and half the body are sent.
    Middle,
}

/// A body sent slowly.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// Bytes at a time, at least 1.
    pub bytes: usize,
    /// Wait before each time.
    pub every: Period,
}

/// Numbers of requests, from 1, both ends included.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Requests(RangeInclusive<u64>);

impl TryFrom<RangeInclusive<u64>> for Requests {
    type Error = &'static str;

    fn try_from(range: RangeInclusive<u64>) -> Result<Self, Self::Error> {
        if range.is_empty() || *range.start() == 0 {
            return Err("requests are counted from 1, as in \"3\", \"2..4\" or \"2..\"");
        }
        Ok(Self(range))
    }
}

impl TryFrom<String> for Requests {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = |text: &str, if_empty: u64| match text.trim() {
            "" => Some(if_empty),
            text => text.parse().ok(),
        };
        let range = match text.split_once("..") {
            None => number(&text, 0).map(|only| only..=only),
            Some((first, last)) => {
                number(first, 1).zip(number(last, u64::MAX)).map(|(first, last)| first..=last)
            }
        };
        Self::try_from(range.unwrap_or(0..=0))
    }
}

impl Fault {
    /// Checks what spelling alone does not.
    ///
    /// # Errors
    ///
    /// The first rule broken; the path is relative to the fault.
    pub fn check(&self) -> Result<(), OptionError> {
        let statuses = [("status", self.status), ("html", self.html)];
        for (key, status) in statuses {
            if status.is_some_and(|status| !(200..=599).contains(&status)) {
                return Err(OptionError::new(key, "must be a status from 200 to 599"));
            }
        }
        if self.drip.is_some_and(|drip| drip.bytes == 0) {
            return Err(OptionError::new("drip.bytes", "must be at least 1"));
        }
        if self.until.is_some_and(|until| until <= self.from.unwrap_or(Period(Duration::ZERO))) {
            return Err(OptionError::new("until", "must be later than `from`"));
        }
        Ok(())
    }

    /// Whether a request is of the kind that the fault is about.
    fn concerns(&self, on: On, project: Option<&str>) -> bool {
        (self.on == On::Any || self.on == on)
            && self.project.as_deref().is_none_or(|wanted| Some(wanted) == project)
    }

    /// Whether the fault holds for the request with this number, at this age of the fault.
    fn holds(&self, number: u64, age: Duration) -> bool {
        self.requests.as_ref().is_none_or(|requests| requests.0.contains(&number))
            && self.from.is_none_or(|from| from.0 <= age)
            && self.until.is_none_or(|until| age < until.0)
    }
}

/// A fault in force, with the points from which it counts.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// What was written.
    pub fault: Fault,
    /// Time from the start of the simulator to when the fault was set.
    pub set_at: Duration,
    /// Requests that concerned the fault so far, whatever the time.
    pub seen: u64,
}

impl Active {
    /// A fault set at `set_at` after the start.
    pub(super) fn new(fault: Fault, set_at: Duration) -> Self {
        Self { fault, set_at, seen: 0 }
    }
}

/// What happens to one request: the faults that selected it, as one.
///
/// Counts the request in each fault that it could have concerned.
pub(super) fn plan(
    faults: &mut [Active],
    on: On,
    project: Option<&str>,
    elapsed: Duration,
) -> Fault {
    let mut plan = Fault::default();
    for active in faults {
        let fault = &active.fault;
        if !fault.concerns(on, project) {
            continue;
        }
        active.seen = active.seen.saturating_add(1);
        if fault.holds(active.seen, elapsed.saturating_sub(active.set_at)) {
            lay_under(&mut plan, fault);
        }
    }
    plan
}

/// Takes from `fault` what `plan` does not say yet.
fn lay_under(plan: &mut Fault, fault: &Fault) {
    let answered = |fault: &Fault| {
        fault.status.is_some()
            || fault.html.is_some()
            || fault.empty
            || fault.huge_bytes.is_some()
            || fault.redirect.is_some()
    };
    if !answered(plan) {
        plan.status = fault.status;
        plan.retry_after.clone_from(&fault.retry_after);
        plan.error_code.clone_from(&fault.error_code);
        plan.error_message.clone_from(&fault.error_message);
        plan.html = fault.html;
        plan.empty = fault.empty;
        plan.huge_bytes = fault.huge_bytes;
        plan.redirect.clone_from(&fault.redirect);
    }
    plan.repeat = plan.repeat.or(fault.repeat);
    plan.total_add = plan.total_add.or(fault.total_add);
    plan.no_total |= fault.no_total;
    plan.then_clear = plan.then_clear.max(fault.then_clear);
    plan.then_insert = plan.then_insert.max(fault.then_insert);
    plan.delay = plan.delay.or(fault.delay);
    plan.truncate_bytes = plan.truncate_bytes.or(fault.truncate_bytes);
    plan.cut_bytes = plan.cut_bytes.or(fault.cut_bytes);
    plan.reset = plan.reset.or(fault.reset);
    plan.drip = plan.drip.or(fault.drip);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statuses that a run of ten list requests, one a second, gets.
    #[track_caller]
    fn check(fault: &str, expected: &str) {
        let fault: Fault = toml::from_str(fault).unwrap();
        fault.check().unwrap();
        let mut faults = [Active::new(fault, Duration::ZERO)];
        let hit: String = (0..10)
            .map(|second| {
                let project = if second % 2 == 0 { "even" } else { "odd" };
                let elapsed = Duration::from_secs(second);
                let plan = plan(&mut faults, On::List, Some(project), elapsed);
                if plan.status.is_some() { 'x' } else { '.' }
            })
            .collect();
        assert_eq!(hit, expected);
    }

    #[test]
    fn a_fault_selects_by_number_time_project_and_operation() {
        for (selector, expected) in [
            ("", "xxxxxxxxxx"),
            ("requests = '1'", "x........."),
            ("requests = '2..4'", ".xxx......"),
            ("requests = '9..'", "........xx"),
            ("requests = '..2'", "xx........"),
            ("from = '3s'", "...xxxxxxx"),
            ("from = '3s'\nuntil = '5s'", "...xx....."),
            ("project = 'odd'", ".x.x.x.x.x"),
            ("project = 'odd'\nrequests = '2..3'", "...x.x...."),
            ("on = 'iam'", ".........."),
            ("on = 'any'\nrequests = '2'", ".x........"),
        ] {
            check(&format!("{selector}\nstatus = 500"), expected);
        }
    }

    #[test]
    fn numbers_below_one_and_backward_ranges_are_refused() {
        for bad in ["0", "4..2", "x", "", "-1", "1..x", "0..3"] {
            assert!(Requests::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn faults_on_one_request_are_laid_over_one_another() {
        let parse = |text| Active::new(toml::from_str(text).unwrap(), Duration::ZERO);
        let mut faults = [parse("status = 429"), parse("status = 500\ndelay = '1s'")];
        let plan = plan(&mut faults, On::List, None, Duration::ZERO);
        assert_eq!(plan.status, Some(429));
        assert_eq!(plan.delay, Some(Period(Duration::from_secs(1))));
    }
}
