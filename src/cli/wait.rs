//! Says on a terminal that long work goes on, and for how long already.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::time::{Instant, interval_at};

/// What ends sooner needs no word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for `work`; on a terminal, shows `what` and the seconds meanwhile. Nothing stays on the
/// screen, and a pipe or a file sees none of it.
pub(super) async fn showing<T>(what: &str, work: impl Future<Output = T>) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let start = Instant::now();
    let mut ticks = interval_at(start + PATIENCE, PATIENCE);
    let mut shown = false;
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => {
                put(&format!("\r{what} … {} s", start.elapsed().as_secs()));
                shown = true;
            }
        }
    };
    if shown {
        put("\r\u{1b}[K");
    }
    result
}

fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that went away shows nothing, and that is no error.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}
