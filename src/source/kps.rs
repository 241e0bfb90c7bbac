//! The Key Pair Service's list of failed tasks.
//!
//! `GET /v3/{project_id}/failed-tasks` with an explicit `limit`, because the default has been 50
//! and 1000, and an `offset` counted in rows. The list is walked to an empty page: a short one
//! may be a silent cap. A page that holds nothing new ends the walk too, since older editions of
//! the service ignore `offset` and would repeat themselves for ever.
//!
//! A page is tried a few times within the walk, signed anew each time. What cannot get better
//! within seconds, above all a refused credential, ends the walk at once; the next poll is the
//! next try.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client,
    header::{ACCEPT, CONTENT_TYPE},
};
use tracing::debug;
use url::Url;

use self::{options::Options, page::Page};
use super::{
    Build, FaultClass, Kind, Source, SourceError,
    huawei::{
        credential::{Call, Credential},
        fault::{self, Fault, Refusal},
    },
};
use crate::{
    clock::Clock,
    decide::sift::{End, Sift, Walk},
    http::{self, Chain, Clients},
    huawei::sign,
    notice::SourceInfo,
    options::OptionError,
    text,
};

mod options;
mod page;

/// What a walk takes at most, whatever the service sends.
#[derive(Clone, Copy, Debug)]
struct Limits {
    pages: u32,
    /// Rows that are looked at.
    rows: u64,
    page_bytes: usize,
}

const LIMITS: Limits = Limits {
    // Enough for all rows from a service that gives 50 at a time.
    pages: 4_096,
    // A project whose list is longer has to have it cleared: nothing but deletion shortens it.
    rows: 200_000,
    // 10,000 rows are about 4 MiB, but a service that ignores `limit` sends all rows at once.
    page_bytes: 64 * 1024 * 1024,
};

/// Tries for one page, the first one included.
const PAGE_TRIES: usize = 4;

pub(super) const KIND: Kind = Kind {
    name: "kps",
    summary: "Key Pair Service: tasks that failed to bind, unbind, reset or replace a key pair",
    example: r#"
        name = "prod"
        kind = "kps"
        endpoint = "http://{endpoint}"
        project_id = "0123456789abcdef0123456789abcdef"
        auth = { kind = "aksk", access_key = "example-access-key", secret_key = "example-secret-key" }
    "#,
    schema: || schemars::schema_for!(Options),
    build: |build| Ok(Box::new(Kps::build(build)?)),
};

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For one page: to connect, to be answered and to read it all.
    page: Duration,
    /// Before the second, third, … try of a page.
    backoff: [Duration; PAGE_TRIES - 1],
    /// The service's own wish is obeyed up to this. Longer ones are for the next poll.
    retry_after_max: Duration,
}

const PATIENCE: Patience = Patience {
    page: Duration::from_secs(20),
    backoff: [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)],
    retry_after_max: Duration::from_secs(10),
};

impl Patience {
    /// The wait after the try number `tries` failed with `fault`; `None`: no further try.
    fn wait(&self, tries: usize, fault: &Fault) -> Option<Duration> {
        let base = self.backoff.get(tries.saturating_sub(1)).filter(|_| fault.retryable)?;
        let wish = fault.error.retry_after.unwrap_or_default().min(self.retry_after_max);
        Some(wish.max(*base))
    }
}

#[derive(Debug)]
struct Kps {
    info: SourceInfo,
    endpoint: Url,
    /// Scheme, host and port of the endpoint.
    origin: String,
    page_size: String,
    check_total: bool,
    credential: Box<dyn Credential>,
    clock: Arc<dyn Clock>,
    clients: Clients,
    limits: Limits,
    patience: Patience,
}

impl Kps {
    fn build(build: Build) -> Result<Self, OptionError> {
        let checked = options::check(build.options)?;
        Ok(Self {
            info: SourceInfo {
                name: build.name,
                kind: KIND.name.to_owned(),
                region: checked.region,
                project_id: checked.project_id,
            },
            origin: http::origin(&checked.endpoint),
            endpoint: checked.endpoint,
            page_size: checked.page_size.to_string(),
            check_total: checked.check_total,
            credential: checked.credential,
            clock: build.clock,
            clients: build.clients,
            limits: LIMITS,
            patience: PATIENCE,
        })
    }

    /// The page that begins after `offset` rows, and how many of its rows this walk had not met,
    /// counted over all tries: one that breaks off half-way leaves its rows with `sift`.
    async fn page(
        &self,
        client: &Client,
        offset: u64,
        sift: &mut Sift,
    ) -> Result<(Page, u64), SourceError> {
        let mut fresh = 0;
        let mut tries = 0;
        loop {
            let fault = match self.ask(client, offset).await {
                Ok(body) => match self.read(&body, offset, sift, &mut fresh) {
                    Ok(page) => return Ok((page, fresh)),
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            tries += 1;
            let Some(wait) = self.patience.wait(tries, &fault) else {
                return Err(located(fault.error, offset));
            };
            let class = fault.error.class.as_str();
            let wait_ms = wait.as_millis();
            debug!(offset, tries, wait_ms, class, error = %Chain(&fault.error), "page failed");
            tokio::time::sleep(wait).await;
        }
    }

    /// One try: the body of a 2xx answer.
    async fn ask(&self, client: &Client, offset: u64) -> Result<Vec<u8>, Fault> {
        let path = format!("/v3/{}/failed-tasks", self.info.project_id);
        let offset = offset.to_string();
        let query = [("limit", self.page_size.as_str()), ("offset", offset.as_str())];
        let call = Call {
            method: "GET",
            host: self.origin.split_once("://").map_or("", |(_, host)| host),
            path: &path,
            query: &query,
            project_id: &self.info.project_id,
            body: b"",
        };
        let headers = self.credential.authorize(&call, self.clock.now()).await;
        let headers = headers.map_err(|error| Fault { error, retryable: false })?;
        let request = client
            .get(format!("{}{}", self.origin, sign::request_target(&path, &query)))
            .timeout(self.patience.page)
            .header(ACCEPT, "application/json")
            // Meaningless for a GET, but every official client sends it.
            .header(CONTENT_TYPE, "application/json")
            .headers(headers);
        let response =
            request.send().await.map_err(|error| fault::of_silence(error, &self.origin))?;
        let status = response.status();
        if status.is_success() {
            let body = http::read_capped(response, self.limits.page_bytes).await;
            return body.map_err(|error| fault::of_body(error, &self.origin));
        }
        let headers = response.headers().clone();
        // The status says enough if the body cannot be had.
        let body = http::read_capped(response, fault::BODY_BYTES_MAX).await.unwrap_or_default();
        let refusal = Refusal {
            status: status.as_u16(),
            headers: &headers,
            body: &body,
            secrets: &self.credential.secrets(),
        };
        Err(fault::of_refusal(&refusal, self.clock.now()))
    }

    /// Hands the rows of a page to `sift`, and adds to `fresh` those that this walk met first.
    fn read(
        &self,
        body: &[u8],
        offset: u64,
        sift: &mut Sift,
        fresh: &mut u64,
    ) -> Result<Page, Fault> {
        let mut rows = offset;
        let page = page::read(&text::lossy(body), &mut |row| {
            rows += 1;
            if rows <= self.limits.rows {
                *fresh += u64::from(sift.row(row));
            }
        });
        let odd = |retryable, what| Fault::new(FaultClass::Schema, retryable, what);
        let page = page.map_err(|error| {
            let mut fault = odd(error.is_eof(), "the answer is no page of tasks".to_owned());
            fault.error = fault.error.caused_by(error);
            fault
        })?;
        // A list that is at its end may leave out `tasks`; one that counts more rows than we have
        // may not.
        if page.tasks || page.total.is_some_and(|total| total <= offset) {
            return Ok(page);
        }
        let quoted = fault::quote(body, &self.credential.secrets());
        let quoted = quoted.map(|quoted| format!(", but says {quoted}")).unwrap_or_default();
        Err(odd(false, format!("the answer holds no tasks{quoted}")))
    }
}

/// Says how far the walk had come, unless it failed at once.
fn located(mut error: SourceError, offset: u64) -> SourceError {
    if offset != 0 {
        error.what = format!("after {offset} rows: {}", error.what);
    }
    error
}

#[async_trait]
impl Source for Kps {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    async fn walk(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        // Here and not in `build`, since it reads the host's certificates.
        let client = self.clients.get(&self.endpoint).map_err(|error| {
            SourceError::new(FaultClass::Tls, "no TLS on this host").caused_by(error)
        })?;
        let mut totals = Totals::default();
        let (mut pages, mut rows) = (0, 0);
        // Rows met for the first time, not rows received: a page that repeats rows would
        // otherwise have others skipped. Too low an offset costs a repeat and loses nothing.
        let mut offset = 0;
        let end = loop {
            let (page, fresh) = self.page(&client, offset, sift).await?;
            pages += 1;
            rows += page.rows;
            totals.add(&page);
            if page.rows == 0 {
                break End::EmptyPage;
            } else if self.limits.rows < rows || self.limits.pages <= pages {
                break End::Limit;
            } else if fresh != 0 {
                offset += fresh;
            } else if offset < rows - page.rows {
                // The list itself repeats rows. Its end is behind all that was received.
                offset = rows - page.rows;
            } else {
                break End::NothingNew;
            }
        };
        let totals = totals.believed(end).filter(|_| self.check_total);
        Ok(Walk { pages, rows, end, totals })
    }
}

/// The list's own counts over one walk.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    first: Option<u64>,
    last: Option<u64>,
    /// A page's count was not the number of its own rows.
    beyond_page: bool,
}

impl Totals {
    fn add(&mut self, page: &Page) {
        self.first = self.first.or(page.total);
        self.last = page.total.or(self.last);
        self.beyond_page |= page.total != Some(page.rows);
    }

    /// The first and the last count, if they are about the list.
    ///
    /// The documentation leaves open whether `total` counts the list or the page. If it was the
    /// number of rows on every page, down to 0 on the empty one, it counts the page and says
    /// nothing about the list.
    fn believed(&self, end: End) -> Option<(u64, u64)> {
        let of_page = end == End::EmptyPage && !self.beyond_page;
        self.first.zip(self.last).filter(|_| !of_page)
    }
}

#[cfg(test)]
mod tests;
