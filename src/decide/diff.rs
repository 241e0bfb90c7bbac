//! What a poll changes: which failures are new, gone, back, or another one of the same task.
//!
//! The state machine is drawn in [`crate::failure`]. Only a complete poll can miss a failure or
//! set a baseline; a partial one can only add.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sift::{Findings, Found, Presence, RosterEntry};
use crate::{
    failure::{Ending, FailureId, Origin},
    task::{TaskKey, TaskText},
};

/// What to do with the failures that stand when a source is first polled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstRun {
    /// One message that says how many stand.
    #[default]
    Summary,
    /// Say nothing.
    Silent,
    /// Tell all of them.
    Notify,
    /// Tell those that are younger than this.
    Since(Duration),
}

/// The rules of a source.
#[derive(Clone, Copy, Debug)]
pub struct DiffPolicy {
    /// See [`FirstRun`].
    pub first_run: FirstRun,
    /// Complete polls in a row that must not list a failure before it counts as cleared.
    pub clear_after: u8,
    /// A failure that reappears sooner than this after it cleared is not told again.
    pub reopen_grace: Duration,
}

impl Default for DiffPolicy {
    fn default() -> Self {
        Self {
            first_run: FirstRun::Summary,
            // One absence can be an offset page that drifted.
            clear_after: 2,
            reopen_grace: Duration::from_secs(3600),
        }
    }
}

/// What is known about the source and the poll beside the rows.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Whether the poll saw the whole list.
    pub complete: bool,
    /// Whether the source has its baseline.
    pub has_baseline: bool,
    /// Whether it had one in a store that was lost since.
    pub lost: bool,
    /// Failures whose records in the cloud taskbell itself asked to be deleted.
    pub deleting: &'a [FailureId],
}

/// A failure that cleared and is remembered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Past {
    /// The failure.
    pub id: FailureId,
    /// As in [`RosterEntry`].
    pub failed_at_ms: i64,
    /// As in [`crate::failure::Failure`].
    pub generation: u32,
    /// As in [`crate::failure::Failure`].
    pub episode: u32,
    /// When it was found to be no longer listed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub cleared_at: Timestamp,
}

/// A failure to record.
#[derive(Clone, Debug)]
pub struct NewFailure {
    /// As listed.
    pub found: Found,
    /// 1, or one more than the last.
    pub generation: u32,
    /// Why it is recorded.
    pub origin: Origin,
    /// Whether anybody is told.
    pub tell: bool,
    /// The standing failure of the same task that it takes the place of.
    pub supersedes: Option<RosterEntry>,
}

/// A failure that had cleared and is listed again, unchanged.
#[derive(Clone, Debug)]
pub struct Reopened {
    /// As it was remembered.
    pub past: Past,
    /// As listed.
    pub found: Found,
    /// Whether anybody is told: not within the grace.
    pub tell: bool,
}

/// What a first complete poll found standing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Baseline {
    /// Failures that stand and are not told singly.
    pub standing: u64,
    /// Whether and as what that is said.
    pub said: BaselineSaid,
}

/// How a baseline is announced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BaselineSaid {
    /// Not at all.
    Nothing,
    /// As `source.watching`.
    Watching,
    /// As `state.lost`.
    StateLost,
}

/// Everything that one poll changes in the ledger.
#[derive(Debug, Default)]
pub struct Changes {
    /// To be recorded, by failing time.
    pub new: Vec<NewFailure>,
    /// Back from the past.
    pub reopened: Vec<Reopened>,
    /// Index entries whose time, text or absence changed, with their new values.
    pub touched: Vec<RosterEntry>,
    /// New texts of standing failures.
    pub texts: Vec<(FailureId, TaskText)>,
    /// Gone from the index: no longer listed.
    pub cleared: Vec<RosterEntry>,
    /// What became of those, as far as the cloud was asked and told.
    pub endings: BTreeMap<FailureId, Ending>,
    /// Gone from the index because taskbell deleted their records. Nobody is told.
    pub deleted: Vec<RosterEntry>,
    /// Set when this poll is the source's baseline.
    pub baseline: Option<Baseline>,
    /// So many cleared at once that they are told in one sentence.
    pub mass_cleared: bool,
}

/// Decides what a poll changes.
///
/// `past` holds what is remembered about the tasks that the index does not hold.
#[must_use]
pub fn diff(
    findings: Findings,
    past: &BTreeMap<TaskKey, Past>,
    situation: Situation<'_>,
    policy: DiffPolicy,
    now: Timestamp,
) -> Changes {
    let mut changes = Changes::default();
    let standing_before = findings.roster.len();
    let first = !situation.has_baseline;
    let quiet_start =
        situation.lost || matches!(policy.first_run, FirstRun::Summary | FirstRun::Silent);
    if first && !situation.complete && quiet_start {
        // Without a whole list nobody knows what stood already and what is new.
        return changes;
    }
    let mut presence = findings.seen;
    for (at, found) in findings.changed {
        if let (Some(entry), Some(seen)) = (findings.roster.get(at), presence.get_mut(at)) {
            note_changed(&mut changes, *entry, found);
            *seen = Presence::Settled;
        }
    }
    let grace_ends = now.saturating_sub(policy.reopen_grace).unwrap_or(Timestamp::MIN);
    for found in findings.unknown {
        let past = past.get(&found.task.key);
        let stood_already = first && stood_already(&found, situation.lost, policy, now);
        note_unknown(&mut changes, found, past, stood_already, grace_ends);
    }
    changes.new.sort_by_cached_key(|new| (new.found.failed_at_ms, new.found.task.key));
    if first && !situation.complete {
        changes.new.retain(|new| new.tell);
    }
    for (entry, presence) in findings.roster.iter().zip(presence) {
        note_presence(&mut changes, entry, presence, situation.complete, policy);
    }
    let ours = |entry: &mut RosterEntry| situation.deleting.contains(&entry.id);
    changes.deleted = changes.cleared.extract_if(.., ours).collect();
    let gone = changes.cleared.len();
    changes.mass_cleared = is_mass(gone, standing_before);
    if first && situation.complete {
        changes.baseline = Some(baseline(&changes, standing_before, situation, policy));
    }
    changes
}

/// Whether so many of those that stood are gone at once that it is told in one sentence.
#[must_use]
pub fn is_mass(gone: usize, standing_before: usize) -> bool {
    10 < gone && standing_before < 2 * gone
}

fn note_changed(changes: &mut Changes, entry: RosterEntry, found: Found) {
    if entry.failed_at_ms != i64::MIN && entry.failed_at_ms < found.failed_at_ms {
        changes.new.push(NewFailure {
            supersedes: Some(entry),
            found,
            generation: entry.generation.saturating_add(1),
            origin: Origin::Refailed,
            tell: true,
        });
        return;
    }
    changes.touched.push(RosterEntry {
        failed_at_ms: found.failed_at_ms.max(entry.failed_at_ms),
        text_crc: found.task.text_crc,
        missing: 0,
        ..entry
    });
    if entry.text_crc != found.task.text_crc {
        changes.texts.push((entry.id, found.task.text));
    }
}

/// Whether a failure that a source without a baseline lists is one that nobody is told about.
fn stood_already(found: &Found, lost: bool, policy: DiffPolicy, now: Timestamp) -> bool {
    lost || match policy.first_run {
        FirstRun::Summary | FirstRun::Silent => true,
        FirstRun::Notify => false,
        // A failure without a time might be young: better told than not.
        FirstRun::Since(age) => found
            .task
            .failed_at
            .is_some_and(|at| at.saturating_add(age).is_ok_and(|until| until < now)),
    }
}

/// `grace_ends` is when what cleared must have cleared by to be told again.
fn note_unknown(
    changes: &mut Changes,
    found: Found,
    past: Option<&Past>,
    stood_already: bool,
    grace_ends: Timestamp,
) {
    match past {
        Some(past) if found.failed_at_ms <= past.failed_at_ms => {
            let tell = !stood_already && past.cleared_at <= grace_ends;
            changes.reopened.push(Reopened { past: *past, found, tell });
        }
        _ => {
            let refailed = if past.is_some() { Origin::Refailed } else { Origin::New };
            changes.new.push(NewFailure {
                found,
                generation: past.map_or(1, |past| past.generation.saturating_add(1)),
                origin: if stood_already { Origin::Baseline } else { refailed },
                tell: !stood_already,
                supersedes: None,
            });
        }
    }
}

fn note_presence(
    changes: &mut Changes,
    entry: &RosterEntry,
    presence: Presence,
    complete: bool,
    policy: DiffPolicy,
) {
    match presence {
        Presence::Seen if 0 < entry.missing => {
            changes.touched.push(RosterEntry { missing: 0, ..*entry });
        }
        Presence::Unseen if complete => {
            let missing = entry.missing.saturating_add(1);
            if policy.clear_after <= missing {
                changes.cleared.push(*entry);
            } else {
                changes.touched.push(RosterEntry { missing, ..*entry });
            }
        }
        Presence::Seen | Presence::Unseen | Presence::Settled => {}
    }
}

fn baseline(
    changes: &Changes,
    standing_before: usize,
    situation: Situation<'_>,
    policy: DiffPolicy,
) -> Baseline {
    let fresh = changes.new.iter().filter(|new| !new.tell).count() + changes.reopened.len();
    let gone = changes.cleared.len() + changes.deleted.len();
    let standing = (standing_before + fresh).saturating_sub(gone);
    let said = match policy.first_run {
        _ if situation.lost => BaselineSaid::StateLost,
        FirstRun::Summary => BaselineSaid::Watching,
        FirstRun::Silent | FirstRun::Notify | FirstRun::Since(_) => BaselineSaid::Nothing,
    };
    Baseline { standing: u64::try_from(standing).unwrap_or(u64::MAX), said }
}

#[cfg(test)]
mod tests;
