//! A disk that takes no more, or fails: the daemon ends with 74 and a clear message, nothing that
//! it could not record is sent, and once there is space again nothing is missing.

use std::{fs, process::Stdio, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;

use crate::{
    power::{Mounted, strace_is_possible},
    stage::{Daemon, Stage},
};

async fn stage() -> Stage {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    stage.edit("interval = \"5s\"", "interval = \"1s\"");
    stage.edit("timeout = \"4s\"", "timeout = \"1s\"");
    stage
}

/// The daemon ends as documented, and sends nothing more than the `before` notices.
async fn judge(stage: &Stage, daemon: Daemon, before: usize, why: &str) {
    let status = daemon.ended().await;
    assert_eq!(status.code(), Some(74), "{why}");
    let log = fs::read_to_string(stage.log()).unwrap();
    let last = log.lines().find(|line| line.contains("the store failed; stopping"));
    let last = last.unwrap_or_else(|| panic!("{why}: {log}"));
    assert!(last.contains("could not be made durable"), "{why}: {last}");
    assert!(!log.contains("panicked"), "{why}: {log}");
    assert_eq!(stage.told().len(), before, "{why}: sent after the disk had failed");
}

/// What the chat was told of a store that failed, in one word each.
fn last_words(stage: &Stage) -> Vec<String> {
    let words = stage.chat.received().into_iter().filter(|one| one.kind == "store.failed");
    words
        .map(|arrival| {
            let body: Value = serde_json::from_slice(&arrival.body).unwrap();
            let trouble = body.pointer("/data/trouble").unwrap();
            let detail = trouble["detail"].as_str().unwrap();
            assert!(detail.contains("/store on "), "{detail}");
            trouble["class"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// How many mails say that the store failed.
fn mailed(stage: &Stage) -> usize {
    let says = |text: &str| text.contains("the store failed");
    let mails = stage.mail.received();
    mails.iter().filter(|mail| mail.header("subject").is_some_and(says)).count()
}

/// Each failure was told, under one id and with the same bytes.
async fn all_is_told(stage: &Stage, ids: &[String], why: &str) {
    stage.finish().await;
    let told = stage.told();
    for id in ids {
        let mut bodies: Vec<_> = told
            .iter()
            .filter(|(_, ids)| ids.contains(id))
            .map(|(arrival, _)| (&arrival.id, &arrival.body))
            .collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{why}: {id}");
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_daemon_and_loses_nothing() {
    let stage = stage().await;
    let place = stage.store().with_file_name("small");
    let disk = match Mounted::new(&place, &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("DID NOT RUN: no file system can be mounted here: {}", reason.trim());
            return;
        }
    };
    let store = disk.at.join("store");
    stage.edit(&stage.store().display().to_string(), &store.display().to_string());
    stage.edit("kind = \"webhook\"", "kind = \"webhook\"\nfallback = [\"mail\"]");
    let daemon = stage.daemon();
    stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
    let first = stage.fail("before.");
    stage.see("the first one", |stage| stage.told().len() == 1).await;
    // Fill what is left, to the last byte.
    let ballast = disk.at.join("ballast");
    let mut size: usize = 1024 * 1024;
    let mut file = fs::File::create(&ballast).unwrap();
    while 0 < size {
        if std::io::Write::write_all(&mut file, &vec![0; size]).is_err() {
            size /= 2;
        }
    }
    drop(file);
    let before = stage.told().len();
    // A commit that still fits into its last page is no test: give it more than a page.
    let more: Vec<String> = (0..40).map(|nth| stage.fail(&format!("full-{nth}."))).collect();
    judge(&stage, daemon, before, "a full disk").await;
    assert_eq!((mailed(&stage), last_words(&stage).len()), (1, 0), "the fallback alone hears it");
    let again = stage.run(&["once"]).await;
    assert_eq!(again.status.code(), Some(74), "still full: {again:?}");
    let text = String::from_utf8(again.stderr).unwrap();
    assert!(text.contains("No space left on device"), "{text}");
    assert_eq!(mailed(&stage), 1, "a restart does not say it again");
    // An hour later it does. The fallback is away, so the others hear of it.
    stage.shift(SignedDuration::from_mins(61));
    let mail = format!("smtp://{}", stage.mail.address());
    stage.edit(&mail, "smtp://127.0.0.1:9");
    let later = stage.run(&["once"]).await;
    assert_eq!(later.status.code(), Some(74), "still full: {later:?}");
    assert_eq!((mailed(&stage), last_words(&stage)), (1, vec!["disk_full".to_owned()]));
    stage.edit("smtp://127.0.0.1:9", &mail);
    fs::remove_file(&ballast).unwrap();
    all_is_told(&stage, &[&[first], &more[..]].concat(), "a full disk").await;
}

/// Has strace do to calls on the store's file what `fault` says. It has every thread when this ends.
async fn faulty(daemon: &Daemon, stage: &Stage, call: &str, fault: &str) -> std::process::Child {
    let mut strace = std::process::Command::new("strace");
    let pid = daemon.pid().as_raw_nonzero().to_string();
    let (what, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
    strace.args(["-f", "-o", "/dev/null", "-e", &what, "-e", &inject, "-p", &pid, "-P"]);
    strace.arg(fs::canonicalize(stage.files()).unwrap().join("db"));
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let strace = strace.spawn().unwrap();
    while !is_traced(daemon) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    strace
}

/// Whether strace has every thread of the daemon.
fn is_traced(daemon: &Daemon) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid().as_raw_nonzero())).unwrap();
    threads.into_iter().all(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        let tracer = status.lines().find(|line| line.starts_with("TracerPid:"));
        tracer.is_some_and(|line| !line.ends_with("\t0"))
    })
}

#[tokio::test]
async fn a_disk_that_fails_under_the_daemon_ends_it_and_loses_nothing() {
    if !strace_is_possible() {
        println!("DID NOT RUN: strace is not installed or may not trace");
        return;
    }
    for (call, error) in
        [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fdatasync", "EIO"), ("fdatasync", "ENOSPC")]
    {
        let why = format!("{call} fails with {error}");
        let stage = stage().await;
        let daemon = stage.daemon();
        stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
        let first = stage.fail("before.");
        stage.see("the first one", |stage| stage.told().len() == 1).await;
        let mut strace = faulty(&daemon, &stage, call, &format!("error={error}")).await;
        let second = stage.fail("meanwhile.");
        judge(&stage, daemon, 1, &why).await;
        let class = if error == "ENOSPC" { "disk_full" } else { "not_durable" };
        assert_eq!((last_words(&stage), mailed(&stage)), (vec![class.to_owned()], 1), "{why}");
        strace.wait().unwrap();
        all_is_told(&stage, &[first, second], &why).await;
    }
}

#[tokio::test]
async fn a_disk_that_hangs_is_told_of_and_waited_for() {
    if !strace_is_possible() {
        println!("DID NOT RUN: strace is not installed or may not trace");
        return;
    }
    let stage = stage().await;
    let daemon = stage.daemon_with(&[("TASKBELL_SILENT_AFTER", "300")]);
    stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
    let first = stage.fail("before.");
    stage.see("the first one", |stage| stage.told().len() == 1).await;
    // The next one that reaches the disk takes four seconds.
    let hang = "delay_enter=4000000:when=1";
    let mut strace = faulty(&daemon, &stage, "fdatasync", hang).await;
    let second = stage.fail("meanwhile.");
    stage.see("that it hangs", |stage| !last_words(stage).is_empty()).await;
    assert_eq!((last_words(&stage), mailed(&stage)), (vec!["hung".to_owned()], 1));
    assert_eq!(stage.told().len(), 1, "nothing is told that is not on the disk");
    stage.see("the second one", |stage| stage.told().len() == 2).await;
    let log = || fs::read_to_string(stage.log()).unwrap();
    stage.see("that it answers", |_| log().contains("the store answers again")).await;
    assert!(log().contains("the store has not answered for"), "{}", log());
    drop(strace.kill());
    strace.wait().unwrap();
    rustix::process::kill_process(daemon.pid(), rustix::process::Signal::TERM).unwrap();
    assert_eq!(daemon.ended().await.code(), Some(0), "it went on, and ends in order");
    all_is_told(&stage, &[first, second], "a disk that hangs").await;
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_74_and_is_untouched() {
    if !strace_is_possible() {
        println!("DID NOT RUN: strace is not installed or may not trace");
        return;
    }
    let stage = stage().await;
    stage.run(&["once"]).await;
    let id = stage.fail("web-01.");
    for error in ["EIO", "ENOSPC", "EACCES", "EMFILE"] {
        let mut strace = std::process::Command::new("strace");
        let inject = format!("inject=openat:error={error}");
        strace.args(["-f", "-o", "/dev/null", "-e", "trace=openat", "-e", &inject, "-P"]);
        strace.arg(fs::canonicalize(stage.files()).unwrap().join("db"));
        let command = stage.command(&["once"]);
        strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || strace.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(74), "{error}: {text}");
        assert!(text.contains("the store is not usable"), "{error}: {text}");
        assert!(!text.contains("panicked"), "{error}: {text}");
        assert_eq!(last_words(&stage), ["unreadable"], "{error}: told by the first one alone");
    }
    all_is_told(&stage, &[id], "opened again").await;
}
