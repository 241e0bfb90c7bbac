use std::{sync::Arc, time::Duration};

use serde_json::{Value as Answer, json};

use super::*;
use crate::{
    clock::FixedClock,
    decide::sift::Completeness,
    http::{Chain, Clients},
    name::Name,
    source::Shelf,
    source::{
        huawei::client::TRIES,
        peer::{Asked, Server, answer, ok},
    },
};

mod examples;

/// A source as configured, but with waits too short to notice.
fn source(origin: &str, keys: &str) -> Json {
    let table = format!("url = '{origin}/v1/s3cret-path-part/jobs'\nrows = '/jobs'\n{keys}");
    built(table.parse().unwrap())
}

fn built(options: toml::Table) -> Json {
    let mut json = Json::build(Build {
        name: Name::parse("prod").unwrap(),
        options,
        clock: Arc::new(FixedClock("2026-11-23T10:00:00Z".parse().unwrap())),
        clients: Clients::default(),
        shelf: Shelf::default(),
    })
    .unwrap();
    json.client.patience.backoff = [Duration::from_millis(1); TRIES - 1];
    json.client.patience.retry_after_max = Duration::from_millis(1);
    json
}

fn sift() -> Sift {
    let mut sift = Sift::new(Arc::new(Vec::new()));
    sift.begin_walk();
    sift
}

/// Walks a scripted list: `end: pages, rows, distinct, completeness`, or the error.
async fn walk(
    keys: &str,
    script: impl FnMut(usize, &Asked) -> Vec<u8> + Send + 'static,
) -> (String, Server) {
    let server = Server::start(script).await;
    let mut sift = sift();
    let keys = format!("row = {{ task_id = '/id' }}\n{keys}");
    let source = source(&server.origin, &keys);
    let shown = match source.walk(&mut sift).await {
        Ok(walk) => {
            let complete = Completeness::of(&walk, sift.distinct()).as_str();
            let Walk { end, pages, rows, .. } = walk;
            format!("{end:?}: {pages} pages, {rows} rows, {} distinct, {complete}", sift.distinct())
        }
        Err(error) => {
            let shown = format!("{}: {}", error.class.as_str(), Chain(&error));
            assert!(!format!("{shown} {source:?} {error:?}").contains("s3cret"), "{shown}");
            shown
        }
    };
    (shown, server)
}

fn jobs(numbers: std::ops::Range<usize>) -> Vec<Answer> {
    numbers.map(|id| json!({ "id": id })).collect()
}

fn targets(server: &Server) -> Vec<String> {
    let short = |asked: &Asked| asked.target().replace("/v1/s3cret-path-part/jobs", "");
    server.asked().iter().map(short).collect()
}

#[tokio::test]
async fn a_list_in_one_answer_is_asked_for_once() {
    let script = |_, _: &Asked| ok(&json!({"jobs": jobs(0..3), "n": 3}));
    let (shown, server) = walk("total = '/n'", script).await;
    assert_eq!(shown, "EmptyPage: 1 pages, 3 rows, 3 distinct, complete");
    assert_eq!(targets(&server), [""]);
    // The list says that there is more than it gave.
    let script = |_, _: &Asked| ok(&json!({"jobs": jobs(0..3), "n": 4}));
    let (shown, _server) = walk("total = '/n'", script).await;
    assert_eq!(shown, "EmptyPage: 1 pages, 3 rows, 3 distinct, disagrees");
    let link = "link: </more>; rel=\"next\"\r\n";
    let body = json!({"jobs": jobs(0..3)}).to_string();
    let (shown, _server) = walk("", move |_, _| answer(200, link, &body)).await;
    assert_eq!(shown, "Limit: 1 pages, 3 rows, 3 distinct, too_long");
}

#[tokio::test]
async fn offsets_are_walked_to_an_empty_page_through_a_silent_cap() {
    let script = |_, asked: &Asked| {
        let end = (asked.offset + 4).min(10);
        ok(&json!({"jobs": jobs(asked.offset.min(10)..end)}))
    };
    let (shown, server) = walk("paging = { kind = 'offset', size = 9 }", script).await;
    assert_eq!(shown, "EmptyPage: 4 pages, 10 rows, 10 distinct, complete");
    assert_eq!(server.offsets(), [0, 4, 8, 10]);
    assert!(server.asked().iter().all(|asked| asked.limit == 9));
}

#[tokio::test]
async fn a_server_that_ignores_what_moves_is_found_out() {
    for (paging, total, expected) in [
        ("{ kind = 'offset' }", json!(3), "NothingNew: 2 pages, 6 rows, 3 distinct, complete"),
        (
            "{ kind = 'page' }",
            Answer::Null,
            "NothingNew: 2 pages, 6 rows, 3 distinct, offset_ignored",
        ),
        (
            "{ kind = 'cursor', next = '/next' }",
            Answer::Null,
            "NothingNew: 2 pages, 6 rows, 3 distinct, offset_ignored",
        ),
    ] {
        let script =
            move |_, _: &Asked| ok(&json!({"jobs": jobs(0..3), "n": total, "next": "again"}));
        let (shown, _server) = walk(&format!("total = '/n'\npaging = {paging}"), script).await;
        assert_eq!(shown, expected, "{paging}");
    }
}

#[tokio::test]
async fn pages_cursors_and_links_lead_on() {
    let pages = |number: usize| match number {
        0 => jobs(0..4),
        1 => jobs(3..6),
        _ => Vec::new(),
    };
    let script = move |number, _: &Asked| ok(&json!({"jobs": pages(number)}));
    let (shown, server) = walk("paging = { kind = 'page', size = 4 }", script).await;
    assert_eq!(shown, "EmptyPage: 3 pages, 7 rows, 6 distinct, complete");
    assert_eq!(
        targets(&server),
        ["?page=1&per_page=4", "?page=2&per_page=4", "?page=3&per_page=4"]
    );

    let script = move |number: usize, _: &Asked| {
        let next = [json!("a/b=="), json!("")][number].clone();
        ok(&json!({"jobs": pages(number), "next": next}))
    };
    let (shown, server) = walk("paging = { kind = 'cursor', next = '/next' }", script).await;
    assert_eq!(shown, "EmptyPage: 2 pages, 7 rows, 6 distinct, complete");
    assert_eq!(targets(&server), ["", "?marker=a%2Fb%3D%3D"]);

    let script = move |number: usize, _: &Asked| {
        let link = ["link: <?page=2&q=x>; rel=\"next\"\r\n", ""][number];
        answer(200, link, &json!({"jobs": pages(number)}).to_string())
    };
    let (shown, server) = walk("query = { q = 'x' }\npaging = { kind = 'link' }", script).await;
    assert_eq!(shown, "EmptyPage: 2 pages, 7 rows, 6 distinct, complete");
    assert_eq!(targets(&server), ["?q=x", "?page=2&q=x"]);
}

#[tokio::test]
async fn another_host_gets_nothing_from_us() {
    let body = json!({"jobs": jobs(0..2)}).to_string();
    let link = "link: <http://127.0.0.1:9/v1?token=s3cret>; rel=\"next\"\r\n";
    let script = move |_, _: &Asked| answer(200, link, &body);
    let (shown, server) = walk("paging = { kind = 'link' }", script).await;
    let expected = "schema: after 2 rows: the next page is at http://127.0.0.1:9, another host, \
                    and was not asked for";
    assert_eq!(shown, expected);
    assert_eq!(server.asked().len(), 1);
    let to = |_, _: &Asked| answer(302, "location: http://127.0.0.1:9/\r\n", "");
    let (shown, server) = walk("", to).await;
    assert_eq!(shown, "schema: the service answered 302; it sends us to http://127.0.0.1:9");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn rows_that_are_no_failures_count_for_the_list_and_for_nothing_else() {
    let row = |id: usize| json!({"id": id, "s": if id.is_multiple_of(3) { "bad" } else { "ok" }});
    let script = move |_, asked: &Asked| {
        let rows: Vec<_> = (asked.offset.min(10)..(asked.offset + 2).min(10)).map(row).collect();
        ok(&json!({"jobs": rows, "n": 10}))
    };
    let keys = "total = '/n'\nonly = { at = '/s', is = ['bad'] }\npaging = { kind = 'offset' }";
    let (shown, server) = walk(keys, script).await;
    assert_eq!(shown, "EmptyPage: 6 pages, 10 rows, 4 distinct, complete");
    assert_eq!(server.offsets(), [0, 2, 4, 6, 8, 10]);
}

#[tokio::test]
async fn what_is_no_such_list_is_said_to_be_none() {
    for (body, expected) in [
        ("{\"job\":[]}", "schema: the answer holds no list at \"/jobs\""),
        (
            "{\"message\":\"Bad s3cret-path-part\",\"code\":\"E7\"}",
            "schema: the answer holds no list at \"/jobs\", but says E7: Bad ***",
        ),
        (
            "{\"jobs\":[{\"ID\":1}]}",
            "schema: none of the 1 rows has an id at /id; check row.task_id",
        ),
    ] {
        let (shown, server) = walk("", move |_, _| answer(200, "", body)).await;
        assert_eq!(shown, expected);
        assert_eq!(server.asked().len(), 1);
    }
    let (shown, server) = walk("", |_, _| answer(200, "", "{\"jobs\":[{\"id\":1},")).await;
    assert!(shown.starts_with("schema: the answer is no page with a list at"), "{shown}");
    assert_eq!(server.asked().len(), TRIES);
}

#[tokio::test]
async fn each_way_to_say_who_we_are_is_sent_and_never_shown() {
    for (auth, header, expected) in [
        ("{ kind = 'bearer', token = 's3cret' }", "authorization", "Bearer s3cret"),
        (
            "{ kind = 'basic', username = 'u', password = 's3cret' }",
            "authorization",
            "Basic dTpzM2NyZXQ=",
        ),
        (
            "{ kind = 'header', name = 'Private-Token', secret = 's3cret' }",
            "private-token",
            "s3cret",
        ),
        ("{ kind = 'token', token = 's3cret' }\nproject_id = 'p1'", "x-auth-token", "s3cret"),
    ] {
        let script = |_, asked: &Asked| {
            let echo = asked.head.replace("\r\n", "|");
            answer(401, "", &json!({ "message": echo }).to_string())
        };
        let (shown, server) = walk(&format!("auth = {auth}"), script).await;
        assert_eq!(server.asked()[0].header(header), Some(expected));
        assert_eq!(server.asked().len(), 1);
        assert!(shown.starts_with("auth: the service answered 401"), "{shown}");
        assert!(!shown.contains("dTpzM2NyZXQ"), "{shown}");
    }
}

#[tokio::test]
async fn headers_go_along_and_replace_ours() {
    let script = |_, _: &Asked| ok(&json!({"jobs": []}));
    let (_, server) = walk("headers = { accept = 'text/json', x-v = '2' }", script).await;
    let asked = server.asked();
    assert_eq!((asked[0].header("accept"), asked[0].header("x-v")), (Some("text/json"), Some("2")));
}
