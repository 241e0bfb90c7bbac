//! `taskbell check`.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{Output, out, wait};
use crate::{
    app,
    config::Config,
    exit::Exit,
    http::Chain,
    store::{self, Store},
    worker::{Worker, poll},
};

/// `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also read one list of each source and open each sink; nothing is sent
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
    let worker = match app::worker(config, store) {
        Ok(worker) => worker,
        Err(error) => return out::fail(&error, None, Exit::ConfigInvalid),
    };
    let mut exit = Exit::Done;
    for warning in &config.warnings {
        tracing::warn!(%warning, "config");
        if args.deny_warnings {
            exit = Exit::Failed;
        }
    }
    if !args.online {
        let (sources, sinks) = (worker.sources.len(), worker.lanes.len());
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
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
    let (rows, found) = wait::showing("asking sources and sinks", online(&worker)).await;
    exit.max(found).max(print(&rows, output))
}

/// What is asked, of whom, how it went, and more about that.
pub(super) type Row = [String; 4];

/// Prints what came of a check of sources and sinks.
pub(super) fn print(rows: &[Row], output: Output) -> Exit {
    match output {
        Output::Table => {
            let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
            out::table(&["WHAT", "NAME", "RESULT", "DETAIL"], &rows)
        }
        Output::Json => {
            let view = |[what, name, result, detail]: &Row| json!({ "what": what, "name": name, "result": result, "detail": detail });
            out::json(&rows.iter().map(view).collect())
        }
    }
}

/// Reads the list of each source and opens each sink. Nothing is recorded and nothing sent.
pub(super) async fn online(worker: &Worker) -> (Vec<Row>, Exit) {
    let mut rows = Vec::new();
    let sources = check_sources(worker, &mut rows).await;
    let sinks = check_sinks(worker, &mut rows).await;
    (rows, sources.max(sinks))
}

async fn check_sources(worker: &Worker, rows: &mut Vec<Row>) -> Exit {
    let mut exit = Exit::Done;
    for watched in &worker.sources {
        let name = watched.source.info().name.to_string();
        let (result, detail) = match poll::compare(watched, &worker.store, &worker.clock).await {
            Ok(compared) => match compared.error {
                None => {
                    let standing = compared.changes.new.len();
                    ("ok".to_owned(), format!("{standing} failures stand"))
                }
                Some(error) => {
                    exit = exit.max(Exit::of_fault(error.class));
                    let class = error.class;
                    let detail = format!("{} {}", Chain(&error), class.advice());
                    (class.as_str().to_owned(), detail)
                }
            },
            Err(error) => {
                exit = exit.max(Exit::from(&error));
                ("error".to_owned(), Chain(&error).to_string())
            }
        };
        rows.push(["source".to_owned(), name, result, detail]);
    }
    exit
}

async fn check_sinks(worker: &Worker, rows: &mut Vec<Row>) -> Exit {
    let mut exit = Exit::Done;
    for lane in &worker.lanes {
        let limit: Duration = lane.outlet.timeout;
        let (result, detail) = match tokio::time::timeout(limit, lane.outlet.sink.probe()).await {
            Ok(Ok(())) => ("ok", "opens; nothing was sent".to_owned()),
            Ok(Err(error)) => (error.verdict.as_str(), Chain(&error).to_string()),
            Err(_elapsed) => ("timeout", format!("no answer within {} s", limit.as_secs())),
        };
        if result != "ok" {
            exit = Exit::Failed;
        }
        rows.push(["sink".to_owned(), lane.name.to_string(), result.to_owned(), detail]);
    }
    exit
}
