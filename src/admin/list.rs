//! Lists: what they are narrowed to, in which order they come, and where they go on.
//!
//! A cursor names the last record of a part, so a list that grows or shrinks meanwhile neither
//! repeats nor skips what stays in it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Admin, AdminError, LIMIT_DEFAULT, LIMIT_MAX, name,
    view::{DeliveryView, FailureView, Listing, SilenceView, SinkView, SpokenView, json},
};
use crate::{
    decide::{narrow::Conditions, rules::Rules},
    delivery::{DeliveryId, DeliveryState},
    failure::{Failure, FailureId},
    store::{DeliverySearch, FailureQuery, FailureSearch, Found, Position},
    task::Action,
};

/// Longest text that is looked for. Longer ones are in no record.
const TEXT_BYTES_MAX: usize = 256;

/// In which order a list comes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The oldest record first.
    #[default]
    Asc,
    /// The newest record first.
    Desc,
}

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only to this sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// Only in this state: open or cleared; pending, held, delivered, dead, folded or suppressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only of this action: reset, replace, unbind, bind or other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only with this in the server's name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Only with this somewhere in the texts, or in the task's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only where all of these hold: conditions as a route has them, one a line.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// Only those that this delivery speaks for; in ascending order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
    /// Only after this number; in ascending order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Of what is listed; `asc` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The `next` of the part before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> Result<usize, AdminError> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            _ => Err(AdminError::Invalid(format!("limit must be from 1 to {LIMIT_MAX}"))),
        }
    }

    fn position(&self) -> Result<Position, AdminError> {
        let descending = self.order == Some(Order::Desc);
        let number = match (&self.cursor, self.after) {
            (Some(cursor), _) => Some(cursor_number(cursor, descending)?),
            (None, Some(_)) if descending => {
                let problem = "after goes with the ascending order only; use cursor".to_owned();
                return Err(AdminError::Invalid(problem));
            }
            (None, after) => after,
        };
        Ok(match (descending, number) {
            (false, number) => Position::Above(number.unwrap_or(0)),
            (true, number) => Position::Below(number.unwrap_or(u64::MAX)),
        })
    }
}

/// Refuses what this kind of list cannot be narrowed by.
fn refuse(given: &[(&str, bool)]) -> Result<(), AdminError> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((key, _)) => Err(AdminError::Invalid(format!("this list does not take `{key}`"))),
        None => Ok(()),
    }
}

fn bad_cursor() -> AdminError {
    AdminError::Invalid(
        "cursor must be the `next` of an earlier answer to the same question".into(),
    )
}

fn cursor_number(cursor: &str, descending: bool) -> Result<u64, AdminError> {
    let text = cursor_text(cursor)?;
    let letter = if descending { 'd' } else { 'a' };
    text.strip_prefix(letter).and_then(|number| number.parse().ok()).ok_or_else(bad_cursor)
}

pub(super) fn cursor_text(cursor: &str) -> Result<String, AdminError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad_cursor())?;
    String::from_utf8(bytes).map_err(|_| bad_cursor())
}

pub(super) fn cursor_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn cursor(position: Position, rest: Option<u64>) -> Option<String> {
    let letter = if matches!(position, Position::Above(_)) { 'a' } else { 'd' };
    rest.map(|number| cursor_of(&format!("{letter}{number}")))
}

fn bounded(key: &str, text: Option<&String>) -> Result<Option<String>, AdminError> {
    match text {
        Some(text) if TEXT_BYTES_MAX < text.len() => {
            Err(AdminError::Invalid(format!("{key} must have at most {TEXT_BYTES_MAX} bytes")))
        }
        text => Ok(text.filter(|text| !text.is_empty()).cloned()),
    }
}

impl Admin {
    /// `failure list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failures(&self, query: &ListQuery) -> Result<Value, AdminError> {
        Ok(json(&self.failure_views(query).await?))
    }

    /// The same as types.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn failure_views(
        &self,
        query: &ListQuery,
    ) -> Result<Listing<FailureView>, AdminError> {
        refuse(&[("sink", query.sink.is_some())])?;
        let position = query.position()?;
        let found = match query.delivery {
            Some(delivery) => self.failures_of(query, position, delivery).await?,
            None => {
                let search = search(query, position, &self.worker.rules)?;
                self.worker.store.search_failures(search).await?
            }
        };
        let mut ids: Vec<FailureId> = found.items.iter().map(|failure| failure.id).collect();
        ids.sort_unstable();
        let mut spoken = self.worker.store.spoken(ids).await?;
        let view = |failure: &Failure| {
            let told = spoken.remove(&failure.id).unwrap_or_default();
            let told = told.iter().map(SpokenView::from).collect();
            FailureView { told: Some(told), ..FailureView::from(failure) }
        };
        Ok(Listing {
            items: found.items.iter().map(view).collect(),
            next: cursor(position, found.rest),
        })
    }

    async fn failures_of(
        &self,
        query: &ListQuery,
        position: Position,
        delivery: u64,
    ) -> Result<Found<Failure>, AdminError> {
        let Position::Above(after) = position else {
            let problem = "delivery goes with the ascending order only".to_owned();
            return Err(AdminError::Invalid(problem));
        };
        refuse(&[
            ("source", query.source.is_some()),
            ("state", query.state.is_some()),
            ("action", query.action.is_some()),
            ("server", query.server.is_some()),
            ("text", query.text.is_some()),
            ("match", query.conditions.is_some()),
        ])?;
        let limit = query.limit()?;
        let after = FailureId(after);
        let delivery = Some(DeliveryId(delivery));
        let query = FailureQuery { after, delivery, limit, ..FailureQuery::default() };
        let items = self.worker.store.failures(query).await?;
        let last = items.last().map(|failure| failure.id.0);
        let rest = last.filter(|_| items.len() == limit);
        Ok(Found { items, rest })
    }

    /// `delivery list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn deliveries(&self, query: &ListQuery) -> Result<Value, AdminError> {
        Ok(json(&self.delivery_views(query).await?))
    }

    /// The same as types.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn delivery_views(
        &self,
        query: &ListQuery,
    ) -> Result<Listing<DeliveryView>, AdminError> {
        refuse(&[
            ("source", query.source.is_some()),
            ("action", query.action.is_some()),
            ("server", query.server.is_some()),
            ("text", query.text.is_some()),
            ("match", query.conditions.is_some()),
            ("delivery", query.delivery.is_some()),
        ])?;
        let states = DeliveryState::NAMES;
        if let Some(state) = query.state.as_deref().filter(|state| !states.contains(state)) {
            let known = states.join(", ");
            return Err(AdminError::Invalid(format!("state `{state}` is not one of {known}")));
        }
        let position = query.position()?;
        let search = DeliverySearch {
            from: position,
            sink: name(query.sink.as_deref())?,
            state: query.state.clone(),
            limit: query.limit()?,
        };
        let found = self.worker.store.search_deliveries(search).await?;
        Ok(Listing {
            items: found.items.iter().map(DeliveryView::from).collect(),
            next: cursor(position, found.rest),
        })
    }

    /// `sink list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn sinks(&self) -> Result<Value, AdminError> {
        Ok(json(&self.sink_views().await?))
    }

    /// The same as types.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn sink_views(&self) -> Result<Vec<SinkView>, AdminError> {
        let sums = self.sums().await?;
        let owed = &sums.owed;
        let states = self.worker.store.sinks().await?;
        let mut rows = Vec::new();
        let configured = self.worker.lanes.iter().map(|lane| (&lane.name, true));
        let gone = owed.keys().filter(|name| self.worker.lane(name.as_str()).is_none());
        for (name, configured) in configured.chain(gone.map(|name| (name, false))) {
            let owed = owed.get(name).copied().unwrap_or_default();
            let state = states.get(name).cloned().unwrap_or_default();
            rows.push(SinkView {
                name: name.to_string(),
                configured,
                pending: owed.pending,
                held: owed.held,
                dead: owed.dead,
                oldest_pending_at: owed.oldest,
                gate: state.gate.as_str(),
                failing_since: state.failing_since,
                last_error: (!state.last_error.is_empty()).then_some(state.last_error),
                storm_since: state.storm.map(|storm| storm.since),
            });
        }
        Ok(rows)
    }

    /// `silence list`.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn silences(&self) -> Result<Value, AdminError> {
        Ok(json(&self.silence_views().await?))
    }

    /// The same as types.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn silence_views(&self) -> Result<Vec<SilenceView>, AdminError> {
        let now = self.worker.clock.now();
        let all = self.worker.store.silences().await?;
        Ok(all.iter().map(|silence| SilenceView::of(silence, now)).collect())
    }
}

fn search(
    query: &ListQuery,
    from: Position,
    rules: &Arc<Rules>,
) -> Result<FailureSearch, AdminError> {
    let one_of = |key: &str, word: &str, known: &[&str]| {
        AdminError::Invalid(format!("{key} `{word}` is not one of {}", known.join(", ")))
    };
    let standing = match query.state.as_deref() {
        None => None,
        Some("open") => Some(true),
        Some("cleared") => Some(false),
        Some(other) => return Err(one_of("state", other, &["open", "cleared"])),
    };
    let action = match query.action.as_deref() {
        None => None,
        Some(word) => {
            let found = Action::ALL.into_iter().find(|action| action.as_str() == word);
            let known = Action::ALL.map(Action::as_str);
            Some(found.ok_or_else(|| one_of("action", word, &known))?)
        }
    };
    Ok(FailureSearch {
        from,
        source: name(query.source.as_deref())?,
        standing,
        action,
        server: bounded("server", query.server.as_ref())?,
        text: bounded("text", query.text.as_ref())?,
        conditions: Conditions::parse(query.conditions.as_deref().unwrap_or_default(), rules)
            .map_err(AdminError::Invalid)?,
        limit: query.limit()?,
    })
}
