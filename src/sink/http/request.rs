//! What goes over the wire.

use std::fmt;

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;
use url::Url;

/// One request to an [`super::Endpoint`].
pub(in crate::sink) struct Request {
    pub(in crate::sink) method: Method,
    pub(in crate::sink) place: Place,
    pub(in crate::sink) headers: HeaderMap,
    /// Appended to the URL's query, encoded already.
    pub(in crate::sink) query: Option<String>,
    pub(in crate::sink) body: Vec<u8>,
}

/// Where a request goes, seen from the sink's URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::sink) enum Place {
    /// There.
    Here,
    /// To another last segment of its path.
    Beside(&'static str),
    /// Below its path.
    Below(&'static str, String),
}

impl Place {
    pub(super) fn of(&self, url: &Url) -> Url {
        let mut url = url.clone();
        // Every URL of http has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            match self {
                Self::Here => (),
                Self::Beside(last) => drop(path.pop().push(last)),
                Self::Below(one, two) => drop(path.pop_if_empty().push(one).push(two)),
            }
        }
        url
    }
}

impl Request {
    /// A POST.
    pub(in crate::sink) fn new(headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { method: Method::POST, place: Place::Here, headers, query: None, body }
    }

    /// A POST of JSON.
    pub(in crate::sink) fn json(body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Self::new(headers, body)
    }
}

/// `body`, a JSON object with at least one field, with `fields` before its own: what must not be
/// stored, or is true of one attempt only.
pub(in crate::sink) fn with_fields<V>(body: &[u8], fields: &[(&str, V)]) -> Vec<u8>
where
    V: Clone + Into<Value>,
{
    let mut out = b"{".to_vec();
    for (name, value) in fields {
        for part in [Value::from(*name).to_string(), ":".to_owned()] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(value.clone().into().to_string().as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(body.strip_prefix(b"{").unwrap_or(body));
    out
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers, query and body may all hold a secret.
        f.debug_struct("Request").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
