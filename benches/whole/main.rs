//! Times the whole program against local peers: `cargo bench`, or `cargo bench -- poll` for one.
//!
//! The cloud runs in a process of its own; each figure that depends on the machine stands beside
//! that of a bare client without state, taken in the same minute.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints its figures, and one that cannot run may stop"
)]

mod bare;
mod deliver;
mod dispatch;
mod footprint;
mod page;
mod peers;
mod poll;

use std::time::Duration;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    if is_wanted("poll") {
        runtime.block_on(poll::nothing_new());
        runtime.block_on(poll::many_projects());
    }
    if is_wanted("dispatch") {
        runtime.block_on(dispatch::many_routes());
    }
    if is_wanted("deliver") {
        runtime.block_on(deliver::burst());
        runtime.block_on(deliver::slow_receiver());
    }
    if is_wanted("footprint") {
        runtime.block_on(footprint::months());
    }
    if is_wanted("page") {
        runtime.block_on(page::looks());
        runtime.block_on(page::start());
    }
    if is_wanted("daemon") {
        runtime.block_on(deliver::latency());
        runtime.block_on(poll::idle());
    }
    if is_wanted("fleet") {
        runtime.block_on(poll::fleet());
    }
}

/// The middle one.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A time as milliseconds.
fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
