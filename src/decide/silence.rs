//! Which silence holds a failure.
//!
//! Silences are compiled once and looked at when a group closes, so one that is added while a
//! group waits for company still holds it. What has become a pending delivery is past that door.

use jiff::Timestamp;

use super::route::{Matcher, Subject};
use crate::silence::{OnExpire, Silence};

/// The silences of a store, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Silences(Vec<(Silence, Vec<Matcher>)>);

impl Silences {
    /// Compiles `stored`. What `before` holds already, unchanged, is taken from there.
    ///
    /// Conditions were checked when the silence was added; one that does not parse all the same,
    /// because an older version was more lenient, matches nothing.
    #[must_use]
    pub fn compile(stored: &[Silence], before: Self) -> Self {
        let mut known = before.0;
        let one = |silence: &Silence| {
            let at = known.iter().position(|(old, _)| old.matchers == silence.matchers);
            let matchers = match at {
                Some(at) => known.swap_remove(at).1,
                None => {
                    let parsed = silence.matchers.iter().map(|text| Matcher::parse(text));
                    parsed.collect::<Result<Vec<_>, _>>().unwrap_or_default()
                }
            };
            (silence.clone(), matchers)
        };
        Self(stored.iter().map(one).collect())
    }

    /// The silence that holds `subject` at `now`: of several, the one that ends last, so that
    /// overlapping ones are one long silence.
    #[must_use]
    pub fn holder(&self, subject: &Subject<'_>, now: Timestamp) -> Option<u64> {
        self.0
            .iter()
            .filter(|(silence, _)| silence.is_active(now))
            .filter(|(_, matchers)| {
                !matchers.is_empty() && matchers.iter().all(|matcher| matcher.matches(subject))
            })
            .max_by_key(|(silence, _)| (silence.ends_at, silence.number))
            .map(|(silence, _)| silence.number)
    }

    /// Whether any silence holds at `now`.
    #[must_use]
    pub fn any_active(&self, now: Timestamp) -> bool {
        self.0.iter().any(|(silence, _)| silence.is_active(now))
    }

    /// A silence by number. `None`: forgotten.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Silence> {
        self.0.iter().map(|(silence, _)| silence).find(|silence| silence.number == number)
    }

    /// Whether what silence `number` holds may go at `now`.
    #[must_use]
    pub fn has_ended(&self, number: u64, now: Timestamp) -> bool {
        self.get(number).is_none_or(|silence| silence.ends_at <= now)
    }

    /// What becomes of what silence `number` held.
    #[must_use]
    pub fn on_expire(&self, number: u64) -> OnExpire {
        self.get(number).map(|silence| silence.on_expire).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::route::NO_LABELS, *};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn silence(number: u64, matcher: &str, from: i64, to: i64) -> Silence {
        Silence {
            number,
            matchers: vec![matcher.to_owned()],
            starts_at: at(from),
            ends_at: at(to),
            author: "ops".into(),
            comment: "maintenance".into(),
            on_expire: OnExpire::Digest,
        }
    }

    #[test]
    fn of_overlapping_silences_the_one_that_ends_last_holds() {
        let stored = [
            silence(1, "source = prod", 0, 100),
            silence(2, "action = reset", 50, 80),
            silence(3, "source = prod", 10, 200),
            silence(4, "source = test", 0, 1_000),
        ];
        let silences = Silences::compile(&stored, Silences::default());
        let labels = BTreeMap::new();
        let subject = Subject {
            own_labels: &NO_LABELS,
            source: "prod",
            project: "",
            region: "",
            action: "reset",
            operate_type: "",
            error_code: "",
            error_message: "",
            server_name: "",
            keypair: "",
            labels: &labels,
        };
        for (second, expected) in
            [(-1, None), (0, Some(1)), (10, Some(3)), (60, Some(3)), (199, Some(3)), (200, None)]
        {
            assert_eq!(silences.holder(&subject, at(second)), expected, "at {second}");
        }
        assert!(silences.has_ended(2, at(80)) && !silences.has_ended(2, at(79)));
        assert!(silences.has_ended(99, at(0)), "what is forgotten holds nothing");
    }

    #[test]
    fn compiling_again_keeps_what_did_not_change() {
        let stored = [silence(1, "source =~ \"a|b\"", 0, 100)];
        let silences = Silences::compile(&stored, Silences::default());
        let again = Silences::compile(&stored, silences);
        assert!(again.any_active(at(5)) && !again.any_active(at(100)));
    }
}
