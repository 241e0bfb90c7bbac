use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The example of the service's documentation.
const EXAMPLE: &str = include_str!("../../../../tests/vectors/failed-tasks-example.json");

/// What a page holds: its own words and one string for each row.
fn read_all(text: &str) -> (Result<Page, serde_json::Error>, Vec<String>) {
    let mut rows = Vec::new();
    let page = read(text, &mut |row| rows.push(show(row)));
    (page, rows)
}

/// The fields that are there, in a form that fits on a line.
fn show(row: &Row<'_>) -> String {
    let fields = [
        ("id", &row.task_id),
        ("type", &row.operate_type),
        ("code", &row.error_code),
        ("msg", &row.error_message),
        ("sid", &row.server_id),
        ("sname", &row.server_name),
        ("key", &row.keypair),
    ];
    let mut shown: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name}={}", text.as_deref()?)))
        .collect();
    shown.extend(row.failed_at_ms.map(|ms| format!("ms={ms}")));
    shown.join(" ")
}

#[track_caller]
fn row(json: &str, expected: &str) {
    let (page, rows) = read_all(&format!(r#"{{"tasks":[{json}]}}"#));
    assert_eq!(page.unwrap().rows, 1, "{json}");
    assert_eq!(rows, [expected], "{json}");
}

#[test]
fn the_documented_example_is_read_whole() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let (page, rows) = read_all(&example["200"].to_string());
    assert_eq!(page.unwrap(), Page { rows: 1, total: Some(1), list: true });
    assert_eq!(
        rows,
        ["id=aee8d2fe-5484-4753-9177-5a38dc15546c type=RUNNING_RESET \
          msg=Update public key error sid=c9aa197b-a6b6-4c33-b3a6-fa0b4ec50006 sname=Test \
          key=KeyPair-xt ms=1523342130000"]
    );
}

#[test]
fn a_field_may_be_absent_or_null_or_of_another_type() {
    row(r#"{"task_id":"a","server_id":null}"#, "id=a");
    row(r#"{"task_id":7,"server_name":-1.50}"#, "id=7 sname=-1.50");
    row(
        r#"{"task_id":"a","server_id":{"id":1},"keypair_name":["k"],"task_error_code":true}"#,
        "id=a",
    );
    row(r#"{"task_id":"a","new_field":{"deep":[1,2]}}"#, "id=a");
    row(r#"{"task_id":"","task_error_msg":""}"#, "id= msg=");
    row(r#"{"task\u005fid":"a"}"#, "id=a");
}

#[test]
fn the_time_is_a_number_or_a_string_of_one() {
    for (time, expected) in [
        (r#""1523342130000""#, "id=a ms=1523342130000"),
        ("1523342130000", "id=a ms=1523342130000"),
        ("1523342130000.4", "id=a ms=1523342130000"),
        ("1.52334213e12", "id=a ms=1523342130000"),
        (r#"" 1523342130000 ""#, "id=a ms=1523342130000"),
        ("-1", "id=a ms=-1"),
        ("0", "id=a ms=0"),
        ("1e999", "id=a"),
        (r#""NaN""#, "id=a"),
        (r#""""#, "id=a"),
        (r#""soon""#, "id=a"),
        ("null", "id=a"),
        ("[1]", "id=a"),
    ] {
        row(&format!(r#"{{"task_id":"a","task_time":{time}}}"#), expected);
    }
}

#[test]
fn hostile_names_are_handed_on_as_they_are() {
    row(r#"{"task_id":"a","server_name":"x\r\nBcc: y\u0000"}"#, "id=a sname=x\r\nBcc: y\0");
    row("{\"task_id\":\"a\",\"server_name\":\"\u{202E}gpj.exe\"}", "id=a sname=\u{202E}gpj.exe");
    row(r#"{"task_id":"a","server_name":"\ud83d\udd11"}"#, "id=a sname=🔑");
    let long = "x".repeat(1_000_000);
    row(&format!(r#"{{"task_id":"a","server_name":"{long}"}}"#), &format!("id=a sname={long}"));
}

#[test]
fn half_a_surrogate_pair_spoils_one_name_and_not_the_page() {
    let (page, rows) = read_all(
        r#"{"tasks":[{"task_id":"a","server_name":"cut \ud83d"},{"task_id":"b","\ud83d":1}]}"#,
    );
    assert_eq!(page.unwrap().rows, 2);
    assert!(rows[0].starts_with("id=a sname=cut \u{FFFD}"), "{rows:?}");
    assert_eq!(rows[1], "id=b");
}

#[test]
fn a_row_of_which_nothing_is_known_is_kept_as_its_json() {
    row("null", "msg=null");
    row("true", "msg=true");
    row("-7", "msg=-7");
    row("1.5", "msg=1.5");
    row(r#""te\"xt""#, r#"msg="te\"xt""#);
    row("[]", "msg=[]");
    row(r#"[1, {"a": null}]"#, r#"msg=[1,{"a": null}]"#);
    row("{}", "");
    row(r#"{"taskId":"a","n":1}"#, r#"msg={"taskId":"a","n":1}"#);
    row(r#"{"task_id":["a"],"server_id":null}"#, r#"msg={"task_id":["a"]}"#);
}

#[test]
fn a_page_may_say_little_about_itself() {
    for (text, rows, total, tasks) in [
        ("{}", 0, None, false),
        (r#"{"total":0}"#, 0, Some(0), false),
        (r#"{"tasks":null}"#, 0, None, true),
        (r#"{"tasks":[]}"#, 0, None, true),
        (r#"{"tasks":[{}],"total":null}"#, 1, None, true),
        (r#"{"tasks":[{}],"total":"12"}"#, 1, Some(12), true),
        (r#"{"total":12.0,"tasks":[{}]}"#, 1, Some(12), true),
        (r#"{"total":-1,"tasks":[]}"#, 0, None, true),
        (r#"{"total":"many","tasks":[]}"#, 0, None, true),
        (r#"{"total":{},"tasks":[{},{}],"links":{"next":null}}"#, 2, None, true),
    ] {
        let (page, _) = read_all(text);
        assert_eq!(page.unwrap(), Page { rows, total, list: tasks }, "{text}");
    }
}

#[test]
fn what_is_no_page_is_refused_and_a_break_is_told_from_nonsense() {
    for (text, eof) in [
        ("", true),
        (r#"{"tasks":[{"task_id":"a"},{"#, true),
        (r#"{"tasks":[{"task_id":"a"}]"#, true),
        ("<html>", false),
        ("[]", false),
        ("null", false),
        (r#""tasks""#, false),
        (r#"{"tasks":{}}"#, false),
        (r#"{"tasks":"none"}"#, false),
        (r#"{"tasks":[]} trailing"#, false),
    ] {
        assert_eq!(read_all(text).0.unwrap_err().is_eof(), eof, "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            Just("task_id".to_owned()),
            Just("task_time".to_owned()),
            Just("task_error_msg".to_owned()),
            Just("server_name".to_owned()),
            any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_row_is_lost_whatever_it_holds(tasks in prop::collection::vec(any_json(), 0..20)) {
        let text = json!({ "before": 1, "tasks": tasks, "total": tasks.len() }).to_string();
        let (page, rows) = read_all(&text);
        prop_assert_eq!(page.unwrap().total, Some(tasks.len().try_into().unwrap()));
        prop_assert_eq!(rows.len(), tasks.len());
    }

    #[test]
    fn rows_without_a_known_field_are_kept_apart(values in prop::collection::btree_set("[a-z]{1,8}", 0..20)) {
        let tasks: Vec<Value> = values.iter().map(|value| json!({ "renamed": value })).collect();
        let mut keys = BTreeSet::new();
        read(&json!({ "tasks": tasks }).to_string(), &mut |row| keys.extend([row.key()])).unwrap();
        prop_assert_eq!(keys.len(), values.len());
    }

    #[test]
    fn a_page_cut_anywhere_is_known_as_cut(
        tasks in prop::collection::vec(any_json(), 0..5),
        at in any::<prop::sample::Index>(),
    ) {
        let text = json!({ "total": tasks.len(), "tasks": tasks }).to_string();
        let cut = String::from_utf8_lossy(&text.as_bytes()[..at.index(text.len())]).into_owned();
        let (page, rows) = read_all(&cut);
        // Half a number is told as a wrong one.
        let half_number = cut.ends_with(['.', 'e', '+', '-']);
        prop_assert!(page.unwrap_err().is_eof() || half_number, "{}", cut);
        prop_assert!(rows.len() <= tasks.len());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"[\[\]{}",:0-9a-z\\ ue.-]{0,60}"#) {
        let (_, rows) = read_all(&format!(r#"{{"tasks":[{text}"#));
        prop_assert!(rows.len() <= text.len());
    }
}
