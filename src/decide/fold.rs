//! Many deliveries told as one: after a silence, a mute window or an outage, in a storm, as a
//! digest, as a reminder, and to a fallback.
//!
//! The store feeds a [`Folder`] with the failures that the deliveries speak for, one at a time,
//! so that a storm of a hundred thousand is told without holding a hundred thousand records.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    backlog::{Opened, SourceView},
    health::SinkState,
    tally::Tallier,
};
use crate::{
    delivery::{Cleared, Delivery, DeliveryId, DeliveryState, Hold, Reason, Remind},
    failure::{Failure, FailureId},
    name::Name,
    notice::{Coverage, FAILURES_MAX, Member, NoticeId, NoticeKind, Sources, Trouble},
};

/// Most deliveries that become one notice. More become a second one.
pub const DELIVERIES_MAX: usize = 10_000;

/// What becomes of a failure in a fold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It is told.
    Take,
    /// It is not, and that is recorded.
    Drop(Reason),
    /// Something else holds it.
    Hold(Hold),
    /// It is not told this time.
    Skip,
}

/// Decides about one failure; the flag says whether it was acknowledged.
pub type Judge = Box<dyn Fn(&Failure, bool) -> Kept + Send>;

/// Which deliveries are folded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// Those that this holds.
    Held(Hold),
    /// All that are pending, are not being attempted, and cannot have been accepted.
    Pending,
    /// None: what this one told is told again.
    Again {
        /// Which.
        delivery: DeliveryId,
        /// Since when that was due.
        due: Timestamp,
    },
    /// None: those that are dead, refused, or were opened before then, are told to others.
    Overdue(Timestamp),
}

/// What the fold does to the sink's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Afterwards {
    /// Nothing.
    Nothing,
    /// The backlog is caught up: the gate opens.
    CaughtUp,
    /// A storm goes on, and is told next after this time.
    StormGoesOn(Duration),
    /// A storm is over.
    StormEnds,
    /// The fallback is asked again after this time, if the sink still fails.
    Alarmed(Duration),
}

/// One fold.
pub struct FoldOrder {
    /// Whose deliveries.
    pub from: Name,
    /// To whom it is told: to the same sink, or to its fallback.
    pub to: Vec<Name>,
    /// Which deliveries.
    pub what: What,
    /// As what.
    pub kind: NoticeKind,
    /// Why.
    pub reason: String,
    /// See [`crate::notice::Notice::since`].
    pub since: Option<Timestamp>,
    /// See [`crate::notice::Notice::trouble`].
    pub trouble: Option<Trouble>,
    /// See [`Delivery::after`].
    pub after: Vec<DeliveryId>,
    /// Decides about each failure.
    pub judge: Judge,
    /// What it does to the sink's state.
    pub afterwards: Afterwards,
    /// The present.
    pub at: Timestamp,
}

impl fmt::Debug for FoldOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoldOrder")
            .field("from", &self.from)
            .field("what", &self.what)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl SinkState {
    /// The state after a fold that told `total` failures.
    #[must_use]
    pub fn folded(mut self, afterwards: Afterwards, total: u32, now: Timestamp) -> Self {
        let later = |wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        match afterwards {
            Afterwards::Nothing => {}
            Afterwards::CaughtUp => self.gate = super::health::Gate::Open,
            Afterwards::StormGoesOn(update) => {
                if let Some(storm) = &mut self.storm {
                    storm.told = storm.told.saturating_add(total);
                    storm.next = later(update);
                    storm.announced = true;
                }
            }
            Afterwards::StormEnds => self.storm = None,
            Afterwards::Alarmed(again) => {
                self.alarm_at = self.failing_since.map(|_| later(again));
            }
        }
        self
    }
}

/// What the folded deliveries have in common.
#[derive(Clone, Debug, Default)]
pub struct Heritage {
    /// The route of the first.
    pub route: u32,
    /// How the first that has reminders is reminded of.
    pub remind: Option<Remind>,
    /// Failures that the storm brought before.
    pub so_far: u32,
    /// How many there are.
    pub deliveries: usize,
    /// Sources that are blind still, and of which they tell that.
    pub blind: BTreeSet<Name>,
    /// See [`NoticeId::joined`].
    pub origin: String,
}

impl Heritage {
    /// Takes note of a delivery that says that a source, or several, is blind, as far as that is
    /// still so.
    pub fn add_blind(&mut self, delivery: &Delivery, sources: &BTreeMap<Name, SourceView>) {
        if delivery.kind != NoticeKind::SourceBlind {
            return;
        }
        let mut blind: Vec<(&Name, &SourceView)> =
            sources.iter().filter(|(_, view)| view.blind).collect();
        if let Some(source) = &delivery.source {
            blind.retain(|(name, _)| *name == source);
        }
        // One about many names the first of them. Who else it was about is best told by the class.
        let several = delivery.sources.as_ref();
        let is_named = |name| several.is_some_and(|several| several.names.contains(name));
        blind.sort_by_key(|(name, view)| (!is_named(name), view.outcome != delivery.reason));
        let count = several.map_or(1, |several| several.count);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.blind.extend(blind.into_iter().take(count).map(|(name, _)| name.clone()));
    }

    /// The same in a notice.
    fn blind_sources(&self) -> Option<Sources> {
        (!self.blind.is_empty()).then(|| Sources {
            count: u32::try_from(self.blind.len()).unwrap_or(u32::MAX),
            names: self.blind.iter().take(Sources::NAMES_MAX).cloned().collect(),
        })
    }
}

/// What a fold came to.
#[derive(Debug, Default)]
pub struct Folded {
    /// Deliveries to open: what is told, then what something else holds.
    pub opened: Vec<Opened>,
    /// Failures that are not told, and why.
    pub dropped: Vec<(FailureId, Reason)>,
}

#[derive(Debug, Default)]
struct Part {
    members: Vec<(Name, Member)>,
    cleared: Vec<Cleared>,
    open: u64,
    tally: Tallier,
}

/// A delivery to nobody yet.
#[derive(Debug)]
struct Model {
    delivery: Delivery,
    members: Vec<(Name, Member)>,
}

/// Takes failures in, in ascending order, and gives deliveries out.
#[derive(Debug)]
pub struct Folder<'o> {
    order: &'o FoldOrder,
    told: Part,
    held: BTreeMap<Hold, Part>,
    dropped: Vec<(FailureId, Reason)>,
}

impl<'o> Folder<'o> {
    /// Nothing taken in yet.
    #[must_use]
    pub fn new(order: &'o FoldOrder) -> Self {
        Self { order, told: Part::default(), held: BTreeMap::new(), dropped: Vec::new() }
    }

    /// Takes in one failure.
    pub fn take(&mut self, failure: &Failure, acked: bool) {
        let part = match (self.order.judge)(failure, acked) {
            Kept::Take => &mut self.told,
            Kept::Hold(hold) => self.held.entry(hold).or_default(),
            Kept::Drop(reason) => {
                self.dropped.push((failure.id, reason));
                return;
            }
            Kept::Skip => return,
        };
        part.members.push((failure.source.clone(), Member::from(failure)));
        part.tally.add(failure);
        match failure.cleared_at {
            None => part.open += 1,
            Some(at) if part.members.len() <= FAILURES_MAX => {
                part.cleared.push(Cleared { id: failure.id, at, ending: failure.ending });
            }
            Some(_) => {}
        }
    }

    /// Gives the deliveries, without numbers. The end of a storm is told even if it brought
    /// nothing more, and that a sink fails even if it owes no failures.
    #[must_use]
    pub fn finish(self, heritage: &Heritage, sources: &BTreeMap<Name, SourceView>) -> Folded {
        let order = self.order;
        let mut opened = Vec::new();
        let said = match order.kind {
            NoticeKind::StormClosed => true,
            NoticeKind::SinkFailing => 0 < heritage.deliveries,
            _ => !self.told.members.is_empty(),
        };
        if said {
            let model = order.open(self.told, heritage, sources);
            opened.extend(order.to.iter().map(|sink| order.addressed(&model, sink, heritage)));
        }
        for (hold, part) in self.held {
            let model = order.open(part, heritage, sources);
            let mut held = order.addressed(&model, &order.from, heritage);
            held.delivery.kind = NoticeKind::Digest;
            held.delivery.state = DeliveryState::Held { since: order.at, by: hold };
            opened.push(held);
        }
        Folded { opened, dropped: self.dropped }
    }
}

impl FoldOrder {
    /// Tells apart notices of one kind about the same failures.
    fn occasion(&self, heritage: &Heritage) -> String {
        match self.what {
            What::Again { .. } => format!("reminder {}", heritage.remind.map_or(0, |one| one.sent)),
            What::Overdue(_) => format!("{} {}", self.from, self.at.as_millisecond()),
            What::Held(_) | What::Pending => format!("{} {}", self.reason, heritage.origin),
        }
    }

    /// `model` for one sink, under the name that it has there.
    fn addressed(&self, model: &Model, sink: &Name, heritage: &Heritage) -> Opened {
        let members = model.members.iter().map(|(source, member)| (source, *member));
        let notice_id = NoticeId::of(self.kind, sink, members, &self.occasion(heritage));
        let delivery = Delivery { notice_id, sink: sink.clone(), ..model.delivery.clone() };
        let all_listed = model.members.len() <= FAILURES_MAX;
        let ids = model.members.iter().map(|(_, member)| member.id);
        Opened { delivery, members: if all_listed { Vec::new() } else { ids.collect() } }
    }

    fn open(&self, part: Part, heritage: &Heritage, sources: &BTreeMap<Name, SourceView>) -> Model {
        let named: BTreeSet<&Name> = part.members.iter().map(|(source, _)| source).collect();
        let only = if named.len() == 1 { named.first().copied().cloned() } else { None };
        let standing: u64 =
            named.iter().filter_map(|name| sources.get(*name)).map(|view| view.standing).sum();
        let view = only.as_ref().and_then(|name| sources.get(name));
        let listed = part.members.iter().take(FAILURES_MAX).map(|(_, member)| member.id);
        let total = u32::try_from(part.members.len()).unwrap_or(u32::MAX);
        let delivery = Delivery {
            id: DeliveryId::default(),
            notice_id: NoticeId::of(self.kind, &self.from, [], ""),
            route: heritage.route,
            sink: self.from.clone(),
            source: only,
            // What else was not told has no members to be told by.
            sources: heritage.blind_sources().filter(|_| self.kind == NoticeKind::SinkFailing),
            kind: self.kind,
            reason: self.reason.clone(),
            total,
            cleared: part.cleared,
            created_at: self.at,
            revived_at: None,
            still_open: u32::try_from(standing.saturating_sub(part.open)).unwrap_or(u32::MAX),
            so_far: heritage.so_far.saturating_add(total),
            coverage: view.map_or_else(Coverage::default, |view| {
                view.coverage.figures(view.last_complete_at, self.at)
            }),
            tally: (1 < total).then(|| part.tally.finish()),
            trouble: self.trouble.clone(),
            since: self.since,
            after: self.after.clone(),
            remind: heritage.remind,
            state: DeliveryState::Pending { due: self.at },
            attempts: 0,
            last: None,
            recipients: None,
            uncertain: false,
            alarmed: false,
            running: Vec::new(),
            failures: listed.collect(),
        };
        Model { delivery, members: part.members }
    }
}
