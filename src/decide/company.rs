//! Many sources that go blind at once, are seen again at once, or are watched from one moment on, in
//! one notice.
//!
//! Behind one expired key or one broken link lie hundreds of lists, and none of their notices would
//! say more than the first. They become blind one after the other, as they are polled, so the first
//! waits while others are in the same trouble and about to follow, and no longer than
//! [`WAIT_MAX`]. Where nobody follows, nobody waits.
//!
//! A sink that keeps something open for each source gets a notice for each: it could not close what
//! was opened for others as well.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::{
    backlog::{Forming, Opened, Sighting, SourceView},
    close::occasion,
    group::Desk,
    sight::Because,
};
use crate::{
    delivery::{Delivery, DeliveryId},
    name::Name,
    notice::{Coverage, NoticeKind, Sources, Trouble},
};

/// So many are told one by one.
const FEW: usize = 3;

/// Longest wait of the first for the others: twice the usual interval.
const WAIT_MAX: Duration = Duration::from_secs(120);

impl Desk<'_> {
    /// Whether what a sink is told of one source may become a notice about many.
    pub(super) fn may_be_many(&self, sink: &Name) -> bool {
        self.by.rules.sink(sink).sums_up() && FEW < self.by.rules.sources.len()
    }

    /// Puts what is said of a source to what is said of others for the same reason. `group` is an
    /// empty one of its place.
    pub(super) fn gather(&mut self, group: Forming, one: &Sighting) {
        let place = [&group.route.to_string(), group.sink.as_str(), group.kind.as_str()];
        let key = [&place[..], &["as a whole", &group.reason]].concat().join("\u{1f}");
        let closes_at = self.by.now.saturating_add(WAIT_MAX).unwrap_or(Timestamp::MAX);
        let group = self.forming.entry(key).or_insert_with_key(|key| Forming {
            key: key.clone(),
            closes_at,
            ..group
        });
        group.sightings.retain(|earlier| earlier.source != one.source);
        group.sightings.push(one.clone());
        self.joined.insert(group.key.clone());
    }

    /// Takes a source that is seen again out of the groups that were to say that it is blind. That
    /// it is seen again says since when it was not.
    pub(super) fn not_blind_any_more(&mut self, source: &Name) {
        let mut ended = Vec::new();
        for (key, group) in &mut self.forming {
            let before = group.sightings.len();
            if group.kind == NoticeKind::SourceBlind {
                group.sightings.retain(|one| one.source != *source);
            }
            if group.sightings.len() < before {
                self.joined.insert(key.clone());
                ended.extend(group.sightings.is_empty().then(|| key.clone()));
            }
        }
        for key in ended {
            self.forming.remove(&key);
            self.close_key(&key);
        }
    }

    /// Whether others are about to join a group, so many that they are told as one.
    pub(super) fn has_company(&self, group: &Forming) -> bool {
        let here: BTreeSet<&Name> = group.sightings.iter().map(|one| &one.source).collect();
        let others = self.by.rules.sources.keys().filter(|name| !here.contains(name));
        let follows = |name: &&Name| {
            self.sources.get(*name).map_or_else(
                // Never polled.
                || is_first(group.kind),
                |view| follows(group, view),
            )
        };
        let coming = others.filter(follows).count();
        0 < coming && FEW < coming + here.len()
    }

    /// Tells what is said of sources: each by itself if they are few.
    pub(super) fn close_sightings(&self, group: &Forming, opened: &mut Vec<Opened>) {
        if group.sightings.len() <= FEW {
            opened.extend(group.sightings.iter().map(|one| {
                let of = Forming { source: one.source.clone(), ..group.clone() };
                self.tell(&of, one)
            }));
            return;
        }
        let mut all: Vec<&Sighting> = group.sightings.iter().collect();
        all.sort_unstable_by(|one, other| one.source.cmp(&other.source));
        let occasions: Vec<String> = all.iter().map(|one| occasion(&one.source, one.at)).collect();
        let after: BTreeSet<DeliveryId> =
            all.iter().flat_map(|one| self.ahead(group, &one.source)).collect();
        let names = all.iter().take(Sources::NAMES_MAX).map(|one| one.source.clone()).collect();
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let standing: u64 = all.iter().map(|one| one.standing).sum();
        let one = self.about(group, &occasions.join(" "));
        let delivery = Delivery {
            source: None,
            sources: Some(Sources { count, names }),
            trouble: all.first().and_then(|first| example(first)),
            since: all.iter().filter_map(|one| one.since).min(),
            after: after.into_iter().collect(),
            still_open: u32::try_from(standing).unwrap_or(u32::MAX),
            // That of one source.
            coverage: Coverage::default(),
            ..one.delivery
        };
        opened.push(Opened { delivery, ..one });
    }
}

/// Whether a source is about to have the same said of it.
fn follows(group: &Forming, view: &SourceView) -> bool {
    match (group.kind, group.sightings.first()) {
        (NoticeKind::SourceBlind, _) => !view.blind && view.outcome == group.reason,
        // One that cannot be seen would be waited for in vain.
        (kind, _) if is_first(kind) => {
            !view.has_baseline && matches!(view.outcome.as_str(), "" | "complete")
        }
        // Not polled since somebody runs again: it was last seen before the middle of the gap.
        (_, Some(Sighting { at, since: Some(since), .. }))
            if group.reason == Because::NotRunning.as_str() =>
        {
            let middle = at.duration_since(*since) / 2;
            let middle = at.saturating_sub(middle).unwrap_or(*at);
            !view.blind && view.last_complete_at.is_some_and(|at| at < middle)
        }
        _ => view.blind,
    }
}

/// Whether a notice says that something begins with a baseline.
fn is_first(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::SourceWatching | NoticeKind::StateLost)
}

/// The trouble of one source, as an example of all.
fn example(one: &Sighting) -> Option<Trouble> {
    let trouble = one.trouble.as_ref()?;
    let detail = match trouble.detail.as_str() {
        "" => String::new(),
        detail => format!("{}: {detail}", one.source),
    };
    Some(Trouble { detail, ..trouble.clone() })
}

#[cfg(test)]
mod tests;
