//! The engine on a thread of its own, and the way to talk to it.
//!
//! sled is known to dislike many writers, and its flush waits for the disk. So one thread owns
//! the store, takes requests in order, and blocks for as long as it likes without holding up the
//! runtime.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::{
    Compacted, DeliveryQuery, DeliverySearch, FailureDetail, FailureQuery, FailureSearch, Found,
    Inspected, Kept, Lease, Ledger, Owed, PollRecord, Reconciled, RunningRecord, Settled,
    Settlement, SourceState, Spoken, Store, StoreError, TimePassed,
    engine::Engine,
    memory::{MemoryDisk, MemoryKv},
    migrate,
    recover::{self, Access, Place},
};
use crate::{
    decide::{
        backlog::{Backlog, Opening},
        diff::Past,
        fold::FoldOrder,
        health::SinkState,
        release::Waiting,
        stuck::RunningMark,
    },
    delivery::{Delivery, DeliveryId},
    failure::{Ack, Failure, FailureId},
    name::Name,
    progress::{Meter, Progress},
    silence::Silence,
    task::TaskKey,
};

/// Requests that may wait for the thread. Each caller waits for its answer, so this is reached
/// only with as many callers; beyond it they wait to ask.
const REQUESTS_MAX: usize = 256;

type Request = Box<dyn FnOnce(&mut Engine) + Send>;

/// A store whose engine runs on a thread of its own. Dropping the last handle closes it.
pub struct Handle {
    meter: Arc<Meter>,
    requests: Option<mpsc::Sender<Request>>,
    process_ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already an error for whoever asked.
            drop(thread.join());
        }
    }
}

/// Opens or makes a store on disk.
///
/// # Errors
///
/// [`StoreError::Held`], [`StoreError::Newer`], [`StoreError::Unreadable`],
/// [`StoreError::Damaged`] or [`StoreError::NotDurable`].
pub async fn open_sled(access: Access<'_>) -> Result<Handle, StoreError> {
    let Access { folder, holder, repair, now } = access;
    let (folder, holder) = (folder.to_owned(), holder.to_owned());
    start(move || recover::open(Access { folder: &folder, holder: &holder, repair, now })).await
}

/// A store that lives in memory.
///
/// # Errors
///
/// Only when no thread can be started.
pub async fn open_memory() -> Result<Handle, StoreError> {
    open_memory_on(&MemoryDisk::default()).await
}

/// A store that lives in memory, on what an earlier one left there.
///
/// # Errors
///
/// When no thread can be started, or as for a store on disk.
pub async fn open_memory_on(disk: &MemoryDisk) -> Result<Handle, StoreError> {
    let disk = disk.clone();
    start(move || {
        let mut kv = MemoryKv { disk };
        migrate::migrate(&mut kv, &migrate::migrations(), "memory")?;
        Engine::open(Box::new(kv), BTreeSet::new())
    })
    .await
}

async fn start(
    open: impl FnOnce() -> Result<Engine, StoreError> + Send + 'static,
) -> Result<Handle, StoreError> {
    let (requests, mut inbox) = mpsc::channel::<Request>(REQUESTS_MAX);
    let (opened, is_open) = oneshot::channel();
    let process_ends = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&process_ends);
    let thread = thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || match open() {
            Ok(mut engine) => {
                let _witness = engine.place.as_ref().map(Place::witness);
                if opened.send(Ok(Arc::clone(&engine.meter))).is_ok() {
                    while let Some(request) = inbox.blocking_recv() {
                        request(&mut engine);
                    }
                    engine.close();
                    if ends.load(Ordering::SeqCst) {
                        // What was committed is on the disk. The database would sync it once more, and
                        // the system does the rest of the tidying.
                        std::mem::forget(engine);
                    }
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        })
        .map_err(|error| StoreError::unreadable("cannot start the store's thread", error))?;
    let meter = is_open.await.map_err(|_| StoreError::Closed)??;
    Ok(Handle { meter, requests: Some(requests), process_ends, thread: Some(thread) })
}

impl Handle {
    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let request: Request = Box::new(move |engine| {
            let result = request(engine);
            if let Err(error) = &result {
                engine.note_damage(error);
            }
            // Nobody waits any more if the caller was dropped; the change happened all the same.
            drop(answer.send(result));
        });
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl Store for Handle {
    async fn ledger(&self, source: &Name) -> Result<Ledger, StoreError> {
        let source = source.clone();
        self.ask(move |engine| engine.ledger(&source)).await
    }

    async fn past(
        &self,
        source: &Name,
        keys: Vec<TaskKey>,
    ) -> Result<BTreeMap<TaskKey, Past>, StoreError> {
        let source = source.clone();
        self.ask(move |engine| engine.past(&source, &keys)).await
    }

    async fn record_poll(&self, poll: PollRecord) -> Result<(), StoreError> {
        self.ask(move |engine| engine.record_poll(poll)).await
    }

    async fn pass_time(&self, passed: TimePassed) -> Result<bool, StoreError> {
        self.ask(move |engine| engine.pass_time(&passed)).await
    }

    async fn running(&self, source: &Name) -> Result<Vec<RunningMark>, StoreError> {
        let source = source.clone();
        self.ask(move |engine| engine.running(&source)).await
    }

    async fn record_running(&self, looked: RunningRecord) -> Result<(), StoreError> {
        self.ask(move |engine| engine.record_running(looked)).await
    }

    async fn note_deleting(&self, source: &Name, ids: Vec<FailureId>) -> Result<(), StoreError> {
        let source = source.clone();
        self.ask(move |engine| engine.note_deleting(&source, ids)).await
    }

    async fn reset_baseline(&self, source: &Name) -> Result<bool, StoreError> {
        let source = source.clone();
        self.ask(move |engine| engine.reset_baseline(&source)).await
    }

    async fn undispatched(&self, limit: usize, closing: Timestamp) -> Result<Backlog, StoreError> {
        self.ask(move |engine| engine.undispatched(limit, closing)).await
    }

    async fn waiting(&self, now: Timestamp) -> Result<Waiting, StoreError> {
        self.ask(move |engine| engine.waiting(now)).await
    }

    async fn fold(&self, order: FoldOrder) -> Result<usize, StoreError> {
        self.ask(move |engine| engine.fold(&order)).await
    }

    async fn open_deliveries(&self, opening: Opening) -> Result<(), StoreError> {
        self.ask(move |engine| engine.open_deliveries(opening)).await
    }

    async fn lease_due(
        &self,
        sink: &Name,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        let sink = sink.clone();
        self.ask(move |engine| engine.lease_due(&sink, now, limit)).await
    }

    async fn next_due(&self, sink: &Name) -> Result<Option<Timestamp>, StoreError> {
        let sink = sink.clone();
        self.ask(move |engine| engine.next_due(&sink)).await
    }

    async fn settle(&self, settled: Vec<Settled>) -> Result<Settlement, StoreError> {
        self.ask(move |engine| engine.settle(settled)).await
    }

    async fn release(&self, ids: Vec<DeliveryId>) -> Result<(), StoreError> {
        self.ask(move |engine| {
            engine.release(&ids);
            Ok(())
        })
        .await
    }

    async fn sweep(&self, cutoff: Timestamp) -> Result<u64, StoreError> {
        self.ask(move |engine| engine.sweep(cutoff)).await
    }

    async fn sources(&self) -> Result<Vec<(Name, SourceState)>, StoreError> {
        self.ask(|engine| {
            Ok(engine.sources.iter().map(|(name, state)| (name.clone(), state.clone())).collect())
        })
        .await
    }

    async fn failures(&self, query: FailureQuery) -> Result<Vec<Failure>, StoreError> {
        self.ask(move |engine| engine.failure_list(&query)).await
    }

    async fn search_failures(&self, search: FailureSearch) -> Result<Found<Failure>, StoreError> {
        self.ask(move |engine| engine.search_failures(&search)).await
    }

    async fn search_deliveries(
        &self,
        search: DeliverySearch,
    ) -> Result<Found<Delivery>, StoreError> {
        self.ask(move |engine| engine.search_deliveries(&search)).await
    }

    async fn spoken(
        &self,
        ids: Vec<FailureId>,
    ) -> Result<BTreeMap<FailureId, Vec<Spoken>>, StoreError> {
        self.ask(move |engine| engine.spoken(&ids)).await
    }

    async fn failure(&self, id: FailureId) -> Result<Option<FailureDetail>, StoreError> {
        self.ask(move |engine| engine.failure(id)).await
    }

    async fn find_task(&self, key: TaskKey) -> Result<Vec<FailureId>, StoreError> {
        self.ask(move |engine| engine.find_task(key)).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        self.ask(move |engine| engine.delivery_list(&query)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.ask(move |engine| engine.delivery(id)).await
    }

    async fn retry(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.ask(move |engine| engine.retry(ids, now)).await
    }

    async fn cancel(
        &self,
        ids: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.ask(move |engine| engine.cancel(ids, now)).await
    }

    async fn dead(
        &self,
        sink: Option<Name>,
        since: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.ask(move |engine| engine.dead(sink.as_ref(), since)).await
    }

    async fn revive(&self, sink: &Name, now: Timestamp) -> Result<(), StoreError> {
        let sink = sink.clone();
        self.ask(move |engine| engine.revive(&sink, now)).await
    }

    async fn add_silence(&self, silence: Silence) -> Result<u64, StoreError> {
        self.ask(move |engine| engine.add_silence(silence)).await
    }

    async fn expire_silence(
        &self,
        number: u64,
        now: Timestamp,
    ) -> Result<Option<Silence>, StoreError> {
        self.ask(move |engine| engine.expire_silence(number, now)).await
    }

    async fn silences(&self) -> Result<Arc<Vec<Silence>>, StoreError> {
        self.ask(|engine| Ok(Arc::clone(&engine.silences))).await
    }

    async fn acknowledge(&self, id: FailureId, ack: Option<Ack>) -> Result<bool, StoreError> {
        self.ask(move |engine| engine.acknowledge(id, ack.as_ref())).await
    }

    async fn sinks(&self) -> Result<BTreeMap<Name, SinkState>, StoreError> {
        self.ask(|engine| Ok(engine.sinks.clone())).await
    }

    async fn reconcile(&self) -> Result<BTreeMap<Name, Reconciled>, StoreError> {
        self.ask(|engine| engine.reconcile()).await
    }

    async fn owed(&self) -> Result<BTreeMap<Name, Owed>, StoreError> {
        self.ask(|engine| engine.owed()).await
    }

    async fn upkeep(&self, every: Duration, now: Timestamp) -> Result<Kept, StoreError> {
        self.ask(move |engine| engine.upkeep(every, now)).await
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        self.ask(Engine::compact).await
    }

    async fn inspect(&self, deep: bool) -> Result<Inspected, StoreError> {
        self.ask(move |engine| engine.inspect(deep)).await
    }

    fn progress(&self) -> Option<Progress> {
        self.meter.now()
    }

    fn process_ends(&self) {
        self.process_ends.store(true, Ordering::SeqCst);
    }
}
