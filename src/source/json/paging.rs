//! How a list is continued, and when it is at its end. Pure.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{pointer::Pointer, query::Value, rows::Page};
use crate::{decide::sift::End, options::OptionError};

/// Most rows asked for at a time. A page of these still fits the time for it.
const SIZE_MAX: u32 = 10_000;

/// Rows asked for at a time where that has to be said.
const SIZE_DEFAULT: u32 = 100;

/// Longest cursor that is sent back. Servers put a few hundred bytes into one.
const CURSOR_BYTES_MAX: usize = 4096;

/// As the operator writes it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPaging {
    /// "none", "offset", "page", "cursor" or "link". Default: "none".
    kind: Kind,
    /// Rows asked for at a time, 1 to 10000. Default: 100 for "offset", not said for others.
    #[schemars(range(min = 1, max = 10_000))]
    size: Option<u32>,
    /// The parameter that takes `size`. Default: "limit"; "`per_page`" for "page" and "link".
    size_key: Option<String>,
    /// The parameter that says where a page begins. Default: "offset", "page" or "marker".
    key: Option<String>,
    /// The number of the first page, for "page". Default: 1.
    first: Option<u64>,
    /// For "cursor": where an answer holds what the next page is asked for with, a word or a
    /// whole address.
    next: Option<Pointer>,
}

/// How a list is continued.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// It is all in one answer.
    #[default]
    None,
    /// By the number of rows before the page.
    Offset,
    /// By the number of the page.
    Page,
    /// By a word of the answer before.
    Cursor,
    /// By the header `Link` of the answer before.
    Link,
}

/// As the source takes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Paging {
    kind: Kind,
    /// The parameter and its value.
    size: Option<(String, u32)>,
    key: String,
    first: u64,
    next: Option<Pointer>,
}

impl RawPaging {
    /// Applies the rules documented on each key.
    ///
    /// # Errors
    ///
    /// The first problem, with its key.
    pub(super) fn check(self) -> Result<Paging, OptionError> {
        let kind = self.kind;
        let wrong =
            |key: &str, problem: &str| Err(OptionError::new(format!("paging.{key}"), problem));
        for (key, given, kinds) in [
            (
                "size",
                self.size.is_some(),
                [Kind::Offset, Kind::Page, Kind::Cursor, Kind::Link].as_slice(),
            ),
            (
                "size_key",
                self.size_key.is_some(),
                &[Kind::Offset, Kind::Page, Kind::Cursor, Kind::Link],
            ),
            ("key", self.key.is_some(), &[Kind::Offset, Kind::Page, Kind::Cursor]),
            ("first", self.first.is_some(), &[Kind::Page]),
            ("next", self.next.is_some(), &[Kind::Cursor]),
        ] {
            if given && !kinds.contains(&kind) {
                return wrong(key, "has no effect on this kind of paging; leave it out");
            }
        }
        if self.size.is_some_and(|size| !(1..=SIZE_MAX).contains(&size)) {
            return wrong("size", "must be between 1 and 10000");
        }
        if kind == Kind::Cursor && self.next.is_none() {
            return wrong("next", "is required: where the answer holds the next cursor");
        }
        let (key, size_key) = match kind {
            Kind::None | Kind::Link => ("", "per_page"),
            Kind::Offset => ("offset", "limit"),
            Kind::Page => ("page", "per_page"),
            Kind::Cursor => ("marker", "limit"),
        };
        let size = self.size.or((kind == Kind::Offset).then_some(SIZE_DEFAULT));
        let size_key = self.size_key.unwrap_or_else(|| size_key.to_owned());
        Ok(Paging {
            kind,
            size: size.map(|size| (size_key, size)),
            key: self.key.unwrap_or_else(|| key.to_owned()),
            first: self.first.unwrap_or(1),
            next: self.next,
        })
    }
}

impl Paging {
    /// Whether only an empty page is known to be the last one.
    pub(super) fn ends_empty(&self) -> bool {
        matches!(self.kind, Kind::Offset | Kind::Page)
    }
}

/// Where a page begins.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Mark {
    /// At the first row.
    Start,
    /// After so many rows.
    Rows(u64),
    /// At the page of this number.
    Number(u64),
    /// Where this word says.
    Word(String),
    /// At this path and query of the same host.
    Path(String, Vec<(String, String)>),
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A cursor may work like a token.
        f.write_str("Mark(..)")
    }
}

/// What follows a page.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Another page.
    Page(Mark),
    /// Nothing: this was the end.
    End(End),
    /// The next page is at this other host, which must not get what we send.
    Elsewhere(String),
    /// What should lead to the next page leads nowhere.
    Odd,
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Rows received so far, repeats and this page included.
    pub(super) rows: u64,
    /// Of this page, those that the walk had not met.
    pub(super) fresh: u64,
}

impl Paging {
    /// The parameters that are ours.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let size = self.size.as_ref().map(|(key, _)| key.as_str());
        size.into_iter().chain((!self.key.is_empty()).then_some(self.key.as_str()))
    }

    /// Where an answer holds the next cursor.
    pub(super) fn next(&self) -> Option<&Pointer> {
        self.next.as_ref()
    }

    /// The path and the query of the page at `mark`, as of the walk's beginning.
    pub(super) fn target(
        &self,
        (path, query): (&str, &[(String, Value)]),
        mark: &Mark,
        began: Timestamp,
    ) -> (String, Vec<(String, String)>) {
        if let Mark::Path(path, query) = mark {
            return (path.clone(), query.clone());
        }
        let mut pairs: Vec<(String, String)> =
            query.iter().map(|(key, value)| (key.clone(), value.at(began))).collect();
        pairs.extend(self.size.as_ref().map(|(key, size)| (key.clone(), size.to_string())));
        let place = match (mark, self.kind) {
            (Mark::Rows(rows), _) => Some(rows.to_string()),
            (Mark::Number(number), _) => Some(number.to_string()),
            (Mark::Word(word), _) => Some(word.clone()),
            (_, Kind::Offset) => Some("0".to_owned()),
            (_, Kind::Page) => Some(self.first.to_string()),
            _ => None,
        };
        pairs.extend(place.map(|place| (self.key.clone(), place)));
        (path.to_owned(), pairs)
    }

    /// What follows `page`, which began at `mark` of the list at `url`.
    pub(super) fn after(
        &self,
        mark: &Mark,
        page: &Page,
        progress: Progress,
        (url, headers): (&Url, &HeaderMap),
    ) -> Next {
        let Progress { rows, fresh } = progress;
        match self.kind {
            // A list that goes on although it should not is longer than we were told.
            Kind::None if next_link(headers).is_some() => Next::End(End::Limit),
            Kind::None => Next::End(End::EmptyPage),
            Kind::Offset | Kind::Page if page.rows == 0 => Next::End(End::EmptyPage),
            Kind::Offset => {
                let Mark::Rows(offset) = mark else { return Next::Page(Mark::Rows(fresh.max(1))) };
                match *offset {
                    // Rows met for the first time, not rows received: a page that repeats rows
                    // would otherwise have others skipped.
                    offset if fresh != 0 => Next::Page(Mark::Rows(offset.saturating_add(fresh))),
                    // The list itself repeats rows. Its end is behind all that was received.
                    offset if offset < rows - page.rows => Next::Page(Mark::Rows(rows - page.rows)),
                    _ => Next::End(End::NothingNew),
                }
            }
            Kind::Page if fresh == 0 => Next::End(End::NothingNew),
            Kind::Page => {
                let number = if let Mark::Number(number) = mark { *number } else { self.first };
                Next::Page(Mark::Number(number.saturating_add(1)))
            }
            Kind::Cursor => match &page.next {
                None => Next::End(End::EmptyPage),
                Some(next) if CURSOR_BYTES_MAX < next.len() => Next::Odd,
                Some(next) if next.starts_with("http://") || next.starts_with("https://") => {
                    follow(url, next)
                }
                Some(word) => Next::Page(Mark::Word(word.clone())),
            },
            Kind::Link => match next_link(headers) {
                None => Next::End(End::EmptyPage),
                Some(next) if CURSOR_BYTES_MAX < next.len() => Next::Odd,
                Some(next) => follow(url, &next),
            },
        }
    }
}

/// The page at `next`, seen from `url`, if it is at the same host.
fn follow(url: &Url, next: &str) -> Next {
    let Ok(next) = url.join(next) else { return Next::Odd };
    if next.origin() != url.origin() {
        return Next::Elsewhere(next.origin().ascii_serialization());
    }
    let query = next.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()));
    Next::Page(Mark::Path(next.path().to_owned(), query.collect()))
}

/// The target of `rel="next"` among all `Link` headers (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).find_map(next_in)
}

/// The same in one header.
pub(super) fn next_in(links: &str) -> Option<String> {
    let mut rest = links;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        // Up to the next target; a comma or a `<` within quotes would only cost a look at both.
        let (parameters, behind) = match parameters.find('<') {
            Some(at) => parameters.split_at(at),
            None => (parameters, ""),
        };
        let is_next = |parameter: &str| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        };
        if parameters.split(';').any(is_next) {
            return Some(target.trim().to_owned());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(keys: &str) -> Paging {
        let raw: RawPaging = toml::from_str(keys).unwrap();
        raw.check().unwrap()
    }

    fn page(rows: u64, next: Option<&str>) -> Page {
        Page { rows, next: next.map(str::to_owned), ..Page::default() }
    }

    #[track_caller]
    fn check(keys: &str, mark: &Mark, page: &Page, (rows, fresh): (u64, u64), expected: &Next) {
        let url = Url::parse("https://h.example/a/list?x=1").unwrap();
        let (progress, headers) = (Progress { rows, fresh }, HeaderMap::new());
        let next = paging(keys).after(mark, page, progress, (&url, &headers));
        assert_eq!(next, *expected, "{keys}");
    }

    #[test]
    fn a_list_in_one_answer_ends_with_it() {
        check("", &Mark::Start, &page(7, None), (7, 7), &Next::End(End::EmptyPage));
    }

    #[test]
    fn offsets_count_what_is_new_and_end_at_an_empty_page() {
        let keys = "kind = 'offset'";
        let after =
            |mark, rows, sums, expected| check(keys, &mark, &page(rows, None), sums, &expected);
        after(Mark::Start, 10, (10, 10), Next::Page(Mark::Rows(10)));
        after(Mark::Rows(10), 10, (20, 7), Next::Page(Mark::Rows(17)));
        after(Mark::Rows(17), 3, (23, 0), Next::Page(Mark::Rows(20)));
        after(Mark::Rows(20), 3, (23, 0), Next::End(End::NothingNew));
        after(Mark::Rows(20), 0, (20, 0), Next::End(End::EmptyPage));
    }

    #[test]
    fn pages_are_counted_to_an_empty_or_a_repeated_one() {
        let keys = "kind = 'page'\nfirst = 0";
        check(keys, &Mark::Start, &page(5, None), (5, 5), &Next::Page(Mark::Number(1)));
        check(keys, &Mark::Number(1), &page(2, None), (7, 2), &Next::Page(Mark::Number(2)));
        check(keys, &Mark::Number(2), &page(0, None), (7, 0), &Next::End(End::EmptyPage));
        check(keys, &Mark::Number(2), &page(5, None), (12, 0), &Next::End(End::NothingNew));
    }

    #[test]
    fn a_cursor_is_a_word_or_an_address_of_the_same_host() {
        let keys = "kind = 'cursor'\nnext = '/next'";
        let after = |next: &str, expected| {
            check(keys, &Mark::Start, &page(0, Some(next)), (0, 0), &expected);
        };
        check(keys, &Mark::Start, &page(9, None), (9, 9), &Next::End(End::EmptyPage));
        after("abc", Next::Page(Mark::Word("abc".into())));
        let path = Mark::Path("/b".into(), vec![("c".into(), "d e".into())]);
        after("https://h.example/b?c=d%20e", Next::Page(path));
        after("https://evil.example/b", Next::Elsewhere("https://evil.example".into()));
        after("http://h.example/b", Next::Elsewhere("http://h.example".into()));
        after(&"x".repeat(5000), Next::Odd);
    }

    #[test]
    fn links_are_found_among_others() {
        for (header, expected) in [
            (
                "<https://h/a?page=2>; rel=\"next\", <https://h/a?page=9>; rel=\"last\"",
                Some("https://h/a?page=2"),
            ),
            ("<https://h/a?page=1>; rel=\"prev\", <?page=3>; rel=next", Some("?page=3")),
            ("<a>; title=\"x, y\"; REL=\"start next\"", Some("a")),
            ("<a>; rel=\"prev\"", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(next_in(header).as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn a_link_that_was_not_expected_says_that_there_is_more() {
        let url = Url::parse("https://h.example/a").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("link", "</b>; rel=\"next\"".parse().unwrap());
        let after = |keys: &str| {
            let progress = Progress { rows: 5, fresh: 5 };
            paging(keys).after(&Mark::Start, &page(5, None), progress, (&url, &headers))
        };
        assert_eq!(after(""), Next::End(End::Limit));
        assert_eq!(after("kind = 'link'"), Next::Page(Mark::Path("/b".into(), vec![])));
    }

    #[test]
    fn what_is_asked_for_is_explicit() {
        let target = |keys: &str, mark| {
            let query = [("s".to_owned(), Value::Word("F".into()))];
            let now = Timestamp::UNIX_EPOCH;
            let (_, pairs) = paging(keys).target(("/a", &query), &mark, now);
            let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
            pairs.join("&")
        };
        assert_eq!(target("", Mark::Start), "s=F");
        assert_eq!(target("kind = 'offset'", Mark::Start), "s=F&limit=100&offset=0");
        assert_eq!(target("kind = 'offset'\nsize = 5", Mark::Rows(7)), "s=F&limit=5&offset=7");
        assert_eq!(target("kind = 'page'\nsize = 5", Mark::Start), "s=F&per_page=5&page=1");
        let cursor = "kind = 'cursor'\nnext = '/n'\nkey = 'after'";
        assert_eq!(target(cursor, Mark::Start), "s=F");
        assert_eq!(target(cursor, Mark::Word("x".into())), "s=F&after=x");
    }
}
