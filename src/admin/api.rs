//! The API: one table of operations, from which the routes and their description are made.

use std::collections::BTreeSet;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, RawPathParams, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{CONTENT_TYPE, HeaderValue},
    },
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Admin, ListQuery, TestKind, ask::Ask, problem::Problem};

mod openapi;
mod operations;
mod part;

pub use openapi::openapi;

use operations::OPERATIONS;
use part::PartQuery;

/// How an operation is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verb {
    Get,
    Post,
    Delete,
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    /// Whoever may look.
    Look,
    /// Whoever has the token.
    Act,
    /// Only those on this host that own the store: through the control socket.
    Own,
}

/// What may stand behind the `?`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Nothing,
    /// A [`ListQuery`].
    List,
    /// A [`PartQuery`], of a list whose items are known by this field.
    Part(&'static str),
}

type Describe = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// One operation of the API.
struct Operation {
    verb: Verb,
    /// With `{id}` or `{name}` for what the operation is about.
    path: &'static str,
    /// Names it in programs that are generated from the description.
    id: &'static str,
    summary: &'static str,
    access: Access,
    asked: Asked,
    body: Option<Describe>,
    answer: Describe,
    ask: fn(Given) -> Result<Ask, Problem>,
}

/// What came with a request.
struct Given {
    subject: String,
    query: ListQuery,
    body: Option<Bytes>,
}

impl Given {
    fn number(&self) -> Result<u64, Problem> {
        self.subject.parse().map_err(|_| Problem::invalid("it is named by its number"))
    }

    /// The body as a type that may not be left out.
    fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let Some(body) = &self.body else {
            return Err(Problem::invalid("a body is needed, with content-type: application/json"));
        };
        let mut from = serde_json::Deserializer::from_slice(body);
        let read: Result<T, _> = serde_path_to_error::deserialize(&mut from);
        let read = read.map_err(|error| {
            let path = error.path().to_string();
            let at = if path == "." { String::new() } else { format!("{path}: ") };
            Problem::invalid(format!("{at}{}", error.into_inner()))
        })?;
        from.end().map_err(|error| Problem::invalid(error.to_string()))?;
        Ok(read)
    }

    /// The same, where leaving it out means the defaults.
    fn body_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_none() { Ok(T::default()) } else { self.body() }
    }
}

/// What `sink test` asks for beside the sink.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct TestBody {
    /// What the message looks like.
    kind: TestKind,
}

/// What `sink probe` asks for beside the sink.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ProbeBody {
    /// Whether its dead deliveries are due again if it takes the message.
    resend: bool,
}

/// What `plan` asks for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct PlanBody {
    /// The text of another config to compare.
    config: Option<String>,
}

/// What `config diff` asks for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiffBody {
    /// The text of another config.
    config: String,
    /// How far back.
    seconds: u64,
}

/// Which side of the API is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// To the store's owner.
    Socket,
    /// To whoever the status server lets in.
    Page,
}

/// The routes of one side.
pub(super) fn router(side: Side) -> Router<Admin> {
    let mut router = Router::new().route("/api/openapi.json", get(|| async { Json(openapi()) }));
    for operation in OPERATIONS {
        if side == Side::Page && operation.access == Access::Own {
            continue;
        }
        let filter = match operation.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Delete => MethodFilter::DELETE,
        };
        let handler =
            move |State(admin): State<Admin>,
                  path: RawPathParams,
                  uri: Uri,
                  headers: HeaderMap,
                  body: Result<Bytes, axum::extract::rejection::BytesRejection>| async move {
                let subject = path.iter().next().map(|(_, value)| value.to_owned());
                let body = body.map_err(|error| Problem::new(error.status(), error.body_text()));
                answer(operation, &admin, (subject.unwrap_or_default(), uri, headers, body)).await
            };
        router = router.route(operation.path, on(filter, handler));
    }
    router
}

type Came = (String, Uri, HeaderMap, Result<Bytes, Problem>);

async fn answer(
    operation: &'static Operation,
    admin: &Admin,
    came: Came,
) -> Result<Response, Problem> {
    let (subject, uri, headers, body) = came;
    let asked = uri.query().unwrap_or_default();
    if operation.asked == Asked::Nothing && !asked.is_empty() {
        return Err(Problem::invalid("this operation takes no query"));
    }
    let query = if operation.asked == Asked::List { query(&uri)? } else { ListQuery::default() };
    let part: PartQuery = match operation.asked {
        Asked::Part(_) => self::query(&uri)?,
        _ => PartQuery::default(),
    };
    let body = Some(body?).filter(|body| !body.is_empty());
    if body.is_some() {
        if operation.body.is_none() {
            return Err(Problem::invalid("this operation takes no body"));
        }
        let json = headers.get(CONTENT_TYPE).is_some_and(is_json);
        if !json {
            let detail = "the body must be JSON, with content-type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    }
    let ask = (operation.ask)(Given { subject, query, body })?;
    let answer = admin.answer(ask).await?;
    let answer = match operation.asked {
        Asked::Part(key) => part.of(answer, key)?,
        _ => answer,
    };
    Ok(Json(answer).into_response())
}

fn is_json(value: &HeaderValue) -> bool {
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    // Twice the same key would make one of them count, and nobody knows which.
    let mut seen = BTreeSet::new();
    for (key, _) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if !seen.insert(key.clone().into_owned()) {
            return Err(Problem::invalid(format!("`{key}` is given twice")));
        }
    }
    let read = Query::<T>::try_from_uri(uri);
    read.map(|Query(query)| query).map_err(|error| Problem::invalid(error.body_text()))
}
