//! What would be told now: the same poll and the same decisions, with nothing written or sent.

use jiff::Timestamp;

use super::{Worker, deliver, poll::compare};
use crate::{
    decide::{
        backlog::{Forming, Seed, Seeded},
        diff::{BaselineSaid, Changes},
        group::{Dispatching, dispatch},
        silence::Silences,
    },
    delivery::{Delivery, DeliveryState, Reason},
    failure::{Failure, FailureId},
    http::Chain,
    name::Name,
    notice::Notice,
    source::SourceError,
    store::StoreError,
};

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
#[derive(Debug)]
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
    /// What it would say.
    pub notice: Notice,
}

/// Polls every source and decides, without writing or sending anything.
///
/// # Errors
///
/// The store's.
pub async fn plan(worker: &Worker) -> Result<Plan, StoreError> {
    let mut plan = Plan::default();
    let mut backlog = worker.store.undispatched(usize::MAX, Timestamp::MIN).await?;
    let mut failures: Vec<Failure> = Vec::new();
    for watched in &worker.sources {
        let info = watched.source.info();
        let compared = compare(watched, &worker.store, &worker.clock).await?;
        let from = failures.len();
        let now = worker.clock.now();
        let seeds = seeds(compared.changes, &info.name, now, &mut failures);
        let untold = seeds.untold;
        let view = backlog.sources.entry(info.name.clone()).or_default();
        view.standing += u64::try_from(failures.len() - from).unwrap_or(0);
        plan.sources.push(PlannedPoll {
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
    let now = worker.clock.now();
    let silences = Silences::compile(&backlog.silences, Silences::default());
    let rules = &*worker.rules;
    let by = Dispatching { rules, silences: &silences, close_all: false, now };
    let opening = dispatch(backlog, by);
    let find = |id: FailureId| failures.iter().find(|failure| failure.id == id).cloned();
    for opened in opening.deliveries {
        plan.notices.push(planned(worker, &opened.delivery, now, &find));
    }
    for group in opening.forming {
        let at = group.closes_at;
        plan.notices.push(planned(worker, &preview(group, now), at, &find));
    }
    for (id, suppressed) in opening.suppressed {
        plan.suppressed.extend(find(id).map(|failure| (failure, suppressed.why)));
    }
    plan.notices.sort_by_key(|planned| planned.at);
    Ok(plan)
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
        let seed = Seed::Failed { source: source.clone(), failures: ids };
        seeds.push(Seeded { number: 0, seed, failures: told });
    }
    if let Some(baseline) = changes.baseline
        && baseline.said != BaselineSaid::Nothing
    {
        let lost = baseline.said == BaselineSaid::StateLost;
        let standing = baseline.standing;
        let seed = Seed::Watching { source: source.clone(), at: now, standing, lost };
        seeds.push(Seeded { number: 0, seed, failures: Vec::new() });
    }
    Seeds { found: seeds, untold, cleared: changes.cleared.len() }
}

fn planned(
    worker: &Worker,
    delivery: &Delivery,
    at: Timestamp,
    find: &impl Fn(FailureId) -> Option<Failure>,
) -> PlannedNotice {
    let failures = delivery.failures.iter().filter_map(|id| find(*id)).collect();
    let owed_already = delivery.failures.first().is_some_and(|id| id.0 < UNRECORDED);
    let notice = deliver::notice(delivery, failures, &worker.rules);
    PlannedNotice { route: delivery.route, at, owed_already, notice }
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
        created_at: now,
        revived_at: None,
        still_open: 0,
        coverage: crate::notice::Coverage::default(),
        state: DeliveryState::Pending { due: group.closes_at },
        attempts: 0,
        last: None,
        recipients: None,
    }
}
