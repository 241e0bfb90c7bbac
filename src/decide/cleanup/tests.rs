use super::*;
use crate::{
    delivery::{DeliveryId, Hold},
    notice::NoticeKind,
    task::Row,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn failure() -> Failure {
    Failure::example(1, &Row { task_id: Some("t".into()), ..Row::default() }, at(0))
}

fn delivery(kind: NoticeKind, state: DeliveryState) -> Delivery {
    Delivery::example(1, kind, state, at(0))
}

#[track_caller]
fn check(states: Vec<DeliveryState>, delivered: bool, expected: Result<(), Stays>) {
    let deliveries: Vec<_> =
        states.into_iter().map(|state| delivery(NoticeKind::TaskFailed, state)).collect();
    let failure = failure();
    let cleanup = Cleanup { after: DAY, delivered, dry_run: false };
    let known = Known { failure: &failure, waits: false, deliveries: &deliveries };
    assert_eq!(cleanup.may_delete(known, at(86_400)), expected, "{deliveries:?}");
}

#[test]
fn only_what_is_owed_to_nobody_may_go() {
    let told = || DeliveryState::Delivered { at: at(5) };
    let folded = DeliveryState::Folded { at: at(5), into: DeliveryId(2), held_by: None };
    check(vec![told()], true, Ok(()));
    check(vec![told(), told()], true, Ok(()));
    check(vec![folded, told()], true, Ok(()));
    check(vec![], true, Err(Stays::Untold));
    check(vec![], false, Ok(()));
    for owed in [
        DeliveryState::Pending { due: at(5) },
        DeliveryState::Held { since: at(5), by: Hold::Storm },
        DeliveryState::Dead { at: at(5) },
    ] {
        check(vec![told(), owed.clone()], true, Err(Stays::Owed));
        check(vec![owed], false, Err(Stays::Owed));
    }
}

#[test]
fn what_is_young_or_gone_or_waits_stays() {
    let deliveries = [delivery(NoticeKind::TaskFailed, DeliveryState::Delivered { at: at(5) })];
    let cleanup = Cleanup { after: DAY, delivered: true, dry_run: false };
    let failure = failure();
    let known = Known { failure: &failure, waits: false, deliveries: &deliveries };
    assert_eq!(cleanup.may_delete(known, at(86_399)), Err(Stays::Young));
    let waits = Known { waits: true, ..known };
    assert_eq!(cleanup.may_delete(waits, at(86_400)), Err(Stays::Owed));
    let cleared = Failure { cleared_at: Some(at(9)), ..failure.clone() };
    let gone = Known { failure: &cleared, ..known };
    assert_eq!(cleanup.may_delete(gone, at(86_400)), Err(Stays::Cleared));
}

#[test]
fn that_it_was_told_as_a_reminder_is_not_that_it_was_told() {
    let deliveries = [delivery(NoticeKind::TaskReminder, DeliveryState::Delivered { at: at(5) })];
    let failure = failure();
    let cleanup = Cleanup { after: DAY, delivered: true, dry_run: false };
    let known = Known { failure: &failure, waits: false, deliveries: &deliveries };
    assert_eq!(cleanup.may_delete(known, at(86_400)), Err(Stays::Untold));
}
