//! Lists: which part of one is asked for, and how it is printed.

use serde_json::Value;

use super::{look::cell, out};
use crate::{
    admin::{LIMIT_DEFAULT, ListQuery, Order},
    exit::Exit,
};

/// Most numbers that a cell of a table lists.
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
    match row.get(path) {
        Some(Value::Array(all)) if NUMBERS_MAX < all.len() && all.iter().all(Value::is_u64) => {
            let first: Vec<String> = all.iter().take(NUMBERS_MAX).map(Value::to_string).collect();
            format!("{} and {} more", first.join(", "), all.len() - NUMBERS_MAX)
        }
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
