//! The power cut played on a record of system calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    notices, rounds,
    trace::{self, Call},
};
use crate::stage::Stage;

/// What of the unsynced writes is on the disk after the cut.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Nothing,
    All,
    OnlyTheLast,
    HalfOfTheLast,
}

const RESTS: [Rest; 4] = [Rest::Nothing, Rest::All, Rest::OnlyTheLast, Rest::HalfOfTheLast];

/// Which snapshot of its index sled finds. It writes one whenever it opens, syncs it and renames
/// it; the folder is not synced, so after a cut either may be there, or neither.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Snapshot {
    Old,
    New,
    Neither,
}

const SNAPSHOTS: [Snapshot; 3] = [Snapshot::Old, Snapshot::New, Snapshot::Neither];

/// Files by name.
type Files = BTreeMap<String, Vec<u8>>;

fn snapshots(folder: &Path) -> Files {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = files.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let snaps = named.filter(|(name, _)| name.starts_with("snap."));
    snaps.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// A run of `once` after failures came, written down, and the store as it was before.
struct Recorded {
    stage: Stage,
    before: Vec<u8>,
    snapshots_before: Files,
    snapshots_after: Files,
    db: PathBuf,
    calls: Vec<Call>,
    /// By notice, when its first byte went to a sink.
    sent: BTreeMap<String, usize>,
}

async fn record(failures: usize, round: u32) -> Recorded {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    let first = stage.run(&["once"]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    for nth in 0..failures {
        stage.fail(&format!("web-{round}-{nth}."));
    }
    let db = fs::canonicalize(stage.store()).unwrap().join("db");
    let before = fs::read(&db).unwrap();
    let snapshots_before = snapshots(&stage.store());
    let path = stage.store().with_file_name("record");
    let mut command: Command = trace::traced(&stage.command(&["once"]), &path);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let calls = trace::read(&path);
    let sinks = [stage.chat.address(), stage.mail.address()].map(|one| format!("->{one}"));
    let mut sent = BTreeMap::new();
    for call in calls.iter().filter(|call| call.sends()) {
        if sinks.iter().any(|sink| call.file.ends_with(sink)) {
            for notice in notices(&call.data) {
                sent.entry(notice).or_insert(call.began);
            }
        }
    }
    assert_eq!(sent.len(), 2 * failures, "one notice for each failure and sink");
    let snapshots_after = snapshots(&stage.store());
    Recorded { stage, before, snapshots_before, snapshots_after, db, calls, sent }
}

impl Recorded {
    /// What was written to the store's file.
    fn writes(&self) -> impl Iterator<Item = &Call> {
        let db = self.db.to_str().unwrap();
        self.calls.iter().filter(move |call| call.name == "pwrite64" && call.file == db)
    }

    /// Syncs of the store's file.
    fn syncs(&self) -> impl Iterator<Item = &Call> {
        let db = self.db.to_str().unwrap();
        self.calls.iter().filter(move |call| call.syncs() && call.file == db)
    }

    /// When a write was on the disk for sure.
    fn safe(&self, write: &Call) -> Option<usize> {
        self.syncs().filter(|sync| write.ended <= sync.began).map(|sync| sync.ended).min()
    }

    /// When the new snapshot got its name.
    fn renamed(&self) -> usize {
        let renames = self.calls.iter().filter(|call| call.name == "rename");
        let snaps = renames.filter(|call| contains(&call.data, b"/snap."));
        snaps.map(|call| call.began).min().expect("sled writes a snapshot when it opens")
    }

    /// The states in which a cut at `time` may leave the store.
    fn states(&self, time: usize) -> Vec<(String, Vec<u8>, &Files)> {
        let empty: &Files = const { &Files::new() };
        let renamed = self.renamed() <= time;
        let mut states = Vec::new();
        for rest in RESTS {
            for snapshot in SNAPSHOTS {
                let files = match snapshot {
                    Snapshot::Old => &self.snapshots_before,
                    Snapshot::New if renamed => &self.snapshots_after,
                    Snapshot::Neither if renamed => empty,
                    _ => continue,
                };
                let file = self.file(time, rest);
                if !states.iter().any(|(_, known, snaps)| *known == file && *snaps == files) {
                    states.push((format!("{rest:?}, {snapshot:?} snapshot"), file, files));
                }
            }
        }
        states
    }

    /// The notices in a store of these files, as the real binary lists them.
    async fn known_after(&self, db: &[u8], snapshots: &Files) -> Result<BTreeSet<String>, String> {
        let folder = self.db.parent().unwrap();
        let copy = folder.with_file_name("after-the-cut");
        fs::create_dir(&copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(copy.join("blobs")).unwrap();
        fs::copy(folder.join("conf"), copy.join("conf")).unwrap();
        fs::write(copy.join("db"), db).unwrap();
        for (name, content) in snapshots {
            fs::write(copy.join(name), content).unwrap();
        }
        let known = self.stage.listed_in(&copy, "delivery", "notice_id").await;
        fs::remove_dir_all(&copy).unwrap();
        known
    }

    /// The store's file after a cut at `time`.
    fn file(&self, time: usize, rest: Rest) -> Vec<u8> {
        let (safe, unsafe_): (Vec<&Call>, Vec<&Call>) = self
            .writes()
            .filter(|write| write.began <= time)
            .partition(|write| self.safe(write).is_some_and(|safe| safe <= time));
        let mut file = self.before.clone();
        let whole = |file: &mut Vec<u8>, write: &Call| put(file, write, write.data.len());
        for write in safe {
            whole(&mut file, write);
        }
        match (rest, unsafe_.last()) {
            (Rest::Nothing, _) | (_, None) => {}
            (Rest::All, _) => {
                for write in unsafe_ {
                    whole(&mut file, write);
                }
            }
            (Rest::OnlyTheLast, Some(last)) => whole(&mut file, last),
            (Rest::HalfOfTheLast, Some(last)) => put(&mut file, last, last.data.len() / 2),
        }
        file
    }
}

fn put(file: &mut Vec<u8>, write: &Call, length: usize) {
    let at = usize::try_from(write.last).unwrap();
    if file.len() < at + length {
        file.resize(at + length, 0);
    }
    file[at..at + length].copy_from_slice(&write.data[..length]);
}

/// The 20 bytes that a notice's id stands for.
fn hash(notice: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let digits: Vec<u8> = notice.bytes().skip("tb_".len()).map(digit).collect();
    digits.chunks(2).map(|pair| 16 * pair[0] + pair[1]).collect()
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn no_byte_goes_to_a_sink_before_the_commit_that_decided_it_is_on_the_disk() {
    if !trace::is_possible() {
        println!("DID NOT RUN: strace is not installed or may not trace");
        return;
    }
    for round in 0..rounds().div_ceil(10) {
        let recorded = record(5, round).await;
        for (notice, sent) in &recorded.sent {
            let hash = hash(notice);
            let decided = recorded.writes().find(|write| contains(&write.data, &hash));
            let decided = decided.unwrap_or_else(|| panic!("{notice} was never written"));
            let safe = recorded.safe(decided);
            assert!(
                safe.is_some_and(|safe| safe <= *sent),
                "{notice}: written at {}, on the disk at {safe:?}, sent at {sent}",
                decided.began
            );
        }
    }
}

#[tokio::test]
async fn a_store_opens_after_a_power_cut_at_any_sync_with_all_that_was_sent() {
    if !trace::is_possible() {
        println!("DID NOT RUN: strace is not installed or may not trace");
        return;
    }
    let (mut cuts, mut stores) = (0, 0);
    for round in 0..rounds().div_ceil(10) {
        let recorded = record(if round == 0 { 4 } else { 40 }, round).await;
        let folder = fs::canonicalize(recorded.db.parent().unwrap()).unwrap();
        let strange: Vec<&Call> = recorded
            .calls
            .iter()
            .filter(|call| call.writes_a_file() && Path::new(&call.file).starts_with(&folder))
            .filter(|call| {
                let name = Path::new(&call.file).file_name().unwrap().to_str().unwrap();
                !matches!(name, "db" | "lock") && !name.starts_with("snap.")
            })
            .collect();
        assert!(strange.is_empty(), "the model knows nothing of {strange:?}");
        // Many cuts leave the same store.
        let mut opened: BTreeMap<(Vec<u8>, Vec<String>), BTreeSet<String>> = BTreeMap::new();
        // Right after each sync, and right after each write that is not synced yet.
        let times: BTreeSet<usize> =
            recorded.syncs().chain(recorded.writes()).map(|call| call.ended).collect();
        for time in times {
            cuts += 1;
            for (what, file, snapshots) in recorded.states(time) {
                let state = (file, snapshots.keys().cloned().collect());
                if !opened.contains_key(&state) {
                    let known = recorded.known_after(&state.0, snapshots).await;
                    let known =
                        known.unwrap_or_else(|error| panic!("cut at {time}, {what}: {error}"));
                    opened.insert(state.clone(), known);
                }
                let known = &opened[&state];
                for (notice, sent) in &recorded.sent {
                    assert!(
                        time < *sent || known.contains(notice),
                        "cut at {time}, {what}: {notice}, sent at {sent}, is forgotten"
                    );
                }
            }
        }
        stores += opened.len();
    }
    println!("{cuts} cuts, {stores} different stores opened");
}
