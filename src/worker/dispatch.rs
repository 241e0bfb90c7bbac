//! From what has to be told to deliveries.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use crate::{
    clock::Clock,
    decide::{group::dispatch, rules::Rules},
    failpoint,
    store::{Store, StoreError},
};

/// Failures per transaction. Bounds memory and the time that the store is busy at once.
const BATCH: usize = 1_000;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dispatched {
    /// Deliveries opened.
    pub opened: usize,
    /// When the next open group closes.
    pub next_close: Option<Timestamp>,
}

/// Dispatches until nothing is left to do now.
///
/// With `close_all`, open groups do not wait for company.
///
/// # Errors
///
/// The store's.
pub async fn run(
    store: &Arc<dyn Store>,
    rules: &Rules,
    clock: &Arc<dyn Clock>,
    close_all: bool,
) -> Result<Dispatched, StoreError> {
    let mut done = Dispatched::default();
    loop {
        let backlog = store.undispatched(BATCH).await?;
        let more = !backlog.seeds.is_empty();
        if !more && backlog.forming.is_empty() {
            done.next_close = None;
            return Ok(done);
        }
        let waiting: Vec<Timestamp> =
            backlog.forming.values().map(|group| group.closes_at).collect();
        let opening = dispatch(backlog, rules, close_all, clock.now());
        if opening.is_empty() {
            done.next_close = waiting.into_iter().min();
            return Ok(done);
        }
        let opened = opening.deliveries.len();
        failpoint::hit("dispatch.before_open");
        store.open_deliveries(opening).await?;
        failpoint::hit("dispatch.after_open");
        if 0 < opened {
            info!(deliveries = opened, "dispatched");
        }
        done.opened += opened;
    }
}
