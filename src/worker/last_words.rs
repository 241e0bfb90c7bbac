//! Says that the store failed, to those who can still hear it.
//!
//! It touches nothing but the sinks: what is on record cannot be read any more, and what is said
//! here is on no record. One attempt at each sink; the next start of the process makes the next.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::Outlet;
use crate::{
    decide::last_words::Hearers,
    http::Chain,
    name::Name,
    notice::{Coverage, Notice, NoticeId, NoticeKind, Trouble},
    sink::{Parcel, Receipt},
    store::StoreError,
    text,
};

/// For one attempt. There are two rounds of them at most, and whoever stops us waits for longer.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// The detail goes into a line of a message.
const DETAIL_BYTES_MAX: usize = 1_000;

/// What is said.
#[derive(Clone, Debug)]
pub struct LastWords {
    /// See [`trouble`].
    pub trouble: Trouble,
    /// See [`crate::decide::last_words::occasion`].
    pub occasion: String,
    /// When.
    pub now: Timestamp,
}

impl LastWords {
    fn notice(&self, sink: &Name) -> Notice {
        let kind = NoticeKind::StoreFailed;
        Notice {
            id: NoticeId::of(kind, sink, [], &self.occasion),
            kind,
            reason: self.trouble.class.clone(),
            created_at: self.now,
            sink: sink.clone(),
            source: None,
            sources: None,
            failures: Vec::new(),
            total: 0,
            tally: None,
            trouble: Some(self.trouble.clone()),
            since: None,
            so_far: 0,
            still_open: 0,
            coverage: Coverage::default(),
        }
    }

    /// Tells those who hear of it first and, if none of them takes it, the others. Returns whether
    /// anybody took it.
    pub async fn say(&self, outlets: &[(Name, Outlet)], hearers: &Hearers) -> bool {
        self.round(outlets, &hearers.first).await || self.round(outlets, &hearers.then).await
    }

    async fn round(&self, outlets: &[(Name, Outlet)], names: &[Name]) -> bool {
        let mut attempts = JoinSet::new();
        for (name, outlet) in outlets.iter().filter(|(name, _)| names.contains(name)) {
            let (notice, outlet) = (self.notice(name), outlet.clone());
            attempts.spawn(async move { attempt(notice, outlet).await });
        }
        let mut taken = false;
        while let Some(ended) = attempts.join_next().await {
            // One that panicked was not taken.
            taken |= ended.unwrap_or(false);
        }
        taken
    }
}

async fn attempt(notice: Notice, outlet: Outlet) -> bool {
    let Notice { id, sink, created_at: now, .. } = &notice;
    let body = outlet.sink.render(&notice);
    let parcel = Parcel { id, body: &body, recipients: None, original: None, now: *now };
    let limit = outlet.timeout.min(ATTEMPT_MAX);
    match tokio::time::timeout(limit, outlet.sink.send(parcel)).await {
        Ok(Ok(Receipt::Whole | Receipt::Kept(_) | Receipt::Part { .. })) => {
            info!(%sink, notice = %id, "told that the store failed");
            true
        }
        Ok(Err(error)) => {
            warn!(%sink, error = %Chain(&error), "could not tell that the store failed");
            false
        }
        Err(_elapsed) => {
            let error = format!("no answer within {} s", limit.as_secs());
            warn!(%sink, error, "could not tell that the store failed");
            false
        }
    }
}

/// What is wrong with the store in `place`, and what to do; `None` if there is nothing wrong with
/// it but that another process has it.
#[must_use]
pub fn trouble(error: &StoreError, place: &str) -> Option<Trouble> {
    let (class, advice) = match error {
        StoreError::Held { .. } => return None,
        _ if error.disk_is_full() => (
            "disk_full",
            "Make room on the disk that holds it. taskbell goes on where it was once it is started \
             again.",
        ),
        StoreError::NotDurable { .. } => (
            "not_durable",
            "Look at the disk (`dmesg`, `taskbell doctor`), then start taskbell again.",
        ),
        StoreError::Unreadable { .. } => {
            ("unreadable", "Mend what the detail names, then start taskbell again.")
        }
        StoreError::Damaged { .. } => (
            "damaged",
            "Start taskbell again: what is damaged is kept aside, and the newest copy takes its \
             place.",
        ),
        StoreError::Newer { .. } => ("newer", "Install the version that wrote it, or a newer one."),
        StoreError::Silent { .. } => (
            "hung",
            "Look at the disk that holds it (`dmesg`, `iostat`). taskbell waits for it, and goes on \
             by itself once it answers.",
        ),
        StoreError::Closed => {
            ("closed", "Start taskbell again: it reads all of the store before it goes on.")
        }
    };
    let detail = format!("{} ({place})", Chain(error));
    Some(Trouble {
        sink: None,
        class: class.to_owned(),
        detail: text::clean(&detail, DETAIL_BYTES_MAX),
        advice: advice.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_error_has_a_class_an_advice_and_the_place() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let other = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, class) in [
            (StoreError::not_durable("a flush", full()), "disk_full"),
            (StoreError::unreadable("cannot write in /store", full()), "disk_full"),
            (StoreError::not_durable("a flush", other()), "not_durable"),
            (StoreError::unreadable("cannot open", other()), "unreadable"),
            (StoreError::Damaged { what: "a page".to_owned(), cause: None }, "damaged"),
            (StoreError::Newer { path: "/store".to_owned(), found: 9, known: 1 }, "newer"),
            (StoreError::Silent { seconds: 30 }, "hung"),
            (StoreError::Closed, "closed"),
        ] {
            let trouble = trouble(&error, "/store on host-1").unwrap();
            assert_eq!(trouble.class, class, "{error}");
            assert!(trouble.detail.ends_with(" (/store on host-1)"), "{}", trouble.detail);
            assert!(!trouble.advice.is_empty(), "{class}");
        }
        let held = StoreError::Held { path: "/store".to_owned(), by: "another one".to_owned() };
        assert_eq!(trouble(&held, "/store on host-1"), None, "another process is at work");
    }
}
