//! What the documents say about the code, compared with the code.
//!
//! Reference pages are made from it: `BLESS=1 cargo test docs` writes them anew. Configs and
//! commands of the guide are run.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

mod answers;
mod guide;
mod reference;

const BEGIN: &str = "<!-- kinds of sinks:";
const END: &str = "<!-- end -->";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blesses() -> bool {
    taskbell::options::env("BLESS").is_some()
}

#[test]
fn the_readme_lists_every_kind_of_sink() {
    let path = top().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (shown, behind) = rest.split_once(END).unwrap();
    let mut table = "| kind | what |\n|---|---|\n".to_owned();
    for kind in taskbell::sink::KINDS {
        writeln!(table, "| `{}` | {} |", kind.name, kind.summary).unwrap();
    }
    if blesses() {
        fs::write(&path, format!("{before}{BEGIN}{mark}\n{table}{END}{behind}")).unwrap();
    } else {
        assert_eq!(shown, table, "BLESS=1 rewrites it");
    }
}

#[test]
fn reference_pages_say_what_the_code_says() {
    for (name, made) in reference::pages() {
        let path = top().join("docs/reference").join(name);
        if blesses() {
            fs::write(&path, made).unwrap();
            continue;
        }
        let shown = fs::read_to_string(&path).unwrap_or_default();
        let differs = shown.lines().zip(made.lines()).find(|(shown, made)| shown != made);
        assert!(
            shown == made,
            "docs/reference/{name} is not what the code says; BLESS=1 rewrites it\n{differs:#?}"
        );
    }
}

/// Every page below `docs`, and the README.
fn pages() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found = vec![top().join("README.md"), top().join("CHANGELOG.md")];
    walk(&top().join("docs"), &mut found);
    found.sort();
    found
}

/// The targets of the links of a page, without their anchors.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn links_lead_somewhere_and_the_summary_to_every_page() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            let found = page.parent().unwrap().join(target);
            assert!(found.exists(), "{}: {target} leads nowhere", page.display());
        }
    }
    let docs = top().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<PathBuf> = links(&summary).into_iter().map(|to| docs.join(to)).collect();
    let own = |page: &&PathBuf| page.starts_with(&docs) && !page.ends_with("SUMMARY.md");
    let pages = pages();
    let missing: Vec<_> = pages.iter().filter(own).filter(|page| !listed.contains(*page)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
    // mdBook takes each page once.
    let links = summary.lines().filter_map(|line| line.split_once("](")).map(|(_, link)| link);
    let mut links: Vec<&str> = links.collect();
    links.sort_unstable();
    let twice: Vec<_> = links.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "docs/SUMMARY.md lists twice: {twice:?}");
}
