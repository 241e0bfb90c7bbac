//! Runs what the guide shows.
//!
//! A block that begins with ```` ```toml check ```` is a whole config: `taskbell check` must take
//! it without a warning. A block that begins with ```` ```console run ```` holds commands after
//! `$ `, run in order by a shell in a folder with a config, against a simulated cloud and receivers;
//! each must exit with 0, or with the code in its block's mark: ```` ```console run exit=1 ````.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::{pages, top};
use crate::stage::Stage;

struct Block {
    page: PathBuf,
    line: usize,
    mark: String,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page.strip_prefix(top()).unwrap().display(), self.line)
    }
}

/// The blocks of all pages whose mark begins with `mark`.
fn blocks(mark: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Block> = None;
        for (nth, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (Some(_), Some("")) => found.extend(open.take()),
                (Some(block), _) => block.text.extend([line, "\n"]),
                (None, Some(mark)) => {
                    let (mark, text) = (mark.to_owned(), String::new());
                    open = Some(Block { page: page.clone(), line: nth + 1, mark, text });
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", page.display());
    }
    found.retain(|block| block.mark.starts_with(mark));
    assert!(!found.is_empty(), "no page has a block {mark}");
    found
}

/// The names behind `{ file = "…" }` and the like.
fn named<'a>(text: &'a str, place: &str) -> Vec<&'a str> {
    let begins = format!("{{ {place} = \"");
    text.split(begins.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Something that can be the secret of this name.
fn secret(name: &str) -> &'static str {
    if name.contains("url") || name.contains("heartbeat") {
        "https://hooks.example.com/services/T0/B0/x"
    } else if name.contains("whsec") {
        "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE="
    } else if name.contains("telegram") {
        "123456789:AAexampleexampleexampleexampleexample"
    } else {
        "0123456789abcdef0123456789abcdef"
    }
}

fn taskbell(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn every_config_of_the_guide_is_good() {
    for block in blocks("toml check") {
        let folder = tempfile::tempdir().unwrap();
        let mut text = block.text.clone();
        let mut check = taskbell(folder.path());
        for path in named(&block.text, "file") {
            let file = folder.path().join(path.replace('/', "_"));
            fs::write(&file, secret(path)).unwrap();
            text = text.replace(path, file.to_str().unwrap());
        }
        for name in named(&block.text, "credential") {
            fs::write(folder.path().join(name), secret(name)).unwrap();
        }
        for name in named(&block.text, "env") {
            check.env(name, secret(&name.to_lowercase()));
        }
        fs::write(folder.path().join("config.toml"), text).unwrap();
        check.env("CREDENTIALS_DIRECTORY", folder.path());
        let output = check.args(["check", "--deny-warnings"]).output().unwrap();
        assert!(output.status.success(), "{}: {}", block.place(), said(&output));
    }
}

/// Runs a line of the guide.
fn shell(folder: &Path, config: &Path, line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_taskbell")).parent().unwrap();
    let path = taskbell::options::env("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", program.display())).env("TASKBELL_CONFIG", config);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_runs() {
    let mut pages: Vec<PathBuf> = Vec::new();
    let blocks = blocks("console run");
    pages.extend(blocks.iter().map(|block| block.page.clone()));
    pages.dedup();
    for page in pages {
        // Each page tells a story of its own.
        let stage = Stage::new("wait = \"0s\"").await;
        stage.finish().await;
        stage.fail("web-01");
        stage.finish().await;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(stage.config(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::copy(stage.config(), folder.path().join("new.toml")).unwrap();
        for block in blocks.iter().filter(|block| block.page == page) {
            let code = block.mark.split_once("exit=").map_or(0, |(_, code)| code.parse().unwrap());
            let lines = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
            for line in lines {
                let (folder, config) = (folder.path().to_owned(), stage.config());
                let owned = line.to_owned();
                let run = tokio::task::spawn_blocking(move || shell(&folder, &config, &owned));
                let output = run.await.unwrap();
                let place = block.place();
                assert_eq!(output.status.code(), Some(code), "{place}: {line}: {}", said(&output));
            }
        }
    }
}
