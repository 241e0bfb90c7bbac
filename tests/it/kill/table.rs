//! What the rounds at a place came to, and the table of all places.

use std::fmt::Write as _;

use super::scene::{Kill, Story};

const BEGIN: &str = "<!-- kill matrix -->\n";
const END: &str = "<!-- end of kill matrix -->";

/// What came of the kills at one place.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) place: String,
    pub(crate) rounds: u32,
    /// Rounds in which the process died there; in the others it ended before it came so far.
    pub(crate) killed: u32,
    /// Failures that were listed.
    pub(crate) listed: usize,
    /// Messages that came again, with the same id and the same bytes.
    pub(crate) repeats: usize,
    /// What must not be, in words.
    pub(crate) wrong: Vec<String>,
}

impl Row {
    pub(crate) fn new(kill: Kill, story: Story) -> Self {
        let (rounds, killed, listed, repeats) = (0, 0, 0, 0);
        let place = format!("{kill}{}", story.aside());
        Self { place, rounds, killed, listed, repeats, wrong: Vec::new() }
    }
}

/// Puts the table into the document, between its marks.
pub(crate) fn write_table(rows: &[Row]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantee.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, behind) = rest.split_once(END).unwrap();
    let mut table = "| killed at | rounds | killed there | failures listed | lost | repeats, same id and bytes | other repeats, order broken |\n\
                     |---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let line = |place: &str, sums: [usize; 4]| {
        let [rounds, killed, listed, repeats] = sums;
        format!("| {place} | {rounds} | {killed} | {listed} | 0 | {repeats} | 0 |\n")
    };
    let size = |count: u32| usize::try_from(count).unwrap();
    let mut all = [0; 4];
    for row in rows {
        let sums = [size(row.rounds), size(row.killed), row.listed, row.repeats];
        all.iter_mut().zip(sums).for_each(|(all, one)| *all += one);
        table.write_str(&line(&row.place, sums)).unwrap();
    }
    table.push_str(&line("**all places**", all));
    std::fs::write(path, format!("{before}{BEGIN}{table}{END}{behind}")).unwrap();
}
