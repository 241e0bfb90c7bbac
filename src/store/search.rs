//! Pages of lists for people: in either direction, narrowed, and bounded in work.
//!
//! A search looks at no more than [`LOOKED_AT_MAX`] records of a tree, however few of them match.
//! It says where it stopped, so whoever wants more asks again, and nobody else waits meanwhile.

use std::{cmp::Reverse, collections::BTreeMap, ops::ControlFlow};

use super::{
    DeliverySearch, FailureSearch, Found, Position, Spoken, StoreError,
    engine::{Engine, deliveries, failures, roster, told},
    kv::{Kv, Txn},
    mention,
    pages::{Pages, Record},
};
use crate::{
    delivery::{Delivery, DeliveryState},
    failure::{Failure, FailureId},
    name::Name,
};

/// Records of one tree that one search looks at: some milliseconds.
const LOOKED_AT_MAX: usize = 2_000;

/// A part of one tree in the order of a search.
struct Part<T> {
    items: Vec<T>,
    /// The last record that was looked at, if there are more behind it.
    stopped: Option<u64>,
}

/// Looks at up to `looks` records for up to `limit` that are `wanted`.
fn part<T: Record>(
    pages: &Pages<T>,
    kv: &dyn Kv,
    from: Position,
    (looks, limit): (usize, usize),
    wanted: impl Fn(&T) -> bool,
) -> Result<Part<T>, StoreError> {
    let mut part = Part { items: Vec::new(), stopped: None };
    let mut looked = 0;
    let visit = |record: T| {
        let number = record.number();
        looked += 1;
        if wanted(&record) {
            part.items.push(record);
        }
        if looks <= looked || limit <= part.items.len() {
            // Whether it was the last one of all shows at the next search.
            part.stopped = Some(number);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    match from {
        Position::Above(number) => pages.scan(kv, number.saturating_add(1), visit)?,
        Position::Below(number) => pages.scan_back(kv, number, visit)?,
    }
    Ok(part)
}

/// Puts parts of several trees into one list. What lies behind the first stop is left for the
/// next search, since another tree may have something in front of it.
fn join<T: Record>(parts: Vec<Part<T>>, from: Position, limit: usize) -> Found<T> {
    let stops = parts.iter().filter_map(|part| part.stopped);
    let up = matches!(from, Position::Above(_));
    let horizon = if up { stops.min() } else { stops.max() };
    let within = |number: u64| {
        horizon.is_none_or(|horizon| if up { number <= horizon } else { horizon <= number })
    };
    let mut items: Vec<T> = parts.into_iter().flat_map(|part| part.items).collect();
    items.retain(|item| within(item.number()));
    if up {
        items.sort_by_key(Record::number);
    } else {
        items.sort_by_key(|item| Reverse(item.number()));
    }
    let cut = limit < items.len();
    items.truncate(limit);
    let rest = if cut { items.last().map(Record::number) } else { horizon };
    Found { items, rest }
}

impl FailureSearch {
    /// For every failure.
    pub(crate) fn all(from: Position, limit: usize) -> Self {
        Self {
            from,
            source: None,
            standing: None,
            action: None,
            server: None,
            text: None,
            conditions: None,
            limit,
        }
    }

    fn wants(&self, failure: &Failure) -> bool {
        let text = failure.current_text();
        let has = |field: Option<&str>, part: &str| {
            field.is_some_and(|field| contains_ignoring_case(field, part))
        };
        self.source.as_ref().is_none_or(|source| failure.source == *source)
            && self.standing.is_none_or(|standing| standing == failure.cleared_at.is_none())
            && self.action.is_none_or(|action| failure.task.action == action)
            && self.conditions.as_ref().is_none_or(|conditions| conditions.hold(failure))
            && self.server.as_deref().is_none_or(|part| {
                has(text.server_name.as_deref(), part) || has(text.server_id.as_deref(), part)
            })
            && self.text.as_deref().is_none_or(|part| {
                [
                    Some(failure.task.id.as_str()),
                    Some(text.operate_type.as_str()),
                    text.error_code.as_deref(),
                    text.error_message.as_deref(),
                    text.server_name.as_deref(),
                    text.keypair.as_deref(),
                ]
                .into_iter()
                .any(|field| has(field, part))
            })
    }
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

impl Engine {
    pub(super) fn search_failures(
        &mut self,
        search: &FailureSearch,
    ) -> Result<Found<Failure>, StoreError> {
        if search.standing == Some(true) {
            return self.search_standing(search);
        }
        let bounds = (LOOKED_AT_MAX, search.limit);
        let part =
            part(&failures(), &*self.kv, search.from, bounds, |failure| search.wants(failure))?;
        Ok(join(vec![part], search.from, search.limit))
    }

    /// What stands is few among what ever failed, and the roster lists it.
    fn search_standing(&mut self, search: &FailureSearch) -> Result<Found<Failure>, StoreError> {
        let wanted = |name: &Name| search.source.as_ref().is_none_or(|source| source == name);
        let numbers: Vec<u32> = self
            .sources
            .iter()
            .filter(|(name, state)| wanted(name) && 0 < state.standing)
            .map(|(_, state)| state.number)
            .collect();
        let narrowed = search.action.is_some() || search.server.is_some() || search.text.is_some();
        let looks = if narrowed { LOOKED_AT_MAX / numbers.len().max(1) } else { 0 };
        let looks = looks.max(search.limit);
        let mut parts = Vec::with_capacity(numbers.len());
        for number in numbers {
            let bounds = (looks, looks);
            parts.push(part(&roster(number), &*self.kv, search.from, bounds, |_| true)?);
        }
        let listed = join(parts, search.from, LOOKED_AT_MAX.max(search.limit));
        let mut ids: Vec<u64> = listed.items.iter().map(Record::number).collect();
        ids.sort_unstable();
        let mut found = failures().get_many(&Txn::new(&mut *self.kv), ids)?;
        found.retain(|failure| search.wants(failure));
        let found = Part { items: found, stopped: listed.rest };
        Ok(join(vec![found], search.from, search.limit))
    }

    pub(super) fn search_deliveries(
        &self,
        search: &DeliverySearch,
    ) -> Result<Found<Delivery>, StoreError> {
        let wanted = |delivery: &Delivery| {
            search.sink.as_ref().is_none_or(|sink| delivery.sink == *sink)
                && search.state.as_deref().is_none_or(|state| delivery.state.as_str() == state)
        };
        let done = search.state.as_deref().map(DeliveryState::is_word_of_done);
        let bounds = (LOOKED_AT_MAX, search.limit);
        let mut parts = Vec::new();
        if done != Some(true) {
            parts.push(part(&deliveries(), &*self.kv, search.from, bounds, wanted)?);
        }
        if done != Some(false) {
            parts.push(part(&told(), &*self.kv, search.from, bounds, wanted)?);
        }
        Ok(join(parts, search.from, search.limit))
    }

    pub(super) fn spoken(
        &mut self,
        ids: &[FailureId],
    ) -> Result<BTreeMap<FailureId, Vec<Spoken>>, StoreError> {
        mention::spoken(&Txn::new(&mut *self.kv), ids)
    }
}
