//! The metadata service of an ECS, as far as it gives out the keys of the host's agency.
//!
//! In the cloud it is at an address of its own; here it shares the simulator's. It is asked by
//! whoever is on the host, and wants no proof of identity.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    accounts::{Accounts, TemporaryKey},
    answer::Answer,
    gateway::Call,
    random::Random,
    scenario::{Metadata, MetadataVersion},
};

/// The cloud gives out a new key when this is left of the old one. Both are good meanwhile.
const ROTATED_BEFORE: SignedDuration = SignedDuration::from_mins(10);

/// Longest life of a token.
const TOKEN_TTL_SECONDS_MAX: u32 = 6 * 3600;

/// The service's memory.
#[derive(Debug)]
pub(super) struct Service {
    written: Metadata,
    tokens: BTreeMap<String, Timestamp>,
    current: Option<TemporaryKey>,
}

impl Service {
    /// The service of a scenario.
    pub(super) fn new(written: &Metadata) -> Self {
        Self { written: written.clone(), tokens: BTreeMap::new(), current: None }
    }

    /// `PUT /meta-data/latest/api/token`.
    pub(super) fn token(&mut self, call: &Call, random: &mut Random) -> Answer {
        match self.written.version {
            MetadataVersion::V2 => (),
            MetadataVersion::V1 => return Answer::empty(405),
            MetadataVersion::Off => return Answer::html(404),
        }
        let ttl = text(call, "x-metadata-token-ttl-seconds").and_then(|ttl| ttl.parse().ok());
        let Some(ttl) = ttl.filter(|ttl| (1..=TOKEN_TTL_SECONDS_MAX).contains(ttl)) else {
            return Answer::empty(400);
        };
        let value = format!("SimulatedMetadataToken{}", random.hex32());
        let expires_at = call.at.saturating_add(SignedDuration::from_secs(ttl.into()));
        self.tokens.insert(value.clone(), expires_at.unwrap_or(Timestamp::MAX));
        Answer { content_type: "text/plain", ..Answer::json(200, value) }
    }

    /// `GET /openstack/latest/securitykey`.
    pub(super) fn key(
        &mut self,
        call: &Call,
        accounts: &mut Accounts,
        random: &mut Random,
    ) -> Answer {
        match self.written.version {
            MetadataVersion::V1 => (),
            MetadataVersion::Off => return Answer::html(404),
            MetadataVersion::V2 => {
                let shown = text(call, "x-metadata-token").and_then(|token| self.tokens.get(token));
                if shown.is_none_or(|expires_at| *expires_at <= call.at) {
                    return Answer::value(401, &json!({"error": "the token is invalid"}));
                }
            }
        }
        if !self.written.agency {
            let error = "Please configure Cloud Service Agency first";
            return Answer::value(401, &json!({"error": error}));
        }
        let fresh = |key: &TemporaryKey| ROTATED_BEFORE < key.expires_at.duration_since(call.at);
        let key = match self.current.take().filter(fresh) {
            Some(key) => key,
            None => {
                let (projects, ttl) = (self.written.projects.clone(), self.written.key_ttl.0);
                accounts.issue_key(projects, ttl, call.at, random)
            }
        };
        let answer = Answer::value(200, &key.body());
        self.current = Some(key);
        answer
    }

    /// Gives out another key when asked next.
    pub(super) fn rotate(&mut self) {
        self.current = None;
    }
}

fn text<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name)?.to_str().ok()
}
