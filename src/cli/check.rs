//! `taskbell check`.

use std::sync::Arc;

use serde_json::json;

use super::{
    Output,
    findings::{Findings, Line, Mark},
    out, wait,
};
use crate::{
    app,
    config::Config,
    exit::Exit,
    store::{self, Store},
    worker::budget,
};

/// `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also go to each source and read a page of its list, and open each sink; nothing is sent
    #[arg(long)]
    online: bool,
    /// Fail when there are warnings
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) async fn run(config: &Config, args: &Args, output: Output) -> Exit {
    let store: Arc<dyn Store> = match store::open_memory().await {
        Ok(store) => Arc::new(store),
        Err(error) => return out::fail(&error, None, Exit::Failed),
    };
    let worker = match app::worker(config, store, &app::by_hand())
        .and_then(|worker| config.check_status().map(|()| worker))
    {
        Ok(worker) => worker,
        Err(error) => return out::fail(&error, None, Exit::ConfigInvalid),
    };
    let mut exit = Exit::Done;
    let beyond = budget::beyond(&worker.sources, config.worker.host_limit);
    let warnings = config.warnings.iter().map(ToString::to_string).chain(beyond);
    let warnings: Vec<String> = warnings.collect();
    for warning in &warnings {
        tracing::warn!(%warning, "the config deserves a look");
        if args.deny_warnings {
            exit = Exit::Failed;
        }
    }
    if !args.online {
        let (sources, sinks) = (worker.sources.len(), worker.lanes.len());
        return exit.max(match output {
            Output::Table => {
                let sources = out::count(sources, "source", "sources");
                let sinks = out::count(sinks, "sink", "sinks");
                out::line(&format!("ok: {sources}, {sinks}"))
            }
            Output::Json => {
                out::json(&json!({ "sources": sources, "sinks": sinks, "warnings": warnings }))
            }
        });
    }
    let mut findings = Findings::new();
    wait::showing("asking sources and sinks", findings.go_online(&worker)).await;
    if args.deny_warnings && findings.lines.iter().any(|line: &Line| line.mark == Mark::Warning) {
        exit = Exit::Failed;
    }
    exit.max(findings.print(output, None))
}
