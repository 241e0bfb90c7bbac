//! The rules that the compiler does not know: who may import whom, what is pure, how files look.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A module, and the only sibling modules that its code may name. In the order of the data's way.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    ("text", &[]),
    ("name", &[]),
    ("task", &["text"]),
    ("failure", &["name", "task"]),
    ("notice", &["failure", "name", "task"]),
    ("silence", &[]),
    ("progress", &[]),
    ("runtime", &["options"]),
    ("heap", &[]),
    ("message", &[]),
    ("delivery", &["failure", "name", "notice", "task"]),
    ("options", &["secret"]),
    ("http", &["options", "text"]),
    ("heartbeat", &["http", "secret"]),
    ("huawei", &["secret"]),
    ("journal", &[]),
    ("failpoint", &["options"]),
    ("decide", &["delivery", "failure", "name", "notice", "options", "silence", "task", "text"]),
    (
        "source",
        &[
            "clock", "decide", "http", "huawei", "name", "notice", "options", "secret", "task",
            "text",
        ],
    ),
    ("render", &["failure", "name", "notice", "task", "text"]),
    (
        "sink",
        &[
            "clock", "delivery", "failure", "http", "huawei", "journal", "message", "name",
            "notice", "options", "render", "secret", "task", "text",
        ],
    ),
    (
        "store",
        &[
            "decide",
            "delivery",
            "failpoint",
            "failure",
            "http",
            "message",
            "name",
            "notice",
            "progress",
            "silence",
            "source",
            "task",
            "text",
        ],
    ),
    ("sim", &["clock", "options", "secret"]),
    ("receiver", &["clock", "sink"]),
    (
        "worker",
        &[
            "clock",
            "decide",
            "delivery",
            "failpoint",
            "failure",
            "heap",
            "heartbeat",
            "http",
            "message",
            "name",
            "notice",
            "progress",
            "silence",
            "sink",
            "source",
            "store",
            "task",
            "text",
        ],
    ),
];

/// Words that a pure module's code must not contain.
const IMPURE: &[&str] =
    &["async ", "reqwest", "sled::", "std::env", "std::fs", "tokio", "tracing", "Timestamp::now"];

/// Most lines of a file, tests included. Beyond it, a file holds more than one idea.
const LINES_MAX: usize = 450;

fn rust_files(under: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a top-level module: `name.rs` and all below `name/`.
fn files_of(module: &str) -> Vec<PathBuf> {
    let (file, folder) = (src().join(format!("{module}.rs")), src().join(module));
    let mut files = if folder.is_dir() { rust_files(&folder) } else { Vec::new() };
    files.extend(file.is_file().then_some(file));
    assert!(!files.is_empty(), "there is no module {module}");
    files
}

/// A file without comments and without its unit tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = own.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// The modules that follow each `crate::`, alone or in braces.
fn imported(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for c in list.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 || (depth == 1 && c == ',') {
                names.insert(word(item.trim()));
                item.clear();
            } else {
                item.push(c);
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn every_import_follows_the_data() {
    let mut broken = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for file in files_of(module) {
            let is_test = file.components().any(|part| part.as_os_str() == "tests")
                || file.file_stem().is_some_and(|stem| stem == "tests");
            if is_test {
                continue;
            }
            for name in imported(&code(&file)) {
                if name != *module && !allowed.contains(&name.as_str()) {
                    broken.push(format!("{}: {module} -> {name}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "imports against the flow:\n{}", broken.join("\n"));
}

#[test]
fn decisions_and_words_do_no_io() {
    for module in
        ["decide", "task", "failure", "message", "notice", "delivery", "name", "text", "secret"]
    {
        for file in files_of(module) {
            let code = code(&file);
            for word in IMPURE {
                assert!(!code.contains(word), "{} contains `{word}`", file.display());
            }
        }
    }
}

#[test]
fn every_file_begins_with_what_it_is_for_and_holds_one_idea() {
    for file in rust_files(&src()) {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.display();
        let is_test = shown.to_string().contains("tests");
        assert!(is_test || text.starts_with("//!"), "{shown} has no header");
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{shown} has {lines} lines");
    }
}

#[test]
fn every_kind_is_listed() {
    for (port, kinds) in [
        ("source", taskbell::source::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()),
        ("sink", taskbell::sink::KINDS.iter().map(|kind| kind.name).collect()),
    ] {
        let text = fs::read_to_string(src().join(port).join("mod.rs")).unwrap();
        for kind in kinds {
            assert!(text.contains(&format!("mod {kind};")), "{port} {kind} is no file of its own");
        }
    }
}
