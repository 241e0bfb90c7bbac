//! Tables that fit the screen they are printed on.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: &str = "  ";

/// No column of words gets narrower than this: what is left would say nothing.
const COLUMN_MIN: usize = 12;

/// Nor the first column, which says what the row is about.
const FIRST_MIN: usize = 24;

/// Columns that a narrow screen does without, by their heads: the first of these goes first.
const SPARE: [&str; 17] = [
    "TASK",
    "PROJECT",
    "STORM SINCE",
    "FIRST POLL",
    "BASELINE",
    "THEN",
    "KIND",
    "TYPE",
    "ATTEMPTS",
    "AUTHOR",
    "MERGED",
    "WAITING",
    "SUPPRESSED",
    "GAP",
    "REGION",
    "IN DIGESTS",
    "OLDEST PENDING",
];

/// A table as it is printed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Table {
    /// The lines.
    pub(super) text: String,
    /// Heads of columns for which the screen had no room.
    pub(super) without: Vec<&'static str>,
}

/// Rows under a head, in columns as wide as their widest cell.
///
/// With a `limit`, in columns of the screen, what matters least gives way until all fit: fractions
/// of seconds, whole columns, the ends of long words (such a cell says so with `…`). Numbers and
/// instants are never cut. Without a limit, for a file or a pipe, every cell is whole.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], limit: Option<usize>) -> Table {
    let column = |(nth, head): (usize, &&str)| {
        let below = rows.iter().map(|row| row.get(nth).cloned().unwrap_or_default());
        Column::new(head, below.collect(), nth == 0)
    };
    let mut columns: Vec<Column> = head.iter().enumerate().map(column).collect();
    let without = limit.map(|limit| fit(&mut columns, limit)).unwrap_or_default();
    let mut text = String::new();
    for nth in 0..=rows.len() {
        let cells = columns.iter().filter_map(|one| Some(pad(one.cells.get(nth)?, one.width)));
        text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
        text.push('\n');
    }
    Table { text, without }
}

struct Column {
    /// The head, then what is below it.
    cells: Vec<String>,
    width: usize,
    /// How narrow it may get.
    least: usize,
}

impl Column {
    fn new(head: &str, below: Vec<String>, first: bool) -> Self {
        let stiff = below.iter().all(|cell| is_number(cell) || is_instant(cell) || cell == "-");
        let mut cells = vec![head.to_owned()];
        cells.extend(below);
        let width = widest(&cells);
        let least = match (stiff, first) {
            (true, _) => width,
            (false, true) => width.min(FIRST_MIN),
            (false, false) => width.min(COLUMN_MIN.max(head.width())),
        };
        Self { cells, width, least }
    }

    fn is(&self, head: &str) -> bool {
        self.cells.first().is_some_and(|cell| cell == head)
    }
}

fn widest(cells: &[String]) -> usize {
    cells.iter().map(|cell| cell.width()).max().unwrap_or_default()
}

/// A count, or several in a short form such as `1440/1440`.
fn is_number(cell: &str) -> bool {
    cell.len() <= COLUMN_MIN && cell.starts_with(|c: char| c.is_ascii_digit())
}

fn is_instant(cell: &str) -> bool {
    cell.parse::<jiff::Timestamp>().is_ok()
}

/// `2026-11-25T02:40:05.322Z` without the fraction.
fn whole_seconds(cell: &str) -> Option<String> {
    let (seconds, _) = cell.split_once('.').filter(|_| is_instant(cell))?;
    Some(format!("{seconds}Z"))
}

/// Makes the columns fit, as far as it can be; gives back the heads of those that went.
fn fit(columns: &mut Vec<Column>, limit: usize) -> Vec<&'static str> {
    if limit < total(columns, |column| column.width) {
        columns.iter_mut().for_each(Column::round);
    }
    let mut without = Vec::new();
    for spare in SPARE {
        if total(columns, |column| column.least) <= limit {
            break;
        }
        let before = columns.len();
        columns.retain(|column| !column.is(spare));
        if columns.len() < before {
            without.push(spare);
        }
    }
    while limit < total(columns, |column| column.width) {
        let soft = columns.iter_mut().filter(|column| column.least < column.width);
        match soft.max_by_key(|column| column.width) {
            Some(widest) => widest.width -= 1,
            None => break,
        }
    }
    without
}

impl Column {
    /// Leaves out fractions of seconds.
    fn round(&mut self) {
        for cell in &mut self.cells {
            if let Some(short) = whole_seconds(cell) {
                *cell = short;
            }
        }
        self.width = widest(&self.cells);
        self.least = self.least.min(self.width);
    }
}

fn total(columns: &[Column], width: impl Fn(&Column) -> usize) -> usize {
    columns.iter().map(width).sum::<usize>() + GAP.len() * columns.len().saturating_sub(1)
}

/// The cell in exactly so many columns.
fn pad(cell: &str, width: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    let whole = cell.width() <= width;
    // One column is kept for the mark.
    let room = if whole { width } else { width.saturating_sub(1) };
    for c in cell.chars() {
        let wide = c.width().unwrap_or(0);
        if room < used + wide {
            break;
        }
        text.push(c);
        used += wide;
    }
    if !whole {
        text.push('…');
        used += 1;
    }
    text.push_str(&" ".repeat(width.saturating_sub(used)));
    text
}

/// Numbers, those that follow upon one another as one: `4-103`, `107`.
pub(super) fn ranges(numbers: &[u64]) -> Vec<String> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): &(u64, u64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[track_caller]
    fn check(cells: &[&[&str]], limit: Option<usize>, expected: &str) {
        let made = table(&["ID", "WHAT"], &rows(cells), limit);
        assert_eq!(made, Table { text: expected.to_owned(), without: Vec::new() });
    }

    #[test]
    fn a_pipe_gets_every_cell_whole() {
        let long = "a very long answer of some server".repeat(9);
        check(&[&["1", &long]], None, &format!("ID  WHAT\n1   {long}\n"));
        let at = "2026-11-25T02:40:05.322Z";
        check(&[&["1", at]], None, &format!("ID  WHAT\n1   {at}\n"));
    }

    #[test]
    fn a_screen_gets_what_fits_and_the_widest_give_way() {
        check(&[&["1", "an answer that ends"]], Some(23), "ID  WHAT\n1   an answer that ends\n");
        check(&[&["1", "an answer that ends"]], Some(22), "ID  WHAT\n1   an answer that en…\n");
        check(&[&["1", "an answer that ends"]], Some(1), "ID  WHAT\n1   an answer t…\n");
    }

    #[test]
    fn numbers_and_instants_are_never_cut_but_for_fractions_of_seconds() {
        let at = "2026-11-25T02:40:05.322Z";
        check(&[&["1", at]], Some(28), &format!("ID  WHAT\n1   {at}\n"));
        check(&[&["1", at], &["2", "-"]], Some(9), "ID  WHAT\n1   2026-11-25T02:40:05Z\n2   -\n");
        check(&[&["12345678", "123/12345"]], Some(9), "ID        WHAT\n12345678  123/12345\n");
    }

    #[test]
    fn a_narrow_screen_does_without_what_matters_least() {
        let head = ["NAME", "PROJECT", "KIND", "STATE"];
        let cells = rows(&[&["prod-beijing", "0123456789abcdef0123456789abcdef", "kps", "seen"]]);
        for (limit, heads, without) in [
            (61, "NAME          PROJECT                           KIND  STATE", &[][..]),
            (39, "NAME          PROJECT       KIND  STATE", &[]),
            (38, "NAME          KIND  STATE", &["PROJECT"]),
            (20, "NAME          STATE", &["PROJECT", "KIND"]),
            (9, "NAME          STATE", &["PROJECT", "KIND"]),
        ] {
            let made = table(&head, &cells, Some(limit));
            assert_eq!(made.text.lines().next(), Some(heads), "{limit}");
            assert_eq!(made.without, without, "{limit}");
            assert!(made.text.contains("prod-beijing"), "{}", made.text);
        }
    }

    #[test]
    fn characters_of_two_columns_count_as_two() {
        check(&[&["北", "北京一"], &["1", "x"]], None, "ID  WHAT\n北  北京一\n1   x\n");
        check(&[&["1", "北京北京北京北京"]], Some(17), "ID  WHAT\n1   北京北京北京…\n");
    }

    #[test]
    fn numbers_in_a_row_are_one() {
        for (numbers, expected) in [
            (&[][..], ""),
            (&[4], "4"),
            (&[4, 5], "4, 5"),
            (&[4, 5, 6, 9, 11, 12, 13, u64::MAX], "4-6, 9, 11-13, 18446744073709551615"),
            (&[7, 6, 6, 7], "7, 6, 6, 7"),
        ] {
            assert_eq!(ranges(numbers).join(", "), expected);
        }
    }
}
