//! The way to a list, step by step, for an operator who wants to know what is wrong.
//!
//! Each step needs the one before it: a name, a connection with a good certificate, clocks that
//! agree, an identity, a project, a page. Nothing secret is sent before the connection and its
//! certificate were found good.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio::{net::lookup_host, time::timeout};

use super::{
    client::Client,
    fault::{self, Fault, SKEW_MAX},
    region,
    walk::List,
};
use crate::{
    http::{self, BodyError},
    source::{FaultClass, Finding, SourceError},
};

/// How long a name may take.
const DNS_WAIT: Duration = Duration::from_secs(10);

/// A clock that is further off than this is not kept by anything.
const SKEW_ODD: SignedDuration = SignedDuration::from_mins(1);

/// Most addresses of a name that are shown.
const ADDRESSES_MAX: usize = 3;

/// Most bytes of the answer to nothing in particular.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// The way to `list`, as far as it goes.
pub(in crate::source) async fn examine(client: &Client, list: &List) -> Vec<Finding> {
    let first = async {
        let page = list.first_page(client).await?;
        let total = page.total.map(|total| format!(" of {total}")).unwrap_or_default();
        Ok(format!("readable; its first page has {}{total} rows", page.rows))
    };
    examine_to(client, first).await
}

/// The way to a list whose `first` page is read last, which says what it found there.
pub(in crate::source) async fn examine_to(
    client: &Client,
    first: impl Future<Output = Result<String, Fault>>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(unknown_region(&client.region));
    match client.clients.proxy_of(&client.endpoint) {
        Some(proxy) => found.push(Finding::of("proxy", Ok(format!("by {proxy}")))),
        None => found.push(Finding::of("dns", resolve(client).await)),
    }
    if ends(&found) {
        return found;
    }
    reach(client, &mut found).await;
    if ends(&found) {
        return found;
    }
    log_in_and_read(client, first, &mut found).await;
    found
}

/// Whether the last step led nowhere. A clock that is off does not end the way: it may not matter.
fn ends(found: &[Finding]) -> bool {
    found.last().is_some_and(|last| last.is_bad() && last.step != "clock")
}

fn unknown_region(region: &str) -> Option<Finding> {
    if region.is_empty() || region::is_known(region) {
        return None;
    }
    let guess = region::nearest(region).map(|near| format!("; did you mean {near}?"));
    let detail = format!("{region} is no region that is known here{}", guess.unwrap_or_default());
    Some(Finding::odd("region", detail, "Check region, unless it is a new one."))
}

async fn resolve(client: &Client) -> Result<String, SourceError> {
    let url = &client.endpoint;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
    // The brackets of an IPv6 address belong to the URL.
    let bare = host.trim_matches(['[', ']']);
    let failed = || SourceError::new(FaultClass::Dns, format!("{host} cannot be resolved"));
    let addresses = match timeout(DNS_WAIT, lookup_host((bare, port.unwrap_or(443)))).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(failed().caused_by(error)),
        Err(elapsed) => return Err(failed().caused_by(elapsed)),
    };
    let shown: Vec<String> =
        addresses.take(ADDRESSES_MAX).map(|address| address.ip().to_string()).collect();
    Ok(format!("{host} is {}", shown.join(", ")))
}

/// Connects and asks for nothing in particular, unauthorised: any answer will do, and has a date.
async fn reach(client: &Client, found: &mut Vec<Finding>) {
    let origin = &client.origin;
    let http = match fault::client(&client.clients, &client.endpoint) {
        Ok(http) => http,
        Err(fault) => return found.push(Finding::of("reach", Err(fault.error))),
    };
    let begun = Instant::now();
    let asked = http.get(format!("{origin}/")).timeout(client.patience.answer).send().await;
    let response = match asked {
        Ok(response) => response,
        Err(error) => {
            let fault = fault::of_silence(error, origin);
            return found.push(Finding::of("reach", Err(fault.error)));
        }
    };
    let now = client.clock.now();
    let theirs = fault::server_date(response.headers());
    // What it says does not matter, but a connection that breaks here does.
    if let Err(BodyError::Broken(error)) = http::read_capped(response, GREETING_BYTES_MAX).await {
        let fault = fault::of_body(BodyError::Broken(error), origin);
        return found.push(Finding::of("reach", Err(fault.error)));
    }
    let tls = if client.endpoint.scheme() == "https" { "with a good certificate " } else { "" };
    let ms = begun.elapsed().as_millis();
    found.push(Finding::of("reach", Ok(format!("{origin} answers {tls}within {ms} ms"))));
    if let Some(theirs) = theirs {
        let off = now.duration_since(theirs);
        let words = fault::skew(theirs, now);
        found.push(if SKEW_MAX < off.abs() {
            Finding::of("clock", Err(SourceError::new(FaultClass::ClockSkew, words)))
        } else if SKEW_ODD < off.abs() {
            let advice = "Keep this host's clock with NTP; beyond 15 minutes the cloud refuses.";
            Finding::odd("clock", words, advice)
        } else {
            // An HTTP date has whole seconds.
            Finding::of("clock", Ok("within a minute of the cloud's".to_owned()))
        });
    }
}

async fn log_in_and_read(
    client: &Client,
    first: impl Future<Output = Result<String, Fault>>,
    found: &mut Vec<Finding>,
) {
    let identity = match client.shared.credential.identity().await {
        Ok(identity) => identity,
        Err(fault) => return found.push(Finding::of("identity", Err(fault.error))),
    };
    found.push(Finding::of("identity", Ok(client.describe(&identity))));
    if client.project_id().is_none() {
        match client.project.id(&identity).await {
            Ok(id) => found.push(Finding::of("project", Ok(format!("looked up: {id}")))),
            Err(fault) => return found.push(Finding::of("project", Err(fault.error))),
        }
    }
    match first.await {
        Ok(detail) => found.push(Finding::of("list", Ok(detail))),
        Err(fault) => found.push(Finding::of("list", Err(fault.error))),
    }
}
