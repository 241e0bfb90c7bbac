//! How often one host is asked, by all sources together.
//!
//! Services count the requests of an account, not of a source. So all sources of a host share one
//! budget, and a "too many requests" to one of them stops all of them for a while.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use url::Url;

use super::{is_loopback, origin};

/// Longest wait for a turn. Who would wait longer is told so, and comes back with the next poll.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);

/// The pause after the first "too many requests" that says nothing about how long. It doubles
/// with each one that follows without a good answer in between.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause that we take by ourselves.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Longest pause that a service may wish for.
const WISH_MAX: Duration = Duration::from_secs(15 * 60);

/// So many requests in a time, at once or spread over it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// Not zero.
    pub per: Duration,
}

/// How often each host is asked at most.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HostLimit {
    /// As [`HostLimit::USUAL`] says, but this host itself as often as it lets us: the limit keeps us
    /// below what a cloud grants an account, and nothing on this host grants one.
    #[default]
    Auto,
    /// Every host, this one too.
    Every(Rate),
    /// As often as it lets us.
    None,
}

impl HostLimit {
    /// Half of what the key management service, which has the same host as the Key Pair Service,
    /// grants a user.
    pub const USUAL: Rate = Rate { count: 10, per: Duration::from_secs(1) };

    /// What holds for the host of `url`; `None`: only its own pauses.
    #[must_use]
    pub fn at(self, url: &Url) -> Option<Rate> {
        match self {
            Self::Auto => Some(Self::USUAL).filter(|_| !is_loopback(url)),
            Self::Every(rate) => Some(rate),
            Self::None => None,
        }
    }
}

/// The paces of all hosts. Cloning shares them. The default lets everybody through at once.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    /// Whether anybody is held up at all.
    holds: bool,
    limit: HostLimit,
    hosts: Arc<Mutex<BTreeMap<String, Arc<Pace>>>>,
}

impl Paces {
    /// Hosts are asked this often at most. Whoever says "too many requests" gets a pause in any case.
    #[must_use]
    pub fn of(limit: HostLimit) -> Self {
        Self { holds: true, limit, hosts: Arc::default() }
    }

    /// The pace of the host of `url`; `None`: nobody is held up.
    #[must_use]
    pub fn host(&self, url: &Url) -> Option<Arc<Pace>> {
        if !self.holds {
            return None;
        }
        let rate = self.limit.at(url);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = hosts.entry(origin(url)).or_insert_with(|| Arc::new(Pace::new(rate)));
        Some(Arc::clone(pace))
    }
}

/// The pace of one host.
#[derive(Debug)]
pub struct Pace {
    /// Without it, only pauses are obeyed.
    rate: Option<Rate>,
    /// Times are counted from here.
    began: Instant,
    bucket: Mutex<Bucket>,
}

impl Pace {
    fn new(rate: Option<Rate>) -> Self {
        Self { rate, began: Instant::now(), bucket: Mutex::default() }
    }

    /// Waits for the next turn.
    ///
    /// # Errors
    ///
    /// The wait, if it is longer than [10 s](TURN_WAIT_MAX). The turn is then not taken.
    pub async fn turn(&self) -> Result<(), Duration> {
        let wait = self.with(|bucket, now| bucket.take(self.rate, now))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// The host said "too many requests", and perhaps for how long.
    pub fn refused(&self, wish: Option<Duration>) {
        self.with(|bucket, now| bucket.refuse(self.rate, wish, now));
    }

    /// The host answered something else.
    pub fn answered(&self) {
        self.with(|bucket, _| bucket.refusals = 0);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Bucket, Duration) -> T) -> T {
        let now = self.began.elapsed();
        f(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// What is left of a budget. Pure: times are arguments, counted from some beginning.
#[derive(Debug, Default)]
struct Bucket {
    /// When the budget would be whole again.
    full_at: Duration,
    /// Nobody asks before this.
    paused_until: Duration,
    /// Refusals since the last good answer.
    refusals: u32,
}

impl Bucket {
    /// Takes the next turn, and says how long to wait for it.
    fn take(&mut self, rate: Option<Rate>, now: Duration) -> Result<Duration, Duration> {
        let pause = self.paused_until.saturating_sub(now);
        let Some(Rate { count, per }) = rate else {
            return if pause <= TURN_WAIT_MAX { Ok(pause) } else { Err(pause) };
        };
        let each = per / count.max(1);
        let full_at = self.full_at.max(now);
        // A whole budget may be spent at once; beyond it, turns are one `each` apart.
        let wait = full_at.saturating_sub(now + per.saturating_sub(each)).max(pause);
        if TURN_WAIT_MAX < wait {
            return Err(wait);
        }
        self.full_at = full_at + each;
        Ok(wait)
    }

    fn refuse(&mut self, rate: Option<Rate>, wish: Option<Duration>, now: Duration) {
        let ours = PAUSE.saturating_mul(1 << self.refusals.min(10)).min(PAUSE_MAX);
        self.refusals = self.refusals.saturating_add(1);
        let pause = wish.map_or(ours, |wish| wish.min(WISH_MAX).max(ours));
        self.paused_until = self.paused_until.max(now + pause);
        // Afterwards one turn after the other: all at once would be refused again.
        if let Some(Rate { count, per }) = rate {
            self.full_at =
                self.full_at.max(self.paused_until + per.saturating_sub(per / count.max(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Option<Rate> = Some(Rate { count: 4, per: Duration::from_secs(1) });

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The waits of so many turns taken at `now`.
    fn waits(bucket: &mut Bucket, now: u64, count: usize) -> Vec<u128> {
        let take = |_| bucket.take(RATE, ms(now)).map_or(u128::MAX, |wait| wait.as_millis());
        (0..count).map(take).collect()
    }

    #[test]
    fn a_budget_is_spent_at_once_and_then_bit_by_bit() {
        let mut bucket = Bucket::default();
        assert_eq!(waits(&mut bucket, 0, 6), [0, 0, 0, 0, 250, 500]);
        assert_eq!(waits(&mut bucket, 750, 1), [0]);
        // Whole again after a while, and never more than whole.
        assert_eq!(waits(&mut bucket, 60_000, 5), [0, 0, 0, 0, 250]);
    }

    #[test]
    fn who_would_wait_too_long_takes_no_turn() {
        let mut bucket = Bucket::default();
        let taken = waits(&mut bucket, 0, 60).iter().filter(|wait| **wait != u128::MAX).count();
        assert_eq!(taken, 44, "the budget, and one each 250 ms for 10 s");
        assert!(bucket.take(RATE, ms(0)).is_err());
        assert_eq!(waits(&mut bucket, 10_000, 1), [250]);
    }

    #[test]
    fn a_refusal_stops_everybody_and_afterwards_they_go_one_by_one() {
        let mut bucket = Bucket::default();
        bucket.refuse(RATE, None, ms(0));
        assert_eq!(waits(&mut bucket, 0, 3), [1000, 1250, 1500]);
        bucket.refuse(RATE, Some(ms(5_000)), ms(2_000));
        assert_eq!(waits(&mut bucket, 2_000, 1), [5_000]);
        bucket.refuse(None, Some(ms(3_600_000)), ms(2_000));
        assert_eq!(bucket.take(None, ms(2_000)), Err(WISH_MAX));
    }

    #[test]
    fn pauses_double_until_there_is_a_good_answer() {
        let mut bucket = Bucket::default();
        let mut pauses = Vec::new();
        for now in [0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000] {
            bucket.refuse(None, None, ms(now));
            pauses.push(bucket.paused_until.saturating_sub(ms(now)).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        bucket.refusals = 0;
        bucket.refuse(None, None, ms(900_000));
        assert_eq!(bucket.paused_until, ms(901_000));
    }

    #[test]
    fn by_default_only_this_host_may_be_asked_without_limit() {
        let far = ["https://kms.example", "https://10.0.0.1", "https://localhost.example"];
        let near =
            ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:80", "http://LOCALHOST"];
        let every = Rate { count: 3, per: ms(1000) };
        for (urls, usual) in [(&far[..], Some(HostLimit::USUAL)), (&near[..], None)] {
            for url in urls.iter().map(|text| Url::parse(text).unwrap()) {
                assert_eq!(HostLimit::Auto.at(&url), usual, "{url}");
                assert_eq!(HostLimit::Every(every).at(&url), Some(every), "{url}");
                assert_eq!(HostLimit::None.at(&url), None, "{url}");
            }
        }
    }

    #[tokio::test]
    async fn this_host_gets_its_pause_all_the_same() {
        let paces = Paces::of(HostLimit::Auto);
        let pace = paces.host(&Url::parse("http://127.0.0.1:1").unwrap()).unwrap();
        for _ in 0..1_000 {
            assert_eq!(pace.turn().await, Ok(()));
        }
        pace.refused(Some(ms(60_000)));
        assert!(pace.turn().await.is_err());
    }

    #[test]
    fn sources_of_a_host_share_its_pace_and_others_do_not() {
        let url = |text: &str| Url::parse(text).unwrap();
        let paces = Paces::of(HostLimit::Auto);
        let host = |text: &str| paces.clone().host(&url(text)).unwrap();
        assert!(Arc::ptr_eq(&host("https://a/x"), &host("https://a/y")));
        assert!(!Arc::ptr_eq(&host("https://a"), &host("https://c")));
        assert!(Paces::default().host(&url("https://a")).is_none());
    }
}
