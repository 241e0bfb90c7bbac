use std::{os::unix::fs::MetadataExt as _, sync::Arc};

use super::*;
use crate::{
    secret::Secret,
    source::huawei::{
        fault::Fault,
        identity::{Identity, Proof},
        strikes::Strikes,
    },
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn keys(secret: &str) -> Arc<Identity> {
    let of = |text: &str| Secret::new(text.to_owned());
    let (access, secret) = (of("AKs3cret"), of(secret));
    Arc::new(Identity::of(Proof::Keys { access, secret, token: None }))
}

fn refused() -> Fault {
    Fault::new(FaultClass::Auth, false, "the cloud answered 401")
}

fn standings(path: &Path, heeded: bool) -> Standings {
    let path = path.to_owned();
    Standings::at(|| Some(path), heeded)
}

/// What a new process knows that heeds `path`.
fn process(path: &Path) -> Strikes {
    Strikes::remembered(standings(path, true), "cloud.example")
}

#[test]
fn refusals_are_counted_over_processes_until_the_key_is_changed_or_taken() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("credentials");
    let (wrong, right) = (keys("SKwrong"), keys("SKright"));
    for minute in 0..3 {
        let mut strikes = process(&path);
        strikes.check(&wrong, at(minute * 60)).unwrap();
        strikes.note(&wrong, Some(&refused()), at(minute * 60));
    }
    let fault = process(&path).check(&wrong, at(180)).unwrap_err();
    assert_eq!(
        fault.error.to_string(),
        "the cloud answered 401; refused 3 times in a row, not asked again before \
         2026-11-18T11:18:40Z"
    );
    process(&path).check(&right, at(180)).unwrap();
    // The same key at another cloud is another key.
    Strikes::remembered(standings(&path, true), "other.example").check(&wrong, at(180)).unwrap();
    // By hand it is shown all the same, and one refused by hand is not counted; one taken ends it.
    let mut by_hand = Strikes::remembered(standings(&path, false), "cloud.example");
    by_hand.check(&wrong, at(181)).unwrap();
    by_hand.note(&wrong, Some(&refused()), at(181));
    process(&path).check(&wrong, at(182)).unwrap_err();
    by_hand.note(&wrong, None, at(183));
    process(&path).check(&wrong, at(184)).unwrap();
    assert!(process(&path).was_taken(&wrong, at(184)));
    assert!(!process(&path).was_taken(&right, at(184)));
}

#[test]
fn that_a_key_was_taken_holds_for_a_day_and_is_noted_once_an_hour() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("credentials");
    let key = keys("SK");
    let mut strikes = process(&path);
    let hour = 3600;
    strikes.note(&key, None, at(0));
    let first = fs::metadata(&path).unwrap().ino();
    strikes.note(&key, None, at(hour - 1));
    process(&path).note(&key, None, at(hour - 1));
    assert_eq!(fs::metadata(&path).unwrap().ino(), first, "the file was not written again");
    assert!(process(&path).was_taken(&key, at(24 * hour - 1)));
    assert!(!process(&path).was_taken(&key, at(24 * hour)));
    strikes.note(&key, None, at(hour));
    assert!(process(&path).was_taken(&key, at(24 * hour)));
}

#[test]
fn the_file_is_closed_bounded_and_holds_no_secret() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("credentials");
    let kept = standings(&path, true);
    for nth in 0..i64::try_from(KEPT_MAX).unwrap() + 10 {
        kept.taken(&Seal::of(&[&nth.to_string()]), None, at(nth));
    }
    process(&path).note(&keys("SKs3cret"), Some(&refused()), at(1000));
    let long = Refusals::new((1, at(1000)), FaultClass::AccountFrozen, &"frozen ".repeat(1000));
    let password = Seal::guarded(&["iam.example", "domain", "user"], "s3cret");
    kept.refused(&password, &long);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let all = read(&path);
    assert_eq!(all.len(), KEPT_MAX);
    assert!(!all.contains_key(&Seal::of(&["0"]).0), "the oldest gave way");
    let Some(Standing::Refused(found)) = kept.read(&password, at(1001)) else { panic!() };
    assert_eq!(found.class(), FaultClass::AccountFrozen);
    assert!(found.what.len() <= WHAT_BYTES_MAX);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn another_password_is_another_log_in() {
    let words = ["iam.example", "domain", "user"];
    let one = Seal::guarded(&words, "one");
    assert_eq!(one, Seal::guarded(&words, "one"));
    assert_ne!(one, Seal::guarded(&words, "two"));
    // 64 bits of the name, 16 of the password.
    assert_eq!(one.0.split('-').map(str::len).collect::<Vec<_>>(), [16, 4]);
}

#[test]
fn a_file_that_is_none_of_ours_is_nothing_and_nowhere_is_no_trouble() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("credentials");
    let seal = Seal::of(&["x"]);
    fs::write(&path, "{ \"0000\": ").unwrap();
    assert_eq!(standings(&path, true).read(&seal, at(0)), None);
    fs::write(&path, vec![b' '; 300 * 1024]).unwrap();
    assert_eq!(standings(&path, true).read(&seal, at(0)), None);
    let nowhere = standings(&place.path().join("none").join("credentials"), true);
    nowhere.taken(&seal, None, at(0));
    assert_eq!(nowhere.read(&seal, at(0)), None);
    assert_eq!(Standings::default().read(&seal, at(0)), None);
}
