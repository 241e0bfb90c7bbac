//! The keys of a `kind = "json"` source.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    auth::{AnyAuth, SHY_BYTES_MIN, Who},
    paging::{Paging, RawPaging},
    pointer::Pointer,
    query::Value,
    rows::{Only, RawRow, Rows, TimeForm},
};
use crate::{
    http::{Clients, is_loopback},
    options::{self, OptionError, SecretRef},
    secret::Secret,
    source::{
        Build,
        huawei::{
            credential::{Setting, Way, realm},
            options::{clients, iam_of, is_project_id},
            project::Project,
        },
    },
};

/// Most keys of `query` and of `headers`. A request line of these fits every server.
const PAIRS_MAX: usize = 32;

/// Longest address. Beyond it servers refuse the request line.
const URL_BYTES_MAX: usize = 4096;

/// As the operator writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// Where the list is, with `https`. `{project_id}` and `{region}` stand for those keys.
    url: SecretRef,
    /// What is asked for: words, or times such as `{ ago = "7d" }`. At most 32. Default: nothing.
    #[serde(default)]
    query: BTreeMap<String, Value>,
    /// Sent along, at most 32. Their values are never shown. Default: none.
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    /// Who we are. Default: nobody.
    #[schemars(with = "Option<AnyAuth>")]
    auth: Option<toml::Table>,
    /// Allows an `http` address that is not this host. Default: false.
    #[serde(default)]
    insecure: bool,
    /// An HTTP proxy, such as `http://proxy.example:3128`, or `none`. Default: the one that
    /// `HTTPS_PROXY` and its like name.
    proxy: Option<SecretRef>,
    /// PEM file of certificates to trust beside those of the host.
    ca_file: Option<PathBuf>,
    /// For routes and notices, and for `{region}`. Default: none.
    region: Option<String>,
    /// For routes and notices, for `{project_id}`, and for the cloud's signatures. Default: none.
    project_id: Option<String>,
    /// How the list is continued. Default: it is not.
    #[serde(default)]
    paging: RawPaging,
    /// Where the rows are in an answer.
    rows: Pointer,
    /// Where the count of the whole list is in an answer. Default: there is none.
    total: Option<Pointer>,
    /// Which rows are failures. Default: all.
    only: Option<Only>,
    /// Where things are in a row.
    row: RawRow,
    /// How the rows write times. Default: "rfc3339".
    #[serde(default)]
    time: TimeForm,
}

#[cfg(fuzzing)]
impl Options {
    /// How answers are read and followed, without secrets.
    pub(super) fn for_fuzzing(self) -> (Rows, Paging) {
        let paging = self.paging.check().expect("good keys");
        let next = paging.next().cloned();
        let Self { rows: list, total, only, row, time, .. } = self;
        (Rows { list, total, next, only, row, time }, paging)
    }
}

/// As the source takes it.
pub(super) struct Checked {
    pub(super) region: String,
    pub(super) project_id: String,
    pub(super) project: Project,
    pub(super) clients: Clients,
    /// Scheme, host and port.
    pub(super) endpoint: Url,
    /// Percent-encoded.
    pub(super) path: String,
    pub(super) query: Vec<(String, Value)>,
    pub(super) paging: Paging,
    pub(super) rows: Rows,
    pub(super) who: Who,
}

/// Reads the table of `build`, applies the rules documented on each key, and reads the secrets.
///
/// # Errors
///
/// The first problem, with its key.
pub(super) fn check(build: &mut Build) -> Result<Checked, OptionError> {
    let way = Way::of(&build.options);
    let raw: Options = options::parse(std::mem::take(&mut build.options))?;
    let region = word("region", raw.region)?;
    let project_id = word("project_id", raw.project_id)?;
    let paging = raw.paging.check()?;
    let url = address(&raw.url, raw.insecure, &region, &project_id)?;
    if PAIRS_MAX < raw.query.len() {
        return Err(OptionError::new("query", "must have at most 32 keys"));
    }
    if PAIRS_MAX < raw.headers.len() {
        return Err(OptionError::new("headers", "must have at most 32 keys"));
    }
    let mut query: Vec<(String, Value)> = raw.query.into_iter().collect();
    for (key, value) in url.query_pairs() {
        if query.iter().any(|(taken, _)| *taken == key) {
            let problem = "is in `url` as well; leave out one of them";
            return Err(OptionError::new(format!("query.{key}"), problem));
        }
        query.push((key.into_owned(), Value::Word(value.into_owned())));
    }
    for key in paging.keys() {
        if query.iter().any(|(taken, _)| taken == key) {
            let problem = format!("`{key}` is set by `paging`; leave it out here");
            return Err(OptionError::new("query", problem));
        }
    }
    let clients = clients(raw.proxy.as_ref(), raw.ca_file.as_deref(), &build.clients)?;
    let setting = Setting {
        clock: build.clock.clone(),
        iam: iam_of(&region, &clients, build),
        clients: clients.clone(),
        region: region.clone(),
        project_id: Some(project_id.clone()),
        realm: realm(&url),
        way,
        shelf: build.shelf.clone(),
    };
    let who = Who::read(raw.auth, &raw.headers, (&setting, shy_parts(&url)))?;
    if who.is_cloud && project_id.is_empty() {
        let problem = "is required: requests are signed for a project";
        return Err(OptionError::new("project_id", problem));
    }
    let path = url.path().to_owned();
    let mut endpoint = url;
    endpoint.set_path("");
    endpoint.set_query(None);
    let rows = Rows {
        list: raw.rows,
        total: raw.total,
        next: paging.next().cloned(),
        only: raw.only,
        row: raw.row,
        time: raw.time,
    };
    rows.check()?;
    let project = Project::new(Some(project_id.clone()), &setting)?;
    Ok(Checked { region, project_id, project, clients, endpoint, path, query, paging, rows, who })
}

/// A region's or a project's id: it goes into addresses and headers as it is.
fn word(key: &str, value: Option<String>) -> Result<String, OptionError> {
    match value {
        None => Ok(String::new()),
        Some(word) if is_project_id(&word) => Ok(word),
        Some(_) => {
            let problem = "must be 1 to 64 letters, digits, `_` and `-`";
            Err(OptionError::new(key, problem))
        }
    }
}

fn address(
    place: &SecretRef,
    insecure: bool,
    region: &str,
    project_id: &str,
) -> Result<Url, OptionError> {
    // Never repeats the text: it may hold a token.
    let wrong = |problem: &str| OptionError::new("url", problem);
    let text = place.read().map_err(|problem| wrong(&problem))?;
    let mut text = Secret::new(text.expose().to_owned());
    for (mark, value) in [("{region}", region), ("{project_id}", project_id)] {
        if text.expose().contains(mark) {
            if value.is_empty() {
                let key = mark.trim_matches(['{', '}']);
                return Err(wrong(&format!("holds {mark}, so `{key}` is required")));
            }
            text = Secret::new(text.expose().replace(mark, value));
        }
    }
    let shape = "must be an address such as \"https://ci.example.com/api/jobs\", without a user \
                 or a fragment";
    if URL_BYTES_MAX < text.expose().len() {
        return Err(wrong("is longer than an address can be (4 KiB)"));
    }
    let url = Url::parse(text.expose()).map_err(|_| wrong(shape))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.has_host();
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

/// What of the address a server may quote in an error, and may be a token.
fn shy_parts(url: &Url) -> Vec<Secret> {
    let segments = url.path_segments().into_iter().flatten().map(str::to_owned);
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let raw = url.query().map(str::to_owned);
    let parts = raw.into_iter().chain(segments).chain(values);
    parts.filter(|part| SHY_BYTES_MIN <= part.len()).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::SystemClock, name::Name, source::Shelf};

    const LEAST: &str = "rows = '/jobs'\nrow = { task_id = '/id' }";

    fn read(table: &str) -> Result<Checked, OptionError> {
        check(&mut Build {
            name: Name::parse("prod").unwrap(),
            options: table.parse().unwrap(),
            clock: Arc::new(SystemClock),
            clients: Clients::default(),
            shelf: Shelf::default(),
        })
    }

    #[track_caller]
    fn checked(keys: &str, expected: &str) {
        let shown = match read(&format!("{LEAST}\n{keys}")) {
            Ok(checked) => format!("{} {}", checked.endpoint, checked.path),
            Err(error) => error.to_string(),
        };
        assert!(shown.starts_with(expected), "{keys}: {shown}");
    }

    #[test]
    fn an_address_is_whole_and_goes_over_tls() {
        checked("url = 'https://h.example/a/b?x=1'", "https://h.example/ /a/b");
        checked("url = 'http://127.0.0.1:8/a'", "http://127.0.0.1:8/ /a");
        checked("url = 'http://h.example/a'", "url: must be https");
        checked("url = 'http://h.example/a'\ninsecure = true", "http://h.example/ /a");
        for url in ["h.example", "https://u:p@h.example", "https://h.example/#f", "ftp://h", ""] {
            checked(&format!("url = '{url}'"), "url: ");
        }
        checked(
            "url = 'https://s.{region}.example/v1/{project_id}/jobs'\nregion = 'r-1'\n\
             project_id = 'p1'",
            "https://s.r-1.example/ /v1/p1/jobs",
        );
        checked("url = 'https://h.example/{project_id}'", "url: holds {project_id}, so");
        checked("url = 'https://h.example/'\nregion = 'a/b'", "region: must be");
    }

    #[test]
    fn each_mistake_is_named_by_its_key() {
        let url = "url = 'https://h.example/a?q=1'";
        for (keys, expected) in [
            ("query = { q = 2 }", "query.q: is in `url` as well"),
            ("query = { x = 1.5 }", "query.x: invalid type"),
            ("query = { offset = 2 }\npaging = { kind = 'offset' }", "query: `offset` is set by"),
            ("paging = { kind = 'pages' }", "paging.kind: "),
            ("paging = { kind = 'cursor' }", "paging.next: is required"),
            ("paging = { kind = 'offset', next = '/n' }", "paging.next: has no effect"),
            ("paging = { kind = 'none', size = 5 }", "paging.size: has no effect"),
            ("paging = { kind = 'offset', size = 0 }", "paging.size: must be"),
            ("auth = { kind = 'bearer' }", "auth.token: is required"),
            ("auth = { kind = 'bearr', token = 'x' }", "auth.kind: is none of the known kinds"),
            ("auth = { kind = 'basic', username = 'a:b', password = 'x' }", "auth.username: "),
            ("auth = { kind = 'header', name = 'a b', secret = 'x' }", "auth.name: is not the"),
            ("auth = { kind = 'none', token = 'x' }", "auth: of kind `none` takes no"),
            ("auth = { kind = 'token', token = 'x' }", "project_id: is required"),
            ("headers = { host = 'x' }", "headers.host: is a header that is written anyway"),
            (
                "headers = { authorization = 'x' }\nauth = { kind = 'bearer', token = 'x' }",
                "auth.token: is a header that is given twice",
            ),
            ("total = 'count'", "total: invalid value"),
            ("only = { at = '/s', is = [] }", "only.is: must name"),
            ("time = 'iso'", "time: "),
            ("roww = 1", "roww: is not a known key; did you mean `row`?"),
        ] {
            checked(&format!("{url}\n{keys}"), expected);
        }
    }

    #[test]
    fn a_row_needs_an_id() {
        let table = "url = 'https://h.example'\nrows = ''\nrow = { task_id = [] }";
        let error = read(table).err().unwrap();
        assert!(error.to_string().starts_with("row.task_id: "), "{error}");
    }
}
