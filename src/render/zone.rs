//! Times as people read them: on the wall of a zone, with the zone said.

use std::fmt;

use jiff::{
    Timestamp, ZonedDateTime,
    tz::{self, TimeZone, TimeZoneDatabase},
};

/// The zone in which times are written.
#[derive(Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this IANA name, as the host knows it, or else as it was when this was built.
    ///
    /// # Errors
    ///
    /// What is wrong with the name.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            // The host's database reads through its whole folder first.
            return Ok(Self(TimeZone::UTC));
        }
        let found = tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
        match found {
            Ok(zone) if !zone.is_unknown() => Ok(Self(zone)),
            _ => Err(format!(
                "`{name}` is not a time zone; write its IANA name, such as `Asia/Shanghai` or `UTC`"
            )),
        }
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// "2026-11-23 18:00:05 UTC+8"
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        let there = at.to_zoned_datetime(self.0.clone());
        format!("{} {}", there.strftime("%Y-%m-%d %H:%M:%S"), offset(&there))
    }

    /// "18:00:05 UTC+8", with the date in front unless it is that of `beside`.
    #[must_use]
    pub fn short(&self, at: Timestamp, beside: Timestamp) -> String {
        let same_day = at.to_zoned_datetime(self.0.clone()).date()
            == beside.to_zoned_datetime(self.0.clone()).date();
        let full = self.full(at);
        match full.split_once(' ') {
            Some((_, time)) if same_day => time.to_owned(),
            _ => full,
        }
    }

    /// By the format of strftime, or what is wrong with it.
    pub(super) fn format(&self, at: Timestamp, format: &str) -> Result<String, String> {
        jiff::fmt::strtime::format(format, &at.to_zoned_datetime(self.0.clone()))
            .map_err(|error| format!("`{format}` is not a format of times: {error}"))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// "UTC", "UTC+8" or "UTC-3:30": abbreviations such as CST mean several zones.
fn offset(there: &ZonedDateTime) -> String {
    let minutes = there.offset().seconds().div_euclid(60);
    let sign = if minutes < 0 { '-' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_zone_and_its_date_where_that_differs() {
        let at: Timestamp = "2026-11-23T18:30:05.25Z".parse().unwrap();
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (zone, full, short) in [
            ("UTC", "2026-11-23 18:30:05 UTC", "18:30:05 UTC"),
            ("Asia/Shanghai", "2026-11-24 02:30:05 UTC+8", "2026-11-24 02:30:05 UTC+8"),
            ("Asia/Kolkata", "2026-11-24 00:00:05 UTC+5:30", "2026-11-24 00:00:05 UTC+5:30"),
            ("America/St_Johns", "2026-11-23 15:00:05 UTC-3:30", "15:00:05 UTC-3:30"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(zone.full(at), full);
            assert_eq!(zone.short(at, noon), short);
        }
    }

    #[test]
    fn only_zones_that_exist_are_taken() {
        for bad in ["", "CET+1", "Asia/Peking", "Etc/Unknown"] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }
}
