//! One project's API at one endpoint, asked as one identity.
//!
//! A call is tried a few times within seconds, authorised anew each time. What cannot get better
//! within seconds, above all a refused credential, ends it at once; the next poll is the next
//! try.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName},
};
use tracing::debug;
use url::Url;

use super::{
    credential::Shared,
    fault::{self, Fault, Refusal},
    identity::{Call, Identity},
    options::Checked,
    project::Project,
};
use crate::{
    clock::Clock,
    http::{self, Chain, Clients, Pace},
    huawei::sign,
    secret::Secret,
    source::{Build, FaultClass, SourceError},
};

/// Tries for one call, the first one included.
pub(in crate::source) const TRIES: usize = 4;

/// Most bytes of an answer that holds one object and no list.
pub(in crate::source) const OBJECT_BYTES_MAX: usize = 1024 * 1024;

/// What stands in a path for the project's id.
const PROJECT: &str = "{project_id}";

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Patience {
    /// For one try: to connect, to be answered and to read it all.
    pub(in crate::source) answer: Duration,
    /// Before the second, third, … try.
    pub(in crate::source) backoff: [Duration; TRIES - 1],
    /// The service's own wish is obeyed up to this. Longer ones are for the next poll.
    pub(in crate::source) retry_after_max: Duration,
}

pub(in crate::source) const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(20),
    backoff: [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)],
    retry_after_max: Duration::from_secs(10),
};

impl Patience {
    /// The wait after the try number `tries` failed with `fault`; `None`: no further try.
    pub(in crate::source) fn wait(&self, tries: usize, fault: &Fault) -> Option<Duration> {
        let base = self.backoff.get(tries.saturating_sub(1)).filter(|_| fault.retryable)?;
        let wish = fault.error.retry_after.unwrap_or_default().min(self.retry_after_max);
        Some(wish.max(*base))
    }
}

/// One question to the API.
#[derive(Clone, Debug)]
pub(in crate::source) struct Ask<'a> {
    /// `GET` or `DELETE`: what may be asked twice.
    pub(in crate::source) method: Method,
    /// Begins with `/`, percent-encoded; `{project_id}` stands for the project's id.
    pub(in crate::source) path: &'a str,
    /// Not encoded.
    pub(in crate::source) query: &'a [(&'a str, &'a str)],
    /// A longer answer is refused.
    pub(in crate::source) bytes_max: usize,
}

impl<'a> Ask<'a> {
    /// Asks for one object.
    pub(in crate::source) fn object(method: Method, path: &'a str) -> Self {
        Self { method, path, query: &[], bytes_max: OBJECT_BYTES_MAX }
    }
}

/// See the module.
#[derive(Debug)]
pub(in crate::source) struct Client {
    pub(in crate::source) clock: Arc<dyn Clock>,
    pub(in crate::source) patience: Patience,
    pub(super) endpoint: Url,
    /// Scheme, host and port of the endpoint.
    pub(super) origin: String,
    pub(super) project: Project,
    pub(super) shared: Shared,
    pub(super) clients: Clients,
    dress: Dress,
    /// That of the host, shared with other sources.
    pace: Option<Arc<Pace>>,
    /// Empty if there is only an address.
    pub(super) region: String,
}

/// What goes along with each request beside the identity.
#[derive(Debug)]
pub(in crate::source) struct Dress {
    /// Who answers, for messages.
    pub(in crate::source) who: &'static str,
    /// Marked as sensitive where they are.
    pub(in crate::source) headers: HeaderMap,
    /// What must not be repeated if it is quoted in an error.
    pub(in crate::source) secrets: Vec<Secret>,
}

impl Default for Dress {
    fn default() -> Self {
        Self { who: "the cloud", headers: HeaderMap::new(), secrets: Vec::new() }
    }
}

impl Client {
    /// A client for what was `checked`. `build` gives the process's clock and HTTP clients.
    pub(in crate::source) fn new(checked: Checked, build: &Build) -> Self {
        let origin = http::origin(&checked.endpoint);
        let pace = build.clients.paces().host(&checked.endpoint);
        Self {
            clock: Arc::clone(&build.clock),
            patience: PATIENCE,
            endpoint: checked.endpoint,
            project: checked.project,
            shared: checked.shared,
            clients: checked.clients,
            dress: Dress::default(),
            pace,
            origin,
            region: checked.region,
        }
    }

    /// The same with something more to go along.
    pub(in crate::source) fn dressed(self, dress: Dress) -> Self {
        Self { dress, ..self }
    }

    /// Scheme, host and port.
    pub(in crate::source) fn origin(&self) -> &str {
        &self.origin
    }

    fn secrets<'a>(&'a self, identity: &'a Identity) -> Vec<&'a str> {
        let ours = self.dress.secrets.iter().map(Secret::expose);
        ours.chain(identity.secrets()).collect()
    }

    /// The body of a 2xx answer, asked for a few times if need be.
    ///
    /// # Errors
    ///
    /// The last try's. [`Fault::code`] tells apart what the class does not.
    #[cfg_attr(not(test), expect(dead_code, reason = "single calls come with the next source"))]
    pub(in crate::source) async fn ask(&self, ask: &Ask<'_>) -> Result<Vec<u8>, Fault> {
        let mut tries = 0;
        loop {
            let fault = match self.try_once(ask).await {
                Ok(body) => return Ok(body),
                Err(fault) => fault,
            };
            tries += 1;
            let Some(fault) = self.wait(tries, fault).await else { continue };
            return Err(fault);
        }
    }

    /// Waits after the try number `tries` failed. Gives the fault back if no other try may follow.
    pub(in crate::source) async fn wait(&self, tries: usize, fault: Fault) -> Option<Fault> {
        let Some(wait) = self.patience.wait(tries, &fault) else { return Some(fault) };
        let class = fault.error.class.as_str();
        let wait_ms = wait.as_millis();
        debug!(tries, wait_ms, class, error = %Chain(&fault.error), "asking again");
        tokio::time::sleep(wait).await;
        None
    }

    /// One try: the body of a 2xx answer.
    ///
    /// # Errors
    ///
    /// [`Fault`], which says whether another try may end differently.
    pub(in crate::source) async fn try_once(&self, ask: &Ask<'_>) -> Result<Vec<u8>, Fault> {
        self.try_whole(ask).await.map(|(_, body)| body)
    }

    /// The same with the headers of the answer.
    pub(in crate::source) async fn try_whole(
        &self,
        ask: &Ask<'_>,
    ) -> Result<(HeaderMap, Vec<u8>), Fault> {
        let identity = self.shared.credential.identity().await?;
        let now = self.clock.now();
        let _turn = self.shared.may_show(&identity, now).await?;
        let first = self.exchange(ask, &identity).await;
        let (identity, answer) = match first {
            Err(fault) if fault.is_refused_identity() => {
                match self.shared.credential.renew(&identity).await? {
                    None => (identity, Err(fault)),
                    Some(other) => {
                        let second = self.exchange(ask, &other).await;
                        (other, second)
                    }
                }
            }
            other => (identity, other),
        };
        self.shared.note(&identity, answer.as_ref().err(), now);
        answer
    }

    /// Asks as `identity`.
    async fn exchange(
        &self,
        ask: &Ask<'_>,
        identity: &Identity,
    ) -> Result<(HeaderMap, Vec<u8>), Fault> {
        // Here and not in `new`, since it reads the host's certificates.
        let client = fault::client(&self.clients, &self.endpoint)?;
        let project_id = self.project.id(identity).await?;
        let path = ask.path.replace(PROJECT, project_id);
        let call = Call {
            method: ask.method.as_str(),
            host: self.origin.split_once("://").map_or("", |(_, host)| host),
            path: &path,
            query: ask.query,
            project_id: Some(project_id),
            body: b"",
        };
        let headers = identity.authorize(&call, self.clock.now()).map_err(Fault::last)?;
        let target = sign::request_target(&path, ask.query);
        let request = client
            .request(ask.method.clone(), format!("{}{target}", self.origin))
            .timeout(self.patience.answer)
            .header(ACCEPT, "application/json")
            // Meaningless without a body, but every official client sends it.
            .header(CONTENT_TYPE, "application/json")
            .headers(self.dress.headers.clone())
            .headers(headers);
        if let Some(pace) = &self.pace {
            pace.turn().await.map_err(|wait| self.paused(wait))?;
        }
        let response =
            request.send().await.map_err(|error| fault::of_silence(error, &self.origin))?;
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_success() {
            self.pace.iter().for_each(|pace| pace.answered());
            let body = http::read_capped(response, ask.bytes_max).await;
            let body = body.map_err(|error| fault::of_body(error, &self.origin))?;
            return Ok((headers, body));
        }
        // The status says enough if the body cannot be had.
        let body = http::read_capped(response, fault::BODY_BYTES_MAX).await.unwrap_or_default();
        let refusal = Refusal {
            who: self.dress.who,
            status: status.as_u16(),
            headers: &headers,
            body: &body,
            secrets: &self.secrets(identity),
        };
        let fault = fault::of_refusal(&refusal, self.clock.now());
        if let Some(pace) = self.pace.as_ref().filter(|_| status.as_u16() == 429) {
            pace.refused(fault.error.retry_after);
        }
        Err(self.doubted(fault, identity).await)
    }

    /// A refusal that may be the fault of the project that was asked for, with what the identity
    /// service says about that one.
    async fn doubted(&self, mut fault: Fault, identity: &Identity) -> Fault {
        let class = fault.error.class;
        if matches!(class, FaultClass::Permission | FaultClass::NotInRegion)
            && let Some(doubt) = self.project.doubt(identity).await
        {
            fault.error.class = FaultClass::NotInRegion;
            fault.error.what = format!("{}; {doubt}", fault.error.what);
        }
        fault
    }

    /// Not asked, since the host's budget is spent or it wants a pause.
    fn paused(&self, wait: Duration) -> Fault {
        let seconds = wait.as_secs().max(1);
        let what = format!("{} is not asked for another {seconds} s", self.origin);
        let mut error = SourceError::new(FaultClass::Throttled, what);
        error.retry_after = Some(wait);
        Fault::last(error)
    }

    /// `code: message` of an answer that says "200" and means something else.
    pub(in crate::source) async fn quote(&self, body: &[u8]) -> Option<String> {
        let identity = self.shared.credential.identity().await.ok()?;
        fault::quote(body, &self.secrets(&identity))
    }

    /// Who we are to the service, for people.
    pub(in crate::source) fn describe(&self, identity: &Identity) -> String {
        let proof = identity.describe();
        match self.dress.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>().as_slice() {
            [] => proof.to_owned(),
            names if identity.is_nobody() => format!("the headers {}", names.join(", ")),
            names => format!("{proof}, and the headers {}", names.join(", ")),
        }
    }

    /// The project's id, once it is known.
    pub(in crate::source) fn project_id(&self) -> Option<&str> {
        self.project.known()
    }
}
