//! The keys that every source of this cloud has.

use std::path::{Path, PathBuf};

use reqwest::Proxy;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    credential::{self, Auth, Setting, Shared, Way, realm},
    endpoint,
    iam::Iam,
    project::{Description, Project},
    region,
};
use crate::{
    http::{Clients, ca},
    name::Name,
    notice::SourceInfo,
    options::{self, OptionError, SecretRef},
    source::Build,
};

/// Rows asked for at a time: the documented default, asked for explicitly.
const PAGE_SIZE_DEFAULT: u32 = 1000;

/// The documentation names no limit. Beyond this, a page no longer fits the time for it.
const PAGE_SIZE_MAX: u32 = 10_000;

/// What `proxy` says to ignore that of the environment.
const NO_PROXY: &str = "none";

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
    /// For instance `cn-north-4`. This, or `endpoint`, or both.
    region: Option<String>,
    /// Scheme, host and port of the service, for private clouds and for tests.
    /// Default: the service's host in `region`.
    endpoint: Option<String>,
    /// The same of the identity service, which is asked for tokens and for a project's id.
    /// Default: the one of `region`.
    iam_endpoint: Option<String>,
    /// Allows `http` endpoints that are not this host. Default: false.
    #[serde(default)]
    insecure: bool,
    /// The project's id in that region: 32 hexadecimal digits. Default: the id of the project
    /// that is named like the region, which the identity service knows.
    project_id: Option<String>,
    /// Rows asked for at a time, 1 to 10000. Default: 1000.
    #[serde(default = "page_size_default")]
    #[schemars(range(min = 1, max = 10_000))]
    page_size: u32,
    /// Whether a poll is complete only if its rows agree with the list's own `total`.
    /// Default: true.
    #[serde(default = "check_total_default")]
    check_total: bool,
    /// An HTTP proxy, such as `http://proxy.example:3128`, or `none`. Default: the one that
    /// `HTTPS_PROXY` and its like name.
    proxy: Option<SecretRef>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
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
    pub(in crate::source) project: Project,
    pub(in crate::source) page_size: u32,
    pub(in crate::source) check_total: bool,
    pub(in crate::source) shared: Shared,
    pub(in crate::source) clients: Clients,
}

impl Checked {
    /// What a source of this `kind` says of itself.
    pub(in crate::source) fn describe(&self, name: Name, kind: &str) -> Description {
        Description::new(SourceInfo {
            name,
            kind: kind.to_owned(),
            region: self.region.clone(),
            project_id: self.project.known().unwrap_or_default().to_owned(),
        })
    }
}

/// Reads the table of `build`, applies the rules documented on each key, and reads the secrets.
///
/// # Errors
///
/// The first problem, with its key.
pub(in crate::source) fn check(
    build: &mut Build,
    service: Service,
) -> Result<Checked, OptionError> {
    let way = Way::of(&build.options);
    let raw: Options = options::parse(std::mem::take(&mut build.options))?;
    let region = raw.region.clone().unwrap_or_default();
    let (ours, iam) = places(&raw, service)?;
    if raw.project_id.as_deref().is_some_and(|id| !is_project_id(id)) {
        let problem = "must be the project's id, 32 hexadecimal digits as a rule, and at most 64 \
                       letters, digits, `_` and `-`";
        return Err(OptionError::new("project_id", problem));
    }
    if !(1..=PAGE_SIZE_MAX).contains(&raw.page_size) {
        let problem = format!("must be between 1 and {PAGE_SIZE_MAX}");
        return Err(OptionError::new("page_size", problem));
    }
    let clients = clients(raw.proxy.as_ref(), raw.ca_file.as_deref(), &build.clients)?;
    let iam = iam.map(|url| Iam::new(url, clients.clone(), build.clock.clone()));
    let setting = Setting {
        clock: build.clock.clone(),
        clients: clients.clone(),
        iam,
        region: region.clone(),
        project_id: raw.project_id.clone(),
        realm: realm(&ours),
        way,
        shelf: build.shelf.clone(),
    };
    let shared = credential::build(raw.auth, &setting)?;
    Ok(Checked {
        project: Project::new(raw.project_id, &setting)?,
        region,
        endpoint: ours,
        page_size: raw.page_size,
        check_total: raw.check_total,
        shared,
        clients,
    })
}

/// The identity service of a region of the public cloud, asked by `clients`.
pub(in crate::source) fn iam_of(region: &str, clients: &Clients, build: &Build) -> Option<Iam> {
    Some(Iam::new(region::iam(region)?, clients.clone(), build.clock.clone()))
}

/// Where the service is, and the identity service if that is known.
fn places(raw: &Options, service: Service) -> Result<(Url, Option<Url>), OptionError> {
    let wrong = || OptionError::new("region", "must be a region's id, such as \"cn-north-4\"");
    let of = |region: &Option<String>, find: &dyn Fn(&str) -> Option<Url>| {
        region.as_deref().map(|region| find(region).ok_or_else(wrong)).transpose()
    };
    let ours = of(&raw.region, &|region| region::endpoint(service.host, region))?;
    let iam = of(&raw.region, &region::iam)?;
    let written = |key: &str, text: &Option<String>| {
        text.as_deref().map(|text| endpoint::check(key, text, raw.insecure)).transpose()
    };
    let ours = written("endpoint", &raw.endpoint)?.or(ours);
    let ours =
        ours.ok_or_else(|| OptionError::new("region", "is required, or `endpoint` in its place"))?;
    Ok((ours, written("iam_endpoint", &raw.iam_endpoint)?.or(iam)))
}

/// The process's clients, or some of the source's own where it has a proxy or certificates.
///
/// # Errors
///
/// What is wrong with `proxy` or `ca_file`.
pub(in crate::source) fn clients(
    proxy: Option<&SecretRef>,
    ca_file: Option<&Path>,
    shared: &Clients,
) -> Result<Clients, OptionError> {
    let mut clients = shared.clone();
    if let Some(path) = ca_file {
        let wrong = |problem| OptionError::new("ca_file", problem);
        clients = clients.also_trusting(ca::read(path).map_err(wrong)?);
    }
    let Some(place) = proxy else { return Ok(clients) };
    let wrong = |problem: String| OptionError::new("proxy", problem);
    let text = place.read().map_err(wrong)?;
    if text.expose() == NO_PROXY {
        return Ok(clients.direct());
    }
    // Never repeats the text: it may hold a password.
    let shape = || wrong("must be \"none\" or a URL such as \"http://proxy.example:3128\"".into());
    let url = Url::parse(text.expose()).map_err(|_| shape())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(shape());
    }
    Ok(clients.through(Proxy::all(url).map_err(|_| shape())?))
}

/// Whether it can stand in a path as it is.
pub(in crate::source) fn is_project_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::{clock::FixedClock, source::Shelf};

    const KMS: Service = Service { host: "kms" };

    fn read(table: &str) -> Result<Checked, OptionError> {
        let mut build = Build {
            name: Name::parse("prod").unwrap(),
            options: table.parse().unwrap(),
            clock: Arc::new(FixedClock(Timestamp::UNIX_EPOCH)),
            clients: Clients::default(),
            shelf: Shelf::default(),
        };
        check(&mut build, KMS)
    }

    const AUTH: &str = "auth = { kind = 'token', token = 't' }";

    #[track_caller]
    fn endpoint(keys: &str, expected: &str) {
        let table = format!("project_id = 'p1'\n{AUTH}\n{keys}");
        let actual = match read(&table) {
            Ok(checked) => checked.endpoint.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(actual.starts_with(expected), "{keys}: {actual}");
    }

    #[test]
    fn an_endpoint_is_given_or_follows_from_the_region() {
        endpoint("region = 'cn-north-4'", "https://kms.cn-north-4.myhuaweicloud.com/");
        endpoint("endpoint = 'https://kms.example'", "https://kms.example/");
        endpoint("region = 'a'\nendpoint = 'https://kms.example'", "https://kms.example/");
        endpoint("endpoint = 'https://kms.example:8443/'", "https://kms.example:8443/");
        endpoint("", "region: is required, or `endpoint` in its place");
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
        let error = read(&table).expect_err(keys);
        assert!(error.to_string().starts_with(expected), "{keys}: {error}");
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        refused("project_id = 'p1'", "auth: is required");
        refused("ca_file = '/does/not/exist'\nauth = {}", "ca_file: cannot read /does/not/exist");
        refused("iam_endpoint = 'http://iam.example'\nauth = {}", "iam_endpoint: must be https");
        for proxy in ["", "proxy", "ftp://p", "socks5://p:1080"] {
            refused(&format!("proxy = '{proxy}'\nauth = {{}}"), "proxy: must be \"none\" or a URL");
        }
        let error = read(&format!("endpoint = 'https://kms.example'\n{AUTH}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "project_id: is required, or `region` to look it up by; `iam_endpoint` if it is not \
             in the public cloud"
        );
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
