//! What a shell completes that only this host knows: names from the config, ids from the daemon.
//!
//! The shell runs `taskbell` itself with `TASKBELL_COMPLETE=<shell>` in its environment, see
//! [`clap_complete::CompleteEnv`]. A completion must be quick and never complain: with no config
//! there are no names, and with no running daemon no ids. The store is never opened for it.

use std::{ffi::OsStr, path::PathBuf, time::Duration};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value;

use super::look::cell;
use crate::{
    admin::{ListQuery, Order, ask::Ask, client::Client},
    config::Config,
};

/// Whoever pressed a key waits no longer for the daemon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most ids that are offered, the newest. A shell shows no more than a screen.
const IDS_MAX: usize = 200;

pub(super) fn sinks() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let config = config();
        let sinks = config.iter().flat_map(|config| &config.sinks);
        let offered = sinks.map(|sink| (sink.name.to_string(), sink.kind.summary.to_owned()));
        beginning(word, offered)
    })
}

pub(super) fn sources() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let config = config();
        let sources = config.iter().flat_map(|config| &config.sources);
        let offered = sources.map(|source| (source.name.to_string(), source.info().region));
        beginning(word, offered)
    })
}

pub(super) fn failures() -> ArgValueCompleter {
    ids(|| Ask::Failures(page()), &["state", "action", "server.name"])
}

pub(super) fn deliveries() -> ArgValueCompleter {
    ids(|| Ask::Deliveries(page()), &["state", "type", "sink"])
}

pub(super) fn silences() -> ArgValueCompleter {
    ids(|| Ask::Silences, &["state", "matchers", "comment"])
}

fn page() -> ListQuery {
    ListQuery { limit: Some(IDS_MAX), order: Some(Order::Desc), ..ListQuery::default() }
}

/// The ids of what the daemon lists, explained by these fields.
fn ids(ask: fn() -> Ask, fields: &'static [&'static str]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |word: &OsStr| {
        let rows = answer(ask()).unwrap_or_default();
        let offered = rows.as_array().into_iter().flatten().map(|row| {
            let words: Vec<String> = fields.iter().map(|field| cell(row, field)).collect();
            (cell(row, "id"), words.join(" "))
        });
        beginning(word, offered)
    })
}

fn beginning(
    word: &OsStr,
    offered: impl Iterator<Item = (String, String)>,
) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let fits = offered.filter(|(value, _)| value.starts_with(&*word));
    fits.map(|(value, help)| CompletionCandidate::new(value).help(Some(help.into()))).collect()
}

/// The config that the command will use, if it is good.
fn config() -> Option<Config> {
    let words: Vec<_> = std::env::args_os().collect();
    let given = words.iter().enumerate().find_map(|(at, word)| {
        let word = word.to_str()?;
        match word.strip_prefix("--config=") {
            Some(path) => Some(PathBuf::from(path)),
            None if ["-c", "--config"].contains(&word) => words.get(at + 1).map(PathBuf::from),
            None => None,
        }
    });
    Config::load(given.as_deref()).ok()
}

fn answer(ask: Ask) -> Option<Value> {
    let client = Client::running(&config()?.store.path).ok()??;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, client.ask(ask)).await.ok()?.ok() })
}
