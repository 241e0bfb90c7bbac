//! Tasks as the simulator keeps and lists them.
//!
//! A row is rendered once, when it appears, and kept only in that form: a page of a thousand
//! rows is then a thousand copies of bytes, and a hundred thousand tasks fit in a few dozen
//! megabytes. The rare change of a row parses it again.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::options::Period;

/// A task as a scenario, a test or the control endpoint describes it.
///
/// What is left out is made up, the same way on every run, except for `error_code`, which is
/// then null as it is in the cloud.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimTask {
    /// A UUID by default.
    pub id: Option<String>,
    /// Any text; by default `FAILED_` and reset, replace or unbind.
    pub operate_type: Option<String>,
    /// When it failed. Left out: when it appears, less `age`.
    pub failed_at: Option<Timestamp>,
    /// How long before it appeared it had failed.
    pub age: Option<Period>,
    /// For instance `KPS.6009`.
    pub error_code: Option<String>,
    /// Free text.
    pub error_message: Option<String>,
    /// The server's name.
    pub server_name: Option<String>,
    /// The server's id.
    pub server_id: Option<String>,
    /// The key pair's name.
    pub keypair: Option<String>,
    /// The row, word for word, instead of one made of the keys above: for rows with nulls,
    /// numbers or foreign keys. `id` and `failed_at` still say how it is found and sorted.
    pub raw: Option<String>,
}

/// The fields of a listed task, in the order and under the names of the cloud.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Fields {
    pub task_id: String,
    pub operate_type: String,
    /// Milliseconds since 1970, as text: that is how the cloud writes it.
    pub task_time: String,
    pub task_error_code: Option<String>,
    pub task_error_msg: Option<String>,
    pub server_name: String,
    pub server_id: String,
    pub keypair_name: String,
}

const SERVERS: [&str; 8] = ["web", "db", "build", "cache", "queue", "gateway", "report", "batch"];
const KEYPAIRS: [&str; 4] = ["KeyPair-ops", "KeyPair-xt", "KeyPair-deploy", "KeyPair-2026"];
const MESSAGES: [&str; 4] = [
    "Update public key error",
    "Connect to server failed, port 22 is closed",
    "The private key does not match",
    "Server status changed during the operation",
];

impl Fields {
    /// Fills in what `task` leaves open.
    pub(super) fn of(task: &SimTask, appears_at: Timestamp, random: &mut Random) -> Self {
        let or = |given: &Option<String>, made: String| given.clone().unwrap_or(made);
        // Everything is drawn, whether needed or not, so that naming one field of one task
        // does not change all tasks after it.
        let id = random.uuid();
        let kind =
            random.pick(&["FAILED_RESET", "FAILED_RESET", "FAILED_REPLACE", "FAILED_UNBIND"]);
        let message = random.pick(&MESSAGES);
        let server = format!("{}-{:02}", random.pick(&SERVERS), random.below(40));
        let server_id = random.uuid();
        let keypair = random.pick(&KEYPAIRS);
        let failed_at = task.failed_at.unwrap_or(appears_at);
        let failed_at =
            task.age.map_or(failed_at, |age| failed_at.checked_sub(age.0).unwrap_or(failed_at));
        Self {
            task_id: or(&task.id, id),
            operate_type: or(&task.operate_type, kind.to_owned()),
            task_time: failed_at.as_millisecond().to_string(),
            task_error_code: task.error_code.clone(),
            task_error_msg: Some(or(&task.error_message, message.to_owned())),
            server_name: or(&task.server_name, server),
            server_id: or(&task.server_id, server_id),
            keypair_name: or(&task.keypair, keypair.to_owned()),
        }
    }

    /// Puts the texts that `task` names in place of the present ones.
    pub(super) fn change(&mut self, task: &SimTask) {
        for (to, from) in [
            (&mut self.operate_type, &task.operate_type),
            (&mut self.server_name, &task.server_name),
            (&mut self.server_id, &task.server_id),
            (&mut self.keypair_name, &task.keypair),
        ] {
            if let Some(from) = from {
                to.clone_from(from);
            }
        }
        for (to, from) in [
            (&mut self.task_error_code, &task.error_code),
            (&mut self.task_error_msg, &task.error_message),
        ] {
            if from.is_some() {
                to.clone_from(from);
            }
        }
    }

    /// The word after the underscore: `RESET` of `FAILED_RESET`.
    pub(super) fn action(&self) -> &str {
        self.operate_type.rsplit('_').next().unwrap_or_default()
    }

    /// Milliseconds since 1970.
    pub(super) fn at_ms(&self) -> i64 {
        self.task_time.parse().unwrap_or_default()
    }
}

/// One listed failed task.
#[derive(Debug)]
pub(super) struct Row {
    pub id: Arc<str>,
    /// Sorts the list, together with `seq`.
    pub at_ms: i64,
    /// Later rows have greater numbers.
    pub seq: u64,
    /// The row on the wire.
    pub json: Box<str>,
}

impl Row {
    /// Renders `fields`.
    pub(super) fn new(fields: &Fields, seq: u64) -> Self {
        Self::verbatim(fields, seq, serde_json::to_string(fields).unwrap_or_default())
    }

    /// A row whose text is given.
    pub(super) fn verbatim(fields: &Fields, seq: u64, json: String) -> Self {
        Self { id: fields.task_id.as_str().into(), at_ms: fields.at_ms(), seq, json: json.into() }
    }

    /// The fields again, or nothing for a verbatim row that is no task.
    pub(super) fn fields(&self) -> Option<Fields> {
        serde_json::from_str(&self.json).ok()
    }
}

/// The failed tasks of one project, newest first.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Oldest first, so that the usual new row goes to the end.
    rows: Vec<Row>,
    /// Where a row with an id stands in the order. An id may be listed twice.
    index: BTreeSet<(Arc<str>, i64, u64)>,
}

impl List {
    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows, newest first.
    pub(super) fn newest(&self) -> impl DoubleEndedIterator<Item = &Row> + Clone {
        self.rows.iter().rev()
    }

    /// Puts `row` where its time says.
    pub(super) fn insert(&mut self, row: Row) {
        self.index.insert((Arc::clone(&row.id), row.at_ms, row.seq));
        let at = self.rows.partition_point(|other| (other.at_ms, other.seq) < (row.at_ms, row.seq));
        self.rows.insert(at, row);
    }

    /// Takes one row with this id out.
    pub(super) fn remove(&mut self, id: &str) -> Option<Row> {
        let key = self
            .index
            .range((Arc::from(id), i64::MIN, 0)..=(Arc::from(id), i64::MAX, u64::MAX))
            .next()?
            .clone();
        self.index.remove(&key);
        let at =
            self.rows.binary_search_by_key(&(key.1, key.2), |row| (row.at_ms, row.seq)).ok()?;
        Some(self.rows.remove(at))
    }

    /// Takes all rows out.
    pub(super) fn clear(&mut self) -> Vec<Row> {
        self.index.clear();
        std::mem::take(&mut self.rows)
    }

    /// The row with this id.
    pub(super) fn get(&self, id: &str) -> Option<&Row> {
        let from = (Arc::from(id), i64::MIN, 0);
        let key = self.index.range(from..).next().filter(|key| &*key.0 == id)?;
        let at =
            self.rows.binary_search_by_key(&(key.1, key.2), |row| (row.at_ms, row.seq)).ok()?;
        self.rows.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, at_ms: i64, seq: u64) -> Row {
        Row { id: id.into(), at_ms, seq, json: "{}".into() }
    }

    #[test]
    fn the_newest_row_comes_first_and_a_tie_goes_to_the_later_one() {
        let mut list = List::default();
        for (id, at_ms, seq) in [("a", 10, 0), ("b", 30, 1), ("c", 20, 2), ("d", 20, 3)] {
            list.insert(row(id, at_ms, seq));
        }
        let ids = |list: &List| list.newest().map(|row| row.id.to_string()).collect::<String>();
        assert_eq!(ids(&list), "bdca");
        assert!(list.remove("c").is_some());
        assert!(list.remove("c").is_none());
        assert!(list.get("d").is_some());
        assert_eq!(ids(&list), "bda");
    }

    #[test]
    fn a_row_reads_as_the_documented_sample_does() {
        let task = SimTask {
            id: Some("aee8d2fe-5484-4753-9177-5a38dc15546c".into()),
            operate_type: Some("RUNNING_RESET".into()),
            failed_at: Some("2018-04-10T06:35:30Z".parse().unwrap()),
            error_message: Some("Update public key error".into()),
            server_name: Some("Test".into()),
            server_id: Some("c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006".into()),
            keypair: Some("KeyPair-xt".into()),
            ..SimTask::default()
        };
        let fields = Fields::of(&task, Timestamp::UNIX_EPOCH, &mut Random::new(0));
        assert_eq!(
            &*Row::new(&fields, 0).json,
            concat!(
                r#"{"task_id":"aee8d2fe-5484-4753-9177-5a38dc15546c","#,
                r#""operate_type":"RUNNING_RESET","task_time":"1523342130000","#,
                r#""task_error_code":null,"task_error_msg":"Update public key error","#,
                r#""server_name":"Test","server_id":"c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006","#,
                r#""keypair_name":"KeyPair-xt"}"#
            )
        );
    }
}
