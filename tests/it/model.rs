//! Random histories against a small model of what must be true after each step.
//!
//! The real steps run on the store in memory, with sinks that answer as the history says and a
//! clock that it moves. What must hold:
//!
//! * The account is even: what was sent a sink's way is told, held, suppressed, dead, merged or
//!   on its way, and nothing else.
//! * Each failure is, for each sink, in one place.
//! * A notice id always comes with the same bytes, and no failure is told under two ids.
//! * Once everything answers and every hold has ended, nothing is left on its way, and each
//!   failure that a route sent to a sink was told there, or there is a reason on record.
//!
//! A history that breaks one of these shrinks to a short script, printed with the command that
//! plays it again. Put the script into `tests/scripts/`: every one there is run again.

mod ops;
mod world;

use std::{fs, thread};

use ops::Op;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestError, TestRng, TestRunner},
};
use world::World;

/// Histories per run, unless `TASKBELL_MODEL_CASES` says otherwise; `TASKBELL_MODEL_SEED`, 0 to
/// 247, chooses others.
const CASES: u32 = 300;

fn run(script: &[Op]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        for (nth, op) in script.iter().enumerate() {
            world.step(*op).await;
            world.check().await.map_err(|problem| format!("after step {}: {problem}", nth + 1))?;
        }
        world.settle_down().await;
        world.check().await.map_err(|problem| format!("at rest: {problem}"))?;
        world.check_at_rest().await.map_err(|problem| format!("at rest: {problem}"))
    })
}

/// Runs `cases` histories that follow from `seed`. Gives the script of one that went wrong.
fn explore(cases: u32, seed: u8) -> Result<(), String> {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let scripts = prop::collection::vec(ops::any_op(), 1..40);
    match runner.run(&scripts, |script| run(&script).map_err(TestCaseError::fail)) {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, script)) => {
            let script: Vec<String> = script.iter().map(ToString::to_string).collect();
            Err(format!("{reason}\n{}", script.join("\n")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A problem, and how to see it again.
fn replay(problem: &str, cases: u32, seed: u8) -> String {
    format!(
        "{problem}\n\nplay it again, on as many cores:\n  TASKBELL_MODEL_SEED={seed} \
         TASKBELL_MODEL_CASES={cases} cargo test --test it model\nor put the lines above, from \
         the second on, into tests/scripts/NAME.txt:\n  cargo test --test it model::histories"
    )
}

#[test]
fn random_histories_lose_nothing_and_tell_nothing_twice() {
    let cases = taskbell::options::env("TASKBELL_MODEL_CASES").and_then(|text| text.parse().ok());
    let cases: u32 = cases.unwrap_or(CASES);
    let explorers = thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let share = cases.div_ceil(u32::try_from(explorers).unwrap());
    // The same ones at each run, so that a change is what made one fail. Another seed finds others.
    let seed = taskbell::options::env("TASKBELL_MODEL_SEED").and_then(|text| text.parse().ok());
    let seed: u8 = seed.unwrap_or(0);
    let explorer =
        move |seed| explore(share, seed).map_err(|problem| replay(&problem, cases, seed));
    let explorers: Vec<_> =
        (seed..).take(explorers).map(|seed| thread::spawn(move || explorer(seed))).collect();
    for explorer in explorers {
        explorer.join().unwrap().unwrap_or_else(|problem| panic!("{problem}"));
    }
}

#[test]
fn histories_that_once_went_wrong_go_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let script: Vec<Op> = lines.map(|line| line.parse().unwrap()).collect();
        run(&script).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        count += 1;
    }
    assert!(0 < count, "there are scripts");
}
