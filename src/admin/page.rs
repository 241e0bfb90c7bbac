//! The status page: put together here, on request, and whole without any script.
//!
//! A page is made of templates that are part of the program. Every value in them is escaped, and
//! what is not (the drawings) is made of numbers. A script, where there is one, fetches the page
//! anew when something happens and swaps what changed; it knows nothing of its own.

use std::sync::{Arc, LazyLock};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{ACCEPT, ACCEPT_LANGUAGE, LOCATION, SET_COOKIE},
    },
    middleware::Next,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::{
    Admin,
    explain::Wording,
    guard::{Guard, Visitor, cookie},
    problem::Problem,
};
use crate::render::{Language, Zone};

mod act;
pub(super) mod assets;
mod chart;
mod moment;
mod overview;
mod rows;
mod views;
mod words;

pub(super) use chart::Chart;
use words::Words;

/// The cookies that remember how somebody likes the page.
const LANGUAGE_COOKIE: &str = "taskbell_language";
const THEME_COOKIE: &str = "taskbell_theme";

/// A year, in seconds: likings do not change.
const LIKING_SECONDS: u32 = 31_536_000;

/// What every page is made from.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) admin: Admin,
    pub(super) guard: Arc<Guard>,
    pub(super) chart: Arc<Chart>,
    pub(super) language: Language,
    pub(super) zone: Zone,
}

macro_rules! templates {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../templates/page/", $name)))),*]
    };
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, source) in templates! {
        "layout.html" "overview.html" "sources.html" "failure_rows.html" "sinks.html"
        "silences.html" "failures.html" "failure.html" "deliveries.html" "sign_in.html"
        "message.html"
    } {
        environment.add_template(name, source).expect("a test compiles each");
    }
    environment
});

/// Fills a template.
fn fill(name: &str, data: &impl Serialize) -> Result<String, Problem> {
    let filled = TEMPLATES.get_template(name).and_then(|page| page.render(Serde(data)));
    filled.map_err(|error| {
        tracing::error!(template = name, %error, "the page cannot be put together; this is a bug");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be put together")
    })
}

/// How somebody sees the page, and what they may do.
struct Reader {
    language: Language,
    words: &'static Words,
    zone: Zone,
    now: Timestamp,
    /// `auto`, `light` or `dark`.
    theme: &'static str,
    acts: bool,
    /// Whether signing in is possible.
    token: bool,
    /// The path and query that were asked for, for the way back.
    here: String,
    path: String,
    /// What was done just now: a key of the words.
    done: Option<&'static str>,
}

const THEMES: [&str; 3] = ["auto", "light", "dark"];

impl Desk {
    fn reader(&self, visitor: Visitor, headers: &HeaderMap, uri: &Uri) -> Reader {
        let liked = cookie(headers, LANGUAGE_COOKIE).and_then(language);
        let language = liked.or_else(|| accepted(headers)).unwrap_or(self.language);
        let theme = cookie(headers, THEME_COOKIE).unwrap_or_default();
        let here = uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Reader {
            language,
            words: Words::of(language),
            zone: self.zone.clone(),
            now: self.admin.worker.clock.now(),
            theme: THEMES.into_iter().find(|known| *known == theme).unwrap_or("auto"),
            acts: visitor == Visitor::Acts,
            token: self.guard.has_token(),
            path: uri.path().to_owned(),
            done: param(uri, "done").and_then(|done| words::done(&done)),
            here: without(&here, "done"),
        }
    }
}

impl Reader {
    /// How a failure is explained on this page.
    fn wording(&self) -> Wording {
        Wording { language: self.language, zone: Some(self.zone.clone()) }
    }

    /// A whole page around `main`.
    fn page(&self, title: &str, main: &str) -> Result<Response, Problem> {
        let next_theme = match self.theme {
            "auto" => "dark",
            "dark" => "light",
            _ => "auto",
        };
        let (other, other_name) = match self.language {
            Language::English => ("zh", "中文"),
            Language::Chinese => ("en", "English"),
        };
        let layout = Layout {
            t: self.words,
            lang: self.language.tag(),
            title,
            main,
            theme: self.theme,
            next_theme,
            other,
            other_name,
            acts: self.acts,
            token: self.token,
            here: &self.here,
            path: &self.path,
            done: self.done.map(|done| self.words.get(done)),
            style: assets::STYLE.path(),
            script: assets::SCRIPT.path(),
            icon: assets::ICON.path(),
            version: env!("CARGO_PKG_VERSION"),
            zone: self.zone.name(),
        };
        Ok(Html(fill("layout.html", &layout)?).into_response())
    }
}

#[derive(Serialize)]
struct Layout<'a> {
    t: &'a Words,
    lang: &'a str,
    title: &'a str,
    main: &'a str,
    theme: &'a str,
    next_theme: &'a str,
    other: &'a str,
    other_name: &'a str,
    acts: bool,
    token: bool,
    here: &'a str,
    path: &'a str,
    done: Option<&'a str>,
    style: &'a str,
    script: &'a str,
    icon: &'a str,
    version: &'a str,
    zone: &'a str,
}

fn language(word: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.as_str() == word)
}

/// The first language that a browser asks for and that we speak.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    let wished = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    wished.split(',').find_map(|one| {
        let tag = one.split([';', '-']).next().unwrap_or_default();
        language(&tag.trim().to_ascii_lowercase())
    })
}

/// A field of the query.
fn param(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The same path and query without a field.
fn without(here: &str, name: &str) -> String {
    let Some((path, query)) = here.split_once('?') else { return here.to_owned() };
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != name);
    let kept = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{kept}") }
}

/// A way on this server, or the front page: a form may name any.
fn local(way: &str) -> &str {
    let own = way.starts_with('/') && !way.starts_with("//") && !way.contains(['\\', '\r', '\n']);
    if own { way } else { "/" }
}

/// Goes there by GET.
pub(super) fn see_other(way: &str) -> Response {
    let location = HeaderValue::from_str(local(way)).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

fn set_cookie(name: &str, value: &str, seconds: u32) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The routes of the page.
pub(super) fn router(desk: Desk) -> Router {
    let sign_in =
        |State(desk): State<Desk>,
         Extension(visitor): Extension<Visitor>,
         headers: HeaderMap,
         uri: Uri| async move { act::sign_in_page(&desk.reader(visitor, &headers, &uri), &uri) };
    Router::new()
        .route("/", get(overview::overview))
        .route("/failures", get(views::failures))
        .route("/failures/{id}", get(views::failure))
        .route("/deliveries", get(views::deliveries))
        .route("/sign-in", get(sign_in))
        .route("/like", get(|uri: Uri| async move { like(&uri) }))
        .route("/do/{order}", post(order))
        .with_state(desk)
}

/// Shows what went wrong as a page where a browser asks; a program is given the problem itself.
pub(super) async fn problems_as_pages(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
    next: Next,
) -> Response {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return next.run(request).await;
    }
    let reader = desk.reader(visitor, request.headers(), request.uri());
    let response = next.run(request).await;
    match response.extensions().get::<Problem>() {
        Some(problem) => act::problem(&reader, problem).unwrap_or(response),
        None => response,
    }
}

/// `/like?language=zh&to=/`: remembers a liking.
fn like(uri: &Uri) -> Response {
    let mut response = see_other(&param(uri, "to").unwrap_or_default());
    let theme = param(uri, "theme");
    let theme = theme.and_then(|theme| THEMES.into_iter().find(|known| *known == theme));
    if let Some(theme) = theme {
        response.headers_mut().append(SET_COOKIE, set_cookie(THEME_COOKIE, theme, LIKING_SECONDS));
    }
    if let Some(language) = param(uri, "language").and_then(|word| language(&word)) {
        let liked = set_cookie(LANGUAGE_COOKIE, language.as_str(), LIKING_SECONDS);
        response.headers_mut().append(SET_COOKIE, liked);
    }
    response
}

async fn order(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    Path(order): Path<String>,
    (headers, uri): (HeaderMap, Uri),
    body: Bytes,
) -> Result<Response, Problem> {
    let reader = desk.reader(visitor, &headers, &uri);
    act::order(&desk, &reader, &order, &body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_template_compiles() {
        assert_eq!(TEMPLATES.templates().count(), 11);
    }

    #[test]
    fn only_ways_on_this_server_are_gone() {
        for (way, expected) in [
            ("/failures?state=open", "/failures?state=open"),
            ("//evil.example.com", "/"),
            ("https://evil.example.com", "/"),
            ("/\\evil.example.com", "/"),
            ("", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(local(way), expected, "{way}");
        }
    }

    #[test]
    fn the_way_back_forgets_what_was_done() {
        assert_eq!(without("/a?x=1&done=ack&y=%20", "done"), "/a?x=1&y=+");
        assert_eq!(without("/a?done=ack", "done"), "/a");
        assert_eq!(without("/a", "done"), "/a");
    }
}
