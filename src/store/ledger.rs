//! The poll's side of the engine: what stands, what is new, what is gone.
//!
//! A record of a poll is a row of transactions, each of which is safe to stop after: a failure
//! is never in the roster without being recorded and seeded, and the baseline comes last.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Ledger, PollRecord, SourceState, StoreError,
    engine::{Counters, Engine, failures, roster},
    kv::{Tree, Txn},
    pages::{Edit, decode, encode},
    watch::sight_seed,
};
use crate::{
    decide::{
        backlog::Seed,
        coverage::{CoverageLog, Look},
        diff::{BaselineSaid, Changes, NewFailure, Past, Reopened},
        recur::{Recurrence, fingerprint},
        sift::RosterEntry,
        sight::{Looked, SightRule},
    },
    failure::{Ending, Failure, FailureId, Origin},
    name::Name,
    notice::Trouble,
    task::TaskKey,
};

mod changes;

/// How far back the like of a failure is counted.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Most failures that are read to count the like of a new one: what a busy day brings. On a
/// busier one, a count is "at least".
const RECALL_MAX: u64 = 20_000;

/// How old the figures of polls that changed nothing may get in memory: when it was polled last,
/// and the counts of coverage. Written with each such poll, a thousand sources would cost a
/// thousand commits a minute, and a crash costs no more than these seconds of counting. Whether a
/// source is blind follows from such figures too; so those of one that is soon taken for blind are
/// always written ([`SightRule::outlasts`]).
const FIGURES_AGE_MAX: Duration = Duration::from_secs(10);

/// Records per step of a transaction. After each step the transaction may end.
const STEP: usize = 512;

fn past_key(source: u32, key: TaskKey) -> Vec<u8> {
    [source.to_be_bytes().as_slice(), &key.0].concat()
}

impl Engine {
    pub(super) fn ledger(&self, source: &Name) -> Result<Ledger, StoreError> {
        self.check()?;
        let mut state = self.sources.get(source).cloned().unwrap_or_default();
        state.lost = self.lost.contains(source);
        let mut entries = Vec::new();
        if state.number != 0 {
            roster(state.number).scan(&*self.kv, 0, |entry| {
                entries.push(entry);
                ControlFlow::Continue(())
            })?;
        }
        entries.sort_unstable_by_key(|entry: &RosterEntry| entry.key);
        Ok(Ledger { state, roster: Arc::new(entries) })
    }

    pub(super) fn past(
        &self,
        source: &Name,
        keys: &[TaskKey],
    ) -> Result<BTreeMap<TaskKey, Past>, StoreError> {
        self.check()?;
        let mut found = BTreeMap::new();
        if let Some(state) = self.sources.get(source)
            && 0 < state.past
        {
            for key in keys {
                if let Some(bytes) = self.kv.get(Tree::Past, &past_key(state.number, *key))? {
                    found.insert(*key, decode(Tree::Past, &bytes)?);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn record_poll(&mut self, poll: PollRecord) -> Result<(), StoreError> {
        self.check()?;
        let name = poll.info.name.clone();
        let mut state = self.sources.get(&name).cloned().unwrap_or_default();
        let first_baseline = poll.changes.baseline.is_some();
        let (before, at) = (state.clone(), poll.at);
        let mut counters = self.counters.clone();
        let recurrence = match self.recurrence.take() {
            None if !poll.changes.new.is_empty() => self.recall(poll.at)?,
            known => known.unwrap_or_default(),
        };
        if state.number == 0 {
            counters.source += 1;
            state.number = counters.source;
        }
        let mut recording = Recording {
            txn: Txn::new(&mut *self.kv),
            name: &name,
            state,
            counters,
            at: poll.at,
            seeded: Vec::new(),
            episodes: BTreeMap::new(),
            recurrence,
            before,
            is_idle: false,
        };
        let fresh = !poll.changes.new.is_empty();
        let result = recording.run(poll);
        let Recording { state, counters, recurrence, is_idle, .. } = recording;
        self.recurrence = fresh.then_some(recurrence);
        // Even after an error some transactions may have happened: their numbers are taken.
        self.counters = counters;
        if state.baseline_at.is_some() {
            self.lost.remove(&name);
            if let Some(place) = self.place.as_ref().filter(|_| first_baseline) {
                place.mark([name.clone()]);
            }
        }
        if is_idle {
            self.unsaved.insert(name.clone());
        } else {
            self.unsaved.remove(&name);
        }
        self.sources.insert(name, state);
        self.note(result)?;
        let age = self.figures_saved_at.map(|saved| at.duration_since(saved).unsigned_abs());
        if age.is_none_or(|age| FIGURES_AGE_MAX <= age) {
            self.save_figures()?;
            self.figures_saved_at = Some(at);
        }
        Ok(())
    }

    /// Puts on disk what polls that changed nothing left in memory.
    pub(super) fn save_figures(&mut self) -> Result<(), StoreError> {
        self.check()?;
        let unsaved = std::mem::take(&mut self.unsaved);
        let mut txn = Txn::new(&mut *self.kv);
        let mut result = Ok(());
        for name in unsaved {
            if let Some(state) = self.sources.get(&name) {
                txn.put(Tree::Source, name.as_str().as_bytes().to_vec(), encode(state));
            }
            if txn.is_large() {
                result = result.and_then(|()| txn.commit());
            }
        }
        let result = result.and_then(|()| txn.commit());
        self.note(result)
    }

    /// What was recorded in the 24 hours before `now`, or the latest of it.
    fn recall(&self, now: Timestamp) -> Result<Recurrence, StoreError> {
        let since = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
        let mut recurrence = Recurrence::default();
        failures().scan(
            &*self.kv,
            self.counters.failure.saturating_sub(RECALL_MAX),
            |failure| {
                if since < failure.first_seen_at {
                    let like = fingerprint(&failure.source, &failure.task);
                    let _count = recurrence.note(like, failure.first_seen_at);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(recurrence)
    }
}

/// A poll, as far as sight is concerned.
struct PollSeen {
    began: Timestamp,
    complete: bool,
    rule: SightRule,
    last_poll_at: Option<Timestamp>,
    trouble: Trouble,
}

/// How failures left the list.
#[derive(Clone, Copy)]
struct Gone<'a> {
    endings: &'a BTreeMap<FailureId, Ending>,
    /// So many at once that they are told in one sentence.
    mass: bool,
    /// Taskbell deleted their records.
    ours: bool,
}

impl Gone<'_> {
    fn ending(&self, id: FailureId) -> Option<Ending> {
        if self.ours { Some(Ending::Deleted) } else { self.endings.get(&id).copied() }
    }
}

/// One poll on its way into the store.
struct Recording<'a> {
    txn: Txn<'a>,
    name: &'a Name,
    state: SourceState,
    counters: Counters,
    at: Timestamp,
    /// Failures of the running transaction that have to be told.
    seeded: Vec<FailureId>,
    /// The episodes of those that are not in their first.
    episodes: BTreeMap<FailureId, u32>,
    recurrence: Recurrence,
    /// The state before the poll.
    before: SourceState,
    /// The poll changed nothing but figures, and wrote nothing.
    is_idle: bool,
}

/// The state without what each poll changes.
fn without_figures(state: &SourceState) -> SourceState {
    SourceState {
        polls: 0,
        last_poll_at: None,
        last_complete_at: None,
        detail: String::new(),
        coverage: CoverageLog::default(),
        ..state.clone()
    }
}

impl Recording<'_> {
    fn run(&mut self, poll: PollRecord) -> Result<(), StoreError> {
        let Changes { new, reopened, touched, texts, cleared, .. } = poll.changes;
        let Changes { endings, deleted, baseline, mass_cleared, .. } = poll.changes;
        self.add(new)?;
        self.reopen(reopened)?;
        self.touch(touched)?;
        self.retext(texts)?;
        self.clear(cleared, Gone { endings: &endings, mass: mass_cleared, ours: false })?;
        let ours = Gone { endings: &BTreeMap::new(), mass: false, ours: true };
        self.clear(deleted, ours)?;
        self.look(&PollSeen {
            began: poll.began,
            complete: poll.complete,
            rule: poll.rule,
            last_poll_at: self.state.last_poll_at,
            trouble: Trouble {
                sink: None,
                class: poll.outcome.clone(),
                detail: poll.detail.clone(),
                advice: poll.advice,
            },
        });
        self.state.polls = self.state.polls.saturating_add(1);
        self.state.last_poll_at = Some(self.at);
        if poll.complete {
            self.state.last_complete_at = Some(self.at);
        }
        self.state.outcome = poll.outcome;
        self.state.detail = poll.detail;
        self.state.info = Some(poll.info);
        if let Some(baseline) = baseline {
            self.state.baseline_at = Some(self.at);
            if baseline.said != BaselineSaid::Nothing {
                let seed = Seed::Watching {
                    source: self.name.clone(),
                    at: self.at,
                    standing: baseline.standing,
                    lost: baseline.said == BaselineSaid::StateLost,
                    as_of: None,
                };
                self.seed(&seed);
            }
        }
        let same = without_figures(&self.state) == without_figures(&self.before);
        let may_wait = poll.rule.outlasts(FIGURES_AGE_MAX);
        if same && may_wait && self.txn.is_empty() && self.seeded.is_empty() {
            self.is_idle = true;
            return Ok(());
        }
        self.end_step(true)
    }

    /// Seeds what has to be told, and ends the transaction if it is large or the last.
    fn end_step(&mut self, last: bool) -> Result<(), StoreError> {
        if !last && !self.txn.is_large() {
            return Ok(());
        }
        if !self.seeded.is_empty() {
            self.seeded.sort_unstable();
            let failures = std::mem::take(&mut self.seeded);
            let episodes = std::mem::take(&mut self.episodes);
            self.seed(&Seed::Failed { source: self.name.clone(), failures, episodes });
        }
        let state = encode(&self.state);
        self.txn.put(Tree::Source, self.name.as_str().as_bytes().to_vec(), state);
        Engine::put_counters(&mut self.txn, &self.counters);
        self.txn.commit()
    }

    /// What the poll means for what is known of the source's sight.
    fn look(&mut self, poll: &PollSeen) {
        let last_complete = self.state.last_complete_at;
        let before = std::mem::take(&mut self.state.coverage);
        let looked = Looked {
            began: poll.began,
            ended: self.at,
            complete: poll.complete,
            last_complete,
            before: &before,
        };
        if let Some(said) = self.state.sight.look(looked, poll.rule) {
            let seed = sight_seed(self.name, self.at, said, (poll.last_poll_at, &poll.trouble));
            self.seed(&seed);
        }
        let (began, ended, complete) = (poll.began, self.at, poll.complete);
        let interval = poll.rule.interval;
        let look = Look { began, ended, complete, interval };
        self.state.coverage = before.after_poll(look, last_complete);
    }

    fn seed(&mut self, seed: &Seed) {
        self.counters.seed += 1;
        let key = self.counters.seed.to_be_bytes().to_vec();
        self.txn.put(Tree::Seed, key, encode(seed));
    }

    fn add(&mut self, new: Vec<NewFailure>) -> Result<(), StoreError> {
        let mut new = new.into_iter();
        loop {
            let step: Vec<NewFailure> = new.by_ref().take(STEP).collect();
            if step.is_empty() {
                return Ok(());
            }
            self.add_step(step)?;
            self.end_step(false)?;
        }
    }

    fn add_step(&mut self, step: Vec<NewFailure>) -> Result<(), StoreError> {
        let mut records = Vec::with_capacity(step.len());
        let mut entries = Vec::with_capacity(step.len());
        let mut superseded = Vec::new();
        for new in step {
            self.counters.failure += 1;
            let id = FailureId(self.counters.failure);
            let task = new.found.task;
            match new.supersedes {
                Some(old) => superseded.push(old.id.0),
                None if new.generation > 1 => self.forget_past(task.key),
                None => {}
            }
            if new.tell {
                self.seeded.push(id);
            }
            let like = fingerprint(self.name, &task);
            let occurrences_24h = self.recurrence.note(like, self.at);
            entries.push(Edit::Put(RosterEntry {
                key: task.key,
                id,
                failed_at_ms: new.found.failed_at_ms,
                generation: new.generation,
                text_crc: task.text_crc,
                missing: 0,
            }));
            records.push(Edit::Put(Failure {
                id,
                source: self.name.clone(),
                task,
                generation: new.generation,
                episode: 0,
                occurrences_24h,
                origin: new.origin,
                first_seen_at: self.at,
                cleared_at: None,
                changed: None,
                ending: None,
            }));
        }
        superseded.sort_unstable();
        let added = u64::try_from(entries.len()).unwrap_or(0);
        self.state.standing += added;
        self.leave(&superseded, Gone { endings: &BTreeMap::new(), mass: false, ours: false })?;
        failures().edit(&mut self.txn, records)?;
        roster(self.state.number).edit(&mut self.txn, entries)
    }

    /// Takes failures out of the roster and marks them cleared. `ids` are ascending.
    fn leave(&mut self, ids: &[u64], gone: Gone<'_>) -> Result<(), StoreError> {
        let edits = ids.iter().map(|id| Edit::Remove(*id)).collect();
        roster(self.state.number).edit(&mut self.txn, edits)?;
        let mut records = failures().get_many(&self.txn, ids.iter().copied())?;
        for record in &mut records {
            record.cleared_at = Some(self.at);
            record.ending = gone.ending(record.id);
        }
        for id in ids {
            self.txn.remove(Tree::Ack, id.to_be_bytes().to_vec());
        }
        let count = u64::try_from(ids.len()).unwrap_or(0);
        self.state.standing = self.state.standing.saturating_sub(count);
        failures().edit(&mut self.txn, records.into_iter().map(Edit::Put).collect())
    }

    fn forget_past(&mut self, key: TaskKey) {
        self.txn.remove(Tree::Past, past_key(self.state.number, key));
        self.state.past = self.state.past.saturating_sub(1);
    }

    fn reopen(&mut self, mut reopened: Vec<Reopened>) -> Result<(), StoreError> {
        reopened.sort_unstable_by_key(|reopened| reopened.past.id);
        for step in reopened.chunks(STEP) {
            let ids = step.iter().map(|reopened| reopened.past.id.0);
            let mut records = failures().get_many(&self.txn, ids)?;
            for record in &mut records {
                record.cleared_at = None;
                record.ending = None;
                record.episode = record.episode.saturating_add(1);
                record.origin = Origin::Reappeared;
            }
            failures().edit(&mut self.txn, records.into_iter().map(Edit::Put).collect())?;
            let mut entries = Vec::with_capacity(step.len());
            for Reopened { past, found, tell } in step {
                self.forget_past(found.task.key);
                self.state.standing += 1;
                if *tell {
                    self.seeded.push(past.id);
                    self.episodes.insert(past.id, past.episode.saturating_add(1));
                }
                entries.push(Edit::Put(RosterEntry {
                    key: found.task.key,
                    id: past.id,
                    failed_at_ms: past.failed_at_ms,
                    generation: past.generation,
                    text_crc: found.task.text_crc,
                    missing: 0,
                }));
            }
            roster(self.state.number).edit(&mut self.txn, entries)?;
            self.end_step(false)?;
        }
        Ok(())
    }
}
