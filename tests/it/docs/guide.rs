//! Runs what the guide shows.
//!
//! A block that begins with ```` ```toml check ```` is a whole config: `taskbell check` must take
//! it without a warning. Any other ```` ```toml ```` block is a part of one, and is put into a whole
//! config. A block that begins with ```` ```console run ```` holds commands after `$ `, run in order
//! by a shell in a folder with a config, against a simulated cloud and receivers; each must exit
//! with 0, or with the code in its block's mark: ```` ```console run exit=1 ````. With `host=new` it
//! is another host: another config, with a record of its own. What a guide does with systemd
//! happens by name only; `packaging/systemd/test` does it in earnest.

use std::{
    fmt::Write as _,
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
        for (nth, line) in text.lines().map(str::trim_start).enumerate() {
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
    found.retain(|block| {
        let exact = block.mark == mark;
        exact || block.mark.strip_prefix(mark).is_some_and(|more| more.starts_with(' '))
    });
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

/// Whether `taskbell check` takes this config, with something in place of each secret.
fn check(text: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut rewritten = text.to_owned();
    let mut command = taskbell(folder.path());
    for path in named(text, "file") {
        let file = folder.path().join(path.replace('/', "_"));
        fs::write(&file, secret(path)).unwrap();
        rewritten = rewritten.replace(path, file.to_str().unwrap());
    }
    for name in named(text, "credential") {
        fs::write(folder.path().join(name), secret(name)).unwrap();
    }
    for name in named(text, "env") {
        command.env(name, secret(&name.to_lowercase()));
    }
    let authority = rcgen::generate_simple_self_signed(["cloud.example".to_owned()]).unwrap();
    let authority_file = folder.path().join("ca.pem");
    fs::write(&authority_file, authority.cert.pem()).unwrap();
    rewritten = rewritten.replace("/etc/taskbell/ca.pem", authority_file.to_str().unwrap());
    for (name, words) in [("title.j2", "{{ title }}"), ("text.j2", "{{ text }}")] {
        fs::write(folder.path().join(name), words).unwrap();
    }
    fs::write(folder.path().join("body.j2"), "{\"text\": {{ text | tojson }}}").unwrap();
    // The file of the official tools.
    let tools = folder.path().join(".huaweicloud");
    fs::create_dir(&tools).unwrap();
    fs::write(tools.join("credentials"), "[basic]\nak = EXAMPLE\nsk = example\n").unwrap();
    fs::set_permissions(tools.join("credentials"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, rewritten).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    command.env("HOME", folder.path());
    command.env("CREDENTIALS_DIRECTORY", folder.path());
    command.arg("check").args(more).output().unwrap()
}

#[test]
fn every_config_of_the_guide_is_good() {
    for block in blocks("toml check") {
        let output = check(&block.text, &["--deny-warnings"]);
        assert!(output.status.success(), "{}: {}", block.place(), said(&output));
    }
}

/// What parts of a config are put into.
const WHOLE: &str = r#"
    [[source]]
    name = "prod"
    kind = "kps"
    region = "cn-north-4"
    auth = { kind = "aksk", access_key = { env = "AK" }, secret_key = { env = "SK" } }
    [[sink]]
    name = "slack"
    kind = "slack"
    url = { credential = "slack-url" }
    [[sink]]
    name = "ops-mail"
    kind = "email"
    smtp = "smtps://smtp.example.com"
    from = "taskbell@example.com"
    to = ["ops@example.com"]
    [[route]]
    to = ["slack", "ops-mail"]
"#;

/// Puts a part into a whole config: tables with a name join those of that name, routes go before
/// the last one, and keys without a table are those of a source or of a sink.
fn put(whole: &mut toml::Table, part: toml::Table) {
    for (key, value) in part {
        let first = |whole: &mut toml::Table, list: &str| -> toml::Table {
            whole[list].as_array().unwrap()[0].as_table().unwrap().clone()
        };
        match (key.as_str(), value) {
            ("route", toml::Value::Array(routes)) => {
                let all = whole["route"].as_array_mut().unwrap();
                for (nth, mut route) in routes.into_iter().enumerate() {
                    route.as_table_mut().unwrap().insert("continue".to_owned(), true.into());
                    all.insert(nth, route);
                }
            }
            (list, toml::Value::Array(tables)) => {
                let all = whole.entry(list).or_insert(toml::Value::Array(Vec::new()));
                let all = all.as_array_mut().unwrap();
                for table in tables {
                    let same = all.iter_mut().find(|one| one.get("name") == table.get("name"));
                    match (same, table) {
                        (Some(toml::Value::Table(one)), toml::Value::Table(table)) => {
                            one.extend(table);
                        }
                        (_, table) => all.push(table),
                    }
                }
            }
            ("auth" | "cleanup" | "url", value) => {
                let list = if key == "url" { "sink" } else { "source" };
                let mut table = first(whole, list);
                table.insert(key, value);
                whole[list].as_array_mut().unwrap()[0] = table.into();
            }
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

#[test]
fn every_part_of_a_config_in_the_guide_fits_a_whole_one() {
    for block in blocks("toml").iter().filter(|block| block.mark == "toml") {
        let mut whole: toml::Table = toml::from_str(WHOLE).unwrap();
        let part = toml::from_str(&block.text).unwrap_or_else(|error| {
            panic!("{}: {error}", block.place());
        });
        put(&mut whole, part);
        let output = check(&inline(&whole), &[]);
        assert!(output.status.success(), "{}: {}\n{whole}", block.place(), said(&output));
    }
}

/// A config whose inner tables are inline, as people write them.
fn inline(whole: &toml::Table) -> String {
    let mut text = String::new();
    let mut write = |head: String, table: &toml::Value| {
        writeln!(text, "{head}").unwrap();
        for (key, value) in table.as_table().unwrap() {
            writeln!(text, "{key} = {value}").unwrap();
        }
    };
    for (key, table) in whole.iter().filter(|(_, value)| value.is_table()) {
        write(format!("[{key}]"), table);
    }
    for (key, list) in whole {
        for table in list.as_array().into_iter().flatten() {
            write(format!("[[{key}]]"), table);
        }
    }
    text
}

/// Where a page's words are, on this host: its paths, and what this test puts in their place.
struct Host {
    folder: PathBuf,
    config: PathBuf,
    store: PathBuf,
}

impl Host {
    /// Runs a line of the guide.
    fn shell(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_taskbell")).parent().unwrap();
        let path = taskbell::options::env("PATH").unwrap_or_default();
        let backup = self.folder.join("backup");
        let line = line
            .replace("/etc/taskbell/config.toml", self.config.to_str().unwrap())
            .replace("/var/lib/taskbell/store", self.store.to_str().unwrap())
            .replace("/backup", backup.to_str().unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(&self.folder).stdin(Stdio::null());
        let bin = self.folder.join("bin");
        command.env("PATH", format!("{}:{}:{path}", bin.display(), program.display()));
        command.env("TASKBELL_CONFIG", &self.config).output().unwrap()
    }
}

/// A folder like that of somebody who reads the guide.
fn desk(stage: &Stage) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(stage.config(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::copy(stage.config(), folder.path().join("new.toml")).unwrap();
    for made in ["bin", "backup"] {
        fs::create_dir(folder.path().join(made)).unwrap();
    }
    for program in ["systemctl", "journalctl"] {
        let path = folder.path().join("bin").join(program);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let new = folder.path().join("taskbell-new");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_taskbell"), new).unwrap();
    folder
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
        let folder = desk(&stage);
        let here = |config: PathBuf, store: PathBuf| Host {
            folder: folder.path().to_owned(),
            config,
            store,
        };
        let new_store = folder.path().join("new-store");
        let text = fs::read_to_string(stage.config()).unwrap();
        let text = text.replace(stage.store().to_str().unwrap(), new_store.to_str().unwrap());
        let new_config = folder.path().join("new-host.toml");
        fs::write(&new_config, text).unwrap();
        fs::set_permissions(&new_config, fs::Permissions::from_mode(0o600)).unwrap();
        let hosts =
            std::sync::Arc::new([here(stage.config(), stage.store()), here(new_config, new_store)]);
        for block in blocks.iter().filter(|block| block.page == page) {
            let code = block.mark.split_once("exit=").map_or(0, |(_, code)| code.parse().unwrap());
            let host = usize::from(block.mark.contains("host=new"));
            let lines = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
            for line in lines {
                let (hosts, owned) = (std::sync::Arc::clone(&hosts), line.to_owned());
                let run = tokio::task::spawn_blocking(move || hosts[host].shell(&owned));
                let output = run.await.unwrap();
                let place = block.place();
                assert_eq!(output.status.code(), Some(code), "{place}: {line}: {}", said(&output));
            }
        }
    }
}
