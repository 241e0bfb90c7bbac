//! `/metrics` over the control socket

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use super::desk::Desk;

fn get(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: daemon\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn figures_are_given_in_the_format_of_prometheus() {
    let desk = Desk::new(true).await;
    let socket = desk.stage.store().join("control.sock");
    let (there, nowhere) =
        tokio::task::spawn_blocking(move || (get(&socket, "/metrics"), get(&socket, "/metric")))
            .await
            .unwrap();
    assert!(nowhere.starts_with("HTTP/1.1 404") && nowhere.contains("application/problem+json"));
    let (head, body) = there.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut described = "";
    for line in body.lines() {
        let name = line.split(['{', ' ']).next().unwrap();
        match line.strip_prefix("# TYPE ") {
            Some(kind) => described = kind.split(' ').next().unwrap(),
            None if line.starts_with("# HELP ") => {}
            None => {
                let parts = ["_bucket", "_sum", "_count"];
                let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
                assert_eq!(whole, described, "each figure follows its description: {line}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    for line in [
        "taskbell_failures{sink=\"chat\",state=\"routed\"} 2",
        "taskbell_failures{sink=\"chat\",state=\"told_singly\"} 1",
        "taskbell_failures{sink=\"chat\",state=\"dead\"} 1",
        "taskbell_failures_lost{sink=\"chat\"} 0",
        "taskbell_sink_gate{sink=\"mail\",gate=\"open\"} 1",
        "taskbell_oldest_undelivered_age_seconds{sink=\"chat\"} 0",
    ] {
        assert!(body.lines().any(|known| known == line), "{line} is not in\n{body}");
    }
}
