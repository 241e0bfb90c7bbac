//! Says on a terminal that long work goes on, how far it is, and for how long already.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::time::{Instant, interval_at};
use unicode_width::UnicodeWidthStr as _;

use crate::progress::Progress;

/// What ends sooner needs no word.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two looks. More often would not be read.
const PAUSE: Duration = Duration::from_millis(200);

/// Widest bar. A wider one says no more.
const BAR_MAX: usize = 30;

/// A screen whose width is not known.
const COLUMNS_DEFAULT: usize = 80;

/// Waits for `work`; on a terminal, shows `what` and the seconds meanwhile. Nothing stays on the
/// screen, and a pipe or a file sees none of it.
pub(super) async fn showing<T>(what: &str, work: impl Future<Output = T>) -> T {
    following(what, async || None, work).await
}

/// The same with a bar, as long as `look` knows how far the work is.
pub(super) async fn following<T>(
    what: &str,
    look: impl AsyncFn() -> Option<Progress>,
    work: impl Future<Output = T>,
) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let start = Instant::now();
    let mut ticks = interval_at(start + PATIENCE, PAUSE);
    let mut shown = false;
    tokio::pin!(work);
    let result = loop {
        // The work goes on while it is asked how far it is.
        let looked = async {
            ticks.tick().await;
            look().await
        };
        tokio::select! {
            biased;
            result = &mut work => break result,
            progress = looked => {
                let columns = terminal_size::terminal_size_of(io::stderr());
                let columns = columns.map_or(COLUMNS_DEFAULT, |(width, _)| usize::from(width.0));
                let seconds = start.elapsed().as_secs();
                put(&format!("\r{}\u{1b}[K", line(what, progress.as_ref(), seconds, columns)));
                shown = true;
            }
        }
    };
    if shown {
        put("\r\u{1b}[K");
    }
    result
}

/// One line that is narrower than the screen, so that the next one covers it.
fn line(what: &str, progress: Option<&Progress>, seconds: u64, columns: usize) -> String {
    let plain = format!("{what} … {seconds} s");
    let Some(Progress { unit, done, total }) = progress else { return fit(plain, columns) };
    if *total == 0 {
        return fit(format!("{what} … {done} {unit}, {seconds} s"), columns);
    }
    let done = done.min(total);
    let percent = u128::from(*done) * 100 / u128::from(*total);
    let text = format!(" {percent:3} %  {done} of {total} {unit}, {seconds} s");
    let room = columns.saturating_sub(what.width() + text.width() + 4).min(BAR_MAX);
    if room < 5 {
        return fit(format!("{what}{text}"), columns);
    }
    let full = u64::try_from(room).unwrap_or_default().saturating_mul(*done) / total;
    let full = usize::try_from(full).unwrap_or(room).min(room);
    format!("{what} [{}{}]{text}", "#".repeat(full), "-".repeat(room - full))
}

fn fit(text: String, columns: usize) -> String {
    if text.width() < columns {
        text
    } else {
        text.chars().take(columns.saturating_sub(1)).collect()
    }
}

fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that went away shows nothing, and that is no error.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_is_narrower_than_the_screen() {
        let of = |done, total| Progress { unit: "entries".to_owned(), done, total };
        for (progress, columns, expected) in [
            (None, 80, "copying … 3 s"),
            (Some(of(120, 0)), 80, "copying … 120 entries, 3 s"),
            (
                Some(of(500, 2_000)),
                80,
                "copying [#######-----------------------]  25 %  500 of 2000 entries, 3 s",
            ),
            (Some(of(2_000, 2_000)), 54, "copying [##########] 100 %  2000 of 2000 entries, 3 s"),
            // More than was counted before, since others work meanwhile.
            (Some(of(2_100, 2_000)), 54, "copying [##########] 100 %  2000 of 2000 entries, 3 s"),
            (Some(of(0, 2_000)), 40, "copying   0 %  0 of 2000 entries, 3 s"),
            (Some(of(500, 2_000)), 20, "copying  25 %  500 "),
            (None, 5, "copy"),
        ] {
            let line = line("copying", progress.as_ref(), 3, columns);
            assert_eq!(line, expected, "{columns}");
            assert!(line.width() < columns, "{line}");
        }
    }
}
