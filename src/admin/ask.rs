//! Questions and orders, the same for a daemon behind its socket and for a store that we opened
//! ourselves.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Admin, AdminError, ListQuery, TestKind,
    operate::{DeadQuery, NewAck, NewSilence},
};

/// What is asked of a worker.
#[derive(Clone, Debug)]
pub enum Ask {
    /// `source list`.
    Sources,
    /// `baseline reset`.
    ResetBaseline(String),
    /// `sink list`.
    Sinks,
    /// `sink test`.
    TestSink(String, TestKind),
    /// `sink probe`; the flag is `--resend`.
    ProbeSink(String, bool),
    /// `failure list`.
    Failures(ListQuery),
    /// `failure show` and `failure explain`.
    Failure(String),
    /// Only what happened to it.
    Explain(String),
    /// `failure ack`; without one, `failure unack`.
    Acknowledge(String, Option<NewAck>),
    /// `delivery list` and `dead list`.
    Deliveries(ListQuery),
    /// `delivery show`.
    Delivery(u64),
    /// `delivery retry`.
    Retry(u64),
    /// `delivery cancel`.
    Cancel(u64),
    /// `dead replay`.
    ReplayDead(DeadQuery),
    /// `dead purge`.
    PurgeDead(DeadQuery),
    /// `silence list`.
    Silences,
    /// `silence add`.
    AddSilence(NewSilence),
    /// `silence expire`.
    ExpireSilence(u64),
    /// `state verify`: the sinks' accounts.
    Account,
    /// `state verify`: the records.
    Inspect,
    /// `state info`.
    StateInfo,
    /// `state export`: have a copy made.
    Checkpoint,
    /// `state compact`.
    Compact,
    /// How far the daemon is with one of these.
    Progress,
    /// `plan`; with the text of another config to compare.
    Plan(Option<String>),
    /// `config diff`: the text of another config, and how many seconds back.
    Diff(String, u64),
}

impl Ask {
    /// Whether it is about a list that is short enough to be asked for whole.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Sources | Self::Sinks | Self::Silences)
    }

    /// How it is asked over HTTP: method, path below `/api/v1/`, query, body.
    #[must_use]
    pub fn request(&self) -> (Method, String, Option<Value>, Option<Value>) {
        let get = |path: String, query| (Method::GET, path, query, None);
        let post = |path: String, body| (Method::POST, path, None, body);
        let delete = |path: String| (Method::DELETE, path, None, None);
        match self {
            Self::Sources => get("sources".to_owned(), None),
            Self::ResetBaseline(source) => delete(format!("sources/{}/baseline", segment(source))),
            Self::Sinks => get("sinks".to_owned(), None),
            Self::TestSink(sink, kind) => {
                post(format!("sinks/{}/test", segment(sink)), Some(json!({ "kind": kind })))
            }
            Self::ProbeSink(sink, resend) => {
                post(format!("sinks/{}/probe", segment(sink)), Some(json!({ "resend": resend })))
            }
            Self::Failures(query) => get("failures".to_owned(), Some(json!(query))),
            Self::Failure(id) => get(format!("failures/{}", segment(id)), None),
            Self::Explain(id) => get(format!("failures/{}/explain", segment(id)), None),
            Self::Acknowledge(id, Some(ack)) => {
                post(format!("failures/{}/ack", segment(id)), Some(json!(ack)))
            }
            Self::Acknowledge(id, None) => delete(format!("failures/{}/ack", segment(id))),
            Self::Deliveries(query) => get("deliveries".to_owned(), Some(json!(query))),
            Self::Delivery(id) => get(format!("deliveries/{id}"), None),
            Self::Retry(id) => post(format!("deliveries/{id}/retry"), None),
            Self::Cancel(id) => post(format!("deliveries/{id}/cancel"), None),
            Self::ReplayDead(query) => post("dead/replay".to_owned(), Some(json!(query))),
            Self::PurgeDead(query) => post("dead/purge".to_owned(), Some(json!(query))),
            Self::Silences => get("silences".to_owned(), None),
            Self::AddSilence(new) => post("silences".to_owned(), Some(json!(new))),
            Self::ExpireSilence(number) => delete(format!("silences/{number}")),
            Self::Account => get("state".to_owned(), None),
            Self::Inspect => get("state/records".to_owned(), None),
            Self::StateInfo => get("state/info".to_owned(), None),
            Self::Checkpoint => post("state/checkpoint".to_owned(), None),
            Self::Compact => post("state/compact".to_owned(), None),
            Self::Progress => get("progress".to_owned(), None),
            Self::Plan(config) => post("plan".to_owned(), Some(json!({ "config": config }))),
            Self::Diff(config, seconds) => {
                post("diff".to_owned(), Some(json!({ "config": config, "seconds": seconds })))
            }
        }
    }
}

fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

impl Admin {
    /// Answers, or does as it is told.
    ///
    /// # Errors
    ///
    /// [`AdminError`].
    pub async fn answer(&self, ask: Ask) -> Result<Value, AdminError> {
        match ask {
            Ask::Sources => self.sources().await,
            Ask::ResetBaseline(source) => self.reset_baseline(&source).await,
            Ask::Sinks => self.sinks().await,
            Ask::TestSink(sink, kind) => self.test_sink(&sink, kind).await,
            Ask::ProbeSink(sink, resend) => self.probe(&sink, resend).await,
            Ask::Failures(query) => self.failures(&query).await,
            Ask::Failure(id) => self.failure(&id).await,
            Ask::Explain(id) => self.explanation(&id).await,
            Ask::Acknowledge(id, ack) => self.acknowledge(&id, ack).await,
            Ask::Deliveries(query) => self.deliveries(&query).await,
            Ask::Delivery(id) => self.delivery(id).await,
            Ask::Retry(id) => self.retry(vec![id]).await,
            Ask::Cancel(id) => self.cancel(id).await,
            Ask::ReplayDead(query) => self.replay_dead(&query).await,
            Ask::PurgeDead(query) => self.purge_dead(&query).await,
            Ask::Silences => self.silences().await,
            Ask::AddSilence(new) => self.add_silence(new).await,
            Ask::ExpireSilence(number) => self.expire_silence(number).await,
            Ask::Account => self.account().await,
            Ask::Inspect => self.inspect().await,
            Ask::StateInfo => self.state_info().await,
            Ask::Checkpoint => self.checkpoint().await,
            Ask::Compact => self.compact().await,
            Ask::Progress => Ok(json!(self.progress())),
            Ask::Plan(None) => self.plan().await,
            Ask::Plan(Some(config)) => self.plan_against(&config).await,
            Ask::Diff(config, seconds) => self.diff(&config, seconds).await,
        }
    }
}
