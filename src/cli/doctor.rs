//! `taskbell doctor`: everything that has to be right, looked at once.
//!
//! It sends nothing to any sink and leaves the store as it is, so it may run beside the daemon.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Output,
    findings::{Findings, Line, Mark},
    out,
};
use crate::{
    app,
    config::{Config, ConfigError},
    exit::Exit,
    http::{Witness, environment_proxy, exempt_from_proxy},
    store::{self, Store},
    worker::{Worker, budget},
};

mod chains;
mod disk;
mod limits;

/// Runs every check. An unusable config is a finding, too: what is right about the host is then
/// still worth knowing.
pub(super) async fn run(config: Result<&Config, &ConfigError>, output: Output) -> Exit {
    let mut findings = Findings::new();
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            unusable(&mut findings, error);
            return findings.print(output, Some(&Value::Null));
        }
    };
    for warning in &config.warnings {
        let line = Line::new(("config", "warning"), Mark::Warning, warning.to_string(), "");
        findings.push(line, Exit::Done);
    }
    let store: Arc<dyn Store> = match store::open_memory().await {
        Ok(store) => Arc::new(store),
        Err(error) => return out::fail(&error, None, Exit::Failed),
    };
    let witness = Witness::default();
    let standings = app::by_hand();
    let worker = match app::worker_seen_by(witness.clone(), config, store, &standings) {
        Ok(worker) => Some(worker),
        Err(error) => {
            unusable(&mut findings, &error);
            None
        }
    };
    disk::examine(&config.store.path, &mut findings).await;
    limits::examine(config, &mut findings);
    if let Some(proxy) = environment_proxy("https") {
        let not_for = match exempt_from_proxy() {
            Some(hosts) => format!("but not for {hosts} (NO_PROXY), nor"),
            None => "for all hosts, as NO_PROXY names none, but not".to_owned(),
        };
        let detail = format!("{proxy} is used, {not_for} where a source's proxy says otherwise");
        findings.push(Line::good(("host", "proxy"), detail), Exit::Done);
    }
    let Some(worker) = worker else { return findings.print(output, Some(&Value::Null)) };
    for warning in budget::beyond(&worker.sources, config.worker.host_limit) {
        findings.push(Line::new(("config", "warning"), Mark::Warning, warning, ""), Exit::Done);
    }
    findings.go_online(&worker).await;
    chains::examine(witness.handshakes(), &mut findings);
    let policy = policy(&worker);
    if let Some(line) = not_in_policy(&worker).filter(|_| !policy.is_null()) {
        findings.push(line, Exit::Done);
    }
    findings.print(output, Some(&policy))
}

fn unusable(findings: &mut Findings, error: &ConfigError) {
    let detail = crate::http::Chain(error).to_string();
    let line = Line::new(
        ("config", "spelling"),
        Mark::Failed,
        detail.trim(),
        "Correct the config; what depends on it was not looked at.",
    );
    findings.push(line, Exit::ConfigInvalid);
}

/// The sources whose actions the policy does not name, since nobody documents them.
fn not_in_policy(worker: &Worker) -> Option<Line> {
    let sources = worker.sources.iter().map(|watched| &watched.source);
    let others = sources.filter(|source| source.actions().is_empty());
    let others: Vec<String> =
        others.map(|source| format!("{} ({})", source.info().name, source.info().kind)).collect();
    if others.is_empty() {
        return None;
    }
    let detail =
        format!("the policy below does not name what {} may have to do", others.join(", "));
    Some(Line::good(("config", "policy"), detail))
}

/// The least-privilege policy for all sources, as the console's JSON editor takes it.
fn policy(worker: &Worker) -> Value {
    let actions = worker.sources.iter().flat_map(|watched| watched.source.actions());
    let mut actions: Vec<&str> = actions.collect();
    actions.sort_unstable();
    actions.dedup();
    if actions.is_empty() {
        return Value::Null;
    }
    json!({ "Version": "1.1", "Statement": [{ "Effect": "Allow", "Action": actions }] })
}
