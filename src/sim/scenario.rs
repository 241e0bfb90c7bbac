//! Scenarios: what a simulated cloud contains, what happens in it, and what goes wrong.
//!
//! A scenario is a TOML file. Each struct here is one of its tables and each field one of its
//! keys, so this file is the reference; `scenarios/` has one worked example per kind of
//! trouble. Unknown keys are refused. Times are written `"30s"` and counted from the start of
//! the simulator, which makes a scenario repeatable: with the same `seed` and the same requests
//! at the same times, every answer is the same.
//!
//! Nothing is required. Each list of accounts or projects that is left out is the reference one
//! of `config.toml` ([`PROJECT_ID`] and so on), so a scenario about a fault holds nothing else.

mod check;

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::{fault::Fault, task::SimTask};
use crate::options::{OptionError, Period};

/// The project that `config.toml` watches.
pub const PROJECT_ID: &str = "0123456789abcdef0123456789abcdef";
/// The region of [`PROJECT_ID`], which is also the project's name.
pub const REGION: &str = "cn-north-4";
/// The access key of `config.toml`.
pub const ACCESS_KEY: &str = "SIMULATOR0ACCESSKEY0";
/// The secret key of `config.toml`.
pub const SECRET_KEY: &str = "simulator-secret-key-not-a-real-one";
/// A token that is always good.
pub const TOKEN: &str = "simulator-token";
/// The name of the user, and of its account.
pub const USER: &str = "simulator";
/// The password of [`USER`].
pub const PASSWORD: &str = "simulator-password";
/// An agency.
pub const AGENCY: &str = "simulator-agency";
/// The account of [`AGENCY`].
pub const AGENCY_DOMAIN: &str = "simulator-other";

/// A whole scenario: the top of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// One line, printed at the start.
    pub title: String,
    /// Decides ids, names and messages that are made up.
    pub seed: u64,
    /// Added to every answer.
    pub latency: Period,
    /// How long a token from `POST /v3/auth/tokens` lives. 24 h, as in the cloud.
    pub token_ttl: Period,
    /// `[paging]`.
    pub paging: Paging,
    /// `[bind]`.
    pub bind: Bind,
    /// `[[project]]`.
    #[serde(rename = "project")]
    pub projects: Vec<Project>,
    /// `[[access_key]]`.
    #[serde(rename = "access_key")]
    pub access_keys: Vec<AccessKey>,
    /// `[[token]]`.
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
    /// `[[user]]`.
    #[serde(rename = "user")]
    pub users: Vec<User>,
    /// `[[agency]]`.
    #[serde(rename = "agency")]
    pub agencies: Vec<Agency>,
    /// `[metadata]`.
    pub metadata: Metadata,
    /// `[[event]]`.
    #[serde(rename = "event")]
    pub events: Vec<Event>,
    /// `[[fault]]`.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

/// `[paging]`: which of the documented, contradictory ways the lists are paged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paging {
    /// `v2023` (default), `v2022` or `none`.
    pub generation: Generation,
    /// At most this many rows a page, whatever `limit` asks for, and without a word.
    pub silent_cap: Option<usize>,
    /// A greater `limit` is refused with `KPS.0002`.
    pub limit_max: Option<usize>,
    /// `limit` is obeyed, but every page is the first.
    pub ignore_offset: bool,
}

/// A generation of the interface, by how it pages.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// `limit` and `offset` do not exist: always all rows.
    None,
    /// `limit` is 50 by default.
    V2022,
    /// `limit` is 1000 by default.
    #[default]
    V2023,
}

/// `[bind]`: what becomes of the tasks that `…/keypairs/associate` and `disassociate` start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bind {
    /// How long such a task runs. 10 s.
    pub takes: Period,
    /// Whether it then fails, and is listed, or is simply done. True.
    pub fails: bool,
    /// The error code of the failure. Left out: null.
    pub error_code: Option<String>,
    /// The error message of the failure. Left out: made up.
    pub error_message: Option<String>,
}

impl Default for Bind {
    fn default() -> Self {
        let takes = Period(Duration::from_secs(10));
        Self { takes, fails: true, error_code: None, error_message: None }
    }
}

/// `[[project]]`: one project of a region, or many alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Project {
    /// 32 hexadecimal digits. With `count`, the following projects count up from it.
    pub id: String,
    /// The region; the first project is also named so.
    pub region: String,
    /// The name that IAM finds the project by. The region by default; with `count`, the
    /// second is `<name>_1`, as sub-projects are named.
    pub name: Option<String>,
    /// How many projects. 1.
    pub count: usize,
    /// Tasks listed at the start, made up: `generate = { count = 37 }`.
    pub generate: Generate,
    /// `[[project.task]]`: tasks listed at the start, spelled out.
    #[serde(rename = "task")]
    pub tasks: Vec<SimTask>,
    /// `[[project.running]]`: tasks that run from the start and do not end by themselves. Their
    /// `age` is how long they have been running by then.
    pub running: Vec<SimTask>,
}

/// `project.generate`: tasks made up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generate {
    /// How many.
    pub count: usize,
    /// How far apart they failed; the newest one `spacing` before the start. 1 min.
    pub spacing: Period,
}

impl Default for Generate {
    fn default() -> Self {
        Self { count: 0, spacing: Period(Duration::from_secs(60)) }
    }
}

/// `[[access_key]]`: a key pair for signed requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The access key.
    pub key: String,
    /// The secret key.
    pub secret: String,
    /// Makes it a temporary key: the `X-Security-Token` that must come along.
    pub security_token: Option<String>,
    /// Until when a temporary key is good. Left out: always.
    pub expires_in: Option<Period>,
    /// Ids of the projects it may see. Left out: all.
    pub projects: Option<Vec<String>>,
}

/// `[[token]]`: a token that exists from the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The text of `X-Auth-Token`.
    pub value: String,
    /// Until when it is good; `"0s"` is an expired one. Left out: always.
    pub expires_in: Option<Period>,
    /// Ids of the projects it may see. Left out: all.
    pub projects: Option<Vec<String>>,
}

/// `[[user]]`: somebody who can ask IAM for tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The account's name.
    pub domain: String,
    /// Ids of the projects it may see. Left out: all.
    pub projects: Option<Vec<String>>,
}

/// `[[agency]]`: an account that lets others act for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// The account's name.
    pub domain: String,
    /// The agency's name.
    pub name: String,
    /// Ids of the projects it may see. Left out: all.
    pub projects: Option<Vec<String>>,
}

/// `[metadata]`: the metadata service of the ECS that a client believes to run on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// `v2` (default), `v1`, which knows no tokens, or `off`.
    pub version: MetadataVersion,
    /// Whether the ECS has an agency. True.
    pub agency: bool,
    /// How long its keys are good. 1 h, as in the cloud.
    pub key_ttl: Period,
    /// Ids of the projects it may see. Left out: all.
    pub projects: Option<Vec<String>>,
}

/// How the metadata service wants to be asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum MetadataVersion {
    /// It is not there.
    Off,
    /// Without a token.
    V1,
    /// With a token that is fetched first.
    #[default]
    V2,
}

impl Default for Metadata {
    fn default() -> Self {
        let version = MetadataVersion::default();
        Self { version, agency: true, key_ttl: Period(Duration::from_secs(3600)), projects: None }
    }
}

/// `[[event]]`: something that happens by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, from the start.
    pub at: Period,
    /// And again each time this has passed. At least 10 ms.
    #[serde(default)]
    pub every: Option<Period>,
    /// With `every`: how often in all. Left out: without end.
    #[serde(default)]
    pub times: Option<u64>,
    /// The project. Left out: the first.
    #[serde(default)]
    pub project: Option<String>,
    /// What.
    #[serde(rename = "do")]
    pub action: EventAction,
    /// How many tasks: made up by `appear`, the oldest ones for the others. 1.
    #[serde(default = "one")]
    pub count: usize,
    /// Instead of `count`, for all but `appear`: the tasks with these ids.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Instead of `count`, for all but `appear`: every task.
    #[serde(default)]
    pub all: bool,
    /// `clear` only: the operation succeeded after all, and `GET …/tasks/{id}` says so. Left
    /// out: just the record is gone.
    #[serde(default)]
    pub resolved: bool,
    /// `appear`: the task, where it should not be made up. `change`: the new texts.
    #[serde(default)]
    pub task: SimTask,
}

/// What an event does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// Tasks fail and are listed.
    Appear,
    /// Tasks are not listed any more.
    Clear,
    /// Tasks fail again: same id, `task_time` now.
    Refail,
    /// Tasks change their texts: same id, same `task_time`.
    Change,
}

/// Why a text is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// Not TOML, an unknown key, or a value of the wrong kind. The source names the line.
    #[error("the scenario cannot be read")]
    Spelling(#[source] toml::de::Error),
    /// A rule is broken that spelling does not show.
    #[error("the scenario contradicts itself")]
    Meaning(#[source] OptionError),
}

impl Default for Scenario {
    /// A quiet cloud: the reference accounts, the reference project without a task, no event
    /// and no fault. What a file leaves out is taken from here.
    fn default() -> Self {
        Self {
            title: String::new(),
            seed: 1,
            latency: Period(Duration::ZERO),
            token_ttl: Period(Duration::from_secs(24 * 3600)),
            paging: Paging::default(),
            bind: Bind::default(),
            projects: vec![Project::default()],
            access_keys: vec![AccessKey {
                key: ACCESS_KEY.to_owned(),
                secret: SECRET_KEY.to_owned(),
                security_token: None,
                expires_in: None,
                projects: None,
            }],
            tokens: vec![Token { value: TOKEN.to_owned(), expires_in: None, projects: None }],
            users: vec![User {
                name: USER.to_owned(),
                password: PASSWORD.to_owned(),
                domain: USER.to_owned(),
                projects: None,
            }],
            agencies: vec![Agency {
                domain: AGENCY_DOMAIN.to_owned(),
                name: AGENCY.to_owned(),
                projects: None,
            }],
            metadata: Metadata::default(),
            events: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Default for Project {
    fn default() -> Self {
        Self {
            id: PROJECT_ID.to_owned(),
            region: REGION.to_owned(),
            name: None,
            count: 1,
            generate: Generate::default(),
            tasks: Vec::new(),
            running: Vec::new(),
        }
    }
}

fn one() -> usize {
    1
}

impl Scenario {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    ///
    /// The first problem, with its place in the text or the key it is about.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(ScenarioError::Spelling)?;
        scenario.check().map_err(ScenarioError::Meaning)?;
        Ok(scenario)
    }

    /// The story that `taskbell simulate` tells when it is given none: three failures stand, a
    /// new one comes every 30 s, and now and then one goes.
    ///
    /// # Panics
    ///
    /// Never: a test reads the file that is built in.
    #[must_use]
    pub fn story() -> Self {
        Self::parse(include_str!("../../scenarios/default.toml")).expect("a test reads it")
    }

    /// The start of `taskbell demo`: three failures stand, and nothing happens by itself.
    ///
    /// # Panics
    ///
    /// Never: a test reads the file that is built in.
    #[must_use]
    pub fn demo() -> Self {
        Self::parse(include_str!("../../scenarios/demo.toml")).expect("a test reads it")
    }
}

impl Project {
    /// The ids of the `count` projects.
    pub fn ids(&self) -> impl Iterator<Item = String> + use<> {
        let first = u128::from_str_radix(&self.id, 16).unwrap_or_default();
        (0..self.count)
            .zip(0_u128..)
            .map(move |(_, step)| format!("{:032x}", first.wrapping_add(step)))
    }
}
