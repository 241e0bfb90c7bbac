//! Which deliveries speak for which failures, both ways.
//!
//! A delivery lists at most a hundred failures in its record. Of a larger one, all members are
//! kept beside it; and each failure knows the deliveries that speak for it, so that neither a
//! cleared failure nor a question of the operator reads the history.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Spoken, StoreError,
    engine::{Lane, Mention, deliveries, mentions, told},
    kv::{Tree, Txn},
    pages::{Edit, decode, encode},
};
use crate::{
    decide::backlog::{Fate, Told},
    delivery::{Delivery, DeliveryId, DeliveryState},
    failure::FailureId,
    name::Name,
};

/// Members per value: with differences of one to three bytes, a page of sled.
const PART_MEMBERS: usize = 1_000;

/// Most times that a delivery went into another one, which went into another one, … Each needs a
/// hold or an outage of its own, so a longer way is a damaged store.
const FOLDS_MAX: usize = 64;

fn part_key(delivery: u64, part: u16) -> Vec<u8> {
    [delivery.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}

/// Stages all members of a delivery, ascending.
pub(super) fn put_members(txn: &mut Txn<'_>, delivery: DeliveryId, members: &[FailureId]) {
    for (part, ids) in (0..=u16::MAX).zip(members.chunks(PART_MEMBERS)) {
        let mut last = 0;
        let differences: Vec<u64> = ids
            .iter()
            .map(|id| {
                let difference = id.0.saturating_sub(last);
                last = id.0;
                difference
            })
            .collect();
        txn.put(Tree::Member, part_key(delivery.0, part), encode(&differences));
    }
}

/// All failures that a delivery speaks for, ascending.
pub(super) fn members(txn: &Txn<'_>, delivery: &Delivery) -> Result<Vec<FailureId>, StoreError> {
    let listed = u32::try_from(delivery.failures.len()).unwrap_or(u32::MAX);
    if delivery.total <= listed {
        return Ok(delivery.failures.clone());
    }
    let mut all = Vec::new();
    for part in 0..=u16::MAX {
        let Some(bytes) = txn.get(Tree::Member, &part_key(delivery.id.0, part))? else { break };
        let differences: Vec<u64> = decode(Tree::Member, &bytes)?;
        let mut last = 0;
        all.extend(differences.into_iter().map(|difference| {
            last += difference;
            FailureId(last)
        }));
    }
    Ok(all)
}

/// Stages the end of a delivery's own list.
pub(super) fn remove_members(txn: &mut Txn<'_>, delivery: &Delivery) -> Result<(), StoreError> {
    let listed = u32::try_from(delivery.failures.len()).unwrap_or(u32::MAX);
    if delivery.total <= listed {
        return Ok(());
    }
    for part in 0..=u16::MAX {
        let key = part_key(delivery.id.0, part);
        if txn.get(Tree::Member, &key)?.is_none() {
            break;
        }
        txn.remove(Tree::Member, key);
    }
    Ok(())
}

/// New mentions: the deliveries by failure.
pub(super) type NewMentions = BTreeMap<u64, Vec<u64>>;

/// Stages `new` beside the mentions that there are.
pub(super) fn mention(txn: &mut Txn<'_>, new: NewMentions) -> Result<(), StoreError> {
    let known = mentions().get_many(txn, new.keys().copied())?;
    let mut known: BTreeMap<u64, Vec<u64>> =
        known.into_iter().map(|one| (one.failure, one.deliveries)).collect();
    let edits = new.into_iter().map(|(failure, added)| {
        let mut deliveries = known.remove(&failure).unwrap_or_default();
        deliveries.extend(added);
        Edit::Put(Mention { failure, deliveries })
    });
    let edits = edits.collect();
    mentions().edit(txn, edits)
}

/// Deliveries by number, done or not. Absent ones are left out.
pub(super) fn load(
    txn: &Txn<'_>,
    numbers: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Delivery>, StoreError> {
    let mut found: BTreeMap<u64, Delivery> = BTreeMap::new();
    for record in deliveries().get_many(txn, numbers.iter().copied())? {
        found.insert(record.id.0, record);
    }
    let rest: Vec<u64> =
        numbers.iter().copied().filter(|number| !found.contains_key(number)).collect();
    for record in told().get_many(txn, rest)? {
        found.insert(record.id.0, record);
    }
    Ok(found)
}

/// Follows a delivery to the one that it went into at last.
fn follow<'a>(
    txn: &Txn<'_>,
    known: &'a mut BTreeMap<u64, Delivery>,
    from: u64,
) -> Result<Option<&'a Delivery>, StoreError> {
    let mut at = from;
    for _ in 0..FOLDS_MAX {
        if !known.contains_key(&at) {
            known.extend(load(txn, &BTreeSet::from([at]))?);
        }
        match known.get(&at).map(|delivery| &delivery.state) {
            Some(DeliveryState::Folded { into, .. }) => at = into.0,
            Some(_) => return Ok(known.get(&at)),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// For each of `ids`, which are ascending, the last word about it to each sink.
pub(super) fn spoken(
    txn: &Txn<'_>,
    ids: &[FailureId],
) -> Result<BTreeMap<FailureId, Vec<Spoken>>, StoreError> {
    let found = mentions().get_many(txn, ids.iter().map(|id| id.0))?;
    let numbers: BTreeSet<u64> = found.iter().flat_map(|one| &one.deliveries).copied().collect();
    let mut known = load(txn, &numbers)?;
    let mut all = BTreeMap::new();
    for Mention { failure, deliveries } in found {
        let mut last: BTreeMap<Name, Spoken> = BTreeMap::new();
        for number in deliveries {
            if !known.get(&number).is_some_and(|delivery| delivery.kind.tells_failures()) {
                continue;
            }
            let Some(end) = follow(txn, &mut known, number)? else { continue };
            let Delivery { id: delivery, sink, state, .. } = end;
            let spoken = Spoken { delivery: *delivery, sink: sink.clone(), state: state.clone() };
            last.insert(sink.clone(), spoken);
        }
        all.insert(FailureId(failure), last.into_values().collect());
    }
    Ok(all)
}

/// For each of `ids`, which are ascending, who was told, or is to be told, that it failed.
pub(super) fn fates(
    txn: &Txn<'_>,
    lanes: &BTreeMap<Name, Lane>,
    ids: &[FailureId],
) -> Result<BTreeMap<FailureId, Vec<Told>>, StoreError> {
    let found = mentions().get_many(txn, ids.iter().map(|id| id.0))?;
    let numbers: BTreeSet<u64> = found.iter().flat_map(|one| &one.deliveries).copied().collect();
    let mut known = load(txn, &numbers)?;
    let mut fates = BTreeMap::new();
    for Mention { failure, deliveries } in found {
        let id = FailureId(failure);
        let mut mine: Vec<Told> = Vec::new();
        for number in deliveries {
            if !known.get(&number).is_some_and(|delivery| delivery.kind.tells_failures()) {
                continue;
            }
            let Some(end) = follow(txn, &mut known, number)? else { continue };
            if mine.iter().any(|told| told.delivery == end.id) {
                continue;
            }
            let number = end.id.0;
            let sent = lanes.get(&end.sink).is_some_and(|lane| {
                lane.leased.contains_key(&number) || lane.doubtful.contains(&number)
            });
            let fate = match &end.state {
                DeliveryState::Pending { .. } => Fate::Pending {
                    amendable: !sent && !end.uncertain && end.failures.contains(&id),
                },
                DeliveryState::Held { by, .. } => Fate::Held(by.clone()),
                DeliveryState::Delivered { .. } => Fate::Delivered,
                _ => Fate::Over,
            };
            mine.push(Told { delivery: end.id, sink: end.sink.clone(), fate });
        }
        fates.insert(id, mine);
    }
    Ok(fates)
}
