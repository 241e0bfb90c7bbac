//! The journal's protocol, read by a daemon of our own.

use std::{collections::BTreeSet, path::Path};

use taskbell::{
    notice::{Notice, NoticeKind},
    sink::Sink,
};
use tokio::net::UnixDatagram;

use super::{
    super::{build, examples, golden, kind, kinds, send, try_build, word},
    ANYWHERE, example_in, folder,
};

fn sink(folder: &Path) -> Box<dyn Sink> {
    build(&example_in(kind("journald"), ANYWHERE, folder))
}

fn notices() -> Vec<(&'static str, Notice)> {
    examples::all().into_iter().chain(kinds::all()).collect()
}

/// The fields of an entry, as the protocol's description says to read them.
fn fields(mut entry: &[u8]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let name = String::from_utf8(entry[..end].to_vec()).unwrap();
        let (length, value) = if entry[end] == b'=' {
            let value = &entry[end + 1..];
            (value.iter().position(|byte| *byte == b'\n').unwrap(), value)
        } else {
            let (length, value) = entry[end + 1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap());
            (usize::try_from(length).unwrap(), value)
        };
        all.push((name, String::from_utf8(value[..length].to_vec()).unwrap()));
        assert_eq!(value[length], b'\n');
        entry = &value[length + 1..];
    }
    all
}

/// The entries that `daemon` gets for `notice`.
async fn entries(
    daemon: &UnixDatagram,
    sink: &dyn Sink,
    notice: &Notice,
) -> Vec<Vec<(String, String)>> {
    let own = usize::from(notice.failures.is_empty() || notice.omitted() > 0);
    let count = notice.failures.len() + own;
    let receive = async {
        let mut all = Vec::new();
        for _ in 0..count {
            let mut buffer = vec![0; 256 * 1024];
            let length = daemon.recv(&mut buffer).await.unwrap();
            all.push(fields(&buffer[..length]));
        }
        all
    };
    let (result, all) = tokio::join!(send(sink, notice), receive);
    assert_eq!(word(&result), "taken", "{result:?}");
    all
}

#[tokio::test]
async fn each_failure_is_an_entry_whatever_its_texts_hold() {
    let folder = folder();
    let daemon = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    let sink = sink(folder.path());
    sink.probe().await.unwrap();
    let big = [("big", examples::many(100))];
    for (case, notice) in notices().into_iter().chain(big) {
        for entry in entries(&daemon, &*sink, &notice).await {
            let names: BTreeSet<&str> = entry.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), entry.len(), "{case}: a field comes twice");
            for (name, value) in &entry {
                let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                assert!(name.bytes().all(plain) && !name.starts_with('_'), "{case}: {name}");
                assert!(!value.is_empty(), "{case}: {name}");
            }
            let get = |name: &str| {
                let found = entry.iter().find(|(known, _)| known == name);
                found.map_or("", |(_, value)| value.as_str())
            };
            assert_eq!(get("TASKBELL_ID"), notice.id.as_str(), "{case}");
            assert_eq!(get("TASKBELL_TYPE"), notice.kind.as_str(), "{case}");
            assert_eq!(get("SYSLOG_IDENTIFIER"), "taskbell", "{case}");
            assert!(["3", "4", "5", "6"].contains(&get("PRIORITY")), "{case}");
            let id = get("MESSAGE_ID");
            assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{case}");
            assert!(get("MESSAGE").lines().count() <= 2, "{case}");
        }
    }
}

#[tokio::test]
async fn each_kind_of_notice_has_a_message_id_of_its_own() {
    let folder = folder();
    let daemon = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    let sink = sink(folder.path());
    let mut ids = BTreeSet::new();
    // What a digest or a storm lists are failed tasks like others; its own entry is in front.
    for (_, notice) in notices() {
        let fields = entries(&daemon, &*sink, &notice).await.into_iter().flatten();
        ids.extend(fields.filter(|(name, _)| name == "MESSAGE_ID"));
    }
    assert_eq!(ids.len(), NoticeKind::ALL.len());
}

#[test]
fn entries_are_as_reviewed() {
    let sink = sink(Path::new("/nonexistent"));
    let each = notices().into_iter().map(|(case, notice)| {
        // The lengths are bytes and not text.
        let body = String::from_utf8_lossy(&sink.render(&notice)).replace('\0', "\\0");
        format!("== {case}\n{body}\n")
    });
    golden::check("journald/entries.txt", each.collect::<String>().as_bytes());
}

#[tokio::test]
async fn a_journal_that_is_away_is_tried_again() {
    let folder = folder();
    let sink = sink(folder.path());
    assert_eq!(word(&send(&*sink, &examples::one()).await), "retry");
    drop(UnixDatagram::bind(folder.path().join("socket")).unwrap());
    assert_eq!(word(&send(&*sink, &examples::one()).await), "retry");
    assert!(sink.probe().await.is_err());
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let identifier = "identifier: must be 1 to 64 bytes without a space";
    for (table, expected) in [
        ("identifier = 'a b'", identifier),
        ("identifier = ''", identifier),
        ("socket = 'run/socket'", "socket: must be an absolute path"),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'journald'\n{table}"));
        assert_eq!(error.unwrap_err().to_string(), expected, "{table}");
    }
    build("name = 'a'\nkind = 'journald'");
}
