//! `taskbell once`.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Output, last_words, out};
use crate::{
    app::{self, AppError},
    config::Config,
    exit::Exit,
    worker::once::{self, Report},
};

/// `once`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// When to stop beginning new work
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = out::length)]
    deadline: Duration,
    /// Exit with 10 instead of 0 when new failures were told
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(super) async fn run(config: &Config, args: &Args, output: Output) -> Exit {
    let opened = async {
        let store = app::open_store(config, "`taskbell once`", true).await?;
        Ok::<_, AppError>(app::worker(config, store, &app::unattended())?)
    };
    let worker = match opened.await {
        Ok(worker) => worker,
        Err(error) => return last_words::at_opening(config, &error).await,
    };
    worker.store.process_ends();
    let began = Instant::now();
    let outlets = worker.outlets();
    let told = (outlets.as_slice(), &*worker.rules);
    let ended = tokio::select! {
        ended = once::run(&worker, args.deadline) => ended,
        never = last_words::of_silence(config, told, &*worker.store) => match never {},
    };
    match ended {
        Ok(report) => {
            let exit = exit(&report, args.detailed_exitcode);
            exit.max(match (output, summary(&report)) {
                (Output::Json, _) => out::json(&json!({
                    "sources": report.polls.len(),
                    "sources_incomplete": blind(&report),
                    "new": report.polls.iter().map(|poll| poll.new).sum::<usize>(),
                    "cleared": report.polls.iter().map(|poll| poll.cleared).sum::<usize>(),
                    "delivered": report.delivered,
                    "attempts_failed": report.failed,
                    "pending": report.pending,
                    "held_or_dead": report.stuck,
                })),
                (Output::Table, text) if text.is_empty() => Exit::Done,
                (Output::Table, text) => out::line(&text),
            })
        }
        Err(error) => {
            let exit = out::fail(&error, None, Exit::from(&error));
            last_words::of_work(config, told, &error, began.elapsed()).await;
            exit
        }
    }
}

fn exit(report: &Report, detailed: bool) -> Exit {
    let faults = report.polls.iter().filter_map(|poll| poll.fault).map(Exit::of_fault);
    let pending = (0 < report.pending).then_some(Exit::Pending);
    let new = report.polls.iter().any(|poll| 0 < poll.new);
    let told = (detailed && new && 0 < report.delivered).then_some(Exit::NewFailures);
    faults.chain(pending).chain(told).max().unwrap_or(Exit::Done)
}

/// Sources whose list was not seen whole.
fn blind(report: &Report) -> usize {
    report.polls.iter().filter(|poll| !poll.complete).count()
}

/// One line, or nothing when nothing happened. That something still waits is not news: cron would
/// mail it every minute.
fn summary(report: &Report) -> String {
    let new: usize = report.polls.iter().map(|poll| poll.new).sum();
    let cleared: usize = report.polls.iter().map(|poll| poll.cleared).sum();
    let blind = blind(report);
    if new + cleared + blind == 0 && report.delivered + report.failed == 0 {
        return String::new();
    }
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let parts = [
        (new, "new failure", "new failures"),
        (cleared, "cleared", "cleared"),
        (size(report.delivered), "notice delivered", "notices delivered"),
        (size(report.failed), "attempt failed", "attempts failed"),
        (size(report.pending), "delivery pending", "deliveries pending"),
        (size(report.stuck), "delivery held or dead", "deliveries held or dead"),
        (blind, "source not seen whole", "sources not seen whole"),
    ];
    let said = parts.iter().filter(|(count, ..)| 0 < *count);
    said.map(|(count, one, many)| out::count(*count, one, many)).collect::<Vec<_>>().join(", ")
}
