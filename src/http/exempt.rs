//! What `NO_PROXY` exempts from the proxy of the environment.
//!
//! The HTTP client decides that by itself. This says the same, so that an operator who asks for the
//! way is told of the one that is taken.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether `list` exempts the host of `url`: names with all below them, addresses, networks, `*`.
pub(super) fn is_exempt(list: &str, url: &Url) -> bool {
    let mut entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let of_address = |address: IpAddr, entry: &str| match entry.split_once('/') {
        Some((network, bits)) => within(address, network, bits),
        None => entry.parse() == Ok(address),
    };
    match url.host() {
        Some(Host::Domain(name)) => entries.any(|entry| entry == "*" || covers(entry, name)),
        Some(Host::Ipv4(address)) => {
            entries.any(|entry| entry == "*" || of_address(address.into(), entry))
        }
        Some(Host::Ipv6(address)) => {
            entries.any(|entry| entry == "*" || of_address(address.into(), entry))
        }
        None => false,
    }
}

/// Whether a name is `entry` or below it.
fn covers(entry: &str, name: &str) -> bool {
    let entry = entry.trim_start_matches('.').to_ascii_lowercase();
    let below = name.strip_suffix(entry.as_str());
    !entry.is_empty() && below.is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

fn within(address: IpAddr, network: &str, bits: &str) -> bool {
    let number = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let ((ours, size), (theirs, other)) = (number(address), number(network));
    // No bit in common is asked for by a prefix of none.
    size == other && bits <= size && (ours ^ theirs).leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_networks_are_exempt() {
        let list = "localhost, .example.com,Internal.example,10.0.0.0/8,192.0.2.7,fd00::/8,";
        for (url, expected) in [
            ("https://localhost:8", true),
            ("https://example.com", true),
            ("https://a.b.example.com", true),
            ("https://badexample.com", false),
            ("https://kms.internal.example", true),
            ("https://10.255.0.1", true),
            ("https://11.0.0.1", false),
            ("https://192.0.2.7", true),
            ("https://192.0.2.8", false),
            ("https://[fd12::1]", true),
            ("https://[fe80::1]", false),
        ] {
            assert_eq!(is_exempt(list, &Url::parse(url).unwrap()), expected, "{url}");
        }
        let any = Url::parse("https://kms.example").unwrap();
        assert!(is_exempt("*", &any));
        assert!(!is_exempt("", &any) && !is_exempt(" , .", &any) && !is_exempt("10.0.0.0/x", &any));
    }
}
