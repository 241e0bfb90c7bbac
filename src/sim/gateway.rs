//! What every request goes through: the count, the faults, the proof of identity, the endpoint.
//!
//! [`Cloud::answer`] is one synchronous function of a request and the time. It decides what is
//! answered and how it is to be sent; sending, and waiting before it, is the server's part.

use std::time::Duration;

use hyper::{HeaderMap, body::Bytes};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::{
    accounts::{Accounts, Denied, Identity},
    answer::Answer,
    control, fault,
    fault::{Active, Fault, On},
    iam, kps,
    log::{Auth, Log, Record},
    metadata,
    random::Random,
    scenario::{Paging, Scenario},
    sdrs,
    verify::Signed,
    world::World,
};

/// Longest header that the gateway takes.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub method: String,
    /// Still percent-encoded.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When it came.
    pub at: Timestamp,
    /// Whether the sender is on this host.
    pub local: bool,
}

/// An answer and how it is to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub answer: Answer,
    pub plan: Fault,
    /// Wait before the first byte.
    pub wait: Duration,
    pub request_id: String,
}

/// What a path and a method ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Route {
    ListFailed(String),
    DeleteAll(String),
    DeleteOne(String, String),
    ListRunning(String),
    ListFailureJobs(String),
    QueryTask(String, String),
    Bind { project: String, associate: bool },
    Token,
    SecurityToken,
    Projects,
    MetadataToken,
    MetadataKey,
    Nowhere,
}

impl Route {
    fn of(method: &str, path: &str) -> Self {
        let decoded: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let own = |text: &&str| (*text).to_owned();
        match (method, segments.as_slice()) {
            ("POST", ["v3", "auth", "tokens"]) => Self::Token,
            ("GET", ["v3", "projects"]) => Self::Projects,
            ("POST", ["v3.0", "OS-CREDENTIAL", "securitytokens"]) => Self::SecurityToken,
            ("PUT", ["meta-data", "latest", "api", "token"]) => Self::MetadataToken,
            ("GET", ["openstack", "latest", "securitykey"]) => Self::MetadataKey,
            // Nobody knows whether the gateway takes a slash at the end for "all". This one
            // does, so that a client that forgets an id loses everything here and not there.
            ("GET", ["v3", project, "failed-tasks"] | ["v3", project, "failed-tasks", ""]) => {
                Self::ListFailed(own(project))
            }
            ("DELETE", ["v3", project, "failed-tasks"] | ["v3", project, "failed-tasks", ""]) => {
                Self::DeleteAll(own(project))
            }
            ("DELETE", ["v3", project, "failed-tasks", id]) => {
                Self::DeleteOne(own(project), own(id))
            }
            ("GET", ["v3", project, "running-tasks"]) => Self::ListRunning(own(project)),
            ("GET", ["v1", project, "task-center", "failure-jobs"]) => {
                Self::ListFailureJobs(own(project))
            }
            ("GET", ["v3", project, "tasks", id]) => Self::QueryTask(own(project), own(id)),
            ("POST", ["v3", project, "keypairs", verb @ ("associate" | "disassociate")]) => {
                Self::Bind { project: own(project), associate: *verb == "associate" }
            }
            _ => Self::Nowhere,
        }
    }

    fn on(&self) -> On {
        match self {
            Self::ListFailed(_) | Self::ListFailureJobs(_) => On::List,
            Self::DeleteAll(_) | Self::DeleteOne(..) => On::Delete,
            Self::ListRunning(_) => On::Running,
            Self::QueryTask(..) => On::Task,
            Self::Bind { .. } => On::Bind,
            Self::Token | Self::Projects | Self::SecurityToken => On::Iam,
            Self::MetadataToken | Self::MetadataKey => On::Metadata,
            Self::Nowhere => On::Any,
        }
    }

    fn project(&self) -> Option<&str> {
        match self {
            Self::ListFailed(project)
            | Self::DeleteAll(project)
            | Self::DeleteOne(project, _)
            | Self::ListRunning(project)
            | Self::ListFailureJobs(project)
            | Self::QueryTask(project, _)
            | Self::Bind { project, .. } => Some(project),
            _ => None,
        }
    }

    /// Whether it wants to know who asks.
    fn wants_identity(&self) -> bool {
        !matches!(self, Self::Token | Self::MetadataToken | Self::MetadataKey | Self::Nowhere)
    }
}

/// The simulated cloud behind its gateway.
#[derive(Debug)]
pub(super) struct Cloud {
    pub world: World,
    pub accounts: Accounts,
    pub faults: Vec<Active>,
    pub log: Log,
    pub metadata: metadata::Service,
    paging: Paging,
    latency: Duration,
    request_ids: Random,
}

impl Cloud {
    /// The cloud of a scenario that starts at `now`.
    pub(super) fn new(scenario: &Scenario, now: Timestamp) -> Self {
        let fault = |fault: &Fault| Active::new(fault.clone(), Duration::ZERO);
        Self {
            world: World::new(scenario, now),
            accounts: Accounts::new(scenario, now),
            faults: scenario.faults.iter().map(fault).collect(),
            log: Log::default(),
            metadata: metadata::Service::new(&scenario.metadata),
            paging: scenario.paging.clone(),
            latency: scenario.latency.0,
            request_ids: Random::new(!scenario.seed),
        }
    }

    /// Answers one request.
    pub(super) fn answer(&mut self, call: &Call) -> Reply {
        let now = call.at;
        self.world.advance(now);
        let request_id = self.request_ids.hex32();
        if let Some(answer) = control::answer(self, call) {
            return Reply { answer, plan: Fault::default(), wait: Duration::ZERO, request_id };
        }
        let route = Route::of(&call.method, &call.path);
        let elapsed = self.world.elapsed(now);
        let plan = fault::plan(&mut self.faults, route.on(), route.project(), elapsed);
        let (identity, auth) = self.identify(&route, call);
        let answer = match (instead(&plan, &request_id), oversize(call)) {
            (Some(answer), _) => answer,
            (None, true) => {
                let message = "The request header is too large.";
                Answer::gateway(494, "APIGW.0201", message, &request_id)
            }
            (None, false) => match identity {
                Some(Err(denied)) => denied.answer(&request_id),
                Some(Ok(identity)) => self.serve(&route, call, &identity, &plan),
                None => self.serve_anybody(&route, call, &request_id),
            },
        };
        let wait = self.latency + plan.delay.map(|delay| delay.0).unwrap_or_default();
        self.log.push(Record {
            at: now,
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            status: if plan.reset.is_some() { 0 } else { answer.status },
            auth,
            on: route.on(),
        });
        Reply { answer, plan, wait, request_id }
    }

    /// Asks who sent `call`, unless the endpoint takes anybody.
    fn identify(&mut self, route: &Route, call: &Call) -> (Option<Result<Identity, Denied>>, Auth) {
        if !route.wants_identity() {
            return (None, Auth::NotAsked);
        }
        let signed = Signed {
            method: &call.method,
            path: &call.path,
            query: &call.query,
            headers: &call.headers,
            body: &call.body,
        };
        let identity = self.accounts.identify(&signed, call.at);
        let auth = match &identity {
            Ok(identity) => Auth::Accepted(identity.proof.clone()),
            Err(denied) => Auth::Refused(denied.message.clone()),
        };
        (Some(identity), auth)
    }

    /// The endpoint's answer to whoever it is.
    fn serve_anybody(&mut self, route: &Route, call: &Call, request_id: &str) -> Answer {
        let (world, accounts) = (&mut self.world, &mut self.accounts);
        match route {
            Route::Token => iam::token(world, accounts, &call.query, &call.body, call.at),
            Route::MetadataToken => self.metadata.token(call, &mut world.random),
            Route::MetadataKey => self.metadata.key(call, accounts, &mut world.random),
            _ => Answer::usual(404, None, None, request_id),
        }
    }

    /// The endpoint's answer to somebody known.
    fn serve(&mut self, route: &Route, call: &Call, identity: &Identity, plan: &Fault) -> Answer {
        if route.project().is_some_and(|project| !identity.sees(project)) {
            return Answer::kps(403, "KPS.9003", "no permission");
        }
        let (world, query, paging) = (&mut self.world, call.query.as_str(), &self.paging);
        match route {
            Route::ListFailed(project) => {
                let page = kps::Page { query, paging, fault: plan };
                kps::list_failed(world, project, &page, call.at)
            }
            Route::ListFailureJobs(project) => {
                let page = kps::Page { query, paging, fault: plan };
                sdrs::list_failed(world, project, &page, call.at)
            }
            Route::DeleteAll(project) => kps::delete_all(world, project),
            Route::DeleteOne(project, id) => kps::delete_one(world, project, id),
            Route::ListRunning(project) => kps::list_running(world, project, query, paging),
            Route::QueryTask(project, id) => kps::query_task(world, project, id),
            Route::Bind { project, associate } => {
                kps::bind(world, project, *associate, &call.body, call.at)
            }
            Route::Projects => iam::projects(world, identity, query),
            Route::SecurityToken => {
                iam::security_token(world, &mut self.accounts, identity, &call.body, call.at)
            }
            _ => Answer::empty(404),
        }
    }
}

/// The answer that a fault gives in place of the endpoint's.
fn instead(plan: &Fault, request_id: &str) -> Option<Answer> {
    if let Some(status) = plan.status {
        let (code, message) = (plan.error_code.as_deref(), plan.error_message.as_deref());
        let answer = Answer::usual(status, code, message, request_id);
        return Some(match &plan.retry_after {
            Some(value) => answer.with("Retry-After", value),
            None => answer,
        });
    }
    if let Some(status) = plan.html {
        return Some(Answer::html(status));
    }
    if plan.empty {
        return Some(Answer::empty(200));
    }
    if let Some(filler_bytes) = plan.huge_bytes {
        let opening = Answer::json(200, "{\"total\":1,\"tasks\":[".to_owned());
        return Some(Answer { filler_bytes, ..opening });
    }
    plan.redirect.as_ref().map(|to| Answer::empty(302).with("Location", to))
}

/// Whether a header is longer than the gateway takes.
fn oversize(call: &Call) -> bool {
    call.headers.values().any(|value| HEADER_BYTES_MAX < value.len())
}
