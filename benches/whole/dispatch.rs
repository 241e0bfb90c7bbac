//! Dispatching: a hundred thousand new failures and fifty routes, on a store in memory.

use std::{fmt::Write as _, fs, path::Path, sync::Arc, time::Instant};

use taskbell::{
    clock::{Clock, SystemClock},
    config::Config,
    decide::{
        diff::{Changes, NewFailure},
        rules::Rules,
        sift::Found,
        sight::SightRule,
    },
    failure::Origin,
    store::{self, PollRecord, Store},
    task::Row,
    worker::dispatch::Dispatcher,
};

use crate::{ms, peers::status_kib};

const FAILURES: usize = 100_000;

/// Every other one has a regular expression.
const ROUTES: usize = 50;

fn config() -> Config {
    let mut text = String::from(
        "[[source]]\nname = \"cloud\"\nkind = \"kps\"\nendpoint = \"http://127.0.0.1:1\"\n\
         project_id = \"0123456789abcdef0123456789abcdef\"\n\
         auth = { kind = \"token\", token = \"none\" }\n\
         [[sink]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n",
    );
    for nth in 1..ROUTES {
        let (sign, behind) = if nth.is_multiple_of(2) { ("=~", "-.*") } else { ("=", "-x") };
        write!(
            text,
            "[[route]]\nmatch = ['server_name {sign} \"s{nth}{behind}\"']\nto = [\"hook\"]\n"
        )
        .unwrap();
    }
    text.push_str("[[route]]\nto = [\"hook\"]\n");
    Config::parse(&text, Path::new("the bench")).unwrap()
}

/// Fifty routes to one webhook.
pub(crate) fn rules() -> Rules {
    config().rules()
}

fn new_failure(nth: usize) -> NewFailure {
    let server = format!("s{}-{}", nth % ROUTES, if nth.is_multiple_of(2) { "y" } else { "x" });
    let row = Row {
        task_id: Some(format!("{nth:032x}").into()),
        operate_type: Some("FAILED_RESET".into()),
        server_name: Some(server.into()),
        keypair: Some("KeyPair-ops".into()),
        ..Row::default()
    };
    NewFailure {
        found: Found::of(row.to_task()),
        generation: 1,
        origin: Origin::New,
        tell: true,
        supersedes: None,
    }
}

/// From seeds to deliveries, each failure by the route that is meant for it.
pub(crate) async fn many_routes() {
    let rules = Arc::new(rules());
    let store: Arc<dyn Store> = Arc::new(store::open_memory().await.unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let source = rules.sources.keys().next().unwrap().clone();
    let changes = Changes { new: (0..FAILURES).map(new_failure).collect(), ..Changes::default() };
    let record = PollRecord {
        info: rules.info(&source),
        began: clock.now(),
        at: clock.now(),
        changes,
        complete: true,
        outcome: "complete".to_owned(),
        detail: String::new(),
        advice: String::new(),
        rule: SightRule::default(),
    };
    store.record_poll(record).await.unwrap();
    // The peak begins anew; without this it would be that of building the failures.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status_kib(std::process::id(), "VmRSS:");
    let began = Instant::now();
    let mut dispatcher = Dispatcher::new(Arc::clone(&store), rules, clock);
    let done = dispatcher.run(true).await.unwrap();
    let took = began.elapsed();
    let peak = status_kib(std::process::id(), "VmHWM:");
    assert!(FAILURES / 100 <= done.opened, "each is told");
    println!(
        "dispatch, {FAILURES} new failures, {ROUTES} routes: {} to {} deliveries; memory grew by \
         {} MiB",
        ms(took),
        done.opened,
        peak.saturating_sub(before) / 1024
    );
}
