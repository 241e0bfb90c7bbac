//! Wall clocks: which time zone a name means, and which instant a time on the wall means.
//!
//! A time on the wall means the first instant at which the clock there shows it or a later one.
//! Where clocks go forward, a time that they leave out is the instant of the change. Where they
//! go back, a time that they show twice is the first of the two. So a later time on the wall
//! never means an earlier instant, and what follows from such times has neither a hole nor a
//! repeat.

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{self, AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::options::{self, OptionError};

/// The key that names a zone.
const KEY: &str = "tz";

/// The zone of this IANA name: as the host knows it, or else as it was when this was built.
///
/// Reads the host's files, so it is for parsing only.
///
/// # Errors
///
/// What is wrong with the name, about the key `tz`.
pub(super) fn find(name: &str) -> Result<TimeZone, OptionError> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let found = tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
    match found {
        // Some database calls this a zone: the one of those who do not know theirs.
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        _ => Err(OptionError::new(KEY, not_a_zone(name))),
    }
}

fn not_a_zone(name: &str) -> String {
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_lowercase();
    // The likeliest slip of all. The zone of all China goes by its largest city.
    let wanted = city(name).replace("beijing", "shanghai");
    let (host, own) = (tz::db(), TimeZoneDatabase::bundled());
    let known: Vec<_> = host.available().chain(own.available()).collect();
    let known: Vec<_> = known.iter().map(tz::TimeZoneName::as_str).collect();
    let near = known.iter().copied().find(|zone| city(zone) == wanted);
    match near.or_else(|| options::nearest(&known, name)) {
        Some(near) => format!("`{name}` is not a time zone; did you mean `{near}`?"),
        None => format!(
            "`{name}` is not a time zone; write its IANA name, such as `Asia/Shanghai` or `UTC`"
        ),
    }
}

/// The first instant at which a clock in `zone` shows `wall` or a later time. Beyond what a
/// [`Timestamp`] can say, its nearest end.
pub(super) fn instant_of(zone: &TimeZone, wall: DateTime) -> Timestamp {
    let end = if wall.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(wall).unwrap_or(end)
        }
        AmbiguousOffset::Gap { before, .. } => {
            // On a clock that nobody had set forward: the change itself, or less than it leaves
            // out later.
            let Ok(past) = before.to_timestamp(wall) else { return end };
            let past = past.saturating_add(SignedDuration::from_secs(1)).unwrap_or(end);
            zone.preceding(past).next().map_or(past, |change| change.timestamp())
        }
    }
}

/// Zones, and instants at which their clocks change or nothing happens. For property tests.
#[cfg(test)]
pub(super) const CHANGES: &[(&str, &str)] = &[
    ("UTC", "2026-11-24T00:00Z"),
    ("Asia/Shanghai", "2026-11-24T00:00Z"),
    ("Europe/Berlin", "2027-03-28T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("America/New_York", "2027-03-14T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Australia/Lord_Howe", "2027-04-03T15:00Z"),
    ("America/Havana", "2027-03-14T05:00Z"),
    // Set back over midnight.
    ("America/St_Johns", "2010-11-07T02:31Z"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, wall: &str, expected: &str) {
        let instant = instant_of(&find(zone).unwrap(), wall.parse().unwrap());
        assert_eq!(instant, expected.parse().unwrap(), "{wall} in {zone}");
    }

    #[test]
    fn a_time_on_the_wall_is_the_first_instant_that_shows_it_or_a_later_one() {
        for (zone, wall, expected) in [
            ("UTC", "2026-11-24T09:00", "2026-11-24T09:00Z"),
            ("Asia/Shanghai", "2026-11-24T09:00", "2026-11-24T01:00Z"),
            // 02:00 becomes 03:00.
            ("Europe/Berlin", "2027-03-28T01:59", "2027-03-28T00:59Z"),
            ("Europe/Berlin", "2027-03-28T02:00", "2027-03-28T01:00Z"),
            ("Europe/Berlin", "2027-03-28T02:59", "2027-03-28T01:00Z"),
            ("Europe/Berlin", "2027-03-28T03:00", "2027-03-28T01:00Z"),
            ("Europe/Berlin", "2027-03-28T03:01", "2027-03-28T01:01Z"),
            // 03:00 becomes 02:00.
            ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00Z"),
            ("Europe/Berlin", "2026-10-25T02:59", "2026-10-25T00:59Z"),
            ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z"),
            ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00Z"),
            ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z"),
            // 02:00 becomes 02:30, and 02:00 becomes 01:30.
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-03T15:30Z"),
            ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45Z"),
            ("Australia/Lord_Howe", "2027-04-04T02:00", "2027-04-03T15:30Z"),
            // 00:00 becomes 01:00: the day begins at 01:00.
            ("America/Havana", "2027-03-14T00:00", "2027-03-14T05:00Z"),
            // A whole day was left out.
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00Z"),
        ] {
            check(zone, wall, expected);
        }
    }

    #[test]
    fn times_beyond_all_instants_are_at_their_ends() {
        let zone = find("Europe/Berlin").unwrap();
        assert_eq!(instant_of(&zone, DateTime::MIN), Timestamp::MIN);
        assert_eq!(instant_of(&zone, DateTime::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused_with_the_nearest() {
        for (name, expected) in [
            ("Asia/Shangai", "Asia/Shanghai"),
            ("shanghai", "Asia/Shanghai"),
            ("Asia/Beijing", "Asia/Shanghai"),
            ("Europe/New_York", "America/New_York"),
        ] {
            let error = find(name).unwrap_err();
            let expected = format!("tz: `{name}` is not a time zone; did you mean `{expected}`?");
            assert_eq!(error.to_string(), expected);
        }
        for name in ["", "+08:00", "CST-8"] {
            let expected = format!(
                "tz: `{name}` is not a time zone; write its IANA name, such as `Asia/Shanghai` \
                 or `UTC`"
            );
            assert_eq!(find(name).unwrap_err().to_string(), expected);
        }
        assert!(find("Etc/Unknown").is_err());
    }

    #[test]
    fn zones_are_known_without_the_hosts_files() {
        assert!(TimeZoneDatabase::bundled().get("Asia/Shanghai").is_ok());
    }
}
