//! The message that told a sink first, for what it is told later.
//!
//! Kept beside the deliveries and not in them: most sinks have none, and what they cost should
//! not be more for that. It goes when the delivery is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    StoreError,
    engine::mentions,
    kv::{Tree, Txn},
    mention::load,
};
use crate::{
    delivery::{Delivery, DeliveryId},
    message::{MessageRef, Original},
    notice::NoticeKind,
};

/// Stages where the message of a delivery is.
pub(super) fn put_message(txn: &mut Txn<'_>, id: DeliveryId, message: &MessageRef) {
    let key = id.0.to_be_bytes().to_vec();
    txn.put(Tree::Message, key, message.as_str().as_bytes().to_vec());
}

/// Stages the end of that.
pub(super) fn remove_message(txn: &mut Txn<'_>, id: DeliveryId) -> Result<(), StoreError> {
    let key = id.0.to_be_bytes().to_vec();
    if txn.get(Tree::Message, &key)?.is_some() {
        txn.remove(Tree::Message, key);
    }
    Ok(())
}

fn message(txn: &Txn<'_>, number: u64) -> Result<Option<MessageRef>, StoreError> {
    let bytes = txn.get(Tree::Message, &number.to_be_bytes())?;
    // What cannot be read is as good as none.
    Ok(bytes.and_then(|bytes| MessageRef::parse(String::from_utf8(bytes).ok()?)))
}

/// The one message by which the sink was told last of all that `delivery` lists, if that is
/// about what was told before.
pub(super) fn original(txn: &Txn<'_>, delivery: &Delivery) -> Result<Option<Original>, StoreError> {
    if !matches!(delivery.kind, NoticeKind::TaskCleared | NoticeKind::TaskReminder) {
        return Ok(None);
    }
    let found = mentions().get_many(txn, delivery.failures.iter().map(|id| id.0))?;
    let numbers: BTreeSet<u64> = found.iter().flat_map(|one| &one.deliveries).copied().collect();
    let mut messages = BTreeMap::new();
    for number in numbers {
        if let Some(message) = message(txn, number)? {
            messages.insert(number, message);
        }
    }
    // So it is for most sinks, and no delivery was read for it.
    if messages.is_empty() || found.len() != delivery.failures.len() {
        return Ok(None);
    }
    let mut known = load(txn, &messages.keys().copied().collect())?;
    known.retain(|_, told| told.sink == delivery.sink);
    let told_by = found
        .iter()
        .map(|one| one.deliveries.iter().rev().find(|number| known.contains_key(number)).copied());
    let told_by: BTreeSet<Option<u64>> = told_by.collect();
    let (Some(Some(number)), 1) = (told_by.first().copied(), told_by.len()) else {
        return Ok(None);
    };
    let (Some(told), Some(message)) = (known.get(&number), messages.remove(&number)) else {
        return Ok(None);
    };
    let listed = u32::try_from(delivery.failures.len()).unwrap_or(u32::MAX);
    let over = delivery.kind == NoticeKind::TaskCleared && listed == told.total;
    Ok(Some(Original { message, over }))
}

#[cfg(test)]
mod tests {
    use super::{super::memory::MemoryKv, *};

    #[test]
    fn a_message_is_kept_beside_its_delivery_until_that_is_forgotten() {
        let mut kv = MemoryKv::default();
        let place = MessageRef::parse("C01/7".to_owned()).unwrap();
        let mut txn = Txn::new(&mut kv);
        put_message(&mut txn, DeliveryId(7), &place);
        txn.commit().unwrap();
        let mut txn = Txn::new(&mut kv);
        assert_eq!(message(&txn, 7).unwrap(), Some(place));
        for id in [DeliveryId(7), DeliveryId(8)] {
            remove_message(&mut txn, id).unwrap();
        }
        txn.commit().unwrap();
        assert_eq!(message(&Txn::new(&mut kv), 7).unwrap(), None);
    }
}
