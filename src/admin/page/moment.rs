//! Instants and lengths of time as a page says them.

use jiff::Timestamp;
use serde::Serialize;

use super::Reader;

/// An instant.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    /// For machines.
    iso: String,
    /// With date and zone.
    full: String,
    /// The time of the day, with the date if it is not today.
    clock: String,
    /// "3 min ago"
    ago: String,
}

impl Moment {
    pub(super) fn clock(&self) -> &str {
        &self.clock
    }
}

impl Reader {
    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        Moment {
            iso: at.to_string(),
            full: self.zone.full(at),
            clock: clock(&self.zone.short(at, self.now)),
            ago: self.ago(at),
        }
    }

    /// How long ago, or in how long.
    fn ago(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        if seconds == 0 {
            return self.words.get("now").to_owned();
        }
        let key = if seconds < 0 { "in_time" } else { "time_ago" };
        self.words.with(key, &[("time", &self.length(seconds.unsigned_abs()))])
    }

    /// "3 min": in the largest unit that fits, since more would not be read.
    pub(super) fn length(&self, seconds: u64) -> String {
        let (count, unit) = match seconds {
            0..120 => (seconds, "unit_s"),
            120..7_200 => (seconds / 60, "unit_min"),
            7_200..172_800 => (seconds / 3_600, "unit_h"),
            _ => (seconds / 86_400, "unit_d"),
        };
        self.words.with(unit, &[("n", &count.to_string())])
    }
}

/// Without the zone, which the foot of the page says, and without the year.
fn clock(short: &str) -> String {
    let parts: Vec<&str> = short.split(' ').collect();
    match parts.as_slice() {
        [date, time, _zone] => {
            let date = date.split_once('-').map_or(*date, |(_, rest)| rest);
            format!("{date} {time}")
        }
        [time, _zone] => (*time).to_owned(),
        _ => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_and_the_zone_are_left_out() {
        assert_eq!(clock("2026-11-23 18:00:05 UTC+8"), "11-23 18:00:05");
        assert_eq!(clock("18:00:05 UTC+8"), "18:00:05");
    }
}
