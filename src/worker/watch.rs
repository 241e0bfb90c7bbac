//! Watches the watch: says that a source is blind even if its polls neither end nor begin.
//!
//! That polls go wrong is noticed with the record of a poll. This loop is for what leaves no
//! record: a poll that hangs until its time is up, or that waits for its turn.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Worker;
use crate::{
    source::FaultClass,
    store::{StoreError, TimePassed},
};

/// Shortest and longest time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(100);
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Looks at every source once. Returns whether one became blind, and when the next one would.
///
/// # Errors
///
/// The store's.
pub async fn look(
    worker: &Worker,
    started: Timestamp,
) -> Result<(bool, Option<Timestamp>), StoreError> {
    let now = worker.clock.now();
    let known = worker.store.sources().await?;
    let (mut any, mut next) = (false, None::<Timestamp>);
    for watched in worker.sources.iter() {
        let (source, rule) = (watched.source.info().name.clone(), watched.sight_rule());
        let Some((_, state)) = known.iter().find(|(name, _)| *name == source) else { continue };
        if state.sight.blind_since().is_some() {
            continue;
        }
        let last = state.last_complete_at;
        let Some(due) = state.sight.blind_at(last, &state.coverage, rule, started) else {
            continue;
        };
        if now < due {
            next = Some(next.map_or(due, |next| next.min(due)));
            continue;
        }
        let advice = FaultClass::of_word(&state.outcome).map_or("", FaultClass::advice).to_owned();
        let passed = TimePassed { source: source.clone(), now, started, rule, advice };
        if worker.store.pass_time(passed).await? {
            warn!(%source, "blind: no complete poll came in time");
            any = true;
        }
    }
    Ok((any, next))
}

/// Looks until `stop`, and calls `woke` when a source became blind.
///
/// # Errors
///
/// The store's.
pub async fn watch(
    worker: Worker,
    stop: CancellationToken,
    woke: impl Fn(),
) -> Result<(), StoreError> {
    let started = worker.clock.now();
    loop {
        let (any, next) = look(&worker, started).await?;
        if any {
            woke();
        }
        let now = worker.clock.now();
        let wait = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait.unwrap_or(LOOK_MAX).clamp(LOOK_MIN, LOOK_MAX)) => {}
        }
    }
}
