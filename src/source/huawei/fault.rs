//! What a refusal means: which class of trouble, in which words, and whether asking again helps.
//!
//! Decided by status and code, since messages are localised and change without notice. The few
//! exceptions are answers that carry one code for many causes (`APIGW.0301`), where a wrong guess
//! costs the operator a hint and nothing else.
//!
//! Messages quote what we sent: a refused signature comes with the whole canonical request, an
//! unknown key with the key. So the credential's secrets are taken out of every text before it
//! is cut, and the quotation is cut off.

use std::{error::Error, io};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, header::HeaderMap};
use serde_json::Value;
use url::Url;

use crate::{
    http::{self, BodyError, Clients},
    source::{FaultClass, SourceError},
    text,
};

/// Most bytes of a refusal's body that are worth reading. The gateway's longest quote a canonical
/// request with a token of some KiB.
pub(in crate::source) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest message kept. One sentence of the cloud fits; a quoted page does not.
const MESSAGE_BYTES_MAX: usize = 300;

/// Longest code and request id kept. Real ones are 10 and 32 bytes.
const CODE_BYTES_MAX: usize = 64;

/// The gateway refuses signatures whose date is further from its own clock.
pub(in crate::source) const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Errors nest one or two deep; a body that goes on nesting is not searched further.
const DEPTH_MAX: u32 = 4;

/// From here on, a message quotes our request.
const QUOTATION: &str = "canonicalrequest";

/// Why a page was not had, and whether it may be asked for again within the walk.
#[derive(Debug)]
pub(in crate::source) struct Fault {
    /// For the caller of the walk.
    pub(in crate::source) error: SourceError,
    /// A refused credential never is: five bad signatures in a row lock the key.
    pub(in crate::source) retryable: bool,
    /// The cloud's own word for it, such as `KPS.0005`. Empty if it gave none.
    pub(in crate::source) code: String,
}

impl Fault {
    /// A fault without a cause.
    pub(in crate::source) fn new(
        class: FaultClass,
        retryable: bool,
        what: impl Into<String>,
    ) -> Self {
        Self { error: SourceError::new(class, what), retryable, code: String::new() }
    }

    /// A fault that no further try can mend.
    pub(in crate::source) fn last(error: SourceError) -> Self {
        Self { error, retryable: false, code: String::new() }
    }

    /// Whether it is the identity itself that was refused, so that another one may do better.
    pub(in crate::source) fn is_refused_identity(&self) -> bool {
        self.error.class == FaultClass::Auth
    }

    /// The same with a cause.
    pub(in crate::source) fn caused_by(
        mut self,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        self.error = self.error.caused_by(cause);
        self
    }
}

/// An answer that is not what was asked for.
#[derive(Clone, Copy)]
pub(in crate::source) struct Refusal<'a> {
    /// Whose it is, as the beginning of a sentence.
    pub(in crate::source) who: &'a str,
    /// The HTTP status.
    pub(in crate::source) status: u16,
    /// All headers.
    pub(in crate::source) headers: &'a HeaderMap,
    /// The body or its beginning; may be HTML or empty.
    pub(in crate::source) body: &'a [u8],
    /// What must not be repeated. None is empty.
    pub(in crate::source) secrets: &'a [&'a str],
}

/// Classifies a refusal that arrived at `now`.
pub(in crate::source) fn of_refusal(refusal: &Refusal<'_>, now: Timestamp) -> Fault {
    let Refusal { who, status, headers, body, secrets } = *refusal;
    let words = Words::find(body);
    let code = words.code.as_deref().unwrap_or_default();
    let message = words.message.as_deref().unwrap_or_default();
    let date = server_date(headers);
    let skewed = date.is_some_and(|date| SKEW_MAX < date.duration_since(now).abs());
    let (class, retryable) = classify(status, code, Hints::new(message, skewed));

    let mut what = vec![format!("{who} answered {status}")];
    // Some services repeat the status as a code.
    if !code.is_empty() && code != status.to_string() {
        what.push(format!(" {}", safe(code, CODE_BYTES_MAX, secrets)));
    }
    let meaning = match (class, date) {
        (FaultClass::ClockSkew, Some(date)) => Some(skew(date, now)),
        _ => meaning(status, headers, code, message),
    };
    if message.is_empty() {
        // Where the cloud itself has trouble, its own load balancers answer in HTML.
        what.extend((status < 500).then(|| web_page(body).to_owned()));
    } else {
        let said = safe(unquoted(message), MESSAGE_BYTES_MAX, secrets);
        // The sentence goes on.
        let said = if meaning.is_some() { said.trim_end_matches('.') } else { &said };
        what.push(format!(": {said}"));
    }
    let meaning = meaning.map(|meaning| safe(&meaning, MESSAGE_BYTES_MAX, secrets));
    what.extend(meaning.map(|meaning| format!("; {meaning}")));
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    if let Some(id) = id.or(words.request_id.as_deref()).filter(|id| !id.is_empty()) {
        what.push(format!(" (request {})", safe(id, CODE_BYTES_MAX, secrets)));
    }
    let mut fault = Fault::new(class, retryable, what.concat());
    fault.error.retry_after = http::retry_after(headers, now);
    fault.code = safe(code, CODE_BYTES_MAX, secrets);
    fault
}

/// What a refusal means, where its code says it and its words may not.
fn meaning(status: u16, headers: &HeaderMap, code: &str, message: &str) -> Option<String> {
    let gateway = code.strip_prefix("APIGW.").or_else(|| code.strip_prefix("APIG."));
    let known = match (gateway, code) {
        (Some("0307"), _) => "the token has expired",
        (Some("0301"), _) if message.contains("reach the limit") => {
            "the key is locked for some minutes, since it was refused too often"
        }
        (_, "KPS.9004") => "the account is frozen",
        (_, "KPS.9005") => "the account is restricted",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    let to = headers.get("location").filter(|_| (300..400).contains(&status))?;
    let to = Url::parse(to.to_str().ok()?).ok()?;
    Some(format!("it sends us to {}", http::origin(&to)))
}

/// What to say of an answer that should be JSON and is a page for people: most often that of a proxy
/// or a captive portal. Empty if it is none.
pub(in crate::source) fn web_page(body: &[u8]) -> &'static str {
    if body.trim_ascii_start().first() == Some(&b'<') { "; it is a web page" } else { "" }
}

/// How far our clock is from the cloud's, in words.
pub(in crate::source) fn skew(theirs: Timestamp, ours: Timestamp) -> String {
    // An HTTP date has whole seconds.
    let off = SignedDuration::from_secs(ours.duration_since(theirs).as_secs());
    let side = if off.is_negative() { "behind" } else { "ahead of" };
    format!("this host's clock is {:#} {side} the cloud's {theirs:.0}", off.abs())
}

/// The client of `clients` for `url`, which is built when it is first needed.
///
/// # Errors
///
/// When the host has no usable root certificates.
pub(in crate::source) fn client(clients: &Clients, url: &Url) -> Result<Client, Fault> {
    clients
        .get(url)
        .map_err(|error| Fault::new(FaultClass::Tls, false, error.to_string()).caused_by(error))
}

/// Classifies the lack of an answer from `origin`, which is a URL without its path.
pub(in crate::source) fn of_silence(error: reqwest::Error, origin: &str) -> Fault {
    let (class, retryable) = class_of_network(&error);
    Fault::new(class, retryable, format!("no answer from {origin}")).caused_by(error.without_url())
}

/// Classifies an answer of which only the beginning was had.
pub(in crate::source) fn of_body(error: BodyError, origin: &str) -> Fault {
    match error {
        BodyError::Broken(error) => {
            let (class, retryable) = class_of_network(&error);
            Fault::new(class, retryable, format!("the answer of {origin} broke off"))
                .caused_by(error)
        }
        BodyError::TooLong { .. } => {
            Fault::new(FaultClass::Schema, false, format!("{origin} sent too much"))
                .caused_by(error)
        }
    }
}

fn class_of_network(error: &reqwest::Error) -> (FaultClass, bool) {
    if error.is_dns() {
        (FaultClass::Dns, true)
    } else if is_tls(error) {
        // A certificate does not mend within seconds.
        (FaultClass::Tls, false)
    } else if error.is_timeout() {
        (FaultClass::Timeout, true)
    } else {
        (FaultClass::Network, true)
    }
}

/// rustls hides its errors inside I/O errors, whose `source()` skips over them.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let next = hidden.map(|hidden| -> &(dyn Error + 'static) { hidden }).or(error.source());
    error.is::<rustls::Error>() || next.is_some_and(is_tls)
}

/// What a message tells beyond its code. Empty hints change nothing.
#[derive(Clone, Copy)]
struct Hints {
    /// The signature is too old or too young, or the clocks are that far apart.
    skewed: bool,
    /// An access list of addresses refused us.
    address: bool,
}

impl Hints {
    fn new(message: &str, skewed: bool) -> Self {
        Self {
            skewed: skewed || message.contains("signature expired"),
            address: message.contains("current ip"),
        }
    }
}

/// The class, and whether the same request may succeed a moment later.
fn classify(status: u16, code: &str, hints: Hints) -> (FaultClass, bool) {
    use FaultClass::{
        AccountFrozen, Auth, ClockSkew, Network, NotInRegion, Permission, Request, Schema,
        Throttled, Timeout, Upstream,
    };
    // Public services say APIGW, dedicated gateways say APIG, with the same numbers.
    let gateway = code.strip_prefix("APIGW.").or_else(|| code.strip_prefix("APIG."));
    match (status, gateway.unwrap_or_default(), code) {
        (429, ..) => (Throttled, true),
        // The gateway knows the API but not what stands behind it. Only the operator of the
        // cloud can change that.
        (400 | 404 | 500, "0103" | "0104" | "0105", _) => (Upstream, false),

        (401, ..) if hints.skewed => (ClockSkew, false),
        (401, ..) if hints.address => (Permission, false),
        (401, _, "KPS.9002") => (Permission, false),
        (401, ..) | (400, _, "KPS.0006") => (Auth, false),

        (403, _, "KPS.9004" | "KPS.9005") => (AccountFrozen, false),
        (403, _, "KPS.6009") => (Request, false),
        // The project is not one of this region, or is suspended.
        (403, "0310", _) | (404, ..) => (NotInRegion, false),
        (403, ..) => (Permission, false),

        (405, "0501" | "0502", _) => (Throttled, false),
        // From the proxy on our side.
        (407, ..) => (Network, false),
        (408, ..) => (Timeout, true),
        (500 | 502..=504, ..) => (Upstream, true),
        (501.., ..) => (Upstream, false),
        (400..=499, ..) => (Request, false),
        // A redirect, most often to a login page.
        _ => (Schema, false),
    }
}

/// The parts of an error body, in whichever of the known shapes it comes.
#[derive(Debug, Default)]
struct Words {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl Words {
    fn find(body: &[u8]) -> Self {
        let mut words = Self::default();
        if let Ok(value) = serde_json::from_slice(body) {
            words.search(&value, 0);
        }
        words
    }

    fn search(&mut self, value: &Value, depth: u32) {
        let first = |names: &[&str]| names.iter().find_map(|name| scalar(value.get(name)?));
        // The inner object is the more telling one: its `code` may be a real one where the outer
        // one repeats the status.
        match value.get("error") {
            Some(Value::String(message)) => self.message = Some(message.clone()),
            Some(inner) if depth < DEPTH_MAX => self.search(inner, depth + 1),
            _ => (),
        }
        self.code = self.code.take().or_else(|| first(&["error_code", "errorCode", "code"]));
        self.message = self.message.take().or_else(|| first(&["error_msg", "errorMsg", "message"]));
        self.request_id = self.request_id.take().or_else(|| first(&["request_id"]));
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `code: message` of an error body, as far as there is one. For answers that say "200" and mean
/// something else.
pub(in crate::source) fn quote(body: &[u8], secrets: &[&str]) -> Option<String> {
    let words = Words::find(body);
    let parts: Vec<String> = [words.code, words.message]
        .iter()
        .flatten()
        .map(|part| safe(unquoted(part), MESSAGE_BYTES_MAX, secrets))
        .collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// The cloud's clock.
pub(in crate::source) fn server_date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get("date")?.to_str().ok()?;
    Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()
}

/// The message without the request that it quotes.
fn unquoted(message: &str) -> &str {
    let end = message.to_ascii_lowercase().find(QUOTATION).unwrap_or(message.len());
    let kept = message.get(..end).unwrap_or_default();
    kept.trim_end_matches([' ', ',', ':', ';'])
}

fn safe(text: &str, bytes_max: usize, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret, "***");
    }
    text::clean(&text, bytes_max)
}

#[cfg(test)]
mod tests;
