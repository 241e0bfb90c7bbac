//! What happens, for those who watch: the latest events in a ring, and who waits for more.
//!
//! An event says that something changed and how much, not all that there is to know: whoever
//! wants that reads the lists. So a burst of ten thousand is a few events and not ten thousand.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

use super::view::Instant;

/// Events that are remembered for those who come back: an hour of a quiet worker, some seconds
/// of a busy one. Each is some hundred bytes.
const EVENTS_MAX: usize = 1_024;

/// Most numbers in one event.
pub(super) const NUMBERS_MAX: usize = 20;

/// Something that happened.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum Happened {
    /// A source was polled.
    #[serde(rename = "source.polled")]
    Polled {
        /// When.
        #[schemars(with = "Instant")]
        at: Timestamp,
        /// Which.
        source: String,
        /// `complete`, or the class of the trouble.
        outcome: String,
        /// Failures that were recorded.
        new: usize,
        /// Failures that are listed again.
        back: usize,
        /// Failures that are no longer listed.
        cleared: usize,
    },
    /// A source became blind though no poll of it ended.
    #[serde(rename = "source.blind")]
    Blind {
        /// Which.
        source: String,
    },
    /// Notices were put together.
    #[serde(rename = "deliveries.opened")]
    Opened {
        /// How many.
        count: usize,
    },
    /// Attempts came to something.
    #[serde(rename = "deliveries.settled")]
    Settled {
        /// The sink; null if it is not known.
        sink: Option<String>,
        /// Those that it took.
        delivered: usize,
        /// Those that are tried again, or held.
        failed: usize,
        /// Those that were given up.
        dead: usize,
        /// Some of them: at most 20.
        deliveries: Vec<u64>,
    },
    /// An operator made deliveries due.
    #[serde(rename = "deliveries.retried")]
    Retried {
        /// Some of them: at most 20.
        deliveries: Vec<u64>,
    },
    /// An operator ended deliveries untold.
    #[serde(rename = "deliveries.cancelled")]
    Cancelled {
        /// Some of them: at most 20.
        deliveries: Vec<u64>,
    },
    /// A sink's gate was opened by hand.
    #[serde(rename = "sink.revived")]
    Revived {
        /// Which.
        sink: String,
    },
    /// A silence was added.
    #[serde(rename = "silence.added")]
    SilenceAdded {
        /// Its number.
        id: u64,
    },
    /// A silence was ended by hand.
    #[serde(rename = "silence.expired")]
    SilenceExpired {
        /// Its number.
        id: u64,
    },
    /// Somebody looks after a failure, or no longer.
    #[serde(rename = "failure.acknowledged")]
    Acknowledged {
        /// Its number.
        id: u64,
        /// Whether somebody does.
        acknowledged: bool,
    },
}

impl Happened {
    /// The word of its type.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Polled { .. } => "source.polled",
            Self::Blind { .. } => "source.blind",
            Self::Opened { .. } => "deliveries.opened",
            Self::Settled { .. } => "deliveries.settled",
            Self::Retried { .. } => "deliveries.retried",
            Self::Cancelled { .. } => "deliveries.cancelled",
            Self::Revived { .. } => "sink.revived",
            Self::SilenceAdded { .. } => "silence.added",
            Self::SilenceExpired { .. } => "silence.expired",
            Self::Acknowledged { .. } => "failure.acknowledged",
        }
    }
}

/// The ring.
#[derive(Debug)]
pub struct Events {
    /// Tells the ids of this process from those of an earlier one.
    began: i64,
    ring: Mutex<Ring>,
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the last event; the first one has 1.
    last: u64,
    events: VecDeque<Arc<Happened>>,
}

/// What somebody has to be told.
#[derive(Debug)]
pub struct News {
    /// Whether something before these is no longer remembered.
    pub missed: bool,
    /// Each with its number.
    pub events: Vec<(u64, Arc<Happened>)>,
    /// The number of the last event.
    pub last: u64,
}

impl Events {
    /// An empty ring of a process that began at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let latest = watch::Sender::new(0);
        Self { began: now.as_millisecond(), ring: Mutex::default(), latest }
    }

    /// Adds what happened.
    pub fn add(&self, happened: Happened) {
        let last = {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.events.len() == EVENTS_MAX {
                ring.events.pop_front();
            }
            ring.events.push_back(Arc::new(happened));
            ring.last += 1;
            ring.last
        };
        self.latest.send_replace(last);
    }

    /// The number of the last event, and of each that comes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Everything after the event with this number.
    #[must_use]
    pub fn after(&self, number: u64) -> News {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = u64::try_from(ring.events.len()).unwrap_or(u64::MAX);
        let before_first = ring.last.saturating_sub(kept);
        let skip = usize::try_from(number.saturating_sub(before_first)).unwrap_or(usize::MAX);
        let numbered = (before_first.saturating_add(1)..).zip(ring.events.iter().cloned());
        News {
            missed: number < before_first || ring.last < number,
            events: numbered.skip(skip).collect(),
            last: ring.last,
        }
    }

    /// The id of the event with this number, for those who come back.
    #[must_use]
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.began)
    }

    /// The number of an id; `None` if it is not one of this process.
    #[must_use]
    pub fn number(&self, id: &str) -> Option<u64> {
        let (began, number) = id.split_once('-')?;
        if began.parse() != Ok(self.began) {
            return None;
        }
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(news: &News) -> Vec<u64> {
        news.events.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn whoever_comes_back_gets_the_rest_or_hears_that_something_is_missing() {
        let events = Events::new(Timestamp::UNIX_EPOCH);
        for id in 1..=3 {
            events.add(Happened::SilenceAdded { id });
        }
        assert_eq!(numbers(&events.after(0)), [1, 2, 3]);
        assert_eq!(numbers(&events.after(2)), [3]);
        let news = events.after(3);
        assert!(!news.missed && news.events.is_empty());
        assert!(events.after(4).missed, "an id from the future is none of ours");
        for id in 0..2_000 {
            events.add(Happened::SilenceAdded { id });
        }
        let news = events.after(3);
        assert!(news.missed);
        assert_eq!((news.events.len(), news.last), (EVENTS_MAX, 2_003));
        assert!(!events.after(2_003 - 1_024).missed);
    }

    #[test]
    fn an_id_of_another_process_is_not_taken_for_one_of_this() {
        let events = Events::new(Timestamp::from_second(5).unwrap());
        assert_eq!(events.number(&events.id(7)), Some(7));
        for id in ["", "7", "4000-7", "5000-", "5000-x", "x-7"] {
            assert_eq!(events.number(id), None, "{id}");
        }
    }

    #[test]
    fn the_word_of_an_event_is_its_type() {
        let one = Happened::Opened { count: 2 };
        assert_eq!(serde_json::to_value(&one).unwrap()["type"], one.as_str());
    }
}
