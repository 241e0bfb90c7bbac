//! What sources with the same credentials fetch together, and what they must not share.

use taskbell::sim::On;

use super::{Cloud, KEYS, PASSWORD, agency, futures_of, projects, walk};

/// Walks all sources at the same time, and counts what was asked of the identity services.
async fn asked(tables: &[(&str, &str, &str)]) -> (u64, u64) {
    let cloud = Cloud::new("[[project]]\ncount = 6").await;
    let sources = cloud.sources(tables);
    let rows = futures_of(sources.iter().map(|source| walk(&**source))).await;
    assert!(rows.iter().all(|rows| matches!(rows, Ok(3))), "{rows:?}");
    (cloud.count(On::Iam), cloud.count(On::Metadata))
}

#[tokio::test]
async fn a_token_is_fetched_once_for_each_project_and_not_for_each_source() {
    let six = projects(6);
    assert_eq!(asked(&[("kps", &six, PASSWORD)]).await, (6, 0));
    assert_eq!(asked(&[("kps", &six, PASSWORD), ("sdrs", &six, PASSWORD)]).await, (6, 0));
    // It is the same, however it is written.
    let other = PASSWORD.replace("kind = 'password', ", "") + ", kind = 'password'";
    assert_eq!(asked(&[("kps", &six, PASSWORD), ("sdrs", &six, &other)]).await, (6, 0));
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_projects() {
    let six = projects(6);
    let cloud = Cloud::new("[[project]]\ncount = 6").await;
    let metadata = cloud.metadata();
    let sources = cloud.sources(&[("kps", &six, &metadata), ("sdrs", &six, &metadata)]);
    let rows = futures_of(sources.iter().map(|source| walk(&**source))).await;
    assert!(rows.iter().all(|rows| matches!(rows, Ok(3))), "{rows:?}");
    // One token of the second version, one key.
    assert_eq!(cloud.count(On::Metadata), 2);
    // An agency: taken on once.
    let one = asked(&[("kps", &projects(1), &agency(KEYS))]).await;
    assert_eq!(asked(&[("kps", &six, &agency(KEYS))]).await, one);
}
