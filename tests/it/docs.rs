//! What the documents say about the code, compared with the code.

use std::fmt::Write as _;

const BEGIN: &str = "<!-- kinds of sinks:";
const END: &str = "<!-- end -->";

#[test]
fn the_readme_lists_every_kind_of_sink() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (shown, behind) = rest.split_once(END).unwrap();
    let mut table = "| kind | what |\n|---|---|\n".to_owned();
    for kind in taskbell::sink::KINDS {
        writeln!(table, "| `{}` | {} |", kind.name, kind.summary).unwrap();
    }
    if taskbell::options::env("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{mark}\n{table}{END}{behind}")).unwrap();
    } else {
        assert_eq!(shown, table, "BLESS=1 rewrites it");
    }
}
