use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::*;
use crate::{
    clock::FixedClock,
    decide::sift::Completeness,
    http::Clients,
    name::Name,
    source::Shelf,
    source::peer::{Asked, Server, ok, slice},
};

/// The example of the service's documentation.
const EXAMPLE: &str = include_str!("../../../tests/vectors/lists/sdrs-failure-jobs.json");

fn build(keys: &str) -> Result<Sdrs, OptionError> {
    let table = format!("project_id = 'p1'\nauth = {{ kind = 'token', token = 't' }}\n{keys}");
    Sdrs::build(Build {
        name: Name::parse("recovery").unwrap(),
        options: table.parse().unwrap(),
        clock: Arc::new(FixedClock("2026-11-23T10:00:00Z".parse().unwrap())),
        clients: Clients::default(),
        shelf: Shelf::default(),
    })
}

#[tokio::test]
async fn the_documented_example_is_two_tasks() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let rows = example["failure_jobs"].as_array().unwrap().clone();
    let script = move |_, asked: &Asked| {
        ok(&json!({"count": rows.len(), "failure_jobs": slice(&rows, asked, 1)}))
    };
    let server = Server::start(script).await;
    let keys = format!(
        "endpoint = '{}'\nserver_group_id = 'g-1'\nfailure_status = 'createFail'",
        server.origin
    );
    let mut sift = Sift::new(Arc::new(Vec::new()));
    sift.begin_walk();
    let mut sdrs = build(&keys).unwrap();
    sdrs.client.patience.backoff = [Duration::from_millis(1); 3];
    let walk = sdrs.walk(&mut sift).await.unwrap();
    assert_eq!((walk.pages, walk.rows, walk.totals), (3, 2, Some((2, 2))));
    assert_eq!(Completeness::of(&walk, sift.distinct()), Completeness::Complete);
    let path = "/v1/p1/task-center/failure-jobs";
    let query = "failure_status=createFail&limit=1000&offset=0&server_group_id=g-1";
    assert_eq!(server.asked()[0].target(), format!("{path}?{query}"));
    let mut found = sift.finish().unknown;
    found.sort_by_key(|found| found.failed_at_ms);
    let task = &found[1].task;
    assert_eq!(task.id, "ff808082686f229a0168707beaab014e");
    assert_eq!(task.failed_at.unwrap().to_string(), "2019-01-21T12:56:35.754Z");
    assert_eq!(task.action, crate::task::Action::Other);
    let text = &task.text;
    assert_eq!(text.operate_type, "createProtectedInstance");
    assert_eq!(text.error_code.as_deref(), Some("EVS.2024"));
    assert_eq!(text.server_name.as_deref(), Some("Protected-Instance-ab14"));
    assert_eq!(text.server_id.as_deref(), Some("17984002-ad8a-438b-8ba6-b850224634c5"));
    assert!(text.error_message.as_deref().unwrap().ends_with("volume is error!"));
}

#[test]
fn its_own_keys_are_checked_and_described() {
    let region = "region = 'cn-north-4'";
    for (keys, expected) in [
        ("", ""),
        ("server_group_id = 'a/b'", "server_group_id: must be a protection group's id"),
        ("failure_status = 'createfail'", "failure_status: "),
        ("page_size = 1001", "page_size: must be at most 1000"),
        ("servergroup = 'x'", "servergroup: is not a known key"),
    ] {
        let shown = match build(&format!("{region}\n{keys}")) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(shown.starts_with(expected), "{keys}: {shown}");
    }
    let schema = schema();
    for key in ["region", "project_id", "server_group_id", "failure_status"] {
        assert!(schema.get("properties").unwrap().get(key).is_some(), "{key}");
    }
    assert!(schema.get("$defs").unwrap().get("FailureStatus").is_some());
}
