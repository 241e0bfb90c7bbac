//! What would be told now: the same poll and the same decisions, with nothing written or sent.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Worker, deliver, poll::compare};
use crate::{
    decide::{
        backlog::{Backlog, Fate, Forming, Seed, Seeded, Told},
        diff::{BaselineSaid, Changes},
        group::{Dispatching, dispatch},
        rules::Rules,
        silence::Silences,
    },
    delivery::{Delivery, DeliveryState, Reason},
    failure::{Failure, FailureId},
    http::Chain,
    name::Name,
    notice::{Notice, NoticeKind, SourceInfo},
    source::SourceError,
    store::StoreError,
};

/// Cleared failures that a plan looks up. What goes beyond is counted and not shown.
const CLEARED_MAX: usize = 100;

/// Numbers of failures that are not recorded begin here.
const UNRECORDED: u64 = u64::MAX / 2;

/// What would be told.
#[derive(Debug, Default)]
pub struct Plan {
    /// What each source's poll came to.
    pub sources: Vec<PlannedPoll>,
    /// In the order of their time.
    pub notices: Vec<PlannedNotice>,
    /// Failures that nobody would be told about, and why.
    pub suppressed: Vec<(Failure, Reason)>,
}

/// One source's poll.
#[derive(Clone, Debug)]
pub struct PlannedPoll {
    /// Which.
    pub source: Name,
    /// The trouble, if there was any.
    pub error: Option<String>,
    /// The trouble's class.
    pub class: Option<crate::source::FaultClass>,
    /// Failures that would be recorded and told.
    pub new: usize,
    /// Failures that would be recorded and not told.
    pub baseline: usize,
    /// Failures that would count as cleared.
    pub cleared: usize,
}

/// One notice.
#[derive(Debug)]
pub struct PlannedNotice {
    /// Which route, from 1.
    pub route: u32,
    /// When it would be sent.
    pub at: Timestamp,
    /// Whether it was owed before this poll.
    pub owed_already: bool,
    /// What would hold it back.
    pub held: Option<String>,
    /// What it would say.
    pub notice: Notice,
}

/// What every source lists now, compared with the ledger, and what was owed before.
#[derive(Debug)]
pub struct Found {
    sources: Vec<PlannedPoll>,
    /// With the projects that were found.
    infos: Vec<SourceInfo>,
    backlog: Backlog,
    failures: Vec<Failure>,
}

/// Polls every source, without writing anything.
///
/// # Errors
///
/// The store's.
pub async fn look(worker: &Worker) -> Result<Found, StoreError> {
    let (mut sources, mut infos) = (Vec::new(), Vec::new());
    let mut backlog = worker.store.undispatched(usize::MAX, Timestamp::MAX).await?;
    let mut failures: Vec<Failure> = Vec::new();
    for watched in worker.sources.iter() {
        let compared = compare(watched, &worker.store, &worker.clock).await?;
        let info = watched.source.info();
        infos.push(info.clone());
        let from = failures.len();
        let now = worker.clock.now();
        let gone: Vec<FailureId> =
            compared.changes.cleared.iter().map(|entry| entry.id).take(CLEARED_MAX).collect();
        let mass = compared.changes.mass_cleared;
        cleared(worker, gone, (&info.name, mass, now), &mut backlog).await?;
        let seeds = seeds(compared.changes, &info.name, now, &mut failures);
        let untold = seeds.untold;
        let view = backlog.sources.entry(info.name.clone()).or_default();
        view.standing += u64::try_from(failures.len() - from).unwrap_or(0);
        // What this poll has not said of it, the next one would not either.
        view.has_baseline = true;
        sources.push(PlannedPoll {
            source: info.name.clone(),
            class: compared.error.as_ref().map(|error| error.class),
            error: compared.error.as_ref().map(|error: &SourceError| Chain(error).to_string()),
            new: failures.len() - from - untold,
            baseline: untold,
            cleared: seeds.cleared,
        });
        backlog.seeds.extend(seeds.found);
    }
    for seeded in &backlog.seeds {
        failures.extend(seeded.failures.iter().cloned());
    }
    let mut known: BTreeSet<FailureId> = failures.iter().map(|failure| failure.id).collect();
    let waiting = backlog.forming.values().flat_map(|group| &group.members);
    for member in waiting.filter(|member| known.insert(member.id)) {
        let detail = worker.store.failure(member.id).await?;
        failures.extend(detail.map(|detail| detail.failure));
    }
    Ok(Found { sources, infos, backlog, failures })
}

/// Decides what would be told of what was found, under `rules`, without sending anything.
#[must_use]
pub fn decide(found: &Found, rules: &Rules, now: Timestamp) -> Plan {
    found.infos.iter().for_each(|info| rules.learn(info));
    let mut plan = Plan { sources: found.sources.clone(), ..Plan::default() };
    let silences = Silences::compile(&found.backlog.silences, Silences::default());
    let by = Dispatching { rules, silences: &silences, close_all: false, now };
    let opening = dispatch(found.backlog.clone(), by);
    let find = |id: FailureId| found.failures.iter().find(|failure| failure.id == id).cloned();
    for opened in opening.deliveries {
        plan.notices.push(planned(rules, &opened.delivery, now, &find));
    }
    for group in opening.forming {
        let at = group.closes_at;
        plan.notices.push(planned(rules, &preview(group, now), at, &find));
    }
    for (id, suppressed) in opening.suppressed {
        plan.suppressed.extend(find(id).map(|failure| (failure, suppressed.why)));
    }
    plan.notices.sort_by_key(|planned| planned.at);
    plan
}

/// Adds what a poll would find cleared, and who was told of it, to `backlog`.
async fn cleared(
    worker: &Worker,
    ids: Vec<FailureId>,
    (source, mass, now): (&Name, bool, Timestamp),
    backlog: &mut Backlog,
) -> Result<(), StoreError> {
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(detail) = worker.store.failure(id).await? else { continue };
        let telling = detail.deliveries.iter().filter(|one| one.kind.tells_failures());
        let told = telling.filter_map(|one| {
            let fate = match &one.state {
                DeliveryState::Folded { .. } => return None,
                DeliveryState::Delivered { .. } => Fate::Delivered,
                DeliveryState::Pending { .. } => Fate::Pending { amendable: false },
                DeliveryState::Held { by, .. } => Fate::Held(by.clone()),
                DeliveryState::Dead { .. } | DeliveryState::Suppressed { .. } => Fate::Over,
            };
            Some(Told { delivery: one.id, sink: one.sink.clone(), fate })
        });
        backlog.told.insert(id, told.collect());
        gone.push(Failure { cleared_at: Some(now), ..detail.failure });
    }
    if !gone.is_empty() {
        let failures = gone.iter().map(|failure| failure.id).collect();
        let seed = Seed::Cleared { source: source.clone(), failures, mass };
        backlog.seeds.push(Seeded { number: 0, seed, failures: gone });
    }
    Ok(())
}

struct Seeds {
    found: Vec<Seeded>,
    untold: usize,
    cleared: usize,
}

/// The seeds that recording `changes` would leave, and the failures it would add to `failures`.
fn seeds(changes: Changes, source: &Name, now: Timestamp, failures: &mut Vec<Failure>) -> Seeds {
    let mut told = Vec::new();
    let mut untold = 0;
    for new in changes.new {
        let number = u64::try_from(failures.len()).unwrap_or(0);
        let failure = Failure {
            id: FailureId(UNRECORDED + number),
            source: source.clone(),
            task: new.found.task,
            generation: new.generation,
            episode: 0,
            occurrences_24h: 1,
            origin: new.origin,
            first_seen_at: now,
            cleared_at: None,
            changed: None,
            ending: None,
        };
        if new.tell {
            told.push(failure.clone());
        } else {
            untold += 1;
        }
        failures.push(failure);
    }
    let mut seeds = Vec::new();
    if !told.is_empty() {
        let ids = told.iter().map(|failure| failure.id).collect();
        let seed = Seed::Failed {
            source: source.clone(),
            failures: ids,
            episodes: std::collections::BTreeMap::new(),
        };
        seeds.push(Seeded { number: 0, seed, failures: told });
    }
    if let Some(baseline) = changes.baseline
        && baseline.said != BaselineSaid::Nothing
    {
        let lost = baseline.said == BaselineSaid::StateLost;
        let standing = baseline.standing;
        let seed = Seed::Watching { source: source.clone(), at: now, standing, lost, as_of: None };
        seeds.push(Seeded { number: 0, seed, failures: Vec::new() });
    }
    Seeds { found: seeds, untold, cleared: changes.cleared.len() }
}

fn planned(
    rules: &Rules,
    delivery: &Delivery,
    at: Timestamp,
    find: &impl Fn(FailureId) -> Option<Failure>,
) -> PlannedNotice {
    let failures = delivery.failures.iter().filter_map(|id| find(*id)).collect();
    let owed_already = delivery.kind == NoticeKind::TaskFailed
        && delivery.failures.first().is_some_and(|id| id.0 < UNRECORDED);
    let notice = deliver::notice(delivery, failures, rules);
    let held = match &delivery.state {
        DeliveryState::Held { by, .. } => Some(by.to_string()),
        _ => None,
    };
    PlannedNotice { route: delivery.route, at, owed_already, held, notice }
}

/// A group as the delivery it would become.
fn preview(group: Forming, now: Timestamp) -> Delivery {
    let notice_id = crate::notice::NoticeId::of(
        group.kind,
        &group.sink,
        group.members.iter().map(|member| (&group.source, *member)),
        "",
    );
    Delivery {
        id: crate::delivery::DeliveryId::default(),
        notice_id,
        route: group.route,
        sink: group.sink,
        source: Some(group.source),
        kind: group.kind,
        reason: group.reason,
        failures: group.members.iter().map(|member| member.id).collect(),
        total: u32::try_from(group.members.len()).unwrap_or(u32::MAX),
        cleared: group.cleared,
        so_far: 0,
        after: Vec::new(),
        tally: None,
        trouble: None,
        since: None,
        remind: group.remind,
        uncertain: false,
        alarmed: false,
        running: Vec::new(),
        created_at: now,
        revived_at: None,
        still_open: 0,
        sources: None,
        coverage: crate::notice::Coverage::default(),
        state: DeliveryState::Pending { due: group.closes_at },
        attempts: 0,
        last: None,
        recipients: None,
    }
}
