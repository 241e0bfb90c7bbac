//! The walk over a list that is paged by `limit` and `offset`, as all lists of this cloud are.
//!
//! `limit` is explicit, because defaults have changed, and `offset` is counted in rows. The list
//! is walked to an empty page: a short one may be a silent cap. A page that holds nothing new
//! ends the walk too, since older editions of some services ignore `offset` and would repeat
//! themselves for ever.

use std::sync::Arc;

use reqwest::Method;

use super::{
    client::{Ask, Client},
    fault::{self, Fault},
};
use crate::{
    decide::sift::{End, Sift, Walk},
    source::{FaultClass, SourceError},
    task::Row,
    text,
};

/// What a walk takes at most, whatever the service sends.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Limits {
    pub(in crate::source) pages: u32,
    /// Rows that are looked at.
    pub(in crate::source) rows: u64,
    pub(in crate::source) page_bytes: usize,
}

/// Requests of a walk over one page: that page, and the empty one that is the end.
pub(in crate::source) const REQUESTS: u32 = 2;

pub(in crate::source) const LIMITS: Limits = Limits {
    // Enough for all rows from a service that gives 50 at a time.
    pages: 4_096,
    // A project whose list is longer has to have it cleared: nothing but deletion shortens it.
    rows: 200_000,
    // 10,000 rows are about 4 MiB, but a service that ignores `limit` sends all rows at once.
    page_bytes: 64 * 1024 * 1024,
};

/// Takes one row after the other.
pub(in crate::source) type Each<'a> = dyn FnMut(&Row<'_>) + 'a;

/// Reads one page, handing its rows on one by one, and says what the page says about itself.
///
/// Fails when it is no page of the list. The rows before the error were handed over. An end in
/// the middle is told by [`serde_json::Error::is_eof`].
pub(in crate::source) type Read = fn(&str, &mut Each<'_>) -> Result<Page, serde_json::Error>;

/// What a page says about itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::source) struct Page {
    /// Rows on it.
    pub(in crate::source) rows: u64,
    /// The list's own count. Absent, null, negative and wordy ones are none.
    pub(in crate::source) total: Option<u64>,
    /// Whether there was a list at all. Null counts: it is how some servers write "none".
    pub(in crate::source) list: bool,
}

/// One list.
#[derive(Clone, Debug)]
pub(in crate::source) struct List {
    /// As [`Ask::path`].
    pub(in crate::source) path: &'static str,
    /// What is asked for beside `limit` and `offset`.
    pub(in crate::source) query: Vec<(&'static str, String)>,
    pub(in crate::source) read: Read,
    pub(in crate::source) page_size: u32,
    /// Whether the list's own count is believed.
    pub(in crate::source) check_total: bool,
    pub(in crate::source) limits: Limits,
}

impl List {
    /// Walks the list once, handing every row to `sift`.
    ///
    /// # Errors
    ///
    /// As [`crate::source::Source::walk`].
    pub(in crate::source) async fn walk(
        &self,
        client: &Client,
        sift: &mut Sift,
    ) -> Result<Walk, SourceError> {
        let mut totals = Totals::default();
        let (mut pages, mut rows) = (0, 0);
        // Rows met for the first time, not rows received: a page that repeats rows would
        // otherwise have others skipped. Too low an offset costs a repeat and loses nothing.
        let mut offset = 0;
        let end = loop {
            let (page, fresh) = self.page(client, offset, sift).await?;
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

    /// Reads the beginning of the list: one page, asked for once.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub(in crate::source) async fn first_page(&self, client: &Client) -> Result<Page, Fault> {
        let mut sift = Sift::new(Arc::default());
        sift.begin_walk();
        let limit = self.page_size.to_string();
        let mut query = vec![("limit", limit.as_str()), ("offset", "0")];
        query.extend(self.query.iter().map(|(key, value)| (*key, value.as_str())));
        let bytes_max = self.limits.page_bytes;
        let ask = Ask { method: Method::GET, path: self.path, query: &query, bytes_max };
        let body = client.try_once(&ask).await?;
        self.take(client, &body, 0, (&mut sift, &mut 0)).await
    }

    /// The page that begins after `offset` rows, and how many of its rows this walk had not met,
    /// counted over all tries: one that breaks off half-way leaves its rows with `sift`.
    async fn page(
        &self,
        client: &Client,
        offset: u64,
        sift: &mut Sift,
    ) -> Result<(Page, u64), SourceError> {
        let (limit, from) = (self.page_size.to_string(), offset.to_string());
        let mut query = vec![("limit", limit.as_str()), ("offset", from.as_str())];
        query.extend(self.query.iter().map(|(key, value)| (*key, value.as_str())));
        let ask = Ask {
            method: Method::GET,
            path: self.path,
            query: &query,
            bytes_max: self.limits.page_bytes,
        };
        let mut fresh = 0;
        let mut tries = 0;
        loop {
            let fault = match client.try_once(&ask).await {
                Ok(body) => match self.take(client, &body, offset, (sift, &mut fresh)).await {
                    Ok(page) => return Ok((page, fresh)),
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            tries += 1;
            let Some(fault) = client.wait(tries, fault).await else { continue };
            return Err(located(fault.error, offset));
        }
    }

    /// Hands the rows of a page to `sift`, and adds to `fresh` those that this walk met first.
    async fn take(
        &self,
        client: &Client,
        body: &[u8],
        offset: u64,
        (sift, fresh): (&mut Sift, &mut u64),
    ) -> Result<Page, Fault> {
        let mut rows = offset;
        let page = (self.read)(&text::lossy(body), &mut |row| {
            rows += 1;
            if rows <= self.limits.rows {
                *fresh += u64::from(sift.row(row));
            }
        });
        let odd = |retryable, what| Fault::new(FaultClass::Schema, retryable, what);
        let page = page.map_err(|error| {
            let mut fault = odd(
                error.is_eof(),
                format!("the answer is no page of tasks{}", fault::web_page(body)),
            );
            fault.error = fault.error.caused_by(error);
            fault
        })?;
        // A list that is at its end may leave out its rows; one that counts more rows than we have
        // may not.
        if page.list || page.total.is_some_and(|total| total <= offset) {
            return Ok(page);
        }
        let quoted = client.quote(body).await;
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
