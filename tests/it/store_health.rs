//! Stores that are damaged, gone, moved and written anew, and what is told then.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::stage::Stage;

pub(crate) fn beside(stage: &Stage, ending: &str) -> PathBuf {
    let mut path = stage.store().into_os_string();
    path.push(ending);
    path.into()
}

/// Files of the database, largest first.
fn files(stage: &Stage) -> Vec<PathBuf> {
    let files = fs::read_dir(stage.store().join("ledger")).unwrap();
    let mut files: Vec<PathBuf> =
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    files
}

/// Makes the database unreadable.
pub(crate) fn wreck(stage: &Stage) {
    let path = files(stage).remove(0);
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0xA5; usize::try_from(size).unwrap()]).unwrap();
}

fn kept_aside(stage: &Stage) -> Vec<PathBuf> {
    let folder = fs::read_dir(stage.store()).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains("damaged-")).collect()
}

/// The reasons of the notices that state was lost.
fn lost(stage: &Stage) -> Vec<String> {
    let lost = stage.chat.received().into_iter().filter(|arrival| arrival.kind == "state.lost");
    lost.map(|arrival| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap();
        body.pointer("/data/reason").unwrap().as_str().unwrap().to_owned()
    })
    .collect()
}

/// How often each task was told, and under how many ids.
fn told(stage: &Stage) -> BTreeMap<String, (usize, usize)> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (arrival, ids) in stage.told() {
        for id in ids {
            told.entry(id).or_default().push(arrival.id.clone());
        }
    }
    let count = |ids: Vec<String>| (ids.len(), ids.iter().collect::<BTreeSet<_>>().len());
    told.into_iter().map(|(task, ids)| (task, count(ids))).collect()
}

async fn said(stage: &Stage, args: &[&str], exit: i32) -> String {
    let output = stage.run(args).await;
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {text}");
    text
}

/// Three baseline failures, `a` told before the copy was made, `b` after it.
async fn copied() -> (Stage, String, String) {
    let stage = Stage::new("max_items = 1").await;
    stage.finish().await;
    let a = stage.fail("a");
    stage.finish().await;
    let archive = stage.store().with_file_name("archive");
    said(&stage, &["state", "export", archive.to_str().unwrap()], 0).await;
    let b = stage.fail("b");
    stage.finish().await;
    (stage, a, b)
}

#[tokio::test]
async fn a_damaged_store_is_kept_aside_and_its_copy_goes_on() {
    let (stage, a, b) = copied().await;
    wreck(&stage);
    let text = said(&stage, &["failure", "list"], 74).await;
    assert!(text.contains("the store is damaged"), "{text}");
    assert_eq!(lost(&stage), Vec::<String>::new(), "looking changes nothing");
    stage.finish().await;
    assert_eq!(kept_aside(&stage).len(), 1);
    assert_eq!(lost(&stage), ["state_restored"]);
    let told = told(&stage);
    assert_eq!(told[&a], (1, 1), "the copy knew that it was told");
    assert_eq!(told[&b], (2, 1), "told again under its id");
    let c = stage.fail("c");
    stage.finish().await;
    assert_eq!(self::told(&stage)[&c], (1, 1));
    assert_eq!(lost(&stage).len(), 1, "said once");
    let text = said(&stage, &["state", "verify"], 0).await;
    assert!(text.contains("nothing is wrong"), "{text}");
}

#[tokio::test]
async fn a_store_that_is_gone_is_restored_too() {
    let (stage, a, b) = copied().await;
    fs::remove_dir_all(stage.store().join("ledger")).unwrap();
    let text = said(&stage, &["failure", "list"], 74).await;
    assert!(text.contains("are gone"), "{text}");
    stage.finish().await;
    assert_eq!(lost(&stage), ["state_restored"]);
    let told = told(&stage);
    assert_eq!((told[&a], told[&b]), ((1, 1), (2, 1)));
}

#[tokio::test]
async fn without_a_copy_one_message_says_that_state_was_lost() {
    let (stage, a, b) = copied().await;
    fs::remove_file(beside(&stage, ".checkpoint")).unwrap();
    wreck(&stage);
    stage.finish().await;
    assert_eq!(lost(&stage), ["state_lost"]);
    let told = told(&stage);
    assert_eq!((told[&a], told[&b]), ((1, 1), (1, 1)), "no flood");
    assert_eq!(kept_aside(&stage).len(), 1);
}

#[tokio::test]
async fn a_copy_that_is_damaged_as_well_is_kept_and_not_used() {
    let (stage, ..) = copied().await;
    let copy = beside(&stage, ".checkpoint");
    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copy, bytes).unwrap();
    wreck(&stage);
    stage.finish().await;
    assert_eq!(lost(&stage), ["state_lost"]);
    let folder = fs::read_dir(stage.store().parent().unwrap()).unwrap();
    let kept = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(kept.into_iter().any(|name| name.starts_with("store.checkpoint.damaged-")));
}

/// A disk that damages one store after the other is not trusted any more, and nothing is deleted.
#[tokio::test]
async fn the_fourth_damage_within_a_day_ends_it_and_says_so_until_the_operator_comes() {
    let (stage, a, b) = copied().await;
    for nth in 1..=3 {
        wreck(&stage);
        stage.finish().await;
        assert_eq!(kept_aside(&stage).len(), nth);
    }
    wreck(&stage);
    let text = said(&stage, &["once"], 74).await;
    assert!(text.contains("it was damaged 3 times within a day before"), "{text}");
    assert_eq!(kept_aside(&stage).len(), 3);
    let words = stage.chat.received().into_iter().filter(|one| one.kind == "store.failed");
    assert_eq!(words.count(), 1, "the operator is told");
    for kept in kept_aside(&stage) {
        fs::rename(&kept, stage.store().with_file_name(kept.file_name().unwrap())).unwrap();
    }
    stage.finish().await;
    let info = said(&stage, &["-o", "json", "state", "info"], 0).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    let kept: Vec<&str> =
        info["kept_aside"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(kept, [kept_aside(&stage)[0].to_str().unwrap()]);
    assert!(0 < info["kept_aside_bytes"].as_u64().unwrap(), "{info}");
    let told = told(&stage);
    assert_eq!((told[&a].1, told[&b].1), (1, 1), "each under its one id: {told:?}");
}

/// One bit is enough: whatever it hits, nothing is lost, and nobody is told under another id.
#[tokio::test]
async fn a_flipped_bit_anywhere_loses_nothing() {
    let (stage, a, b) = copied().await;
    let whole = stage.store().with_file_name("whole");
    copy_folder(&stage.store().join("ledger"), &whole);
    let mut restored = 0;
    for (nth, file) in files(&stage).iter().cycle().take(36).enumerate() {
        let ledger = stage.store().join("ledger");
        fs::remove_dir_all(&ledger).unwrap();
        copy_folder(&whole, &ledger);
        let Ok(mut bytes) = fs::read(file) else { continue };
        let size = bytes.len();
        if let Some(byte) = bytes.get_mut((nth * 7_919 + 13) % size.max(1)) {
            *byte ^= 1 << (nth % 8);
        }
        fs::write(file, bytes).unwrap();
        stage.finish().await;
        said(&stage, &["state", "verify"], 0).await;
        restored += usize::from(!kept_aside(&stage).is_empty());
        for kept in kept_aside(&stage) {
            fs::remove_dir_all(kept).unwrap();
        }
    }
    assert_ne!(restored, 0, "not one of them hit anything");
    let told = told(&stage);
    for task in [&a, &b] {
        assert_eq!(told[task].1, 1, "under one id: {told:?}");
    }
    assert_eq!(told.len(), 2, "the three that stood at first are not told singly: {told:?}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_store_moves_to_another_host_in_one_file() {
    let (stage, a, b) = copied().await;
    let archive = stage.store().with_file_name("to-move");
    let name = archive.to_str().unwrap();
    said(&stage, &["state", "export", name], 0).await;
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    let text = said(&stage, &["state", "export", name], 2).await;
    assert!(text.contains("not there yet"), "{text}");
    let text = said(&stage, &["state", "import", name], 74).await;
    assert!(text.contains("is not empty"), "{text}");

    // Another host: nothing of the old store is there.
    fs::remove_dir_all(stage.store()).unwrap();
    fs::remove_file(beside(&stage, ".marker")).unwrap();
    fs::remove_file(beside(&stage, ".checkpoint")).unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let broken = archive.with_file_name("broken");
    fs::write(&broken, bytes).unwrap();
    let text = said(&stage, &["state", "import", broken.to_str().unwrap()], 74).await;
    assert!(text.contains("fails its checksum"), "{text}");
    said(&stage, &["state", "import", name], 0).await;
    stage.finish().await;
    let c = stage.fail("c");
    stage.finish().await;
    let told = told(&stage);
    assert_eq!((told[&a], told[&b], told[&c]), ((1, 1), (1, 1), (1, 1)));
    assert_eq!(lost(&stage), Vec::<String>::new());
    assert!(beside(&stage, ".marker").exists(), "its loss would be noticed");
}

#[tokio::test]
async fn files_are_written_anew_and_a_kill_on_the_way_loses_nothing() {
    let (stage, a, b) = copied().await;
    for place in ["swap.before:1", "swap.after:1"] {
        let mut command = stage.command(&["state", "compact"]);
        command.env("TASKBELL_FAILPOINT", place);
        let status = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(status.status.signal(), Some(9), "{place}: {status:?}");
        said(&stage, &["state", "verify"], 0).await;
        assert!(!stage.store().join("ledger.new").exists(), "{place}");
    }
    let text = said(&stage, &["state", "compact"], 0).await;
    assert!(text.starts_with("from "), "{text}");
    stage.finish().await;
    let told = told(&stage);
    assert_eq!((told[&a], told[&b]), ((1, 1), (1, 1)));
    let info = said(&stage, &["-o", "json", "state", "info"], 0).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["format"], 1);
    assert!(info["checkpoint"]["bytes"].as_u64().unwrap() > 0, "{info}");
}

#[tokio::test]
async fn a_daemon_copies_and_compacts_while_it_runs() {
    let stage = Stage::new("max_items = 1").await;
    let mut daemon = stage.command(&["run"]).spawn().unwrap();
    stage.see("watching", |stage| !stage.chat.received().is_empty()).await;
    let archive = stage.store().with_file_name("live");
    said(&stage, &["state", "export", archive.to_str().unwrap()], 0).await;
    said(&stage, &["state", "compact"], 0).await;
    let a = stage.fail("a");
    stage.see("a is told", |stage| told(stage).contains_key(&a)).await;
    said(&stage, &["state", "verify"], 0).await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}
