//! Lists: which part of one is asked for, and how it is printed.

use serde_json::Value;

use super::{look::cell, out, table};
use crate::{
    admin::{LIMIT_DEFAULT, ListQuery, Order},
    exit::Exit,
};

/// Most numbers, or ranges of them, that a cell of a list shows.
const NUMBERS_MAX: usize = 4;

/// Which part of a list.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Page {
    /// Only after this number
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// The newest first
    #[arg(long, conflicts_with = "after")]
    newest: bool,
    /// At most so many, from 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT_DEFAULT)]
    limit: usize,
}

impl Page {
    pub(super) fn query(&self) -> ListQuery {
        let order = self.newest.then_some(Order::Desc);
        ListQuery { after: self.after, limit: Some(self.limit), order, ..ListQuery::default() }
    }

    /// Says to whoever sits there that a list that is as long as it may be can go on.
    pub(super) fn list(&self, value: &Value, columns: &[(&str, &str)]) -> Exit {
        let exit = list(value, columns);
        let last =
            value.as_array().filter(|rows| self.limit <= rows.len()).and_then(|all| all.last());
        if let Some(last) = last {
            let on = match (self.newest, cell(last, "id")) {
                (true, _) => String::new(),
                (false, id) => format!("; `--after {id}` shows what follows, `--newest` the end"),
            };
            out::note(&format!("as many as `--limit` says, {}{on}", self.limit));
        }
        exit
    }
}

/// A field of a row as a cell of a table, which shows some of many numbers.
fn brief(row: &Value, path: &str) -> String {
    let all = row.get(path).and_then(Value::as_array).into_iter().flatten();
    let numbers: Option<Vec<u64>> = all.map(Value::as_u64).collect();
    let runs = numbers.map(|numbers| table::ranges(&numbers)).unwrap_or_default();
    match runs.get(..NUMBERS_MAX) {
        Some(first) if first.len() < runs.len() => format!("{} and more", first.join(", ")),
        _ => cell(row, path),
    }
}

/// Prints a list with the given heads and fields.
pub(super) fn list(value: &Value, columns: &[(&str, &str)]) -> Exit {
    let rows: Vec<Vec<String>> = value
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|(_, path)| brief(row, path)).collect())
        .collect();
    let head: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    out::table(&head, &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_shows_some_of_many_numbers() {
        for (value, expected) in [
            (json!([]), "-"),
            (json!([4, 5, 6, 7, 8, 10]), "4-8, 10"),
            (json!([1, 3, 5, 7]), "1, 3, 5, 7"),
            (json!([1, 3, 5, 7, 9, 11]), "1, 3, 5, 7 and more"),
            (json!(["a", "b"]), "a, b"),
            (json!(7), "7"),
        ] {
            assert_eq!(brief(&json!({ "field": value }), "field"), expected);
        }
    }
}
