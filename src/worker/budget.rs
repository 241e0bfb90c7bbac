//! Whether the sources ask a host for more than they may.

use std::collections::BTreeMap;

use url::Url;

use super::Watched;
use crate::http::{HostLimit, Rate};

/// What the sources of one host ask for, and what they may.
#[derive(Clone, Debug, PartialEq)]
struct Load {
    host: String,
    sources: usize,
    /// Requests a second, if each list is short.
    wanted: f64,
    /// The same.
    allowed: f64,
}

/// One sentence for each host that is asked for more than `limit` lets through.
#[must_use]
pub fn beyond(sources: &[Watched], limit: HostLimit) -> Vec<String> {
    let each = sources.iter().map(|watched| {
        let seconds = watched.interval.as_secs_f64();
        (watched.source.origin(), f64::from(watched.source.requests()) / seconds)
    });
    let each: Vec<_> = each.collect();
    loads(&each, limit).iter().filter(|load| load.allowed < load.wanted).map(words).collect()
}

fn loads(each: &[(&str, f64)], limit: HostLimit) -> Vec<Load> {
    let mut hosts: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (origin, wanted) in each {
        let host = hosts.entry(*origin).or_default();
        *host = (host.0 + 1, host.1 + wanted);
    }
    let load = |(host, (sources, wanted)): (&str, (usize, f64))| {
        let Rate { count, per } = limit.at(&Url::parse(host).ok()?)?;
        let allowed = f64::from(count) / per.as_secs_f64();
        Some(Load { host: host.to_owned(), sources, wanted, allowed })
    };
    hosts.into_iter().filter_map(load).collect()
}

fn words(load: &Load) -> String {
    let Load { host, sources, wanted, allowed } = load;
    let sources = if *sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") };
    format!(
        "{host}: {sources} ask for {} requests a second even if their lists are short, and \
         worker.host_limit lets {} through; polls come late or fail as throttled: lengthen interval, \
         or raise host_limit if the service grants you more",
        short(*wanted),
        short(*allowed)
    )
}

/// With as many digits as say something.
fn short(rate: f64) -> String {
    let text = if rate < 100.0 { format!("{rate:.2}") } else { format!("{rate:.0}") };
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The hosts that are asked for too much: `host wanted/allowed`.
    #[track_caller]
    fn check(each: &[(&str, usize, f64)], limit: HostLimit, expected: &[&str]) {
        let each = each.iter().flat_map(|(host, count, rate)| vec![(*host, *rate); *count]);
        let each: Vec<_> = each.collect();
        let over = loads(&each, limit).into_iter().filter(|load| load.allowed < load.wanted);
        let over = over.map(|load| {
            format!("{} {} {}/{}", load.host, load.sources, short(load.wanted), short(load.allowed))
        });
        assert_eq!(over.collect::<Vec<_>>(), expected);
    }

    const KMS: &str = "https://kms.example";

    #[test]
    fn a_host_that_is_asked_for_too_much_is_named_with_both_figures() {
        let two_a_minute = 2.0 / 60.0;
        check(&[(KMS, 300, two_a_minute)], HostLimit::Auto, &[]);
        check(&[(KMS, 301, two_a_minute)], HostLimit::Auto, &["https://kms.example 301 10.03/10"]);
        check(&[(KMS, 900, two_a_minute)], HostLimit::Auto, &["https://kms.example 900 30/10"]);
        check(&[(KMS, 900, two_a_minute)], HostLimit::None, &[]);
        // Others do not count, and this host has no limit of its own.
        let both = [(KMS, 200, two_a_minute), ("https://sdrs.example", 200, two_a_minute)];
        check(&both, HostLimit::Auto, &[]);
        check(&[("http://127.0.0.1:80", 9_000, 1.0)], HostLimit::Auto, &[]);
        let slow = HostLimit::Every(Rate { count: 30, per: Duration::from_secs(60) });
        check(&[("http://127.0.0.1:80", 1, 2.0)], slow, &["http://127.0.0.1:80 1 2/0.5"]);
        check(&[("", 9_000, 1.0)], HostLimit::Auto, &[]);
    }
}
