//! The keys that every source of this cloud has.

use std::net::Ipv6Addr;

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use super::credential::{self, Auth, Credential};
use crate::options::{self, OptionError};

/// Rows asked for at a time: the documented default, asked for explicitly.
const PAGE_SIZE_DEFAULT: u32 = 1000;

/// The documentation names no limit. Beyond this, a page no longer fits the time for it.
const PAGE_SIZE_MAX: u32 = 10_000;

/// One service of the cloud.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Service {
    /// The first label of its host.
    pub(in crate::source) host: &'static str,
}

/// As the operator writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::source) struct Options {
    /// For instance `cn-north-4`. Either this or `endpoint`.
    region: Option<String>,
    /// Scheme, host and port of the service, for regions under another domain and for tests.
    /// Default: the service's host in `region`.
    endpoint: Option<String>,
    /// Allows an `http` endpoint that is not this host. Default: false.
    #[serde(default)]
    insecure: bool,
    /// The project's id in that region: 32 hexadecimal digits.
    project_id: String,
    /// Rows asked for at a time, 1 to 10000. Default: 1000.
    #[serde(default = "page_size_default")]
    #[schemars(range(min = 1, max = 10_000))]
    page_size: u32,
    /// Whether a poll is complete only if its rows agree with the list's own `total`.
    /// Default: true.
    #[serde(default = "check_total_default")]
    check_total: bool,
    /// Who we are to the cloud.
    #[schemars(with = "Auth")]
    auth: toml::Table,
}

fn page_size_default() -> u32 {
    PAGE_SIZE_DEFAULT
}

fn check_total_default() -> bool {
    true
}

/// As the source takes it.
#[derive(Debug)]
pub(in crate::source) struct Checked {
    /// Empty if only an endpoint was given.
    pub(in crate::source) region: String,
    pub(in crate::source) endpoint: Url,
    /// 1 to 64 letters, digits, `_` and `-`: it can stand in a path as it is.
    pub(in crate::source) project_id: String,
    pub(in crate::source) page_size: u32,
    pub(in crate::source) check_total: bool,
    pub(in crate::source) credential: Box<dyn Credential>,
}

/// Reads the table, applies the rules documented on each key, and reads the secrets.
///
/// # Errors
///
/// The first problem, with its key.
pub(in crate::source) fn check(
    table: toml::Table,
    service: Service,
) -> Result<Checked, OptionError> {
    let raw: Options = options::parse(table)?;
    let endpoint = match (&raw.region, &raw.endpoint) {
        (Some(region), None) => endpoint_of(service, region)?,
        (None, Some(endpoint)) => check_endpoint(endpoint, raw.insecure)?,
        (None, None) => {
            return Err(OptionError::new("region", "is required, or `endpoint` in its place"));
        }
        (Some(_), Some(_)) => {
            return Err(OptionError::new("endpoint", "excludes `region`; leave out one of them"));
        }
    };
    if !is_word(&raw.project_id, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        let problem = "must be the project's id, 32 hexadecimal digits as a rule, and at most 64 \
                       letters, digits, `_` and `-`";
        return Err(OptionError::new("project_id", problem));
    }
    if !(1..=PAGE_SIZE_MAX).contains(&raw.page_size) {
        let problem = format!("must be between 1 and {PAGE_SIZE_MAX}");
        return Err(OptionError::new("page_size", problem));
    }
    Ok(Checked {
        region: raw.region.unwrap_or_default(),
        endpoint,
        project_id: raw.project_id,
        page_size: raw.page_size,
        check_total: raw.check_total,
        credential: credential::build(raw.auth)?,
    })
}

/// Every region of the public cloud follows one pattern; the European one is under another
/// domain and needs `endpoint`.
fn endpoint_of(service: Service, region: &str) -> Result<Url, OptionError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let url = Url::parse(&format!("https://{}.{region}.myhuaweicloud.com", service.host));
    url.ok()
        .filter(|_| is_word(region, plain))
        .ok_or_else(|| OptionError::new("region", "must be a region's id, such as \"cn-north-4\""))
}

fn is_word(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn check_endpoint(text: &str, insecure: bool) -> Result<Url, OptionError> {
    // Never repeats the text: it may hold a password.
    let wrong = |problem: &str| OptionError::new("endpoint", problem);
    let shape =
        "must be scheme and host alone, such as \"https://kms.cn-north-4.myhuaweicloud.com\"";
    let url = Url::parse(text).map_err(|_| wrong(shape))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" if bare => Ok(url),
        "http" if bare && (insecure || is_loopback(&url)) => Ok(url),
        "http" if bare => Err(wrong(
            "must be https: over http anyone on the way can read the list; \
             `insecure = true` allows it all the same",
        )),
        _ => Err(wrong(shape)),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KMS: Service = Service { host: "kms" };

    const AUTH: &str = "auth = { kind = 'token', token = 't' }";

    #[track_caller]
    fn endpoint(keys: &str, expected: &str) {
        let table = format!("project_id = 'p1'\n{AUTH}\n{keys}");
        let actual = match check(table.parse().unwrap(), KMS) {
            Ok(checked) => checked.endpoint.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(actual.starts_with(expected), "{keys}: {actual}");
    }

    #[test]
    fn an_endpoint_is_given_or_follows_from_the_region() {
        endpoint("region = 'cn-north-4'", "https://kms.cn-north-4.myhuaweicloud.com/");
        endpoint("endpoint = 'https://kms.example'", "https://kms.example/");
        endpoint("endpoint = 'https://kms.example:8443/'", "https://kms.example:8443/");
        endpoint("", "region: is required, or `endpoint` in its place");
        endpoint("region = 'a'\nendpoint = 'https://b'", "endpoint: excludes `region`");
        for region in ["", "a/b", "evil.example#", "CN", "a b", "-@x"] {
            endpoint(&format!("region = '{region}'"), "region: must be a region's id");
        }
        for text in ["kms", "https://h/v3", "https://h?q", "https://u:p@h", "ftp://h", "https://"] {
            endpoint(&format!("endpoint = '{text}'"), "endpoint: must be scheme and host alone");
        }
    }

    #[test]
    fn plain_http_stays_on_this_host_unless_allowed() {
        for host in ["localhost:8080", "127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080"] {
            endpoint(&format!("endpoint = 'http://{host}'"), &format!("http://{host}/"));
        }
        for host in ["kms.example", "10.0.0.1", "[fe80::1]", "localhost.example"] {
            endpoint(&format!("endpoint = 'http://{host}'"), "endpoint: must be https");
            let keys = format!("endpoint = 'http://{host}'\ninsecure = true");
            endpoint(&keys, &format!("http://{host}/"));
        }
    }

    #[track_caller]
    fn refused(keys: &str, expected: &str) {
        let table = format!("region = 'cn-north-4'\n{keys}");
        let error = check(table.parse().unwrap(), KMS).expect_err(keys);
        assert!(error.to_string().starts_with(expected), "{keys}: {error}");
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        refused(AUTH, "project_id: is required");
        refused("project_id = 'p1'", "auth: is required");
        refused("project_id = 'p1'\nauth = {}", "auth.kind: is required; known kinds are");
        refused("project_id = 'p1'\nauth = 'x'", "auth: invalid type");
        for id in ["", "a/b", "..", "a?b", "%2e", "p 1", &"x".repeat(65)] {
            refused(&format!("project_id = '{id}'\n{AUTH}"), "project_id: must be");
        }
        for size in [0, 10_001] {
            refused(
                &format!("project_id = 'p1'\npage_size = {size}\n{AUTH}"),
                "page_size: must be between 1 and 10000",
            );
        }
        refused(
            &format!("project_id = 'p1'\npage_sise = 1\n{AUTH}"),
            "page_sise: is not a known key; did you mean `page_size`?",
        );
    }
}
