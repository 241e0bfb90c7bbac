//! What is due beside groups: holds that end, storms, catching up, reminders, alarms.
//!
//! Looks at one small view per sink, whatever lies in the store, and names what has to be folded.
//! Each fold is one transaction of its own, so a crash between two of them loses nothing and
//! repeats nothing.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    fold::{Afterwards, FoldOrder, Judge, Kept, What},
    health::{Gate, SinkState},
    route::Subject,
    rules::Rules,
    silence::Silences,
};
use crate::{
    delivery::{DeliveryId, Hold, Outcome, Reason},
    failure::Failure,
    name::Name,
    notice::{NoticeKind, Trouble},
    silence::OnExpire,
};

/// What one thing holds back from one sink.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HoldView {
    /// Deliveries.
    pub deliveries: usize,
    /// Failures that they speak for.
    pub failures: u64,
}

/// A sink, as far as something may be due for it.
#[derive(Clone, Debug, Default)]
pub struct SinkView {
    /// How it is doing.
    pub state: SinkState,
    /// What is held, by what holds it.
    pub holds: BTreeMap<Hold, HoldView>,
}

/// Everything that may be due.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    /// Each sink that is not at rest.
    pub sinks: BTreeMap<Name, SinkView>,
    /// Deliveries of which to remind now, a bounded number: since when, which, to whom.
    pub reminders: Vec<(Timestamp, DeliveryId, Name)>,
    /// When the next reminder after these is due.
    pub next_reminder: Option<Timestamp>,
}

/// What the decisions go by.
#[derive(Clone, Debug)]
pub struct Releasing {
    /// The config.
    pub rules: Arc<Rules>,
    /// Every silence that is remembered.
    pub silences: Arc<Silences>,
    /// The present.
    pub now: Timestamp,
}

impl Releasing {
    /// Names what is due now, in the order in which it is to be done.
    #[must_use]
    pub fn due(&self, waiting: &Waiting) -> Vec<FoldOrder> {
        let mut orders = Vec::new();
        for (sink, view) in &waiting.sinks {
            orders.extend(view.holds.keys().filter_map(|hold| self.ended(sink, hold, view)));
            orders.extend(self.storm(sink, view));
            orders.extend(self.catch_up(sink, &view.state));
            orders.extend(self.alarm(sink, &view.state));
        }
        let again = waiting.reminders.iter();
        let again = again.map(|(due, delivery, sink)| {
            self.remind(What::Again { delivery: *delivery, due: *due }, sink)
        });
        orders.extend(again);
        orders
    }

    /// When something is due next, as far as the clock decides it.
    #[must_use]
    pub fn next(&self, waiting: &Waiting) -> Option<Timestamp> {
        let holds = waiting.sinks.values().flat_map(|view| view.holds.keys());
        let holds = holds.filter_map(|hold| match hold {
            Hold::Silence(number) => {
                Some(self.silences.get(*number).map_or(self.now, |silence| silence.ends_at))
            }
            Hold::Window(_, until) | Hold::Digest(until) => {
                Some(Timestamp::from_millisecond(*until).unwrap_or(self.now))
            }
            Hold::Storm | Hold::Disabled => None,
        });
        let states = waiting.sinks.values().map(|view| &view.state);
        let storms = states.clone().filter_map(|state| state.storm.map(|storm| storm.next));
        let alarms = states.filter_map(|state| state.alarm_at);
        holds.chain(storms).chain(alarms).chain(waiting.next_reminder).min()
    }

    fn order(&self, sink: &Name, what: What, kind: NoticeKind, reason: &str) -> FoldOrder {
        FoldOrder {
            from: sink.clone(),
            to: vec![sink.clone()],
            what,
            kind,
            reason: reason.to_owned(),
            since: None,
            trouble: None,
            after: Vec::new(),
            judge: Box::new(|_, _| Kept::Take),
            afterwards: Afterwards::Nothing,
            at: self.now,
        }
    }

    /// A hold that is over.
    fn ended(&self, sink: &Name, hold: &Hold, view: &SinkView) -> Option<FoldOrder> {
        let over = |until: i64| until <= self.now.as_millisecond();
        let fold = |reason| self.order(sink, What::Held(hold.clone()), NoticeKind::Digest, reason);
        match hold {
            Hold::Silence(number) if self.silences.has_ended(*number, self.now) => {
                let since = self.silences.get(*number).map(|silence| silence.starts_at);
                let judge = self.after_silence(*number);
                Some(FoldOrder { since, judge, ..fold("silence_ended") })
            }
            Hold::Window(_, until) if over(*until) => {
                let judge = self.judge(Some(Reason::Cleared));
                Some(FoldOrder { judge, ..fold("window_ended") })
            }
            Hold::Digest(due) if over(*due) => {
                Some(FoldOrder { judge: self.judge(None), ..fold("schedule") })
            }
            Hold::Disabled if !matches!(view.state.gate, Gate::Disabled { .. }) => {
                Some(fold("outage_ended"))
            }
            Hold::Storm if view.state.storm.is_none() => Some(fold("schedule")),
            _ => None,
        }
    }

    /// The silence that holds a failure now.
    fn silenced(
        rules: &Rules,
        silences: &Silences,
        failure: &Failure,
        now: Timestamp,
    ) -> Option<u64> {
        if !silences.any_active(now) {
            return None;
        }
        let info = rules.info(&failure.source);
        let none = BTreeMap::new();
        let labels = rules.sources.get(&failure.source).map_or(&none, |facts| &facts.labels);
        silences.holder(&Subject::of(failure, &info, labels), now)
    }

    /// What another silence holds stays held; what cleared is dropped for `cleared`, if at all.
    fn judge(&self, cleared: Option<Reason>) -> Judge {
        let Self { rules, silences, now } = self.clone();
        Box::new(move |failure, _| match (&cleared, failure.cleared_at) {
            (Some(reason), Some(_)) => Kept::Drop(reason.clone()),
            _ => match Self::silenced(&rules, &silences, failure, now) {
                Some(number) => Kept::Hold(Hold::Silence(number)),
                None => Kept::Take,
            },
        })
    }

    fn after_silence(&self, number: u64) -> Judge {
        match self.silences.on_expire(number) {
            OnExpire::Digest => self.judge(Some(Reason::Cleared)),
            OnExpire::Drop => Box::new(move |_, _| Kept::Drop(Reason::Silence(number))),
        }
    }

    /// The opening, an update or the end of a storm.
    fn storm(&self, sink: &Name, view: &SinkView) -> Option<FoldOrder> {
        let storm = view.state.storm.filter(|storm| storm.next <= self.now)?;
        let rules = self.rules.sink(sink);
        let rule = rules.storm.unwrap_or_default();
        let held = view.holds.get(&Hold::Storm).copied().unwrap_or_default();
        let calm = held.failures <= u64::try_from(rule.threshold).unwrap_or(u64::MAX)
            && rules.limit.is_none_or(|limit| held.deliveries <= limit.count);
        let (kind, afterwards) = match (storm.announced, held.deliveries) {
            // Everything that began it was held by something else.
            (false, 0) => return Some(self.quiet_end(sink)),
            (false, _) => (NoticeKind::StormOpened, Afterwards::StormGoesOn(rule.update)),
            (true, _) if calm => (NoticeKind::StormClosed, Afterwards::StormEnds),
            (true, _) => (NoticeKind::StormUpdated, Afterwards::StormGoesOn(rule.update)),
        };
        let order = self.order(sink, What::Held(Hold::Storm), kind, "storm");
        let after = storm.last.into_iter().collect();
        Some(FoldOrder { since: Some(storm.since), afterwards, after, ..order })
    }

    fn quiet_end(&self, sink: &Name) -> FoldOrder {
        let order = self.order(sink, What::Held(Hold::Storm), NoticeKind::Digest, "storm");
        FoldOrder { afterwards: Afterwards::StormEnds, ..order }
    }

    fn catch_up(&self, sink: &Name, state: &SinkState) -> Option<FoldOrder> {
        (state.gate == Gate::CatchUp).then(|| FoldOrder {
            afterwards: Afterwards::CaughtUp,
            ..self.order(sink, What::Pending, NoticeKind::Digest, "outage_ended")
        })
    }

    /// Tells the fallback what a sink did not take.
    fn alarm(&self, sink: &Name, state: &SinkState) -> Option<FoldOrder> {
        state.alarm_at.filter(|at| *at <= self.now)?;
        let rules = self.rules.sink(sink);
        let after = rules.fallback_after;
        let overdue = self.now.saturating_sub(after).unwrap_or(Timestamp::MIN);
        let kind = NoticeKind::SinkFailing;
        Some(FoldOrder {
            to: rules.fallback.clone(),
            since: state.failing_since,
            trouble: Some(trouble(sink, state)),
            afterwards: Afterwards::Alarmed(after),
            ..self.order(sink, What::Overdue(overdue), kind, "not_delivered")
        })
    }

    fn remind(&self, what: What, sink: &Name) -> FoldOrder {
        let Self { rules, silences, now } = self.clone();
        FoldOrder {
            judge: Box::new(move |failure, acked| {
                let quiet = acked
                    || failure.cleared_at.is_some()
                    || Self::silenced(&rules, &silences, failure, now).is_some();
                if quiet { Kept::Skip } else { Kept::Take }
            }),
            ..self.order(sink, what, NoticeKind::TaskReminder, "reminder")
        }
    }
}

fn trouble(sink: &Name, state: &SinkState) -> Trouble {
    let (class, advice) = match (state.gate, state.last_outcome) {
        (Gate::Disabled { .. }, _) => (
            Outcome::Gone,
            format!(
                "The receiver says that it is gone for good. Give it a new address, then \
                 `taskbell sink probe {sink}`."
            ),
        ),
        (_, Some(Outcome::Suspect)) => (
            Outcome::Suspect,
            format!(
                "It refuses what it is sent, which looks like configuration: check its address \
                 and its secret, then `taskbell sink probe {sink}`."
            ),
        ),
        _ => (
            Outcome::Retry,
            "It cannot be reached or is busy. Deliveries are tried again; nothing has to be done \
             unless it stays so."
                .to_owned(),
        ),
    };
    Trouble {
        sink: Some(sink.clone()),
        class: class.as_str().to_owned(),
        detail: state.last_error.clone(),
        advice,
    }
}

#[cfg(test)]
mod tests;
