//! `verify`: the receiver's side of a webhook, for whoever builds or mends one.
//!
//! Takes a request as it went over the wire and says whether it is to be believed. Needs no
//! config and no network.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::json;
use thiserror::Error;

use super::{Output, out};
use crate::{
    clock::{Clock, SystemClock},
    exit::Exit,
    options::SecretRef,
    sink::signature::{Headers, Key, KeyError, VerifyError, verify},
};

/// Longest request that is read. Those of taskbell are below 1 MiB; a receiver may be tried with
/// those of others too.
const REQUEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Most headers of a request. Servers refuse more.
const HEADERS_MAX: usize = 100;

/// `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File of secrets, one a line: `whsec_…`, `whpk_…` or `whsk_…`
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// How far the time of the request may be from this clock
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = out::length)]
    tolerance: Duration,
}

/// Why a request was not even looked at, or is not to be believed.
#[derive(Debug, Error)]
enum Refusal {
    #[error("the secrets cannot be used: {0}")]
    Secrets(String),
    #[error("line {line} of {}", file.display())]
    Key {
        line: usize,
        file: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    #[error("the request is longer than 16 MiB")]
    TooLong,
    #[error("standard input is no HTTP request: {0}")]
    NotHttp(&'static str),
    #[error("there are two {0} headers, which receivers read in different ways")]
    Twice(String),
    #[error("the request is not to be believed")]
    Refused(#[source] VerifyError),
}

impl Refusal {
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Refused(VerifyError::Mismatch) => Some(
                "the body must be the bytes that were sent, before any parser or editor; without \
                 a content-length header everything behind the empty line is the body",
            ),
            Self::Refused(VerifyError::Stale) => Some(
                "an old request is a replay, unless a clock is wrong; --tolerance 1y looks at the \
                 signature alone",
            ),
            Self::NotHttp(_) => {
                Some("headers, one a line as `name: value`, an empty line, and the body")
            }
            _ => None,
        }
    }
}

pub(super) fn run(args: &Args, output: Output) -> Exit {
    match check(args, SystemClock.now()) {
        Ok(good) => good.print(output),
        Err(refusal) => out::fail(&refusal, refusal.help(), Exit::Failed),
    }
}

/// A request that is to be believed.
struct Good {
    id: String,
    sent_at: Timestamp,
}

impl Good {
    fn print(&self, output: Output) -> Exit {
        let Self { id, sent_at } = self;
        match output {
            Output::Table => out::line(&format!("verified: {id}, sent {sent_at}")),
            Output::Json => out::json(&json!({ "verified": true, "id": id, "sent_at": sent_at })),
        }
    }
}

fn check(args: &Args, now: Timestamp) -> Result<Good, Refusal> {
    let keys = keys(&args.secret_file)?;
    let mut request = Vec::new();
    let mut input = io::stdin().lock().take(REQUEST_BYTES_MAX + 1);
    let read = input.read_to_end(&mut request).map_err(Refusal::Input)?;
    if u64::try_from(read).is_ok_and(|read| REQUEST_BYTES_MAX < read) {
        return Err(Refusal::TooLong);
    }
    let request = Request::parse(&request)?;
    let headers = Headers {
        id: request.header("webhook-id")?,
        timestamp: request.header("webhook-timestamp")?,
        signature: request.header("webhook-signature")?,
    };
    verify(&keys, headers, request.body, now, args.tolerance).map_err(Refusal::Refused)?;
    let seconds = headers.timestamp.parse().unwrap_or_default();
    let sent_at = Timestamp::from_second(seconds).unwrap_or_default();
    Ok(Good { id: headers.id.to_owned(), sent_at })
}

fn keys(file: &Path) -> Result<Vec<Key>, Refusal> {
    let text = SecretRef::File(file.to_owned()).read().map_err(Refusal::Secrets)?;
    let lines = text.expose().lines().enumerate().map(|(nth, line)| (nth + 1, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty()).map(|(line, text)| {
        Key::parse_verifying(text).map_err(|source| Refusal::Key {
            line,
            file: file.to_owned(),
            source,
        })
    });
    keys.collect()
}

/// A request, as it went over the wire.
#[derive(Debug)]
struct Request<'a> {
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a head, with or without the line that begins a request, and a body.
    fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut headers = Vec::new();
        let mut rest = bytes;
        let mut is_first = true;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.ok_or(Refusal::NotHttp("there is no empty line behind the headers"))?;
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            let line = str::from_utf8(line).map_err(|_| Refusal::NotHttp("a header is no text"))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                break;
            }
            if is_first && line.contains(" HTTP/") {
                is_first = false;
                continue;
            }
            is_first = false;
            let (name, value) =
                line.split_once(':').ok_or(Refusal::NotHttp("a header has no colon"))?;
            if headers.len() == HEADERS_MAX {
                return Err(Refusal::NotHttp("it has more than 100 headers"));
            }
            headers.push((name, value.trim()));
        }
        let whole = Self { headers, body: rest };
        if !whole.header("transfer-encoding")?.is_empty() {
            return Err(Refusal::NotHttp("its body is in chunks; pass the body that they hold"));
        }
        let length = whole.header("content-length")?;
        if length.is_empty() {
            return Ok(whole);
        }
        let length: usize =
            length.parse().map_err(|_| Refusal::NotHttp("its content-length is no number"))?;
        let body = rest.get(..length);
        let body = body.ok_or(Refusal::NotHttp("it is shorter than its content-length"))?;
        Ok(Self { body, ..whole })
    }

    /// The value of the one header of this name; empty if there is none.
    fn header(&self, name: &str) -> Result<&'a str, Refusal> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map_or("", |(_, value)| *value);
        match found.next() {
            None => Ok(value),
            Some(_) => Err(Refusal::Twice(name.to_owned())),
        }
    }
}

/// Reads a request and checks it, for the fuzz target.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    let Ok(request) = Request::parse(data) else { return };
    let header = |name| request.header(name).unwrap_or_default();
    let headers = Headers {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    // Nobody has signed anything with these.
    let keys = ["whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", header("x-key")];
    let keys: Vec<Key> =
        keys.into_iter().filter_map(|key| Key::parse_verifying(key).ok()).collect();
    let secret = keys.get(..1).unwrap_or_default();
    let now = Timestamp::from_second(1_795_428_005).unwrap_or_default();
    let tolerance = crate::sink::signature::TOLERANCE;
    let believed = verify(secret, headers, request.body, now, tolerance);
    assert!(believed.is_err(), "forged");
    let _either = verify(&keys, headers, request.body, now, tolerance);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let shown = match Request::parse(request.as_bytes()) {
            Ok(request) => format!(
                "{} {:?}",
                request.header("webhook-id").unwrap(),
                String::from_utf8_lossy(request.body)
            ),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{request:?}");
    }

    #[test]
    fn a_request_is_read_as_it_went_over_the_wire() {
        check("POST / HTTP/1.1\r\nHost: h\r\nWebhook-Id:  a \r\n\r\n{}\n", "a \"{}\\n\"");
        check("webhook-id: a\n\n{}", "a \"{}\"");
        check("webhook-id: a\ncontent-length: 2\n\n{}\n\n", "a \"{}\"");
        check("\nbody", " \"body\"");
        let not = |why: &str| format!("standard input is no HTTP request: {why}");
        check("", &not("there is no empty line behind the headers"));
        check("{}\n\n", &not("a header has no colon"));
        check("content-length: 9\n\n{}", &not("it is shorter than its content-length"));
        check("content-length: x\n\n{}", &not("its content-length is no number"));
        check(
            "transfer-encoding: chunked\n\n2\r\n{}\r\n",
            &not("its body is in chunks; pass the body that they hold"),
        );
        check(
            "content-length: 1\nContent-Length: 2\n\n{}",
            "there are two content-length headers, which receivers read in different ways",
        );
    }
}
