//! `taskbell simulate`: the simulated cloud alone, for rehearsals and for other clients.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use clap::Args as ClapArgs;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock::Clock,
    sim::{LISTEN, Scenario, ScenarioError, Simulator},
};

/// Run a simulated Huawei Cloud: the Key Pair Service's tasks and IAM.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The story to tell; without it, three failures stand and a new one comes every 30 s.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value_t = LISTEN)]
    pub listen: SocketAddr,
}

/// Why the simulator does not run.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// The scenario's file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no scenario.
    #[error("cannot use {}", path.display())]
    Scenario {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: ScenarioError,
    },
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// As given.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output or the signals are not to be had.
    #[error("cannot talk to the terminal")]
    Terminal(#[source] io::Error),
}

/// Runs the simulator until SIGINT or SIGTERM.
///
/// Prints to standard output what a config needs to use it.
///
/// # Errors
///
/// [`SimulateError`], before anything runs.
pub async fn run(args: Args, clock: Arc<dyn Clock>) -> Result<(), SimulateError> {
    let scenario = match args.scenario {
        None => Scenario::story(),
        Some(path) => {
            let text = fs::read_to_string(&path)
                .map_err(|source| SimulateError::Read { path: path.clone(), source })?;
            Scenario::parse(&text).map_err(|source| SimulateError::Scenario { path, source })?
        }
    };
    // Before the address is printed: who reads it may stop us at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(SimulateError::Terminal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SimulateError::Terminal)?;
    let address = args.listen;
    let simulator = Simulator::start(scenario.clone(), address, clock)
        .await
        .map_err(|source| SimulateError::Listen { address, source })?;
    let told = introduce(&scenario, &simulator.url());
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(told.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(SimulateError::Terminal)?;
    drop(stdout);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

/// The address, and a source that can be pasted into a config.
fn introduce(scenario: &Scenario, url: &str) -> String {
    use std::fmt::Write as _;
    let mut told = String::new();
    let mut line = |text: String| {
        writeln!(told, "{text}").expect("a String takes everything");
    };
    line(format!("# listening on {url}"));
    if !scenario.title.is_empty() {
        line(format!("# {}", scenario.title));
    }
    let projects: Vec<String> =
        scenario.projects.iter().flat_map(crate::sim::scenario::Project::ids).collect();
    line("[[source]]".to_owned());
    line("name = \"simulator\"".to_owned());
    line("kind = \"kps\"".to_owned());
    line(format!("endpoint = {}", quoted(url)));
    if let Some(first) = projects.first() {
        line(format!("project_id = {}", quoted(first)));
    }
    line("interval = \"5s\"".to_owned());
    let mut auths = Vec::new();
    auths.extend(scenario.access_keys.iter().map(|key| {
        let token = key.security_token.as_ref();
        let token =
            token.map_or_else(String::new, |token| format!(", security_token = {}", quoted(token)));
        let (key, secret) = (quoted(&key.key), quoted(&key.secret));
        format!("{{ kind = \"aksk\", access_key = {key}, secret_key = {secret}{token} }}")
    }));
    auths.extend(
        scenario
            .tokens
            .iter()
            .map(|token| format!("{{ kind = \"token\", token = {} }}", quoted(&token.value))),
    );
    auths.extend(scenario.users.iter().map(|user| {
        format!(
            "{{ kind = \"password\", domain = {}, user = {}, password = {}, iam_endpoint = {} }}",
            quoted(&user.domain),
            quoted(&user.name),
            quoted(&user.password),
            quoted(url),
        )
    }));
    for (index, auth) in auths.iter().enumerate() {
        let off = if index == 0 { "" } else { "# or: " };
        line(format!("{off}auth = {auth}"));
    }
    if 1 < projects.len() {
        line(format!("# {} more projects follow this one", projects.len() - 1));
    }
    told
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_source() {
        let told = introduce(&Scenario::story(), "http://127.0.0.1:9465");
        let config: toml::Table = toml::from_str(&told).unwrap();
        let source = &config["source"][0];
        assert_eq!(source["endpoint"].as_str(), Some("http://127.0.0.1:9465"));
        assert_eq!(source["project_id"].as_str(), Some(crate::sim::scenario::PROJECT_ID));
        assert_eq!(source["auth"]["kind"].as_str(), Some("aksk"));
        assert!(told.contains("# or: auth = { kind = \"token\""), "{told}");
    }
}
