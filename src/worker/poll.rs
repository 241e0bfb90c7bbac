//! One poll: walk the list, compare it with the ledger, record what changed.

use std::{collections::BTreeMap, sync::Arc};

use tracing::{debug, info, warn};

use super::{Watched, verify::verify};
use crate::{
    clock::Clock,
    decide::{
        diff::{Changes, Situation, diff},
        rules::Rules,
        sift::{Completeness, Findings, Sift},
    },
    failpoint,
    http::Chain,
    name::Name,
    source::{FaultClass, SourceError},
    store::{Ledger, PollRecord, Store, StoreError},
};

/// Walks of one poll before it is taken as partial. A list that changes under the walk usually
/// stands still for the next one.
const WALKS_MAX: u8 = 3;

/// What a poll came to.
#[derive(Debug)]
pub struct Polled {
    /// Which source.
    pub source: Name,
    /// Whether the whole list was seen.
    pub complete: bool,
    /// The class of the trouble, if there was any.
    pub fault: Option<FaultClass>,
    /// One line about the trouble; empty if there was none.
    pub detail: String,
    /// Failures recorded that somebody may be told about.
    pub new: usize,
    /// Failures that are no longer listed.
    pub cleared: usize,
}

/// A list as one poll found it, compared with the ledger. Nothing is recorded yet.
#[derive(Debug)]
pub struct Compared {
    /// What it changes.
    pub changes: Changes,
    /// How much of the list was seen.
    pub completeness: Completeness,
    /// Why the walk ended early.
    pub error: Option<SourceError>,
    /// The ledger that it was compared with.
    pub ledger: Ledger,
}

/// Polls and records. `rules` learn the project, if the source looks it up.
///
/// # Errors
///
/// Only the store's: trouble with the source is part of the result, and is recorded.
pub async fn poll(
    watched: &Watched,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
    rules: &Rules,
) -> Result<Polled, StoreError> {
    let began = clock.now();
    let mut compared = compare(watched, store, clock).await?;
    verify(&*watched.source, store, &mut compared.changes).await?;
    let mut info = watched.source.info().clone();
    rules.learn(&info);
    if info.project_id.is_empty() {
        // A poll after a restart may break off before it looks the project up.
        info.project_id = rules.info(&info.name).project_id;
    }
    let polled = summary(info.name.clone(), &compared);
    log(&polled, &compared);
    failpoint::hit("poll.before_record");
    let outcome = polled.fault.map_or(compared.completeness.as_str(), FaultClass::as_str);
    store
        .record_poll(PollRecord {
            info,
            began,
            at: clock.now(),
            complete: polled.complete,
            changes: compared.changes,
            outcome: outcome.to_owned(),
            detail: polled.detail.clone(),
            advice: polled.fault.map_or("", FaultClass::advice).to_owned(),
            rule: watched.sight_rule(),
        })
        .await?;
    failpoint::hit("poll.after_record");
    Ok(polled)
}

/// Polls and compares, without recording.
///
/// # Errors
///
/// Only the store's.
pub async fn compare(
    watched: &Watched,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Compared, StoreError> {
    let name = &watched.source.info().name;
    let ledger = store.ledger(name).await?;
    let mut sift = Sift::new(Arc::clone(&ledger.roster));
    let walked = tokio::time::timeout(watched.timeout, walk(watched, &mut sift)).await;
    let (completeness, error) = match walked {
        Ok(Ok(completeness)) => (completeness, None),
        Ok(Err(error)) => (Completeness::Broken, Some(error)),
        Err(_elapsed) => {
            let seconds = watched.timeout.as_secs();
            let what = format!("the list was not walked within {seconds} s");
            (Completeness::Broken, Some(SourceError::new(FaultClass::Timeout, what)))
        }
    };
    let findings: Findings = sift.finish();
    let keys: Vec<_> = findings.unknown.iter().map(|found| found.task.key).collect();
    let past = if keys.is_empty() || ledger.state.past == 0 {
        BTreeMap::new()
    } else {
        store.past(name, keys).await?
    };
    let situation = Situation {
        complete: completeness == Completeness::Complete,
        has_baseline: ledger.state.baseline_at.is_some(),
        lost: ledger.state.lost,
        deleting: &ledger.state.deleting,
    };
    let changes = diff(findings, &past, situation, watched.policy, clock.now());
    Ok(Compared { changes, completeness, error, ledger })
}

async fn walk(watched: &Watched, sift: &mut Sift) -> Result<Completeness, SourceError> {
    let mut walks = 0;
    loop {
        sift.begin_walk();
        let walk = watched.source.walk(sift).await?;
        walks += 1;
        let completeness = Completeness::of(&walk, sift.distinct());
        debug!(
            source = %watched.source.info().name,
            pages = walk.pages,
            rows = walk.rows,
            distinct = sift.distinct(),
            outcome = completeness.as_str(),
            "walked the list"
        );
        let again =
            matches!(completeness, Completeness::Drifted { .. } | Completeness::Disagrees { .. });
        if !again || WALKS_MAX <= walks {
            return Ok(completeness);
        }
    }
}

fn summary(source: Name, compared: &Compared) -> Polled {
    let changes = &compared.changes;
    let told = changes.new.iter().filter(|new| new.tell).count();
    let back = changes.reopened.iter().filter(|reopened| reopened.tell).count();
    let (fault, detail) = match (&compared.error, compared.completeness) {
        (Some(error), _) => (Some(error.class), Chain(error).to_string()),
        (None, Completeness::Complete) => (None, String::new()),
        (None, completeness) => (Some(FaultClass::Incomplete), describe(completeness)),
    };
    Polled {
        source,
        complete: fault.is_none(),
        fault,
        detail,
        new: told + back,
        cleared: changes.cleared.len(),
    }
}

fn describe(completeness: Completeness) -> String {
    match completeness {
        Completeness::Complete => String::new(),
        Completeness::Drifted { before, after } => {
            format!("the list went from {before} to {after} rows under the walk")
        }
        Completeness::Disagrees { total, distinct } => {
            format!("the list says that it has {total} rows, but gave {distinct}")
        }
        Completeness::OffsetIgnored => {
            "the server ignores offset and gives no total, so nobody knows whether that was all"
                .to_owned()
        }
        Completeness::TooLong => "the list is longer than one poll walks".to_owned(),
        Completeness::Broken => "the walk broke off".to_owned(),
    }
}

/// The one line that each poll logs.
fn log(polled: &Polled, compared: &Compared) {
    let Polled { source, new, cleared, .. } = polled;
    if let Some(fault) = polled.fault {
        warn!(
            %source,
            class = fault.as_str(),
            error = polled.detail,
            advice = fault.advice(),
            new,
            "poll incomplete"
        );
    } else if let Some(baseline) = compared.changes.baseline {
        info!(%source, standing = baseline.standing, new, "baseline set");
    } else if 0 < *new || 0 < *cleared {
        info!(%source, new, cleared, "poll complete");
    } else {
        debug!(%source, "poll complete, nothing new");
    }
}
