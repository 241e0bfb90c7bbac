//! The kinds that stay on this host, each in a folder of its own.

mod exec;
mod file;
mod journald;

use std::path::Path;

use taskbell::{http::Chain, sink::KINDS};
use tempfile::TempDir;

use super::{ANYWHERE, build, example_in, examples, send};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_place_that_is_not_there_is_named() {
    for kind in KINDS.iter().filter(|kind| kind.example.contains("{folder}")) {
        let sink = build(&example_in(kind, ANYWHERE, Path::new("/nonexistent/folder")));
        let error = send(&*sink, &examples::one()).await.expect_err("there is no such folder");
        let shown = Chain(&error).to_string();
        assert!(shown.contains("/nonexistent/folder"), "{}: {shown}", kind.name);
        assert!(shown.contains("No such file"), "{}: {shown}", kind.name);
    }
}
