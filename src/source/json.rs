//! Any list of failed things that an HTTP service gives as JSON.
//!
//! The config says where the rows are and where in a row its id, time and words are; see
//! `docs/sources.md`. What is true of the cloud's own lists is true here: pages are asked for
//! explicitly, everything is bounded, a redirect is not followed, and neither an error nor
//! `Debug` shows what may be a secret. The next page is asked for at the same host or not at all.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, header::HeaderMap};
use url::Url;

use self::{
    options::Options,
    paging::{Mark, Next, Paging, Progress},
    query::Value,
    rows::{Page, Rows},
};
use super::{
    Build, FaultClass, Finding, Kind, Source, SourceError,
    huawei::{
        client::{Ask, Client},
        examine,
        fault::{self, Fault},
        options as cloud,
        walk::{LIMITS, Limits, REQUESTS},
    },
};
use crate::{
    decide::sift::{End, Sift, Walk},
    notice::SourceInfo,
    options::OptionError,
    task::TaskKey,
};

mod auth;
mod options;
mod paging;
mod pointer;
mod query;
mod rows;

pub(super) const KIND: Kind = Kind {
    name: "json",
    summary: "any list of failed things that an HTTP service gives as JSON",
    example: r#"
        name = "etl"
        kind = "json"
        url = "http://{endpoint}/api/v1/dags/~/dagRuns"
        query = { state = "failed" }
        auth = { kind = "basic", username = "taskbell", password = "example-password" }
        paging = { kind = "offset", size = 100 }
        rows = "/dag_runs"
        total = "/total_entries"
        row = { task_id = ["/dag_id", "/dag_run_id"], failed_at = "/end_date", operate_type = "/dag_id" }
    "#,
    schema: || schemars::schema_for!(Options),
    build: |build| Ok(Box::new(Json::build(build)?)),
};

struct Json {
    info: SourceInfo,
    client: Client,
    endpoint: Url,
    path: String,
    query: Vec<(String, Value)>,
    paging: Paging,
    rows: Rows,
    limits: Limits,
}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Path and query may be secrets.
        f.debug_struct("Json").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A path and a query.
type Target = (String, Vec<(String, String)>);

/// One walk on its way.
struct Walking<'s> {
    sift: &'s mut Sift,
    /// Rows that are no failures. They count for the list's own total and for what is new.
    other: BTreeSet<TaskKey>,
    /// When it began: all of its pages ask for the same times.
    began: Timestamp,
    pages: u32,
    rows: u64,
    totals: Option<(u64, u64)>,
}

impl Json {
    fn build(mut build: Build) -> Result<Self, OptionError> {
        let checked = options::check(&mut build)?;
        let info = SourceInfo {
            name: build.name.clone(),
            kind: KIND.name.to_owned(),
            region: checked.region.clone(),
            project_id: checked.project_id.clone(),
        };
        let client = cloud::Checked {
            region: checked.region,
            endpoint: checked.endpoint.clone(),
            project: checked.project,
            page_size: 0,
            check_total: false,
            shared: checked.who.shared,
            clients: checked.clients,
        };
        Ok(Self {
            info,
            client: Client::new(client, &build).dressed(checked.who.dress),
            endpoint: checked.endpoint,
            path: checked.path,
            query: checked.query,
            paging: checked.paging,
            rows: checked.rows,
            limits: LIMITS,
        })
    }

    /// A walk that has not begun.
    fn walking<'s>(&self, sift: &'s mut Sift) -> Walking<'s> {
        Walking {
            sift,
            other: BTreeSet::new(),
            began: self.client.clock.now(),
            pages: 0,
            rows: 0,
            totals: None,
        }
    }

    /// What the first page holds, in words.
    async fn first_page(&self) -> Result<String, Fault> {
        let mut sift = Sift::new(Arc::default());
        sift.begin_walk();
        let mut walking = self.walking(&mut sift);
        let target = self.paging.target((&self.path, &self.query), &Mark::Start, walking.began);
        let (page, ..) = self.page(&mut walking, &target).await.map_err(Fault::last)?;
        let total = page.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let other = match walking.other.len() {
            0 => String::new(),
            other => format!(", {other} of them no failures"),
        };
        Ok(format!("readable; its first page has {}{total} rows{other}", page.rows))
    }

    /// The page at `mark` with its headers, and how many of its rows this walk had not met,
    /// counted over all tries: one that breaks off half-way leaves its rows with the walk.
    async fn page(
        &self,
        walking: &mut Walking<'_>,
        (path, query): &Target,
    ) -> Result<(Page, u64, HeaderMap), SourceError> {
        let query: Vec<(&str, &str)> =
            query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let bytes_max = self.limits.page_bytes;
        let ask = Ask { method: Method::GET, path, query: &query, bytes_max };
        let (mut tries, mut fresh) = (0, 0);
        loop {
            let fault = match self.client.try_whole(&ask).await {
                Ok((headers, body)) => match self.take(&body, walking, &mut fresh).await {
                    Ok(page) => return Ok((page, fresh, headers)),
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            tries += 1;
            let Some(fault) = self.client.wait(tries, fault).await else { continue };
            let mut error = fault.error;
            if walking.rows != 0 {
                error.what = format!("after {} rows: {}", walking.rows, error.what);
            }
            return Err(error);
        }
    }

    /// Hands the failures of a page to the sift, and adds to `fresh` the rows that were not met.
    async fn take(
        &self,
        body: &[u8],
        walking: &mut Walking<'_>,
        fresh: &mut u64,
    ) -> Result<Page, Fault> {
        let before = walking.rows;
        let mut rows = before;
        let text = String::from_utf8_lossy(body);
        let page = self.rows.read(&text, &mut |row, is_failure| {
            rows += 1;
            if rows <= self.limits.rows {
                let first = if is_failure {
                    walking.sift.row(row)
                } else {
                    walking.other.insert(row.key())
                };
                *fresh += u64::from(first);
            }
        });
        let odd = |retryable, what| Fault::new(FaultClass::Schema, retryable, what);
        let page = page.map_err(|error| {
            let what = format!("the answer is no page with a list at \"{}\"", self.rows.list);
            let mut fault = odd(error.is_eof(), what + fault::web_page(body));
            fault.error = fault.error.caused_by(error);
            fault
        })?;
        if page.rows != 0 && page.named == 0 {
            let what = format!(
                "none of the {} rows has an id at {}; check row.task_id",
                page.rows,
                self.rows.id_place()
            );
            return Err(odd(false, what));
        }
        // A list that is at its end may leave out its rows; one that counts more may not.
        if page.list || page.total.is_some_and(|total| total <= before) {
            return Ok(page);
        }
        let quoted = self.client.quote(body).await;
        let quoted = quoted.map(|quoted| format!(", but says {quoted}")).unwrap_or_default();
        Err(odd(false, format!("the answer holds no list at \"{}\"{quoted}", self.rows.list)))
    }

    /// Where to go on after a page.
    fn after(
        &self,
        seen: &mut BTreeSet<Mark>,
        (mark, target): (&Mark, &Target),
        (page, progress, headers): (&Page, Progress, &HeaderMap),
    ) -> Result<Next, SourceError> {
        let mut url = self.endpoint.clone();
        url.set_path(&target.0);
        let odd = |what: String| Err(SourceError::new(FaultClass::Schema, what));
        match self.paging.after(mark, page, progress, (&url, headers)) {
            Next::Elsewhere(origin) => odd(format!(
                "after {} rows: the next page is at {origin}, another host, and was not asked for",
                progress.rows
            )),
            Next::Odd => odd(format!(
                "after {} rows: what leads to the next page leads nowhere",
                progress.rows
            )),
            // A list that leads back to a page it gave already has no end.
            Next::Page(mark) if !seen.insert(mark.clone()) => Ok(Next::End(End::NothingNew)),
            next => Ok(next),
        }
    }
}

#[async_trait]
impl Source for Json {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn origin(&self) -> &str {
        self.client.origin()
    }

    fn requests(&self) -> u32 {
        if self.paging.ends_empty() { REQUESTS } else { 1 }
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine_to(&self.client, self.first_page()).await
    }

    async fn walk(&self, sift: &mut Sift) -> Result<Walk, SourceError> {
        let mut walking = self.walking(sift);
        let mut mark = Mark::Start;
        let mut seen = BTreeSet::from([mark.clone()]);
        let end = loop {
            let target = self.paging.target((&self.path, &self.query), &mark, walking.began);
            let (page, fresh, headers) = self.page(&mut walking, &target).await?;
            walking.pages += 1;
            walking.rows += page.rows;
            if let Some(total) = page.total {
                let first = walking.totals.map_or(total, |(first, _)| first);
                walking.totals = Some((first, total));
            }
            if self.limits.rows < walking.rows || self.limits.pages <= walking.pages {
                break End::Limit;
            }
            let progress = Progress { rows: walking.rows, fresh };
            match self.after(&mut seen, (&mark, &target), (&page, progress, &headers))? {
                Next::Page(next) => mark = next,
                Next::End(end) => break end,
                Next::Elsewhere(_) | Next::Odd => break End::NothingNew,
            }
        };
        let other = u64::try_from(walking.other.len()).unwrap_or(u64::MAX);
        let Walking { pages, rows, totals, .. } = walking;
        // The list counts all its rows; what is compared are failures.
        let failures = |total: u64| total.saturating_sub(other);
        let totals = totals.map(|(first, last)| (failures(first), failures(last)));
        Ok(Walk { pages, rows, end, totals })
    }
}

/// Reads an answer in several ways, for the fuzz target.
#[cfg(fuzzing)]
pub(super) fn fuzz(text: &str) {
    use crate::options;
    const WAYS: [&str; 2] = [
        "rows = '/a'\ntotal = '/n'\nrow = { task_id = '/i', failed_at = '/t', error_message = '/m/x' }\n\
         paging = { kind = 'cursor', next = '/c' }",
        "rows = ''\ntime = 's'\nonly = { at = '/s', is = ['f'] }\n\
         row = { task_id = ['/i', '/0'], failed_at = '/t', server_name = '/1/0' }",
    ];
    for way in WAYS {
        let table = format!("url = 'https://h.example/a'\n{way}").parse().expect("TOML");
        let options: Options = options::parse(table).expect("known keys");
        let (rows, paging) = options.for_fuzzing();
        let mut count = 0;
        let page = rows.read(text, &mut |row, _| {
            count += 1;
            drop((row.key(), row.to_task()));
        });
        if let Ok(page) = page {
            assert!(page.named == 0 || page.rows == count, "every row is handed on");
            let progress = Progress { rows: page.rows, fresh: 0 };
            let url = Url::parse("https://h.example/a").expect("a URL");
            drop(paging.after(&Mark::Start, &page, progress, (&url, &HeaderMap::new())));
        }
    }
}

/// Looks for the next page in a header, for the fuzz target.
#[cfg(fuzzing)]
pub(super) fn fuzz_link(header: &str) -> Option<String> {
    paging::next_in(header)
}

#[cfg(test)]
mod tests;
