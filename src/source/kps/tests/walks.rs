//! What a walk makes of the lists that servers give.

use serde_json::{Value, json};

use super::*;
use crate::source::peer::{Asked, Server, answer, ok, slice, task};

/// The example of the service's documentation.
const EXAMPLE: &str = include_str!("../../../../tests/vectors/failed-tasks-example.json");

#[tokio::test]
async fn a_list_is_walked_to_the_empty_page() {
    let rows = tasks(25);
    let script =
        move |_, asked: &Asked| ok(&json!({"total": 25, "tasks": slice(&rows, asked, 99)}));
    let (walk, sift, server) = walk("page_size = 10", script).await;
    check(&walk.unwrap(), &sift, "EmptyPage: 4 pages, 25 rows, 25 distinct, complete");
    assert_eq!(server.offsets(), [0, 10, 20, 25]);
    let asked = server.asked();
    assert!(asked[0].head.starts_with("GET /v3/p1/failed-tasks?limit=10&offset=0 HTTP/1.1\r\n"));
    assert_eq!(asked[0].header("x-auth-token"), Some("s3cret"));
    assert_eq!(asked[0].header("accept"), Some("application/json"));
    assert_eq!(asked[0].header("user-agent"), Some(http::USER_AGENT));
}

#[tokio::test]
async fn a_silent_cap_hides_nothing() {
    let rows = tasks(25);
    let script = move |_, asked: &Asked| ok(&json!({"total": 25, "tasks": slice(&rows, asked, 7)}));
    let (walk, sift, server) = walk("", script).await;
    check(&walk.unwrap(), &sift, "EmptyPage: 5 pages, 25 rows, 25 distinct, complete");
    assert_eq!(server.offsets(), [0, 7, 14, 21, 25]);
    assert!(server.asked().iter().all(|asked| asked.limit == 1000));
}

#[tokio::test]
async fn the_documented_example_is_one_task() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let script = move |number, _: &Asked| match number {
        0 => ok(&example["200"]),
        _ => ok(&json!({"total": 1, "tasks": []})),
    };
    let (walk, sift, _server) = walk("", script).await;
    check(&walk.unwrap(), &sift, "EmptyPage: 2 pages, 1 rows, 1 distinct, complete");
    let found = sift.finish().unknown;
    assert_eq!(found[0].task.id, "aee8d2fe-5484-4753-9177-5a38dc15546c");
    assert_eq!(found[0].task.text.error_message.as_deref(), Some("Update public key error"));
    assert_eq!(found[0].failed_at_ms, 1_523_342_130_000);
}

#[tokio::test]
async fn a_server_that_ignores_the_offset_is_found_out() {
    for (total, expected) in [
        (json!(3), "NothingNew: 2 pages, 6 rows, 3 distinct, complete"),
        (Value::Null, "NothingNew: 2 pages, 6 rows, 3 distinct, offset_ignored"),
    ] {
        let script = move |_, _: &Asked| ok(&json!({"total": total, "tasks": tasks(3)}));
        let (walk, sift, server) = walk("", script).await;
        check(&walk.unwrap(), &sift, expected);
        assert_eq!(server.offsets(), [0, 3]);
    }
}

#[tokio::test]
async fn the_lists_own_count_is_weighed() {
    // The count on each page of a list of 25 rows by 10, and what is made of it.
    let complete = "EmptyPage: 4 pages, 25 rows, 25 distinct, complete";
    for (counts, keys, expected) in [
        ([json!(25), json!(25), json!(25), json!(25)], "", complete),
        ([json!("25"), json!("25"), json!("25"), json!("25")], "", complete),
        ([json!(25), json!(25), json!(25), Value::Null], "", complete),
        ([Value::Null, Value::Null, Value::Null, Value::Null], "", complete),
        ([json!("many"), json!({}), json!(-1), json!(true)], "", complete),
        // It counts the rows of the page.
        ([json!(10), json!(10), json!(5), json!(0)], "", complete),
        (
            [json!(26), json!(26), json!(26), json!(26)],
            "",
            "EmptyPage: 4 pages, 25 rows, 25 distinct, disagrees",
        ),
        ([json!(26), json!(26), json!(26), json!(26)], "check_total = false", complete),
        (
            [json!(24), json!(25), json!(25), json!(25)],
            "",
            "EmptyPage: 4 pages, 25 rows, 25 distinct, drifted",
        ),
        ([json!(24), json!(25), json!(25), json!(25)], "check_total = false", complete),
    ] {
        let rows = tasks(25);
        let script = move |number: usize, asked: &Asked| {
            ok(&json!({"total": counts[number], "tasks": slice(&rows, asked, 10)}))
        };
        let (walk, sift, _server) = walk(keys, script).await;
        check(&walk.unwrap(), &sift, expected);
    }
}

#[tokio::test]
async fn rows_that_move_to_a_later_page_are_counted_once() {
    // A new failure at the head of the list pushes a row onto the next page.
    let script = move |number: usize, asked: &Asked| {
        let rows: Vec<Value> = match number {
            0 => (1..=6).map(task).collect(),
            _ => (0..=6).map(task).collect(),
        };
        ok(&json!({"total": rows.len(), "tasks": slice(&rows, asked, 3)}))
    };
    let (walk, sift, _server) = walk("", script).await;
    check(&walk.unwrap(), &sift, "EmptyPage: 5 pages, 9 rows, 6 distinct, drifted");
}

#[tokio::test]
async fn a_list_at_its_end_may_leave_out_its_rows() {
    for last in [r#"{"total":3}"#, r#"{"tasks":null}"#, r#"{"total":3,"tasks":null}"#] {
        let script = move |_, asked: &Asked| match asked.offset {
            0 => ok(&json!({"total": 3, "tasks": tasks(3)})),
            _ => answer(200, "", last),
        };
        let (walk, sift, _server) = walk("", script).await;
        check(&walk.unwrap(), &sift, "EmptyPage: 2 pages, 3 rows, 3 distinct, complete");
    }
}

#[tokio::test]
async fn every_row_counts_whatever_it_holds() {
    let rows = vec![
        json!({"task_id": "a", "server_name": "x\r\nBcc: y\u{0}\u{202E}"}),
        json!({"task_id": "b", "server_name": "x".repeat(1_000_000)}),
        json!({"server_name": "no id"}),
        json!(null),
        json!("text"),
    ];
    let script = move |_, asked: &Asked| ok(&json!({"total": 5, "tasks": slice(&rows, asked, 9)}));
    let (walk, sift, _server) = walk("", script).await;
    check(&walk.unwrap(), &sift, "EmptyPage: 2 pages, 5 rows, 5 distinct, complete");
}

#[tokio::test]
async fn a_list_without_end_ends_the_walk() {
    for (limits, expected) in [
        (Limits { pages: 3, ..LIMITS }, "Limit: 3 pages, 6 rows, 6 distinct, too_long"),
        (Limits { rows: 5, ..LIMITS }, "Limit: 3 pages, 6 rows, 5 distinct, too_long"),
        (Limits { rows: 6, ..LIMITS }, "Limit: 4 pages, 8 rows, 6 distinct, too_long"),
    ] {
        let server = Server::start(|_, asked| {
            ok(&json!({"tasks": [task(asked.offset), task(asked.offset + 1)]}))
        })
        .await;
        let mut kps = source(&server.origin, TOKEN);
        kps.list.limits = limits;
        let mut sift = sift();
        check(&kps.walk(&mut sift).await.unwrap(), &sift, expected);
    }
}
