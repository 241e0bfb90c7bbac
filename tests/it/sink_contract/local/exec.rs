//! Programs that obey, refuse, dawdle, flood and leave children behind.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use taskbell::{
    http::Chain,
    sink::{Receipt, Sink, SinkError},
};
use tempfile::TempDir;

use super::{
    super::{build, examples, kind, kinds, send, try_build, word},
    ANYWHERE, example_in, folder,
};

/// A folder with a shell script in it, and a sink that runs it.
fn script(text: &str, more: &str) -> (TempDir, Box<dyn Sink>) {
    let folder = folder();
    let path = folder.path().join("hook");
    fs::write(&path, format!("cd {}\n{text}\n", folder.path().display())).unwrap();
    let table = format!(
        "name = 'hook'\nkind = 'exec'\ncommand = ['/bin/sh', '{}', 'a b', '$HOME;x']\n{more}",
        path.display()
    );
    (folder, build(&table))
}

async fn attempt(text: &str) -> Result<Receipt, SinkError> {
    let (_folder, sink) = script(text, "");
    send(&*sink, &examples::one()).await
}

#[tokio::test]
async fn a_program_gets_each_notice_on_its_standard_input() {
    let folder = folder();
    let sink = build(&example_in(kind("exec"), ANYWHERE, folder.path()));
    sink.probe().await.unwrap();
    for (case, notice) in examples::all().into_iter().chain(kinds::all()) {
        assert_eq!(word(&send(&*sink, &notice).await), "taken", "{case}");
        let got = fs::read(folder.path().join("last-notice.json")).unwrap();
        assert_eq!(got, sink.render(&notice), "{case}");
    }
}

#[tokio::test]
async fn arguments_and_environment_are_as_written_and_no_more() {
    let text = "cat >/dev/null; env | sort >env; printf '%s|' \"$@\" >args";
    let (folder, sink) = script(text, "pass_env = ['CARGO_PKG_NAME', 'UNSET_AND_UNKNOWN']");
    let notice = examples::one();
    send(&*sink, &notice).await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("args")).unwrap(), "a b|$HOME;x|");
    let env = fs::read_to_string(folder.path().join("env")).unwrap();
    // The shell adds some of its own.
    let names = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let names: Vec<&str> =
        names.filter(|name| !["OLDPWD", "PWD", "SHLVL", "_"].contains(name)).collect();
    for name in &names {
        let known = ["CARGO_PKG_NAME", "HOME", "LANG", "PATH", "TZ"].contains(name);
        assert!(known || name.starts_with("TASKBELL_"), "{name} in {names:?}");
    }
    for line in [
        format!("TASKBELL_ID={}", notice.id),
        "TASKBELL_TYPE=task.failed".to_owned(),
        "TASKBELL_SINK=hook".to_owned(),
        "CARGO_PKG_NAME=taskbell".to_owned(),
    ] {
        assert!(env.lines().any(|found| found == line), "{line} is not in {env}");
    }
}

#[tokio::test]
async fn the_end_of_the_program_decides() {
    for (text, expected, how) in [
        ("exit 0", "taken", ""),
        ("cat; exit 0", "taken", ""),
        ("exit 75", "retry", "/bin/sh ended with 75"),
        ("kill -9 $$", "retry", "/bin/sh was ended by signal 9"),
        ("exit 1", "suspect", "/bin/sh ended with 1"),
        ("exit 127", "suspect", "/bin/sh ended with 127"),
        ("echo; echo ' a b\tc' >&2; echo d >&2; exit 3", "suspect", "/bin/sh ended with 3: a b c"),
    ] {
        let result = attempt(text).await;
        assert_eq!(word(&result), expected, "{text}");
        let shown = result.err().map(|error| Chain(&error).to_string()).unwrap_or_default();
        assert_eq!(shown, how, "{text}");
    }
}

#[tokio::test]
async fn a_flood_of_words_changes_no_verdict() {
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x >&2; head -c 3000000 /dev/zero; exit 2";
    let error = attempt(flood).await.expect_err("exits with 2");
    let expected = format!("/bin/sh ended with 2: {}", "x".repeat(120));
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn what_was_passed_on_is_not_repeated_in_an_error() {
    let pass = "pass_env = ['CARGO_MANIFEST_DIR']";
    let (_folder, sink) = script("echo \"no $CARGO_MANIFEST_DIR\" >&2; exit 1", pass);
    let error = send(&*sink, &examples::one()).await.expect_err("exits with 1");
    assert_eq!(error.to_string(), "/bin/sh ended with 1: no [secret]");
    let shown = format!("{sink:?}");
    assert!(!shown.contains(env!("CARGO_MANIFEST_DIR")), "{shown}");
}

/// Waits until the process that wrote its number into `file` is gone.
async fn gone(file: &Path) {
    let number = loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => break text,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    // A process that was killed and not collected yet has a command line no more.
    let line = format!("/proc/{}/cmdline", number.trim());
    let waiting = async {
        while fs::read(&line).is_ok_and(|line| !line.is_empty()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it is killed");
}

#[tokio::test]
async fn a_program_that_is_given_up_is_killed_with_its_children() {
    let (folder, sink) = script("sleep 1000 & echo $! >child; echo $$ >leader; wait", "");
    let notice = examples::one();
    let sending = send(&*sink, &notice);
    let (child, leader) = (folder.path().join("child"), folder.path().join("leader"));
    let started = async {
        while !leader.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        result = sending => panic!("it ended: {result:?}"),
        () = started => (),
    }
    gone(&child).await;
    gone(&leader).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let (folder, sink) = script("sleep 1000 & echo $! >child; exit 0", "");
    let sending = send(&*sink, &examples::one()).await;
    assert_eq!(word(&sending), "taken");
    gone(&folder.path().join("child")).await;
}

#[tokio::test]
async fn a_program_that_cannot_run_is_probably_configuration() {
    let folder = folder();
    let program = folder.path().join("hook");
    let table =
        |more: &str| format!("name='a'\nkind='exec'\ncommand=['{}']\n{more}", program.display());
    for (mode, expected) in [(None, "No such file"), (Some(0o600), "Permission denied")] {
        if let Some(mode) = mode {
            fs::write(&program, "exit 0").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        }
        let sink = build(&table(""));
        let error = send(&*sink, &examples::one()).await.expect_err("it does not run");
        let shown = Chain(&error).to_string();
        assert!(shown.starts_with(&format!("cannot run {}", program.display())), "{shown}");
        assert!(shown.contains(expected), "{shown}");
        assert_eq!(error.verdict.as_str(), "suspect");
        assert!(sink.probe().await.is_err());
    }
    let sink = build("name='a'\nkind='exec'\ncommand=['/bin/true']\nworking_dir='/nonexistent'");
    let error = send(&*sink, &examples::one()).await.expect_err("there is no such folder");
    assert_eq!(error.to_string(), "cannot work in /nonexistent");
    sink.probe().await.unwrap();
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let path = "command[0]: must begin with the absolute path of a program; no shell and no \
                PATH is used";
    let own = "pass_env[0]: must not begin with TASKBELL_, which taskbell sets itself";
    for (table, expected) in [
        ("", "command: is required"),
        ("command = []", "command: must name a program"),
        ("command = ['notify']", path),
        ("command = ['./notify']", path),
        ("command = ['/n', \"a\\u0000\"]", "command: must not hold a NUL"),
        ("command = ['/n']\npass_env = ['A=B']", "pass_env[0]: is not the name of a variable"),
        ("command = ['/n']\npass_env = ['TASKBELL_ID']", own),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'exec'\n{table}")).expect_err(table);
        assert_eq!(error.to_string(), expected, "{table}");
    }
    let many = format!("name = 'a'\nkind = 'exec'\ncommand = [{}]", "'/n',".repeat(65));
    let error = try_build(&many).expect_err("is too long");
    assert_eq!(error.to_string(), "command: must have at most 64 parts");
}
