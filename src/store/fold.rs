//! Folds: many deliveries become one, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use super::{
    StoreError,
    engine::{Counters, Engine, Lane, deliveries, failures, told},
    kv::{Kv, Tree, Txn},
    mention::members,
    outbox::{Staged, suppress},
    pages::{Edit, decode, encode},
    settle::{remind_key, remove_body},
};
use crate::{
    decide::{
        fold::{Afterwards, DELIVERIES_MAX, FoldOrder, Folded, Folder, Heritage, What},
        health::SinkState,
        release::{HoldView, SinkView, Waiting},
        remind,
    },
    delivery::{
        Delivery, DeliveryId, DeliveryState, Hold, LastAttempt, Reason, Remind, Suppressed,
    },
    failure::FailureId,
    name::Name,
    notice::NoticeId,
};

/// Failures that are read at once: some hundred KiB.
const STEP: usize = 512;

/// Reminders per look. More are found by the next one.
const REMINDERS_MAX: usize = 100;

impl Engine {
    /// Everything that the clock may have made due.
    pub(super) fn waiting(&mut self, now: Timestamp) -> Result<Waiting, StoreError> {
        self.check()?;
        let mut waiting = Waiting::default();
        for (sink, lane) in self.lanes.iter().filter(|(_, lane)| !lane.held.is_empty()) {
            let view = waiting.sinks.entry(sink.clone()).or_default();
            view.holds =
                lane.held.iter().map(|(hold, held)| (hold.clone(), hold_view(held))).collect();
        }
        for (sink, state) in &self.sinks {
            let view: &mut SinkView = waiting.sinks.entry(sink.clone()).or_default();
            view.state = state.clone();
        }
        let mut due = Vec::new();
        let until = now.as_millisecond();
        self.kv.scan(Tree::Remind, &[], &mut |key, _| {
            let Some((at, id)) = split_remind(key) else {
                return Ok(ControlFlow::Continue(()));
            };
            if until < at || REMINDERS_MAX <= due.len() {
                waiting.next_reminder = Timestamp::from_millisecond(at).ok();
                return Ok(ControlFlow::Break(()));
            }
            due.push((at, id));
            Ok(ControlFlow::Continue(()))
        })?;
        let txn = Txn::new(&mut *self.kv);
        let records = super::mention::load(&txn, &due.iter().map(|(_, id)| *id).collect())?;
        let reminders = due.into_iter().filter_map(|(at, id)| {
            let sink = records.get(&id)?.sink.clone();
            Some((Timestamp::from_millisecond(at).ok()?, DeliveryId(id), sink))
        });
        waiting.reminders = reminders.collect();
        Ok(waiting)
    }

    /// Carries out a fold. Returns how many deliveries it opened.
    pub(super) fn fold(&mut self, order: &FoldOrder) -> Result<usize, StoreError> {
        self.check()?;
        let views = self.views();
        let state = self.sinks.get(&order.from).cloned().unwrap_or_default();
        let chosen = choose(&mut *self.kv, &self.lanes, order)?;
        // What may have been accepted must stay as it is, and what does not tell of failures
        // cannot be told as a number of them: they are tried again by themselves.
        let (resumed, chosen): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|record| {
            order.ends() && (record.uncertain || !record.kind.tells_failures())
        });
        let mut folding = Folding {
            chosen,
            resumed,
            txn: Txn::new(&mut *self.kv),
            order,
            counters: self.counters.clone(),
            staged: Staged::default(),
        };
        // A backlog of more than one notice holds goes on being caught up.
        let whole = folding.chosen.len() + folding.resumed.len() < DELIVERIES_MAX;
        let afterwards = match order.afterwards {
            Afterwards::CaughtUp if !whole => Afterwards::Nothing,
            other => other,
        };
        let storm_told = state.storm.map_or(0, |storm| storm.told);
        let folded = folding.gather(storm_told, &views)?;
        let opened = folded.opened.len();
        let total = folded.opened.iter().map(|one| one.delivery.total).sum();
        let result = folding.write(folded, state.folded(afterwards, total, order.at));
        let Folding { counters, chosen, resumed, .. } = folding;
        let (filed, state) = self.note(result)?;
        self.counters = counters;
        self.sinks.insert(order.from.clone(), state);
        if order.ends() {
            for record in chosen.into_iter().chain(resumed) {
                let lane = self.lanes.entry(record.sink.clone()).or_default();
                lane.forget(record.id.0, &record.state);
            }
        }
        self.file(filed);
        Ok(opened)
    }
}

impl FoldOrder {
    /// Whether the folded deliveries end with it.
    fn ends(&self) -> bool {
        matches!(self.what, What::Held(_) | What::Pending)
    }
}

fn hold_view(held: &BTreeMap<u64, u32>) -> HoldView {
    HoldView {
        deliveries: held.len(),
        failures: held.values().map(|total| u64::from(*total)).sum(),
    }
}

fn split_remind(key: &[u8]) -> Option<(i64, u64)> {
    let (due, id) = key.split_at_checked(8)?;
    let due = u64::from_be_bytes(due.try_into().ok()?);
    Some((i64::try_from(due).ok()?, u64::from_be_bytes(id.try_into().ok()?)))
}

/// The deliveries that an order is about, ascending.
fn choose(
    kv: &mut dyn Kv,
    lanes: &BTreeMap<Name, Lane>,
    order: &FoldOrder,
) -> Result<Vec<Delivery>, StoreError> {
    let lane = lanes.get(&order.from);
    let pending = || -> BTreeSet<u64> {
        lane.into_iter().flat_map(|lane| &lane.due).map(|(_, number)| *number).collect()
    };
    let some = |numbers: BTreeSet<u64>| numbers.into_iter().take(DELIVERIES_MAX);
    match &order.what {
        What::Held(by) => {
            let held = lane.and_then(|lane| lane.held.get(by));
            let numbers = held.into_iter().flat_map(|held| held.keys().copied()).collect();
            deliveries().get_many(&Txn::new(kv), some(numbers))
        }
        What::Pending => {
            let mut records = deliveries().get_many(&Txn::new(kv), some(pending()))?;
            records.retain(|record| {
                let doubtful = lane.is_some_and(|lane| lane.doubtful.contains(&record.id.0));
                record.kind.tells_failures() && !record.uncertain && !doubtful
            });
            Ok(records)
        }
        What::Again { delivery, .. } => {
            Ok(told().get(&Txn::new(kv), delivery.0)?.into_iter().collect())
        }
        What::Overdue(before) => {
            let mut records = Vec::new();
            deliveries().scan(&*kv, 0, |record| {
                let born = record.revived_at.unwrap_or(record.created_at);
                let refused = record.last.as_ref().is_some_and(LastAttempt::is_refused);
                let owed = match record.state {
                    DeliveryState::Dead { .. } | DeliveryState::Held { by: Hold::Disabled, .. } => {
                        true
                    }
                    DeliveryState::Pending { .. } => refused || born <= *before,
                    _ => false,
                };
                if owed && !record.alarmed && record.sink == order.from {
                    records.push(record);
                }
                if records.len() < DELIVERIES_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            Ok(records)
        }
    }
}

/// A fold on its way into the store.
struct Folding<'a> {
    txn: Txn<'a>,
    order: &'a FoldOrder,
    chosen: Vec<Delivery>,
    /// Held ones that are let go as they are.
    resumed: Vec<Delivery>,
    counters: Counters,
    staged: Staged,
}

/// What to note in memory, and the sink's next state.
type Written = (Vec<(Name, DeliveryId, DeliveryState, u32)>, SinkState);

impl Folding<'_> {
    /// Feeds the failures of the chosen deliveries to the decision.
    fn gather(
        &mut self,
        storm_told: u32,
        views: &BTreeMap<Name, crate::decide::backlog::SourceView>,
    ) -> Result<Folded, StoreError> {
        let mut ids = BTreeSet::new();
        for record in &self.chosen {
            let origin = record.remind.and_then(|remind| remind.of);
            let told = match origin.filter(|_| matches!(self.order.what, What::Again { .. })) {
                // A reminder may have left out what a silence held at that time.
                Some(origin) => told().get(&self.txn, origin.0)?,
                None => None,
            };
            ids.extend(members(&self.txn, told.as_ref().unwrap_or(record))?);
        }
        let ids: Vec<FailureId> = ids.into_iter().collect();
        let mut folder = Folder::new(self.order);
        for step in ids.chunks(STEP) {
            for failure in failures().get_many(&self.txn, step.iter().map(|id| id.0))? {
                let key = failure.id.0.to_be_bytes();
                let ack = self.txn.get(Tree::Ack, &key)?;
                folder.take(&failure, ack.is_some());
            }
        }
        let again = matches!(self.order.what, What::Again { .. });
        let remind = self.chosen.iter().find_map(|record| record.remind).map(|remind| Remind {
            sent: if again { remind.sent.saturating_add(1) } else { remind.sent },
            of: match &self.order.what {
                What::Again { delivery, .. } => remind.of.or(Some(*delivery)),
                _ => None,
            },
            ..remind
        });
        let mut heritage = Heritage {
            route: self.chosen.first().map_or(0, |record| record.route),
            remind: if matches!(self.order.what, What::Overdue(_)) { None } else { remind },
            so_far: storm_told,
            deliveries: self.chosen.len(),
            blind: BTreeSet::new(),
            origin: NoticeId::joined(self.chosen.iter().map(|record| &record.notice_id))
                .to_string(),
        };
        self.chosen.iter().for_each(|record| heritage.add_blind(record, views));
        if matches!(self.order.what, What::Overdue(_)) {
            self.inform(&heritage.blind)?;
        }
        Ok(folder.finish(&heritage, views))
    }

    /// Remembers that those to whom this is told hear that the sources are blind. They are to hear
    /// that they are seen again, too.
    fn inform(&mut self, blind: &BTreeSet<Name>) -> Result<(), StoreError> {
        for source in blind {
            let key = source.as_str().as_bytes();
            let mut informed: BTreeSet<Name> = match self.txn.get(Tree::Informed, key)? {
                Some(bytes) => decode(Tree::Informed, &bytes)?,
                None => BTreeSet::new(),
            };
            informed.extend(self.order.to.iter().cloned());
            self.txn.put(Tree::Informed, key.to_vec(), encode(&informed));
        }
        Ok(())
    }

    fn write(&mut self, folded: Folded, mut next: SinkState) -> Result<Written, StoreError> {
        let opened_total: u64 = folded.opened.iter().map(|one| u64::from(one.delivery.total)).sum();
        let mut first = None;
        let empty = folded.opened.is_empty();
        for opened in folded.opened {
            let id = self.staged.open(&mut self.txn, &mut self.counters, opened);
            first = first.or(Some(id));
        }
        if let Some(storm) = &mut next.storm {
            storm.last = first.or(storm.last);
        }
        for (id, why) in &folded.dropped {
            let sink = Some(self.order.from.clone());
            let suppressed = Suppressed { at: self.order.at, sink, why: why.clone() };
            suppress(&mut self.txn, *id, suppressed)?;
        }
        let dropped = u64::try_from(folded.dropped.len()).unwrap_or(u64::MAX);
        if self.order.ends() {
            let before: u64 = self.chosen.iter().map(|record| u64::from(record.total)).sum();
            let totals = self.counters.of(&self.order.from);
            totals.suppressed += dropped;
            // What two of them named is told once.
            totals.merged += before.saturating_sub(dropped + opened_total);
        }
        let why = folded.dropped.into_iter().next().map_or(Reason::Cleared, |(_, why)| why);
        match self.order.what {
            What::Held(_) | What::Pending => self.end(first, &why)?,
            What::Again { delivery, due } => self.remind_on(delivery, due, empty)?,
            What::Overdue(_) => {
                for record in &self.chosen {
                    self.staged.change(Edit::Put(Delivery { alarmed: true, ..record.clone() }));
                }
            }
        }
        for record in &self.resumed {
            let state = DeliveryState::Pending { due: self.order.at };
            self.staged.resume(Delivery { state, ..record.clone() });
        }
        let filed = std::mem::take(&mut self.staged).write(&mut self.txn)?;
        Engine::put_sink(&mut self.txn, &self.order.from, &next);
        Engine::put_counters(&mut self.txn, &self.counters);
        self.txn.commit()?;
        Ok((filed, next))
    }

    /// Ends the chosen deliveries: another one speaks for them, or nobody does.
    fn end(&mut self, into: Option<DeliveryId>, why: &Reason) -> Result<(), StoreError> {
        let at = self.order.at;
        let held_by = match &self.order.what {
            What::Held(hold) => Some(hold.clone()),
            _ => None,
        };
        let mut done = Vec::with_capacity(self.chosen.len());
        for record in &self.chosen {
            if 0 < record.attempts {
                remove_body(&mut self.txn, record.id)?;
            }
            let state = match into {
                Some(into) => DeliveryState::Folded { at, into, held_by: held_by.clone() },
                None => DeliveryState::Suppressed { at, why: why.clone() },
            };
            self.staged.change(Edit::Remove(record.id.0));
            done.push(Edit::Put(Delivery { state, ..record.clone() }));
        }
        told().edit(&mut self.txn, done)
    }

    /// Forgets a reminder that was due. If something else keeps it quiet for now, it comes back.
    fn remind_on(&mut self, id: DeliveryId, due: Timestamp, empty: bool) -> Result<(), StoreError> {
        self.txn.remove(Tree::Remind, remind_key(due.as_millisecond(), id));
        let Some(record) = self.chosen.first() else { return Ok(()) };
        if empty && self.stands(record)? {
            let next =
                record.remind.as_ref().and_then(|remind| remind::next(remind, self.order.at));
            if let Some(next) = next {
                self.txn.put(Tree::Remind, remind_key(next.as_millisecond(), id), Vec::new());
            }
        }
        Ok(())
    }

    /// Whether any failure of a delivery stands and is not acknowledged.
    fn stands(&self, record: &Delivery) -> Result<bool, StoreError> {
        let ids = members(&self.txn, record)?;
        for step in ids.chunks(STEP) {
            for failure in failures().get_many(&self.txn, step.iter().map(|id| id.0))? {
                let acked = self.txn.get(Tree::Ack, &failure.id.0.to_be_bytes())?.is_some();
                if failure.cleared_at.is_none() && !acked {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
