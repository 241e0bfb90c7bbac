//! Clocks that jump, hosts that sleep, and years that overflow: nothing is lost or told twice.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use taskbell::receiver::HttpAnswer;

use crate::stage::Stage;

/// From now to `instant`.
fn until(instant: &str) -> SignedDuration {
    use taskbell::clock::{Clock as _, SystemClock};
    instant.parse::<Timestamp>().unwrap().duration_since(SystemClock.now())
}

fn told_once(stage: &Stage, ids: &[String], why: &str) {
    let told = stage.told();
    for id in ids {
        let naming: BTreeSet<_> = told
            .iter()
            .filter(|(_, ids)| ids.contains(id))
            .map(|(arrival, _)| (&arrival.id, &arrival.body))
            .collect();
        assert_eq!(naming.len(), 1, "{why}: {id}");
    }
}

/// One failure waits for its next try while the clock jumps, another one comes after the jump.
async fn jump(to: SignedDuration, why: &str) {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    stage.run(&["once"]).await;
    let waiting = stage.fail("before.");
    stage.chat.set_answer(HttpAnswer::status(503));
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(75), "{why}: {output:?}");
    stage.chat.set_answer(HttpAnswer::status(204));
    stage.shift(to);
    let fresh = stage.fail("after.");
    let output = stage.run(&["once"]).await;
    assert!(matches!(output.status.code(), Some(0 | 75)), "{why}: {output:?}");
    told_once(&stage, std::slice::from_ref(&fresh), why);
    if to.is_negative() {
        // What waited for an instant waits until the clock shows it again.
        stage.shift(SignedDuration::ZERO);
    }
    stage.finish().await;
    told_once(&stage, &[waiting, fresh], why);
}

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing() {
    let hour = SignedDuration::from_hours(1);
    jump(hour, "an hour forward").await;
    jump(-hour, "an hour back").await;
    jump(8 * hour, "suspended for eight hours").await;
}

#[tokio::test]
async fn the_end_of_32_bits_and_a_change_of_summer_time_are_days_like_others() {
    jump(until("2038-01-19T03:14:09Z"), "after 2^31 seconds").await;
    jump(until("2106-02-07T06:28:17Z"), "after 2^32 seconds").await;
    jump(until("2027-03-28T01:00:01Z"), "summer time begins in Europe").await;
    jump(until("2027-10-31T01:00:01Z"), "summer time ends in Europe").await;
}
