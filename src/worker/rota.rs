//! When which source is polled, and how many at a time.
//!
//! Each source has a phase of its own within the interval, made from its name, so that a thousand
//! sources do not begin at the same moment, and begin at the same moments after each restart.
//!
//! Polls share a bounded number of places. A host that does not answer would fill them all with
//! polls that wait, so while it is silent its sources ask one at a time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::{
        Arc, Mutex as Lock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard, Semaphore},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Watched, Worker,
    after::{Beats, looks},
    poll::{Polled, poll},
};
use crate::{name::Name, source::FaultClass, store::StoreError};

/// Time between the first polls of two sources, about, until the interval is full.
const SPREAD_EACH: Duration = Duration::from_millis(100);

/// Where polls take place.
#[derive(Clone, Debug)]
pub(super) struct Places {
    places: Arc<Semaphore>,
    hosts: Arc<Lock<BTreeMap<String, Arc<Host>>>>,
}

/// One host, as its polls see it.
#[derive(Debug, Default)]
struct Host {
    /// The last poll found nobody there.
    silent: AtomicBool,
    /// Who asks a silent host.
    turn: Mutex<()>,
}

impl Places {
    /// So many polls at the same time.
    pub(super) fn new(count: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(count)), hosts: Arc::default() }
    }

    /// Polls when there is a place.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(super) async fn poll(
        &self,
        watched: &Watched,
        worker: &Worker,
    ) -> Result<Polled, StoreError> {
        let host = self.host(watched.source.origin());
        let (turn, _place) = loop {
            let turn = match &host {
                Some(host) => host.turn().await,
                None => None,
            };
            let place = self.places.acquire().await;
            // It may have fallen silent while this one waited for its place.
            if turn.is_some() || !host.as_deref().is_some_and(Host::is_silent) {
                break (turn, place);
            }
        };
        let polled = poll(watched, (&worker.store, &worker.clock), &worker.rules).await?;
        if let Some(host) = &host {
            host.heard(polled.fault);
        }
        drop(turn);
        Ok(polled)
    }

    fn host(&self, origin: &str) -> Option<Arc<Host>> {
        if origin.is_empty() {
            return None;
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if !hosts.contains_key(origin) {
            hosts.insert(origin.to_owned(), Arc::default());
        }
        hosts.get(origin).map(Arc::clone)
    }
}

impl Host {
    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Waits for a turn at a silent host. `None`: it speaks, so nobody needs one.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        if !self.is_silent() {
            return None;
        }
        let turn = self.turn.lock().await;
        // Once it speaks again, those that waited need not go on one by one.
        self.is_silent().then_some(turn)
    }

    /// Takes note of what a poll came to.
    fn heard(&self, fault: Option<FaultClass>) {
        self.silent.store(fault.is_some_and(is_silence), Ordering::Relaxed);
    }
}

/// Whether nobody was there to answer.
fn is_silence(class: FaultClass) -> bool {
    matches!(class, FaultClass::Timeout | FaultClass::Network | FaultClass::Dns | FaultClass::Tls)
}

/// How long after the start a source is polled first, among `count`.
fn phase(name: &Name, interval: Duration, count: usize) -> Duration {
    // Over one interval at most, and without delay for a single source.
    let others = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
    let spread = interval.min(SPREAD_EACH.saturating_mul(others));
    spread.mul_f64(f64::from(crc32fast::hash(name.as_str().as_bytes())) / f64::from(u32::MAX))
}

/// One turn of a source, while it takes place and once it is over.
struct Turned {
    nth: usize,
    /// When it was due.
    at: Instant,
    /// The source's signs of life, which may still be on their way.
    beats: Beats,
    result: Result<(), StoreError>,
}

/// A poll and what follows it. Calls `found` after each of them.
async fn take_turn(
    watched: &Watched,
    worker: &Worker,
    (places, beats): (&Places, &mut Beats),
    found: &impl Fn(),
) -> Result<(), StoreError> {
    let polled = places.poll(watched, worker).await?;
    debug!(source = %polled.source, new = polled.new, "polled");
    found();
    beats.replace(watched, &polled);
    looks(watched, worker, &polled).await?;
    found();
    Ok(())
}

/// Polls each source at its times until `stop`, and calls `found` when there may be something to
/// tell.
///
/// # Errors
///
/// The store's.
pub(super) async fn run(
    worker: Arc<Worker>,
    stop: CancellationToken,
    found: impl Fn() + Clone + Send + Sync + 'static,
) -> Result<(), StoreError> {
    let places = Places::new(worker.poll_concurrency);
    let began = Instant::now();
    let count = worker.sources.len();
    let mut due: BinaryHeap<Reverse<(Instant, usize)>> = worker
        .sources
        .iter()
        .enumerate()
        .map(|(nth, watched)| {
            let first = began + phase(&watched.source.info().name, watched.interval, count);
            Reverse((first, nth))
        })
        .collect();
    let mut pulses: Vec<Beats> = worker.sources.iter().map(|_| Beats::default()).collect();
    // Dropping them loses nothing: what is recorded is recorded, the rest is listed again.
    let mut running: JoinSet<Turned> = JoinSet::new();
    loop {
        let next = due.peek().map(|Reverse((at, _))| *at);
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            Some(done) = running.join_next() => {
                let Turned { nth, at, beats, result } = done.map_err(|_| StoreError::Closed)?;
                result?;
                if let (Some(watched), Some(pulse)) = (worker.sources.get(nth), pulses.get_mut(nth))
                {
                    *pulse = beats;
                    // After a turn longer than the interval, the next one is due at once.
                    due.push(Reverse(((at + watched.interval).max(Instant::now()), nth)));
                }
            }
            () = until(next) => {
                let Some(Reverse((at, nth))) = due.pop() else { continue };
                let (worker, places, found) = (Arc::clone(&worker), places.clone(), found.clone());
                let mut beats = pulses.get_mut(nth).map(std::mem::take).unwrap_or_default();
                running.spawn(async move {
                    let result = match worker.sources.get(nth) {
                        Some(watched) => {
                            take_turn(watched, &worker, (&places, &mut beats), &found).await
                        }
                        None => Err(StoreError::Closed),
                    };
                    Turned { nth, at, beats, result }
                });
            }
        }
    }
}

/// Until `at`, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(count: usize, interval: u64) -> Vec<u128> {
        let name = |nth: usize| Name::parse(&format!("prod.cn-north-4.{nth:032x}")).unwrap();
        let interval = Duration::from_secs(interval);
        (0..count).map(|nth| phase(&name(nth), interval, count).as_millis()).collect()
    }

    /// Whether it still waits.
    async fn waits<T>(work: &mut (impl Future<Output = T> + Unpin)) -> bool {
        tokio::select! {
            biased;
            _ = work => false,
            () = std::future::ready(()) => true,
        }
    }

    #[test]
    fn a_host_is_silent_if_nobody_was_there_to_answer() {
        use FaultClass::{Dns, Network, Timeout, Tls};
        let host = Host::default();
        for class in FaultClass::ALL {
            host.heard(Some(class));
            let expected = matches!(class, Timeout | Network | Dns | Tls);
            assert_eq!(host.is_silent(), expected, "{class:?}");
            host.heard(None);
            assert!(!host.is_silent(), "{class:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_host_is_asked_by_one_at_a_time_until_it_speaks() {
        let host = Host::default();
        assert!(host.turn().await.is_none(), "it speaks until somebody finds that it does not");
        host.heard(Some(FaultClass::Timeout));
        let first = host.turn().await;
        assert!(first.is_some());
        let (mut second, mut third) = (Box::pin(host.turn()), Box::pin(host.turn()));
        assert!(waits(&mut second).await && waits(&mut third).await);
        drop(first);
        let second = second.await;
        assert!(second.is_some() && waits(&mut third).await);
        // The second was answered: the third needs no turn, and neither do those behind it.
        host.heard(None);
        assert!(waits(&mut third).await);
        drop(second);
        assert!(third.await.is_none());
        assert!(host.turn().await.is_none());
    }

    #[test]
    fn hosts_do_not_wait_for_one_another() {
        let places = Places::new(1);
        let host = |origin| places.host(origin).unwrap();
        host("https://a").heard(Some(FaultClass::Dns));
        assert!(host("https://a").is_silent() && !host("https://b").is_silent());
        assert!(places.host("").is_none(), "who shares with nobody waits for nobody");
    }

    #[test]
    fn one_source_begins_at_once_and_few_within_a_moment() {
        assert_eq!(phases(1, 60), [0]);
        assert!(phases(5, 60).iter().all(|phase| *phase <= 400));
    }

    #[test]
    fn many_sources_spread_evenly_over_the_interval_and_always_alike() {
        let first = phases(1000, 60);
        assert_eq!(first, phases(1000, 60));
        for tenth in 0..10 {
            let within = |phase: &&u128| **phase / 6_000 == tenth;
            let count = first.iter().filter(within).count();
            assert!((60..140).contains(&count), "{count} in the tenth {tenth}");
        }
    }
}
