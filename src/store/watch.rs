//! The watch's side of the engine: sight, running tasks, deletions, baselines.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use super::{
    RunningRecord, SourceState, StoreError, TimePassed,
    engine::{Engine, deliveries},
    kv::{Tree, Txn},
    pages::{decode, encode},
};
use crate::{
    decide::{
        backlog::{Forming, Seed},
        sight::{Because, Said},
        stuck::RunningMark,
    },
    delivery::DeliveryId,
    failure::FailureId,
    name::Name,
    notice::{NoticeKind, Trouble},
};

/// The word for polls that do not come to an end, or do not begin.
const OVERDUE: &str = "overdue";
const OVERDUE_ADVICE: &str =
    "Check the load of this host and the route to the endpoint; polling goes on.";

/// The seed of what is to be said. `trouble` is that of the poll, and `last_poll_at` the poll
/// before it.
pub(super) fn sight_seed(
    source: &Name,
    at: Timestamp,
    said: Said,
    (last_poll_at, trouble): (Option<Timestamp>, &Trouble),
) -> Seed {
    let source = source.clone();
    match said {
        Said::Blind { since } => Seed::Blind { source, at, since, trouble: trouble.clone() },
        Said::Sighted { since, because } => {
            let reason = because.as_str().to_owned();
            let trouble = match because {
                Because::Blind => None,
                Because::NotRunning => Some(Trouble {
                    sink: None,
                    class: reason.clone(),
                    detail: last_poll_at
                        .map(|last| format!("the poll before was made at {last:.0}"))
                        .unwrap_or_default(),
                    advice: String::new(),
                }),
            };
            Seed::Sighted { source, at, since, reason, trouble }
        }
    }
}

/// Whether `seed` says that a source is seen again of which one of `seeds` says that it is blind.
/// It has to wait for that one's deliveries, or it could overtake them.
pub(super) fn is_answered(seeds: &[(u64, Seed)], seed: &Seed) -> bool {
    let Seed::Sighted { source, .. } = seed else { return false };
    seeds
        .iter()
        .any(|(_, earlier)| matches!(earlier, Seed::Blind { source: of, .. } if of == source))
}

impl Engine {
    /// What is not done and says that a source is blind that a seed or a group says is seen again.
    pub(super) fn blind_deliveries(
        &self,
        seeds: &[(u64, Seed)],
        forming: &BTreeMap<String, Forming>,
    ) -> Result<BTreeMap<Name, Vec<(Name, DeliveryId)>>, StoreError> {
        let seeds = seeds.iter().filter_map(|(_, seed)| match seed {
            Seed::Sighted { source, .. } => Some(source),
            _ => None,
        });
        let groups = forming.values().filter(|group| group.kind == NoticeKind::SourceSighted);
        let waiting = groups.flat_map(|group| &group.sightings).map(|one| &one.source);
        let sighted: BTreeSet<&Name> = seeds.chain(waiting).collect();
        let mut blind: BTreeMap<Name, Vec<(Name, DeliveryId)>> = BTreeMap::new();
        if sighted.is_empty() {
            return Ok(blind);
        }
        deliveries().scan(&*self.kv, 0, |delivery| {
            let says_so = match delivery.kind {
                NoticeKind::SourceBlind => true,
                NoticeKind::SinkFailing => delivery.sources.is_some(),
                _ => false,
            };
            if says_so {
                // One about many does not name all of them.
                let only = delivery.source.as_ref().filter(|_| delivery.sources.is_none());
                let of = sighted.iter().filter(|source| only.is_none_or(|named| named == **source));
                for source in of {
                    let one = (delivery.sink.clone(), delivery.id);
                    blind.entry((*source).clone()).or_default().push(one);
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(blind)
    }

    /// Who was told, because another sink failed, that a source is blind that a seed says is seen
    /// again.
    pub(super) fn informed(
        &self,
        seeds: &[(u64, Seed)],
    ) -> Result<BTreeMap<Name, Vec<Name>>, StoreError> {
        let mut informed = BTreeMap::new();
        for (_, seed) in seeds {
            let Seed::Sighted { source, .. } = seed else { continue };
            if let Some(bytes) = self.kv.get(Tree::Informed, source.as_str().as_bytes())? {
                informed.insert(source.clone(), decode(Tree::Informed, &bytes)?);
            }
        }
        Ok(informed)
    }

    pub(super) fn pass_time(&mut self, passed: &TimePassed) -> Result<bool, StoreError> {
        self.check()?;
        let Some(state) = self.sources.get(&passed.source) else { return Ok(false) };
        let mut state = state.clone();
        let (log, last, rule) = (&state.coverage, state.last_complete_at, passed.rule);
        let due = state.sight.blind_at(last, log, rule, passed.started);
        if due.is_none_or(|due| passed.now < due) {
            return Ok(false);
        }
        let Some(said) = state.sight.judge(passed.now, last, log, rule) else { return Ok(false) };
        let trouble = if state.outcome == "complete" {
            // The last word was good; since then there was none.
            Trouble {
                sink: None,
                class: OVERDUE.to_owned(),
                detail: "no poll has ended since".to_owned(),
                advice: OVERDUE_ADVICE.to_owned(),
            }
        } else {
            let (class, detail) = (state.outcome.clone(), state.detail.clone());
            Trouble { sink: None, class, detail, advice: passed.advice.clone() }
        };
        let seed = sight_seed(&passed.source, passed.now, said, (None, &trouble));
        self.write_source(&passed.source, state, Some(&seed), |_| {})?;
        Ok(true)
    }

    pub(super) fn running(&self, source: &Name) -> Result<Vec<RunningMark>, StoreError> {
        self.check()?;
        let Some(state) = self.sources.get(source) else { return Ok(Vec::new()) };
        match self.kv.get(Tree::Running, &state.number.to_be_bytes())? {
            Some(bytes) => decode(Tree::Running, &bytes),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn record_running(&mut self, looked: RunningRecord) -> Result<(), StoreError> {
        let RunningRecord { source, at, marks, stuck } = looked;
        let before = self.running(&source)?;
        // A source has its number since its poll was recorded, which comes first.
        let Some(state) = self.sources.get(&source).cloned() else { return Ok(()) };
        if before == marks && stuck.is_empty() {
            return Ok(());
        }
        let key = state.number.to_be_bytes().to_vec();
        let seed = Seed::Stuck { source: source.clone(), at, tasks: stuck };
        let told = matches!(&seed, Seed::Stuck { tasks, .. } if !tasks.is_empty());
        self.write_source(&source, state, told.then_some(&seed), |txn| {
            if marks.is_empty() {
                txn.remove(Tree::Running, key);
            } else {
                txn.put(Tree::Running, key, encode(&marks));
            }
        })
    }

    pub(super) fn note_deleting(
        &mut self,
        source: &Name,
        ids: Vec<FailureId>,
    ) -> Result<(), StoreError> {
        self.check()?;
        let Some(mut state) = self.sources.get(source).cloned() else { return Ok(()) };
        if state.deleting == ids {
            return Ok(());
        }
        state.deleting = ids;
        self.write_source(source, state, None, |_| {})
    }

    pub(super) fn reset_baseline(&mut self, source: &Name) -> Result<bool, StoreError> {
        self.check()?;
        let Some(mut state) = self.sources.get(source).cloned() else { return Ok(false) };
        state.baseline_at = None;
        self.write_source(source, state, None, |_| {})?;
        // Or the next start would take it for one that was lost.
        self.lost.remove(source);
        if let Some(place) = &self.place {
            place.unmark(source);
        }
        Ok(true)
    }

    /// Writes a source's state, a seed, and what `also` stages, in one transaction.
    fn write_source(
        &mut self,
        name: &Name,
        state: SourceState,
        seed: Option<&Seed>,
        also: impl FnOnce(&mut Txn<'_>),
    ) -> Result<(), StoreError> {
        let mut counters = self.counters.clone();
        let mut txn = Txn::new(&mut *self.kv);
        txn.put(Tree::Source, name.as_str().as_bytes().to_vec(), encode(&state));
        if let Some(seed) = seed {
            counters.seed += 1;
            txn.put(Tree::Seed, counters.seed.to_be_bytes().to_vec(), encode(seed));
            Self::put_counters(&mut txn, &counters);
        }
        also(&mut txn);
        let result = txn.commit();
        self.note(result)?;
        self.counters = counters;
        self.sources.insert(name.clone(), state);
        Ok(())
    }
}
