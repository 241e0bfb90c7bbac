//! The regions, and where their services are.
//!
//! Nearly every host follows one pattern, so a region that is newer than this table works too.
//! The table tells a typing error from a new region, and knows the exceptions.

use url::Url;

/// The regions in which the Key Pair Service is offered, and the European one.
const KNOWN: &[&str] = &[
    "af-north-1",
    "af-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "cn-east-2",
    "cn-east-3",
    "cn-east-4",
    "cn-east-5",
    "cn-north-1",
    "cn-north-11",
    "cn-north-12",
    "cn-north-2",
    "cn-north-4",
    "cn-north-9",
    "cn-south-1",
    "cn-south-2",
    "cn-south-4",
    "cn-southwest-2",
    "cn-southwest-3",
    "eu-west-101",
    "la-north-2",
    "la-south-2",
    "me-east-1",
    "my-kualalumpur-1",
    "na-mexico-1",
    "ru-moscow-1",
    "sa-brazil-1",
    "tr-west-1",
];

/// Those without an identity service of their own; the global one serves them.
const WITHOUT_IAM: &[&str] =
    &["af-north-1", "ap-southeast-5", "cn-north-11", "cn-south-4", "cn-southwest-3"];

/// Whether the region is one that we know.
pub(in crate::source) fn is_known(region: &str) -> bool {
    KNOWN.contains(&region)
}

/// The known region that looks most like this one.
pub(in crate::source) fn nearest(region: &str) -> Option<&'static str> {
    crate::options::nearest(KNOWN, region)
}

/// Where `service` is in the region; `None` if this can be no region's id.
pub(in crate::source) fn endpoint(service: &str, region: &str) -> Option<Url> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&region.len()) || !region.bytes().all(plain) {
        return None;
    }
    // The European site is run apart.
    let top = if region == "eu-west-101" { "eu" } else { "com" };
    Url::parse(&format!("https://{service}.{region}.myhuaweicloud.{top}")).ok()
}

/// Where the identity service of the region is.
pub(in crate::source) fn iam(region: &str) -> Option<Url> {
    if WITHOUT_IAM.contains(&region) {
        return Url::parse("https://iam.myhuaweicloud.com").ok();
    }
    endpoint("iam", region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(region: &str, kms: &str, identity: &str) {
        let shown = |url: Option<Url>| url.map_or("-".to_owned(), |url| url.to_string());
        assert_eq!(shown(endpoint("kms", region)), kms, "{region}");
        assert_eq!(shown(iam(region)), identity, "{region}");
    }

    #[test]
    fn a_host_follows_from_the_region() {
        check(
            "cn-north-4",
            "https://kms.cn-north-4.myhuaweicloud.com/",
            "https://iam.cn-north-4.myhuaweicloud.com/",
        );
        check(
            "cn-north-11",
            "https://kms.cn-north-11.myhuaweicloud.com/",
            "https://iam.myhuaweicloud.com/",
        );
        check(
            "eu-west-101",
            "https://kms.eu-west-101.myhuaweicloud.eu/",
            "https://iam.eu-west-101.myhuaweicloud.eu/",
        );
        for region in ["", "a/b", "evil.example#", "CN", "a b", "-@x"] {
            check(region, "-", "-");
        }
    }

    #[test]
    fn a_typing_error_is_told_from_a_region() {
        assert!(is_known("tr-west-1"));
        assert!(!is_known("cn-noth-4"));
        assert_eq!(nearest("cn-noth-4"), Some("cn-north-4"));
        assert!(KNOWN.is_sorted() && WITHOUT_IAM.iter().all(|region| is_known(region)));
    }
}
