//! `verify` with the real binary, on requests that the reference library signed.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const VECTORS: &str = include_str!("../vectors/standard-webhooks.jsonl");

fn verify(secrets: &str, args: &[&str], request: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, secrets).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_taskbell"))
        .args(["verify", "--secret-file"])
        .arg(&file)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses the secrets does not read the request.
    drop(child.stdin.take().unwrap().write_all(request.as_bytes()));
    child.wait_with_output().unwrap()
}

fn request(row: &Value, signature: &str) -> String {
    let text = |key: &str| row[key].as_str().unwrap();
    let (id, body) = (text("msg_id"), text("body"));
    format!(
        "POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nWebhook-Id: {id}\r\n\
         Webhook-Timestamp: {}\r\nWebhook-Signature: {signature}\r\n\r\n{body}",
        body.len(),
        row["timestamp"]
    )
}

#[test]
fn what_the_reference_library_signed_is_verified() {
    for line in VECTORS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let secret = row["secret"].as_str().unwrap();
        let (id, both) = (&row["msg_id"], row["rotation"]["webhook_signature"].as_str().unwrap());
        let output = verify(secret, &["--tolerance", "100y", "-o", "json"], &request(&row, both));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&said["id"], &said["verified"]), (id, &Value::Bool(true)));
    }
}

#[test]
fn what_is_not_to_be_believed_ends_with_1_and_says_why() {
    let row: Value = serde_json::from_str(VECTORS.lines().next().unwrap()).unwrap();
    let (secret, signature) = (row["secret"].as_str().unwrap(), row["signature"].as_str().unwrap());
    let good = request(&row, signature);
    let far = &["--tolerance", "100y"][..];
    let other = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE=";
    for (secrets, args, request, expected) in [
        (secret, &[][..], good.as_str(), "webhook-timestamp is too far from this clock"),
        (other, far, &good, "no signature fits"),
        (secret, far, &good.replace("Webhook-Id: ", "Webhook-Id: x"), "no signature fits"),
        (secret, far, &good.replace("Webhook-Id", "X-Id"), "webhook-id is missing"),
        (secret, far, "", "standard input is no HTTP request"),
        ("", far, &good, "is empty"),
        ("whsec_AAAA", far, &good, "line 1 of"),
    ] {
        let output = verify(secrets, args, request);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{expected} is not in {said}");
        assert!(output.stdout.is_empty());
    }
    // A file of several secrets holds the new and the old one.
    let output = verify(&format!("{other}\n\n{secret}\n"), far, &good);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("verified: msg_"), "{said}");
}
