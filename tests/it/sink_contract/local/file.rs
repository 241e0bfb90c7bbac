//! A file that is new, torn, rotated, shared and in the wrong place.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use serde_json::Value;

use super::{
    super::{build, examples, golden, kind, kinds, send, try_build, word},
    ANYWHERE, example_in, folder,
};

fn table(path: &Path) -> String {
    format!("name = 'a'\nkind = 'file'\npath = '{}'", path.display())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
}

#[tokio::test]
async fn each_notice_becomes_a_line_that_names_itself() {
    let folder = folder();
    let path = folder.path().join("notices.jsonl");
    let sink = build(&table(&path));
    sink.probe().await.unwrap();
    assert!(!path.exists(), "a probe writes nothing");
    let notices: Vec<_> = examples::all().into_iter().chain(kinds::all()).collect();
    for (case, notice) in &notices {
        assert_eq!(word(&send(&*sink, notice).await), "taken", "{case}");
    }
    sink.probe().await.unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), notices.len());
    for (line, (case, notice)) in lines.iter().zip(&notices) {
        assert_eq!(line["id"], notice.id.as_str(), "{case}");
        assert_eq!(line["type"], notice.kind.as_str(), "{case}");
        assert_eq!(line["data"]["total"], notice.total, "{case}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn lines_are_as_reviewed() {
    let sink = build(&example_in(kind("file"), ANYWHERE, Path::new("/nonexistent")));
    let all = examples::all().into_iter().chain(kinds::all());
    let lines = all.map(|(_, notice)| [sink.render(&notice), b"\n".to_vec()].concat());
    let text = lines.collect::<Vec<_>>().concat();
    golden::check("file/notices.jsonl", &text);
}

#[tokio::test]
async fn half_a_line_of_a_crash_costs_nothing_but_itself() {
    let folder = folder();
    let path = folder.path().join("notices.jsonl");
    fs::write(&path, "{\"id\":\"whole\"}\n{\"id\":\"ha").unwrap();
    let (sink, notice) = (build(&table(&path)), examples::one());
    send(&*sink, &notice).await.unwrap();
    send(&*sink, &notice).await.unwrap();
    let ids: Vec<Value> = lines(&path).iter().map(|line| line["id"].clone()).collect();
    let id = Value::from(notice.id.as_str());
    assert_eq!(ids, [Value::from("whole"), Value::Null, id.clone(), id]);
}

#[tokio::test]
async fn a_file_that_was_rotated_away_gets_no_further_line() {
    let folder = folder();
    let (path, old) = (folder.path().join("a.jsonl"), folder.path().join("a.jsonl.1"));
    let (sink, notice) = (build(&format!("{}\nfsync = false", table(&path))), examples::one());
    send(&*sink, &notice).await.unwrap();
    fs::rename(&path, &old).unwrap();
    send(&*sink, &notice).await.unwrap();
    assert_eq!((lines(&path).len(), lines(&old).len()), (1, 1));
}

#[tokio::test]
async fn lines_written_at_once_do_not_mix() {
    let folder = folder();
    let path = folder.path().join("a.jsonl");
    // Two sinks on one file share nothing but the file.
    let (one, two) = (build(&table(&path)), build(&table(&path)));
    let notice = examples::many(100);
    for _ in 0..8 {
        let (one, two) = tokio::join!(send(&*one, &notice), send(&*two, &notice));
        assert_eq!((word(&one), word(&two)), ("taken", "taken"));
    }
    let ids: Vec<Value> = lines(&path).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, vec![Value::from(notice.id.as_str()); 16]);
}

#[tokio::test]
async fn a_file_that_another_process_holds_gets_its_line_later() {
    let folder = folder();
    let path = folder.path().join("a.jsonl");
    let held = fs::File::create(&path).unwrap();
    held.lock().unwrap();
    let (sink, notice) = (build(&table(&path)), examples::one());
    let error = send(&*sink, &notice).await.expect_err("it is locked");
    assert_eq!(error.verdict.as_str(), "retry", "{error:?}");
    assert!(!error.uncertain && fs::read(&path).unwrap().is_empty());
    held.unlock().unwrap();
    assert_eq!(word(&send(&*sink, &notice).await), "taken");
}

#[tokio::test]
async fn what_cannot_be_written_to_is_probably_configuration() {
    let folder = folder();
    let path = folder.path().join("later");
    let sink = build(&table(&path));
    fs::create_dir(&path).unwrap();
    let notice = examples::one();
    assert_eq!(word(&send(&*sink, &notice).await), "suspect");
    fs::remove_dir(&path).unwrap();
    symlink("/dev/null", &path).unwrap();
    assert_eq!(word(&send(&*sink, &notice).await), "suspect");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let error = send(&*sink, &notice).await.expect_err("a pipe is not a file");
    assert_eq!(error.verdict.as_str(), "suspect", "{error:?}");
    assert!(sink.probe().await.is_err());
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = folder();
    let link = folder.path().join("link");
    symlink("/dev/null", &link).unwrap();
    for (path, expected) in [
        (folder.path(), "path: is a folder; name a file in it"),
        (Path::new("/dev/null"), "path: is not an ordinary file"),
        (&link, "path: is a symbolic link; name the file it leads to"),
        (Path::new("/"), "path: must name a file"),
        (Path::new(""), "path: must name a file"),
    ] {
        assert_eq!(try_build(&table(path)).unwrap_err().to_string(), expected);
    }
    let error = try_build("name = 'a'\nkind = 'file'").unwrap_err();
    assert_eq!(error.to_string(), "path: is required");
}
