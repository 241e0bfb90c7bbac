//! Tables that fit the screen they are printed on.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GAP: &str = "  ";

/// No column gets narrower than this: what is left would say nothing.
const COLUMN_MIN: usize = 8;

/// Rows under a head, in columns as wide as their widest cell.
///
/// With a `limit`, in columns of the screen, the widest ones give way until all fit, and a cell
/// that lost its end says so with `…`. Without one, for a file or a pipe, every cell is whole.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], limit: Option<usize>) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let cells: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let mut widths = vec![0; head.len()];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row.iter()) {
            *width = cell.width().max(*width);
        }
    }
    if let Some(limit) = limit {
        shrink(&mut widths, limit);
    }
    let mut text = String::new();
    for row in cells {
        let padded = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width));
        text.push_str(padded.collect::<Vec<_>>().join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// Takes from the widest column until all fit, or none can give more.
fn shrink(widths: &mut [usize], limit: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while limit < widths.iter().sum::<usize>() + gaps {
        match widths.iter_mut().max() {
            Some(widest) if COLUMN_MIN < *widest => *widest -= 1,
            _ => return,
        }
    }
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

/// Numbers, those that follow upon one another as one: `4-103, 107`.
pub(super) fn ranges(numbers: &[u64]) -> String {
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
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[&[&str]], limit: Option<usize>, expected: &str) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        assert_eq!(table(&["ID", "WHAT"], &rows, limit), expected);
    }

    #[test]
    fn a_pipe_gets_every_cell_whole() {
        let long = "a very long answer of some server".repeat(9);
        check(&[&["1", &long]], None, &format!("ID  WHAT\n1   {long}\n"));
    }

    #[test]
    fn a_screen_gets_what_fits_and_the_widest_give_way() {
        check(&[&["1", "0123456789"]], Some(14), "ID  WHAT\n1   0123456789\n");
        check(&[&["1", "0123456789"]], Some(13), "ID  WHAT\n1   01234567…\n");
        check(&[&["1", "0123456789"]], Some(1), "ID  WHAT\n1   0123456…\n");
    }

    #[test]
    fn characters_of_two_columns_count_as_two() {
        check(&[&["北", "北京一"], &["1", "x"]], None, "ID  WHAT\n北  北京一\n1   x\n");
        check(&[&["1", "北京北京北京"]], Some(13), "ID  WHAT\n1   北京北京…\n");
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
            assert_eq!(ranges(numbers), expected);
        }
    }
}
