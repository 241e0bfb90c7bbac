//! What the system lets one process have.

use rustix::process::{Resource, getrlimit};

use crate::{
    cli::findings::{Findings, Line, Mark},
    config::Config,
    exit::Exit,
};

/// Files that are open whatever is configured: the store's, the control socket, standard streams.
const FILES_BASE: u64 = 64;

/// Connections of one source at a time, with one in reserve for its identity service.
const FILES_PER_POLL: u64 = 2;

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let polls = count(config.worker.poll_concurrency.min(config.sources.len()));
    // Idle connections are kept, one for each source.
    let sources = count(config.sources.len());
    let sinks: u64 = config.sinks.iter().map(|sink| count(sink.concurrency)).sum();
    let need = FILES_BASE + polls * FILES_PER_POLL + sources + sinks;
    let Some(have) = getrlimit(Resource::Nofile).current else {
        let line = Line::good(("host", "limits"), "any number of open files is allowed");
        return findings.push(line, Exit::Done);
    };
    let detail = format!("{have} open files are allowed, {need} may be needed");
    let line = if have < need {
        let advice = format!("Raise it: LimitNOFILE={} in the unit, or ulimit -n.", need * 2);
        Line::new(("host", "limits"), Mark::Warning, detail, advice)
    } else {
        Line::good(("host", "limits"), detail)
    };
    findings.push(line, Exit::Done);
}
