//! Mute windows: weekly times, on the wall of some zone, at which nobody is to be told.
//!
//! A range such as `mon-fri 18:00-08:00` ends on the next day if its end is not after its start,
//! and belongs to the days it starts on. Ranges that overlap or touch are one: with
//! `sat-sun 00:00-24:00` beside it, the range of friday evening ends on monday morning.
//!
//! What times on the wall mean where clocks change is said in [`super::zone`]. For a window it
//! comes to this. Where clocks go forward, a range is as much shorter as is left out of it; one
//! that lies all within that does not happen. Where they go back, what the clock shows a second
//! time changes nothing: a range that began goes on, and one that ended does not begin again.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use super::zone;
use crate::options::OptionError;

/// Most ranges of a window. Twice a day is fourteen; more would be a calendar.
const RANGES_MAX: usize = 64;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// In the order of [`jiff::civil::Weekday::to_monday_zero_offset`].
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Weekly times at which a route is muted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    zone: TimeZone,
    /// Neither overlapping nor touching, ascending. Never the whole week.
    stretches: Vec<Stretch>,
}

/// Minutes on the wall since a monday began.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Stretch {
    /// Within the week.
    start: i64,
    /// After `start`, and less than a week after it.
    end: i64,
}

impl Window {
    /// Reads ranges such as `mon-fri 18:00-08:00` on the wall of the zone `tz`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, about `times`, one of them, or `tz`.
    pub fn parse(times: &[String], tz: &str) -> Result<Self, OptionError> {
        let zone = zone::find(tz)?;
        if times.is_empty() || RANGES_MAX < times.len() {
            let problem = format!(
                "must be a list of 1 to {RANGES_MAX} ranges, such as \"mon-fri 18:00-08:00\""
            );
            return Err(OptionError::new("times", problem));
        }
        let mut muted = BTreeSet::new();
        for (nth, text) in times.iter().enumerate() {
            let wrong = |problem| OptionError::new(format!("times[{nth}]"), problem);
            let (days, start, end) = range(text).map_err(wrong)?;
            for day in days {
                muted.extend((start..end).map(|minute| (day * DAY + minute) % WEEK));
            }
        }
        let Some(open) = (0..WEEK).find(|minute| !muted.contains(minute)) else {
            return Err(OptionError::new(
                "times",
                "cover the whole week, so nobody would ever be told; leave some time out",
            ));
        };
        Ok(Self { zone, stretches: stretches(&muted, open) })
    }

    /// When the mute that holds at `now` ends, or `None` if none does.
    #[must_use]
    pub fn active_until(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let days = i64::from(today.weekday().to_monday_zero_offset());
        let monday = today.saturating_sub(SignedDuration::from_hours(24 * days));
        let instant_of = |minute| {
            let since = SignedDuration::from_mins(minute);
            zone::instant_of(&self.zone, monday.to_datetime(Time::midnight()).saturating_add(since))
        };
        let mut until = now;
        // What holds now may have begun last week. Where clocks go forward, it may meet another
        // that is as long.
        let stretches = (-1..=2)
            .flat_map(|week| self.stretches.iter().map(move |stretch| (week * WEEK, stretch)));
        for (begin, stretch) in stretches {
            if until < instant_of(begin + stretch.start) {
                break;
            }
            until = until.max(instant_of(begin + stretch.end));
        }
        (now < until).then_some(until)
    }
}

/// The stretches that the `muted` minutes of the week form. That of `open` is not muted.
fn stretches(muted: &BTreeSet<i64>, open: i64) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for minute in (open..open + WEEK).filter(|minute| muted.contains(&(minute % WEEK))) {
        match stretches.last_mut() {
            Some(last) if last.end == minute => last.end += 1,
            _ => stretches.push(Stretch { start: minute, end: minute + 1 }),
        }
    }
    for stretch in stretches.iter_mut().filter(|stretch| WEEK <= stretch.start) {
        *stretch = Stretch { start: stretch.start - WEEK, end: stretch.end - WEEK };
    }
    stretches.sort_unstable();
    stretches
}

/// Reads a range: the days it starts on, and minutes from the start of each. Its end is after
/// its start, by a day at most.
fn range(text: &str) -> Result<(Vec<i64>, i64, i64), String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let parts = match words.as_slice() {
        [days, times] => times.split_once('-').map(|(start, end)| (*days, start, end)),
        _ => None,
    };
    let Some((days, start, end)) = parts else {
        return Err("must be weekdays and times, such as \"mon-fri 18:00-08:00\"".to_owned());
    };
    let days = weekdays(days)?;
    let (start, end) = (time_of_day(start)?, time_of_day(end)?);
    if start == DAY {
        return Err("starts at 24:00; write 00:00 and the day after".to_owned());
    }
    if start == end {
        return Err("starts and ends at the same time; a whole day is 00:00-24:00".to_owned());
    }
    Ok((days, start, if end < start { end + DAY } else { end }))
}

/// Reads `mon`, `mon-fri`, `sat-mon` or several of these with commas between.
fn weekdays(text: &str) -> Result<Vec<i64>, String> {
    let mut days = Vec::new();
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (weekday(first)?, weekday(last)?);
        let count = (last - first).rem_euclid(7) + 1;
        days.extend((first..first + count).map(|day| day % 7));
    }
    Ok(days)
}

fn weekday(word: &str) -> Result<i64, String> {
    let numbered = (0..).zip(WEEKDAYS).find(|(_, name)| name.eq_ignore_ascii_case(word));
    numbered
        .map(|(day, _)| day)
        .ok_or_else(|| format!("`{word}` is not a weekday; known are {}", WEEKDAYS.join(", ")))
}

/// Reads `00:00` to `24:00`, in minutes.
fn time_of_day(text: &str) -> Result<i64, String> {
    let two = |text: &str| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| two(hour).zip(two(minute)));
    match parts {
        Some((24, 0)) => Ok(DAY),
        Some((hour @ 0..24, minute @ 0..60)) => Ok(hour * HOUR + minute),
        _ => Err(format!("`{text}` is not a time of day; write 00:00 to 24:00")),
    }
}

#[cfg(test)]
mod tests;
