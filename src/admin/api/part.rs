//! Parts of lists that are short enough to be put together whole.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::admin::{
    AdminError, LIMIT_DEFAULT, LIMIT_MAX,
    list::{cursor_of, cursor_text},
    problem::Problem,
    view::{Listing, json},
};

/// Which part.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PartQuery {
    /// The `next` of the part before.
    cursor: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

impl PartQuery {
    /// The part of `list` that is asked for. The field `key` of an item names it.
    pub(super) fn of(&self, list: Value, key: &str) -> Result<Value, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        let Value::Array(items) = list else { return Ok(list) };
        let names: Vec<String> = items.iter().map(|item| name(item, key)).collect();
        let begin = match &self.cursor {
            None => 0,
            Some(cursor) => begin(cursor, &names)?,
        };
        let end = begin.saturating_add(limit);
        let ending = end.checked_sub(1).and_then(|at| names.get(at));
        let next = ending.filter(|_| end < names.len());
        let next = next.map(|name| cursor_of(&format!("{end}:{name}")));
        let items: Vec<Value> = items.into_iter().skip(begin).take(limit).collect();
        Ok(json(&Listing { items, next }))
    }
}

fn name(item: &Value, key: &str) -> String {
    match item.get(key) {
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Behind the item that the cursor names; if that is gone, at its place.
fn begin(cursor: &str, names: &[String]) -> Result<usize, AdminError> {
    let text = cursor_text(cursor)?;
    let parts = text.split_once(':').and_then(|(at, name)| Some((at.parse::<usize>().ok()?, name)));
    let Some((at, name)) = parts else {
        let problem = "cursor must be the `next` of an earlier answer to the same question";
        return Err(AdminError::Invalid(problem.to_owned()));
    };
    Ok(names.iter().position(|known| known == name).map_or(at, |found| found.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_goes_on_behind_its_item_even_if_others_come_and_go() {
        let list = |names: &[&str]| -> Value {
            names.iter().map(|name| json!({ "name": name })).collect()
        };
        let query = |cursor| PartQuery { cursor, limit: Some(2) };
        let names = |part: &Value| -> Vec<String> {
            let items = part["items"].as_array().unwrap();
            items.iter().map(|item| name(item, "name")).collect()
        };
        let first = query(None).of(list(&["a", "b", "c", "d"]), "name").unwrap();
        assert_eq!(names(&first), ["a", "b"]);
        let next = first["next"].as_str().map(str::to_owned);
        let second = query(next.clone()).of(list(&["z", "a", "b", "c"]), "name").unwrap();
        assert_eq!((names(&second), &second["next"]), (vec!["c".to_owned()], &Value::Null));
        let gone = query(next).of(list(&["a", "c", "d"]), "name").unwrap();
        assert_eq!(names(&gone), ["d"]);
        for cursor in ["", "x", "!!", "YTo"] {
            assert!(query(Some(cursor.to_owned())).of(list(&["a"]), "name").is_err(), "{cursor}");
        }
    }
}
