//! From deliveries to verdicts: one lane per sink.
//!
//! A lane takes what is due for its sink and makes attempts, so many at a time. Verdicts are
//! settled in groups: while one group is on its way to the disk, the next one gathers. A lane
//! never waits for another lane.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::Outlet;
use crate::{
    clock::Clock,
    decide::{
        retry::{Jitter, RetryPolicy, Tries, after_failure},
        rules::Rules,
    },
    delivery::{Delivery, DeliveryId, DeliveryState, LastAttempt, Outcome, Verdict},
    failpoint,
    failure::Failure,
    http::Chain,
    message::Original,
    name::Name,
    notice::Notice,
    sink::{Parcel, Receipt},
    store::{Lease, Settled, Settlement, Store, StoreError},
    text,
};

/// Verdicts that may wait for the disk before no further attempt begins. What is sent and not
/// yet settled is sent again after a crash, so it must not be much.
const UNSETTLED_MAX: usize = 1_024;

/// Verdicts that go to the disk without waiting for more: the cost of a commit is small beside
/// that of so many records.
const GROUP: usize = 256;

/// How long verdicts wait for others while attempts are in flight, unless one is a failure. A commit
/// costs about as much for one verdict as for twenty, so that a fast receiver would otherwise wait
/// for the disk; and few are sent again when the process is killed meanwhile.
const GATHER: Duration = Duration::from_millis(5);

/// The way to one sink.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The sink's name.
    pub name: Name,
    /// The sink and its limits.
    pub outlet: Outlet,
    /// When to try again.
    pub retry: Arc<RetryPolicy>,
    /// For the notices' sources, and for the sink's fallback.
    pub rules: Arc<Rules>,
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a pass over a lane did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// Deliveries that the sink took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// See [`Settlement::dispatch`].
    pub dispatch: bool,
}

type StoreCall<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The state of one pass.
struct Pass {
    queue: VecDeque<Lease>,
    flights: JoinSet<Settled>,
    /// Which delivery each flight carries, for the one that panics.
    aboard: BTreeMap<tokio::task::Id, (DeliveryId, u32)>,
    settled: Vec<Settled>,
    /// Whether one of them is a failure. The store decides by those whether it goes on at all, so no
    /// more is taken from it before it knows.
    failed: bool,
    drained: Drained,
}

impl Lane {
    /// Makes attempts until nothing is due, or until `stop`; then what is in flight gets `grace`
    /// to finish. A nudge says that more may be due by now.
    ///
    /// # Errors
    ///
    /// The store's.
    ///
    /// # Panics
    ///
    /// Never: what is expected to be there is looked for first.
    pub async fn drain(
        &self,
        nudge: &Notify,
        stop: &CancellationToken,
        grace: Duration,
    ) -> Result<Drained, StoreError> {
        let mut pass = Pass {
            queue: VecDeque::new(),
            flights: JoinSet::new(),
            aboard: BTreeMap::new(),
            settled: Vec::new(),
            failed: false,
            drained: Drained::default(),
        };
        let mut leasing: Option<StoreCall<Vec<Lease>>> = None;
        let mut settling: Option<StoreCall<Settlement>> = None;
        let mut settling_failures = false;
        let mut exhausted = false;
        let gathered = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(gathered);
        loop {
            if stop.is_cancelled() {
                break;
            }
            let unheard = pass.failed || settling_failures;
            let wanted = !exhausted && !unheard && pass.queue.len() < self.outlet.concurrency;
            if leasing.is_none() && wanted {
                leasing = Some(self.lease(4 * self.outlet.concurrency));
            }
            self.start_flights(&mut pass);
            let is_group = GROUP <= pass.settled.len() || gathered.is_elapsed() || pass.failed;
            if settling.is_none()
                && !pass.settled.is_empty()
                && (is_group || pass.flights.is_empty())
            {
                settling_failures = std::mem::take(&mut pass.failed);
                settling = Some(self.settle(std::mem::take(&mut pass.settled)));
            }
            let idle = pass.flights.is_empty() && pass.queue.is_empty();
            if idle && exhausted && settling.is_none() && leasing.is_none() {
                return Ok(pass.drained);
            }
            tokio::select! {
                leases = async { leasing.as_mut().expect("guarded").await }, if leasing.is_some() => {
                    leasing = None;
                    let leases = leases?;
                    exhausted = leases.is_empty();
                    pass.queue.extend(leases);
                }
                result = async { settling.as_mut().expect("guarded").await }, if settling.is_some() => {
                    settling = None;
                    settling_failures = false;
                    pass.drained.dispatch |= result?.dispatch;
                    failpoint::hit("deliver.after_settle");
                }
                Some(done) = pass.flights.join_next_with_id(), if !pass.flights.is_empty() => {
                    if pass.settled.is_empty() {
                        gathered.as_mut().reset(Instant::now() + GATHER);
                    }
                    self.land(&mut pass, done);
                    // Others may have become due while this one was in flight.
                    exhausted = false;
                }
                () = &mut gathered, if !gathered.is_elapsed() => {}
                () = nudge.notified() => exhausted = false,
                () = stop.cancelled() => {}
            }
        }
        if let Some(leasing) = leasing {
            pass.queue.extend(leasing.await?);
        }
        if let Some(settling) = settling {
            pass.drained.dispatch |= settling.await?.dispatch;
        }
        self.finish(pass, grace).await
    }

    /// Ends a pass before its time.
    async fn finish(&self, mut pass: Pass, grace: Duration) -> Result<Drained, StoreError> {
        let unused = pass.queue.drain(..).map(|lease| lease.delivery.id).collect();
        self.store.release(unused).await?;
        let deadline = Instant::now() + grace;
        while let Ok(Some(done)) =
            tokio::time::timeout_at(deadline, pass.flights.join_next_with_id()).await
        {
            self.land(&mut pass, done);
        }
        pass.flights.shutdown().await;
        let unknown: Vec<DeliveryId> = pass.aboard.values().map(|(id, _)| *id).collect();
        if !unknown.is_empty() {
            let deliveries = unknown.len();
            warn!(sink = %self.name, deliveries, "stopped without a verdict; will be sent again");
            self.store.release(unknown).await?;
        }
        if !pass.settled.is_empty() {
            let settled = self.settle(std::mem::take(&mut pass.settled)).await?;
            pass.drained.dispatch |= settled.dispatch;
        }
        Ok(pass.drained)
    }

    fn lease(&self, limit: usize) -> StoreCall<Vec<Lease>> {
        let (store, name, now) = (Arc::clone(&self.store), self.name.clone(), self.clock.now());
        Box::pin(async move { store.lease_due(&name, now, limit).await })
    }

    fn settle(&self, settled: Vec<Settled>) -> StoreCall<Settlement> {
        failpoint::hit("deliver.before_settle");
        let store = Arc::clone(&self.store);
        Box::pin(async move { store.settle(settled).await })
    }

    fn start_flights(&self, pass: &mut Pass) {
        while pass.flights.len() < self.outlet.concurrency && pass.settled.len() < UNSETTLED_MAX {
            let Some(lease) = pass.queue.pop_front() else { return };
            let (id, attempts) = (lease.delivery.id, lease.delivery.attempts);
            let lane = self.clone();
            let flight = pass.flights.spawn(async move { lane.attempt(lease).await });
            pass.aboard.insert(flight.id(), (id, attempts));
        }
    }

    fn land(
        &self,
        pass: &mut Pass,
        done: Result<(tokio::task::Id, Settled), tokio::task::JoinError>,
    ) {
        let settled = match done {
            Ok((flight, settled)) => {
                pass.aboard.remove(&flight);
                settled
            }
            Err(panic) => {
                let Some((id, attempts)) = pass.aboard.remove(&panic.id()) else { return };
                error!(sink = %self.name, delivery = %id, "the sink panicked; this is a bug");
                self.failed(id, attempts, "internal error: the sink panicked")
            }
        };
        match settled.state {
            DeliveryState::Delivered { .. } => pass.drained.delivered += 1,
            _ => {
                pass.drained.failed += 1;
                pass.failed = true;
            }
        }
        pass.settled.push(settled);
    }

    /// What becomes of a delivery whose attempt ended in a panic.
    fn failed(&self, id: DeliveryId, attempts: u32, detail: &str) -> Settled {
        let now = self.clock.now();
        let verdict = Verdict::Retry { after: None };
        let attempts = attempts.saturating_add(1);
        let outcome = Outcome::from(verdict);
        let last = LastAttempt { at: now, latency_ms: 0, outcome, detail: detail.to_owned() };
        let tries = Tries { attempts, born: now, now };
        let state = after_failure(&self.retry, verdict, tries, jitter(id, attempts));
        Settled { uncertain: true, ..self.settled(id, state, last, now) }
    }

    /// What an attempt came to, without what only some come to.
    fn settled(
        &self,
        id: DeliveryId,
        state: DeliveryState,
        last: LastAttempt,
        at: Timestamp,
    ) -> Settled {
        let rules = self.rules.sink(&self.name);
        Settled {
            id,
            state,
            last,
            at,
            recipients: None,
            body: None,
            message: None,
            uncertain: false,
            asked: false,
            fallback_after: (!rules.fallback.is_empty()).then_some(rules.fallback_after),
        }
    }

    /// Makes one attempt. The only place that logs it.
    async fn attempt(&self, lease: Lease) -> Settled {
        let Lease { delivery, failures, body, original } = lease;
        let span = info_span!(
            "attempt",
            sink = %self.name,
            delivery = %delivery.id,
            notice = %delivery.notice_id,
            attempt = delivery.attempts.saturating_add(1),
        );
        self.send(delivery, failures, body, original).instrument(span).await
    }

    async fn send(
        &self,
        delivery: Delivery,
        failures: Vec<Failure>,
        body: Option<Vec<u8>>,
        original: Option<Original>,
    ) -> Settled {
        let kept = body.is_some();
        failpoint::hit("deliver.before_render");
        let body = body
            .unwrap_or_else(|| self.outlet.sink.render(&notice(&delivery, failures, &self.rules)));
        let started = Instant::now();
        let at = self.clock.now();
        let parcel = Parcel {
            id: &delivery.notice_id,
            body: &body,
            recipients: delivery.recipients.as_deref(),
            original: original.as_ref(),
            now: at,
        };
        failpoint::hit("deliver.before_send");
        let sent = tokio::time::timeout(self.outlet.timeout, self.outlet.sink.send(parcel)).await;
        failpoint::hit("deliver.after_send");
        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let now = self.clock.now();
        let failed = match sent {
            Ok(Ok(receipt @ (Receipt::Whole | Receipt::Kept(_)))) => {
                info!(latency_ms, "delivered");
                let (outcome, detail) = (Outcome::Accepted, "accepted".to_owned());
                let last = LastAttempt { at, latency_ms, outcome, detail };
                let state = DeliveryState::Delivered { at: now };
                let message = match receipt {
                    Receipt::Kept(message) => Some(message),
                    _ => None,
                };
                return Settled { message, ..self.settled(delivery.id, state, last, now) };
            }
            Ok(Ok(Receipt::Part { owed, error, verdict })) => {
                Failed { verdict, detail: error, recipients: Some(owed), uncertain: true }
            }
            Ok(Err(error)) => Failed {
                verdict: error.verdict,
                detail: Chain(&error).to_string(),
                recipients: None,
                uncertain: error.uncertain,
            },
            Err(_elapsed) => {
                let seconds = self.outlet.timeout.as_secs();
                let detail = format!("no answer within {seconds} s");
                let verdict = Verdict::Retry { after: None };
                Failed { verdict, detail, recipients: None, uncertain: true }
            }
        };
        let Failed { verdict, detail, recipients, uncertain } = failed;
        let attempts = delivery.attempts.saturating_add(1);
        let born = delivery.revived_at.unwrap_or(delivery.created_at);
        let tries = Tries { attempts, born, now };
        let state = after_failure(&self.retry, verdict, tries, jitter(delivery.id, attempts));
        log_failure(&state, verdict, &detail, latency_ms);
        let detail = text::clean(&detail, LastAttempt::DETAIL_BYTES_MAX);
        let last = LastAttempt { at, latency_ms, outcome: verdict.into(), detail };
        Settled {
            recipients,
            body: (!kept).then_some(body),
            uncertain,
            asked: matches!(verdict, Verdict::Retry { after: Some(_) }),
            ..self.settled(delivery.id, state, last, now)
        }
    }
}

/// An attempt that the sink did not take, or not wholly.
struct Failed {
    verdict: Verdict,
    detail: String,
    recipients: Option<Vec<String>>,
    uncertain: bool,
}

fn log_failure(state: &DeliveryState, verdict: Verdict, detail: &str, latency_ms: u32) {
    let verdict = verdict.as_str();
    match state {
        DeliveryState::Pending { due } => {
            warn!(latency_ms, verdict, error = detail, next_try = %due, "not delivered");
        }
        DeliveryState::Held { .. } => {
            error!(latency_ms, verdict, error = detail, "not delivered; held for the operator");
        }
        _ => {
            error!(
                latency_ms,
                verdict,
                error = detail,
                "not delivered; dead, too old to try again"
            );
        }
    }
}

/// Spreads attempts of one moment. From the delivery's number, so that nothing is random twice.
fn jitter(id: DeliveryId, attempts: u32) -> Jitter {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&id.0.to_be_bytes());
    hash.update(&attempts.to_be_bytes());
    Jitter(f64::from(hash.finalize()) / f64::from(u32::MAX))
}

/// Puts together what a delivery says. From the record alone, so always the same.
#[must_use]
pub fn notice(delivery: &Delivery, mut failures: Vec<Failure>, rules: &Rules) -> Notice {
    for failure in &mut failures {
        // What the record says now may have changed since the content was fixed.
        let cleared = delivery.cleared.iter().find(|cleared| cleared.id == failure.id);
        failure.cleared_at = cleared.map(|cleared| cleared.at);
        failure.ending = cleared.and_then(|cleared| cleared.ending);
    }
    if let Some(source) = &delivery.source {
        let tasks = delivery.running.iter().cloned();
        failures
            .extend(tasks.map(|task| Failure::of_task(source.clone(), task, delivery.created_at)));
    }
    let source = delivery.source.as_ref().map(|name| rules.info(name));
    Notice {
        id: delivery.notice_id,
        kind: delivery.kind,
        reason: delivery.reason.clone(),
        created_at: delivery.created_at,
        sink: delivery.sink.clone(),
        source,
        sources: delivery.sources.clone(),
        failures,
        total: delivery.total,
        tally: delivery.tally.clone(),
        trouble: delivery.trouble.clone(),
        since: delivery.since,
        so_far: delivery.so_far,
        still_open: delivery.still_open,
        coverage: delivery.coverage,
    }
}
