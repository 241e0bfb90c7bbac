//! Keeps requests inside the public internet, for sinks whose address a stranger may choose.
//!
//! An address is looked at where it is used: a literal one when the config is read, a name after
//! it was resolved and before anything connects. A name that is checked and then resolved again
//! could have moved to another address in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use url::{Host, Url};

/// A host that is on a private network, on this host, or a cloud's source of credentials.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the host has only private addresses, and allow_private is false")]
pub struct PrivateAddress;

/// Whether nobody but this host, its link or its company answers at `address`.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    match first {
        // This network, the largest private range, loopback, and what is no single host.
        0 | 10 | 127 | 224..=255 => true,
        // A provider's own range, in which one cloud keeps its metadata service.
        100 => (64..128).contains(&second),
        // Link-local: where the other clouds keep theirs.
        169 => second == 254,
        172 => (16..32).contains(&second),
        192 => second == 168 || (second == 0 && third == 0),
        198 => (18..20).contains(&second),
        _ => false,
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // An IPv4 address in other clothes: mapped, compatible (which loopback is, too),
        // translated, or tunnelled.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        // A translator of this network's own, and tunnels whose end cannot be told.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => {
            first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00
        }
    }
}

/// Looks at the host of `url` as far as that can be done without asking anybody.
///
/// # Errors
///
/// [`PrivateAddress`] for a literal private address and for `localhost`.
pub(super) fn check(url: &Url) -> Result<(), PrivateAddress> {
    let private = match url.host() {
        None => false,
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => is_private_v6(address),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    };
    if private { Err(PrivateAddress) } else { Ok(()) }
}

/// Resolves names as the host does, and forgets the private addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err(PrivateAddress.into());
            }
            let public: Addrs = Box::new(public.into_iter());
            Ok(public)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_neighbours_can_reach_are_private() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("0.0.0.0", true),
            ("10.1.2.3", true),
            ("100.63.255.255", false),
            ("100.64.0.1", true),
            ("100.100.100.200", true),
            ("100.128.0.1", false),
            ("169.254.169.254", true),
            ("172.15.255.255", false),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.1", false),
            ("192.0.0.192", true),
            ("192.168.1.1", true),
            ("198.18.0.1", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("8.8.8.8", false),
            ("::", true),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("64:ff9b::a9fe:a9fe", true),
            ("64:ff9b::808:808", false),
            ("64:ff9b:1::808:808", true),
            ("2002:7f00:1::1", true),
            ("2001:0:1::1", true),
            ("fc00::1", true),
            ("fd00:ec2::254", true),
            ("fe80::1", true),
            ("fec0::1", true),
            ("ff02::1", true),
            ("2606:4700:4700::1111", false),
        ] {
            assert_eq!(is_private(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_literal_address_is_found_however_it_is_written() {
        for (url, expected) in [
            ("http://localhost/", true),
            ("http://LOCALHOST.:80/", true),
            ("http://a.localhost/", true),
            ("http://0x7f.1/", true),
            ("http://2130706433/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://8.8.8.8/", false),
        ] {
            assert_eq!(check(&Url::parse(url).unwrap()).is_err(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_host_is_not_resolved() {
        let error = PublicOnly.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(error.downcast_ref(), Some(&PrivateAddress));
    }
}
