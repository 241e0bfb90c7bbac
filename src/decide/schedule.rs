//! When a digest is told: times in the form of cron, on the wall of some zone.
//!
//! Five fields: minute, hour, day of the month, month, weekday. Each is `*`, or numbers and
//! ranges with commas between; `*` and ranges take a step: `*/15`, `9-17/2`. Months and weekdays
//! have their English names too, and both 0 and 7 are sunday. Where neither day field begins
//! with `*`, a day needs to match only one of them; otherwise both.
//!
//! What times on the wall mean where clocks change is said in [`super::zone`]. For a schedule it
//! comes to this. A time that the clock leaves out runs once at the change, together with others
//! like it; one that the clock shows twice runs the first time.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, Time, date},
    tz::TimeZone,
};

use super::zone;
use crate::options::OptionError;

/// In 400 years, dates and weekdays repeat: what does not happen within them never does.
const DAYS_MAX: usize = 146_097;

/// Times at which something is to be done. Displayed as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// As it was written: the expression and the zone.
    text: String,
    zone: TimeZone,
    /// Of each day that matches, ascending. Never empty.
    times: Vec<Time>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    /// Sunday is 0.
    weekdays: BTreeSet<i8>,
    /// Whether a day needs to match only one of `days` and `weekdays`.
    either_day: bool,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Schedule {
    /// Reads five fields of `cron` on the wall of the zone `tz`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, about `cron` or `tz`.
    pub fn parse(cron: &str, tz: &str) -> Result<Self, OptionError> {
        let zone = zone::find(tz)?;
        Self::read(cron, zone).map_err(|problem| OptionError::new("cron", problem))
    }

    fn read(cron: &str, zone: TimeZone) -> Result<Self, String> {
        let fields: Vec<_> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "must be five fields (minute, hour, day of the month, month, weekday), such as \
                 \"0 9 * * 1-5\", and not {}",
                fields.len()
            ));
        };
        let (minutes, hours) = (MINUTE.read(minute)?, HOUR.read(hour)?);
        let times = hours.iter().flat_map(|hour| {
            minutes.iter().filter_map(|minute| Time::new(*hour, *minute, 0, 0).ok())
        });
        let name = zone.iana_name().unwrap_or("UTC");
        let schedule = Self {
            text: format!("{} {name}", fields.join(" ")),
            zone,
            times: times.collect(),
            days: DAY.read(day)?,
            months: MONTH.read(month)?,
            weekdays: WEEKDAY.read(weekday)?.into_iter().map(|day| day % 7).collect(),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        if schedule.dates(date(2000, 1, 1)).next().is_none() {
            return Err("never happens: no month it names has such a day".to_owned());
        }
        Ok(schedule)
    }

    /// The first time after `after`; in the last days that a [`Timestamp`] knows, the end of
    /// them.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Timestamp {
        let shown = self.zone.to_datetime(after);
        // What the clock shows already, or showed before, is not after it.
        self.dates(shown.date())
            .flat_map(|date| self.times.iter().map(move |time| date.to_datetime(*time)))
            .filter(|wall| shown < *wall)
            .map(|wall| zone::instant_of(&self.zone, wall))
            .find(|at| after < *at)
            .unwrap_or(Timestamp::MAX)
    }

    fn dates(&self, from: Date) -> impl Iterator<Item = Date> {
        from.series(1.day()).take(DAYS_MAX).filter(|date| self.has_date(*date))
    }

    fn has_date(&self, date: Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        let days = if self.either_day { day || weekday } else { day && weekday };
        days && self.months.contains(&date.month())
    }
}

/// One of the five fields.
struct Field {
    name: &'static str,
    first: i8,
    last: i8,
    /// Of `first` and those after it.
    words: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", first: 0, last: 59, words: &[] };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, words: &[] };
const DAY: Field = Field { name: "day of the month", first: 1, last: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field {
    name: "weekday",
    first: 0,
    last: 7,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Field {
    /// The numbers that `text` means.
    fn read(&self, text: &str) -> Result<BTreeSet<i8>, String> {
        let mut numbers = BTreeSet::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.first, self.last),
                Some((first, last)) => self.range(first, last)?,
                None if step.is_some() => {
                    return Err(format!(
                        "{}: `{item}` has a step but no range; write `{range}-{}` before it",
                        self.name, self.last
                    ));
                }
                None => (self.number(range)?, self.number(range)?),
            };
            let step = step.map_or(Ok(1), |step| self.step(step))?;
            numbers.extend((first..=last).step_by(step));
        }
        Ok(numbers)
    }

    fn range(&self, first: &str, last: &str) -> Result<(i8, i8), String> {
        let (start, end) = (self.number(first)?, self.number(last)?);
        match end {
            _ if start <= end => Ok((start, end)),
            // Weeks end with sunday where ranges go up to it.
            0 if self.last == 7 => Ok((start, 7)),
            _ => Err(format!(
                "{}: `{first}-{last}` runs backwards; write `{first}-{},{}-{last}`",
                self.name, self.last, self.first
            )),
        }
    }

    fn number(&self, text: &str) -> Result<i8, String> {
        let word = (self.first..).zip(self.words).find(|(_, word)| word.eq_ignore_ascii_case(text));
        let number = word.map(|(number, _)| number).or_else(|| digits(text));
        number.filter(|number| (self.first..=self.last).contains(number)).ok_or_else(|| {
            let words = match self.words {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            let Self { name, first, last, .. } = self;
            format!("{name}: `{text}` is not one; write {first} to {last}{words}")
        })
    }

    fn step(&self, text: &str) -> Result<usize, String> {
        let max = usize::try_from(self.last).unwrap_or_default();
        text.parse()
            .ok()
            .filter(|step| (1..=max).contains(step))
            .ok_or_else(|| format!("{}: `{text}` is not a step; write 1 to {max}", self.name))
    }
}

/// A number in digits alone: no sign.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
