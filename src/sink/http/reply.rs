//! What an answer means. Pure: status, headers and body in, a judgement out.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::{delivery::Verdict, http::retry_after, message::MessageRef};

/// A receiver's judgement of a notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::sink) enum Answered {
    /// It took responsibility.
    Accepted,
    /// It did, and keeps the message there.
    Kept(MessageRef),
    /// It said no, or not now, and why. The words may still hold secrets.
    Refused(Verdict, String),
    /// Its status says yes, and the word that this service would add is missing: a page of some
    /// proxy, an empty body, one that broke off. Perhaps it was taken, perhaps not.
    Unclear,
}

impl Answered {
    /// A yes, with the place of the message if that is known.
    pub(in crate::sink) fn kept(message: Option<MessageRef>) -> Self {
        message.map_or(Self::Accepted, Self::Kept)
    }

    /// Time may help.
    pub(in crate::sink) fn later(after: Option<Duration>, why: impl Into<String>) -> Self {
        Self::Refused(Verdict::Retry { after }, why.into())
    }

    /// Somebody has to change something.
    pub(in crate::sink) fn suspect(why: impl Into<String>) -> Self {
        Self::Refused(Verdict::Suspect, why.into())
    }

    /// The receiver exists no more.
    pub(in crate::sink) fn gone(why: impl Into<String>) -> Self {
        Self::Refused(Verdict::Gone, why.into())
    }
}

/// An answer, as it came.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Reply<'a> {
    pub(in crate::sink) status: u16,
    pub(in crate::sink) headers: &'a HeaderMap,
    /// `None`: it is too long, too slow, or broke off.
    pub(in crate::sink) body: Option<&'a [u8]>,
    /// When it came; some answers say until when to wait instead of how long.
    pub(in crate::sink) now: Timestamp,
}

impl Reply<'_> {
    /// Whether the status says yes.
    pub(in crate::sink) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The wait that the headers ask for.
    pub(in crate::sink) fn after(&self) -> Option<Duration> {
        retry_after(self.headers, self.now)
    }

    /// The body as text, empty if there is none.
    pub(in crate::sink) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body.unwrap_or_default())
    }

    /// The body, if it is a JSON object.
    pub(in crate::sink) fn json(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(self.body?).ok()
    }

    /// The judgement of a receiver of which only the status counts.
    pub(in crate::sink) fn by_status(&self) -> Answered {
        match verdict(self.status, self.after()) {
            None => Answered::Accepted,
            Some(verdict) => Answered::Refused(verdict, self.text().into_owned()),
        }
    }

    /// The same for a receiver whose yes stands in the body: there is none in this one.
    pub(in crate::sink) fn without_a_yes(&self) -> Answered {
        match self.by_status() {
            Answered::Accepted => Answered::Unclear,
            refused => refused,
        }
    }

    /// A no in the words `why`, in which the status decides whether time can help.
    pub(in crate::sink) fn refused(&self, why: impl Into<String>) -> Answered {
        let verdict = verdict(self.status, self.after()).unwrap_or(Verdict::Suspect);
        Answered::Refused(verdict, why.into())
    }
}

/// What an answer's `status` asks for; `None` if it means that the notice was taken.
pub(in crate::sink) fn verdict(status: u16, after: Option<Duration>) -> Option<Verdict> {
    match status {
        200..=299 => None,
        408 | 425 | 429 | 500..=599 => Some(Verdict::Retry { after }),
        410 => Some(Verdict::Gone),
        _ => Some(Verdict::Suspect),
    }
}

/// A number of seconds as services write it: whole, with a fraction, or as a text.
pub(in crate::sink) fn seconds(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// "code: message", as far as either is known.
pub(in crate::sink) fn words(code: Option<&Value>, message: Option<&Value>) -> String {
    let word = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let (code, message) = (word(code), word(message));
    if code.is_empty() || message.is_empty() {
        code + &message
    } else {
        format!("{code}: {message}")
    }
}
