//! What SECURITY.md says of the process and its files, asked of the real binary.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use crate::stage::Stage;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_record_and_the_socket_are_for_their_owner_alone() {
    let stage = Stage::new("").await;
    let daemon = stage.daemon();
    stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
    let socket = stage.store().join("control.sock");
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!((mode(&stage.store()), mode(&socket)), (0o700, 0o600));
    assert_eq!(mode(&stage.store().join("lock")), 0o600);

    let limits = format!("/proc/{}/limits", daemon.pid().as_raw_nonzero());
    let limits = fs::read_to_string(limits).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "core dumps are off: {core}");
}

#[tokio::test]
async fn a_record_that_others_can_open_is_refused_and_left_alone() {
    let stage = Stage::new("").await;
    stage.run(&["once"]).await;
    let before = fs::read(stage.files().join("db")).unwrap();
    fs::set_permissions(stage.store(), fs::Permissions::from_mode(0o755)).unwrap();
    for command in [&["once"][..], &["run"], &["failure", "list"]] {
        let output = stage.run(command).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{command:?}: {text}");
        let said = "is open to other users (mode 755): close it with `chmod 700 ";
        assert!(text.contains(said), "{command:?}: {text}");
    }
    assert_eq!(fs::read(stage.files().join("db")).unwrap(), before);
    fs::set_permissions(stage.store(), fs::Permissions::from_mode(0o700)).unwrap();
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn a_record_beside_which_anybody_can_write_is_refused() {
    let stage = Stage::new("").await;
    stage.run(&["once"]).await;
    let around = stage.store().parent().unwrap().to_owned();
    fs::set_permissions(&around, fs::Permissions::from_mode(0o777)).unwrap();
    for command in [&["once"][..], &["run"], &["failure", "list"]] {
        let output = stage.run(command).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{command:?}: {text}");
        let said = "beside the store (mode 777): close it with `chmod o-w ";
        assert!(text.contains(said), "{command:?}: {text}");
    }
    fs::set_permissions(&around, fs::Permissions::from_mode(0o700)).unwrap();
    let copy = stage.store().with_file_name("store.checkpoint");
    let kept = stage.store().with_file_name("kept");
    fs::write(&kept, "").unwrap();
    std::os::unix::fs::symlink(&kept, &copy).unwrap();
    let output = stage.run(&["once"]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{text}");
    assert!(text.contains("store.checkpoint is no plain file: move it away"), "{text}");
    fs::remove_file(&copy).unwrap();
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
