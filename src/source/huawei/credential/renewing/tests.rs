use std::sync::{
    Mutex as SyncMutex,
    atomic::{AtomicI64, Ordering},
};

use super::*;
use crate::{secret::Secret, source::huawei::identity::Proof};

/// Time as the test sets it, in seconds from the start.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Gives what is scripted: a token and its life, or a class of fault. Counts.
#[derive(Debug)]
struct Script(SyncMutex<Vec<Result<(&'static str, i64), FaultClass>>>, Hand);

#[async_trait]
impl Fetch for Script {
    async fn fetch(&self) -> Result<Fetched, Fault> {
        // Others get their turn while one is fetched.
        tokio::task::yield_now().await;
        match self.0.lock().unwrap().remove(0) {
            Err(class) => Err(Fault::new(class, false, "no")),
            Ok((token, life)) => Ok(Fetched {
                identity: Identity::of(Proof::Token(Secret::new(token.to_owned()))),
                expires_at: self.1.now() + SignedDuration::from_secs(life),
            }),
        }
    }

    fn seal(&self) -> Option<Seal> {
        Some(Seal::of(&["script"]))
    }
}

fn renewing(
    script: Vec<Result<(&'static str, i64), FaultClass>>,
) -> (Renewing<Script>, impl Fn(i64)) {
    let hand = Hand::default();
    let clock = hand.clone();
    let script = Script(SyncMutex::new(script), hand.clone());
    let renewing = Renewing::new(script, Arc::new(clock), &Standings::default());
    (renewing, move |second| hand.0.store(second, Ordering::Relaxed))
}

fn word(result: Result<Arc<Identity>, Fault>) -> String {
    match result {
        Ok(identity) => identity.secrets().concat(),
        Err(fault) => format!("{}: {}", fault.error.class.as_str(), fault.error),
    }
}

#[tokio::test]
async fn it_is_fetched_once_and_renewed_before_it_expires() {
    let (renewing, at) = renewing(vec![Ok(("a", 3600)), Ok(("b", 60))]);
    let (one, two) = tokio::join!(renewing.identity(), renewing.identity());
    assert_eq!([word(one), word(two)], ["a", "a"]);
    for (second, expected) in [(2999, "a"), (3000, "b"), (3029, "b")] {
        at(second);
        assert_eq!(word(renewing.identity().await), expected, "{second}");
    }
}

#[tokio::test]
async fn an_old_one_is_used_to_its_end_if_there_is_no_new_one() {
    let down = || Err(FaultClass::Upstream);
    let (renewing, at) = renewing(vec![Ok(("a", 3600)), down(), down(), Ok(("b", 3600))]);
    assert_eq!(word(renewing.identity().await), "a");
    at(3599);
    assert_eq!(word(renewing.identity().await), "a");
    at(3600);
    assert_eq!(word(renewing.identity().await), "upstream: no");
    assert_eq!(word(renewing.identity().await), "b");
}

#[tokio::test]
async fn a_refused_log_in_is_repeated_seldom() {
    let no = || Err(FaultClass::Auth);
    let (renewing, at) = renewing(vec![no(), no(), Ok(("a", 3600))]);
    for (second, expected) in [
        (0, "auth: no"),
        (59, "auth: no; not asked again before 1970-01-12T13:47:40Z"),
        (60, "auth: no"),
        (179, "auth: no; not asked again before 1970-01-12T13:49:40Z"),
        (180, "a"),
    ] {
        at(second);
        assert_eq!(word(renewing.identity().await), expected, "{second}");
    }
}

#[tokio::test]
async fn one_that_the_cloud_refuses_is_replaced_once() {
    let (renewing, at) =
        renewing(vec![Ok(("a", 3600)), Ok(("b", 3600)), Ok(("b", 3600)), Ok(("c", 3600))]);
    let a = renewing.identity().await.unwrap();
    // However many met the refusal.
    let (one, two) = tokio::join!(renewing.renew(&a), renewing.renew(&a));
    let (b, other) = (one.unwrap().unwrap(), two.unwrap().unwrap());
    assert!(Arc::ptr_eq(&b, &other));
    assert_eq!(b.secrets(), ["b"]);
    // Refused at once: another one would not help.
    assert!(renewing.renew(&b).await.unwrap().is_none());
    at(300);
    // The same again is no other one.
    assert!(renewing.renew(&b).await.unwrap().is_none());
    at(700);
    let b = renewing.identity().await.unwrap();
    assert_eq!(renewing.renew(&b).await.unwrap().unwrap().secrets(), ["c"]);
}
