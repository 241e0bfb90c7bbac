use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::*;
use crate::{
    clock::{Clock, FixedClock},
    decide::sift::Completeness,
    http::{self, Chain, Clients},
    name::Name,
    source::Shelf,
    source::{
        FaultClass,
        huawei::{
            client::{Ask, PATIENCE, TRIES},
            fault::Fault,
            walk::Limits,
        },
        peer::{Asked, Server, task},
    },
};

mod classes;
mod trouble;
mod walks;

const NOW: &str = "2026-11-23T10:00:00Z";

const TOKEN: &str = "auth = { kind = 'token', token = 's3cret' }";

const KEYS: &str = "auth = { kind = 'aksk', access_key = 'AKs3cret', secret_key = 'SKs3cret' }";

/// A source as configured, but with waits too short to notice.
fn source(origin: &str, keys: &str) -> Kps {
    let table = format!("endpoint = '{origin}'\nproject_id = 'p1'\n{keys}");
    let mut kps = Kps::build(Build {
        name: Name::parse("prod").unwrap(),
        options: table.parse().unwrap(),
        clock: Arc::new(FixedClock(NOW.parse().unwrap())),
        clients: Clients::default(),
        shelf: Shelf::default(),
    })
    .unwrap();
    kps.client.patience.backoff = [Duration::from_millis(1); TRIES - 1];
    kps.client.patience.retry_after_max = Duration::from_millis(1);
    kps
}

fn sift() -> Sift {
    let mut sift = Sift::new(Arc::new(Vec::new()));
    sift.begin_walk();
    sift
}

fn tasks(count: usize) -> Vec<Value> {
    (0..count).map(task).collect()
}

/// Walks a scripted list. The expectation is `end, pages, rows, distinct, completeness`.
#[track_caller]
fn check(walk: &Walk, sift: &Sift, expected: &str) {
    let distinct = sift.distinct();
    let complete = Completeness::of(walk, distinct).as_str();
    let Walk { end, pages, rows, .. } = walk;
    let actual = format!("{end:?}: {pages} pages, {rows} rows, {distinct} distinct, {complete}");
    assert_eq!(actual, expected, "{walk:?}");
}

/// Walks the list that `script` gives.
async fn walk(
    keys: &str,
    script: impl FnMut(usize, &Asked) -> Vec<u8> + Send + 'static,
) -> (Result<Walk, SourceError>, Sift, Server) {
    let server = Server::start(script).await;
    let mut sift = sift();
    let walk = source(&server.origin, &format!("{TOKEN}\n{keys}")).walk(&mut sift).await;
    (walk, sift, server)
}

#[test]
fn the_example_builds_once_its_endpoint_is_filled_in() {
    let mut options: toml::Table =
        KIND.example.replace("{endpoint}", "127.0.0.1:8080").parse().unwrap();
    for shared in ["name", "kind"] {
        options.remove(shared).unwrap();
    }
    let build = Build {
        name: Name::parse("prod").unwrap(),
        options,
        clock: Arc::new(FixedClock(NOW.parse().unwrap())),
        clients: Clients::default(),
        shelf: Shelf::default(),
    };
    let source = (KIND.build)(build).unwrap();
    assert_eq!(source.info().kind, "kps");
    let schema = serde_json::to_string(&(KIND.schema)()).unwrap();
    for key in ["region", "endpoint", "project_id", "page_size", "check_total", "auth"] {
        assert!(schema.contains(&format!("\"{key}\":")), "{key}: {schema}");
    }
}
