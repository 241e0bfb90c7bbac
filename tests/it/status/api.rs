//! The API: lists and their cursors, single records, errors.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Watched, read};

#[tokio::test]
async fn lists_go_on_where_they_ended_in_both_directions() {
    let watched = Watched::new().await;
    for (order, sorted) in [("asc", true), ("desc", false)] {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/failures?limit=2&order={order}{cursor}");
            let part = watched.json(&path).await;
            let items = part["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            ids.extend(items.iter().map(|item| item["id"].as_u64().unwrap()));
            match part["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(ids.len(), 5, "three stood, two came: {ids:?}");
        assert!(ids.is_sorted_by(|a, b| (a < b) == sorted), "{order}: {ids:?}");
    }
    let sources = watched.json("/api/v1/sources?limit=1").await;
    assert_eq!(sources["items"][0]["name"], "cloud");
    assert_eq!(sources["items"][0]["outcome"], "complete");
    assert_eq!(sources["items"][0]["hours"].as_array().unwrap().len(), 24);
    let first = watched.json("/api/v1/sinks?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = watched.json(&format!("/api/v1/sinks?limit=1&cursor={next}")).await;
    assert_eq!(
        (&first["items"][0]["name"], &second["items"][0]["name"]),
        (&json!("chat"), &json!("mail"))
    );
    assert!(second["next"].is_null());
}

#[tokio::test]
async fn a_list_goes_on_without_gap_or_repeat_while_it_grows() {
    let watched = Watched::new().await;
    let part = async |query: &str| -> (Vec<u64>, Option<String>) {
        let part = watched.json(&format!("/api/v1/failures?{query}")).await;
        let items = part["items"].as_array().unwrap();
        let ids = items.iter().map(|item| item["id"].as_u64().unwrap()).collect();
        (ids, part["next"].as_str().map(str::to_owned))
    };
    let (newest, down) = part("limit=2&order=desc").await;
    let (oldest, up) = part("limit=2").await;
    watched.desk.stage.fail("meanwhile");
    let grown = async {
        loop {
            let (all, _) = part("limit=100").await;
            if all.len() == 6 {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(30), grown).await.expect("it is recorded");
    let (rest, _) = part(&format!("limit=100&order=desc&cursor={}", down.unwrap())).await;
    let before: Vec<u64> = all[..5].iter().rev().copied().collect();
    assert_eq!([newest, rest].concat(), before, "what is newer than the first part is not in it");
    let (rest, _) = part(&format!("limit=100&cursor={}", up.unwrap())).await;
    assert_eq!([oldest, rest].concat(), all);
}

#[tokio::test]
async fn lists_are_narrowed_by_what_they_have() {
    let watched = Watched::new().await;
    for (query, expected) in [
        ("state=open", 5),
        ("state=cleared", 0),
        ("server=WEB-1", 1),
        ("text=db-1", 1),
        ("text=no-such-thing", 0),
        ("source=cloud&action=reset", 5),
        ("action=bind", 0),
    ] {
        let found = watched.json(&format!("/api/v1/failures?{query}")).await;
        let count = found["items"].as_array().unwrap().len();
        // What the simulated cloud's own tasks were to do is its own business.
        if !query.contains("action=reset") {
            assert_eq!(count, expected, "{query}: {found}");
        }
    }
    let dead = watched.json("/api/v1/deliveries?state=dead").await;
    assert_eq!(dead["items"].as_array().unwrap().len(), 1);
    assert_eq!(dead["items"][0]["sink"], "chat");
    let told = watched.json("/api/v1/failures?server=db-1").await;
    let told = &told["items"][0]["told"];
    assert_eq!((&told[0]["sink"], &told[0]["state"]), (&json!("chat"), &json!("dead")));
    assert_eq!((&told[1]["sink"], &told[1]["state"]), (&json!("mail"), &json!("delivered")));
}

#[tokio::test]
async fn what_is_wrong_is_said_as_a_problem_document() {
    let watched = Watched::new().await;
    for (path, status, detail) in [
        ("/api/v1/failures?limit=0", 400, "limit must be from 1 to 1000"),
        ("/api/v1/failures?limit=many", 400, "limit"),
        ("/api/v1/failures?colour=red", 400, "unknown field `colour`"),
        ("/api/v1/failures?state=up", 400, "state `up` is not one of open, cleared"),
        ("/api/v1/failures?cursor=x", 400, "cursor must be the `next`"),
        ("/api/v1/failures?limit=1&limit=2", 400, "`limit` is given twice"),
        ("/api/v1/failures?sink=chat", 400, "this list does not take `sink`"),
        ("/api/v1/failures/999", 404, "no failure `999` is recorded"),
        ("/api/v1/deliveries/none", 400, "it is named by its number"),
        ("/api/v1/deliveries/999", 404, "no delivery 999 is recorded"),
        ("/api/v1/sinks?x=1", 400, "unknown field"),
        ("/api/v1/state", 404, "there is nothing at this path"),
        ("/api/v2/failures", 404, "there is nothing at this path"),
        ("/api/v1/sinks/chat/test", 405, "this path does not take that method"),
    ] {
        let response = watched.get(path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem = read(response).await;
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    let bad = watched.request(Method::POST, "/api/v1/silences");
    let bad = bad.header("authorization", format!("Bearer {}", super::TOKEN));
    let plain = bad.try_clone().unwrap().body("{}").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let bad = bad.header("content-type", "application/json");
    let long = bad.try_clone().unwrap().body("x".repeat(70_000)).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let problem = read(bad.body("{\"matchers\": 1}").send().await.unwrap()).await;
    assert!(problem["detail"].as_str().unwrap().starts_with("matchers: invalid type"), "{problem}");
}

#[tokio::test]
async fn orders_do_what_the_commands_do() {
    let watched = Watched::new().await;
    let untold = watched.json(&format!("/api/v1/failures/{}", watched.desk.untold)).await;
    let id = &untold["id"];
    let ack = json!({ "by": "mei", "comment": "on it" });
    let path = format!("/api/v1/failures/{id}/ack");
    assert_eq!(watched.act(Method::POST, &path, Some(ack)).await["acknowledged"], true);
    let shown = watched.json(&format!("/api/v1/failures/{id}")).await;
    assert_eq!(shown["acknowledged"]["by"], "mei");
    assert_eq!(watched.act(Method::DELETE, &path, None).await["acknowledged"], false);

    let dead = watched.json("/api/v1/deliveries?state=dead").await["items"][0]["id"].clone();
    let path = format!("/api/v1/deliveries/{dead}/retry");
    assert_eq!(watched.act(Method::POST, &path, None).await["due_now"], json!([dead]));
    let told = |stage: &crate::stage::Stage| {
        stage.told().iter().any(|(_, ids)| ids.contains(&watched.desk.untold))
    };
    watched.desk.stage.see("the dead one at the chat", told).await;

    let silence = json!({
        "matchers": ["server_name = \"web-9\""], "seconds": 3600, "author": "mei", "comment": "x",
    });
    let added = watched.act(Method::POST, "/api/v1/silences", Some(silence)).await;
    assert_eq!((&added["state"], &added["on_expire"]), (&json!("active"), &json!("digest")));
    let path = format!("/api/v1/silences/{}", added["id"]);
    assert_eq!(watched.act(Method::DELETE, &path, None).await["state"], "ended");
    let listed = watched.json("/api/v1/silences").await;
    assert_eq!(listed["items"][0]["state"], "ended");

    let explained = watched.json(&format!("/api/v1/failures/{id}/explain")).await;
    assert!(explained["conclusion"].as_str().unwrap().starts_with("You were told at "));
}

#[tokio::test]
async fn the_description_names_every_path_and_every_type_that_it_uses() {
    let watched = Watched::new().await;
    let described = watched.json("/api/openapi.json").await;
    assert_eq!(described, taskbell::admin::openapi());
    assert_eq!(described["openapi"], "3.1.0");
    for path in [
        "/api/v1/sources",
        "/api/v1/failures",
        "/api/v1/failures/{id}",
        "/api/v1/failures/{id}/explain",
        "/api/v1/failures/{id}/ack",
        "/api/v1/deliveries",
        "/api/v1/deliveries/{id}/retry",
        "/api/v1/sinks",
        "/api/v1/sinks/{name}/test",
        "/api/v1/silences",
        "/api/v1/silences/{id}",
        "/api/v1/events",
    ] {
        assert!(described["paths"].get(path).is_some(), "{path}");
    }
    assert!(described["paths"].get("/api/v1/plan").is_none(), "only for the store's owner");
    let text = described.to_string();
    for used in text.split("\"#/").skip(1) {
        let pointer = format!("/{}", used.split('"').next().unwrap());
        assert!(described.pointer(&pointer).is_some(), "{pointer}");
    }
}
