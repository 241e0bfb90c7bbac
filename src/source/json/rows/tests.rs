use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rows(keys: &str) -> Rows {
    let row: RawRow = toml::from_str(&format!("task_id = '/id'\n{keys}")).unwrap();
    Rows {
        list: Pointer::parse("/jobs").unwrap(),
        total: Pointer::parse("/meta/total"),
        next: Pointer::parse("/meta/next"),
        only: None,
        row,
        time: TimeForm::Rfc3339,
    }
}

/// The page, and each failure as `id|code|message|ms`.
fn read(rows: &Rows, json: &str) -> (Result<Page, serde_json::Error>, Vec<String>) {
    let mut shown = Vec::new();
    let page = rows.read(json, &mut |row, is_failure| {
        let texts = [&row.task_id, &row.error_code, &row.error_message];
        let texts = texts.map(|text| text.as_deref().unwrap_or("-"));
        let ms = row.failed_at_ms.map_or("-".to_owned(), |ms| ms.to_string());
        let mark = if is_failure { "" } else { " (other)" };
        shown.push(format!("{}|{ms}{mark}", texts.join("|")));
    });
    (page, shown)
}

#[test]
fn a_page_says_what_it_holds() {
    let rows = rows("error_code = '/why/code'\nerror_message = '/why/text'\nfailed_at = '/at'");
    let text = json!({
        "meta": {"total": "7", "next": "abc"},
        "jobs": [
            {"id": "a", "at": "1970-01-01T00:00:01Z", "why": {"code": 5, "text": "bad"}},
            {"id": 12, "at": null, "why": null},
            {"id": "c", "at": "soon", "why": {"code": "", "text": ["x", 1]}},
            {"why": {"code": "no id"}},
            "no object",
        ],
    });
    let (page, shown) = read(&rows, &text.to_string());
    let expected = Page { rows: 5, total: Some(7), next: Some("abc".into()), list: true, named: 3 };
    assert_eq!(page.unwrap(), expected);
    assert_eq!(
        shown,
        ["a|5|bad|1000", "12|-|-|-", "c|-|[\"x\",1]|-", "-|no id|-|-", "-|-|\"no object\"|-",]
    );
}

#[test]
fn labels_are_words_from_anywhere_in_a_row() {
    let rows = rows("labels = { dag = '/run/dag', tries = '/tries', who = '/who' }");
    let text = r#"{"jobs":[{"id":1,"run":{"dag":"d"},"tries":3,"who":null},{"id":2,"who":["a"]}]}"#;
    let mut shown = Vec::new();
    rows.read(text, &mut |row, _| {
        let labels = row.labels.iter().map(|(name, value)| format!("{name}={value}"));
        shown.push(labels.collect::<Vec<_>>().join(" "));
    })
    .unwrap();
    assert_eq!(shown, ["dag=d tries=3", "who=[\"a\"]"]);
}

#[test]
fn labels_are_few_and_have_names() {
    let refused = |keys: &str| rows(keys).check().unwrap_err().to_string();
    let nine: Vec<_> = (0..9).map(|nth| format!("l{nth} = '/l'")).collect();
    let nine = refused(&format!("labels = {{ {} }}", nine.join(", ")));
    assert_eq!(nine, "row.labels: must be at most 8 labels");
    let odd = refused("labels = { 'a b' = '/l' }");
    assert!(odd.starts_with("row.labels.a b: the name of a label must be"), "{odd}");
}

#[test]
fn an_id_of_several_parts_is_whole_or_none() {
    let row = toml::from_str("task_id = ['/dag', '/run']").unwrap();
    let rows = Rows { row, ..rows("") };
    let text = r#"{"jobs":[{"dag":"d","run":"r 1"},{"dag":"d"},{"dag":"e","run":2}]}"#;
    let (page, shown) = read(&rows, text);
    assert_eq!(page.unwrap().named, 2);
    assert_eq!(shown[0], "d/r 1|-|-|-");
    assert!(shown[1].starts_with("-|-|{\"dag\":\"d\"}"), "{}", shown[1]);
    assert_eq!(shown[2], "e/2|-|-|-");
}

#[test]
fn rows_that_are_no_failures_are_told_apart() {
    let only = toml::from_str("at = '/state'\nis = ['failed', 'false']").unwrap();
    let rows = Rows { only: Some(only), ..rows("") };
    let text = r#"{"jobs":[{"id":1,"state":"failed"},{"id":2,"state":"done"},{"id":3,"state":false},
        {"id":4}]}"#;
    let (_, shown) = read(&rows, text);
    assert_eq!(shown, ["1|-|-|-", "2|-|-|- (other)", "3|-|-|-", "4|-|-|- (other)"]);
}

#[test]
fn a_page_on_which_nothing_has_an_id_hands_nothing_over() {
    let (page, shown) = read(&rows(""), r#"{"jobs":[{"ID":1},{"ID":2}]}"#);
    let page = page.unwrap();
    assert_eq!((page.rows, page.named), (2, 0));
    assert!(shown.is_empty());
    let many = vec![json!({}); NAMELESS_MAX + 1];
    let (page, shown) = read(&rows(""), &json!({ "jobs": many }).to_string());
    assert!(page.is_err() && shown.is_empty());
}

#[test]
fn no_list_is_not_an_empty_list() {
    let rows = rows("");
    for (text, expected) in [
        ("{}", Some(false)),
        ("{\"jobs\":null}", Some(true)),
        ("{\"jobs\":[]}", Some(true)),
        ("[]", Some(false)),
        ("null", Some(false)),
        ("{\"jobs\":{}}", None),
        ("{\"jobs\":\"x\"}", None),
        ("{\"jobs\":[", None),
        ("{\"jobs\":[]} x", None),
        ("<html>", None),
        ("", None),
    ] {
        assert_eq!(read(&rows, text).0.ok().map(|page| page.list), expected, "{text}");
    }
    assert!(read(&rows, "{\"jobs\":[{\"id\":1},").0.unwrap_err().is_eof());
}

#[test]
fn times_are_read_as_they_are_written() {
    for (form, json, expected) in [
        (TimeForm::Ms, "1523342130000", Some(1_523_342_130_000)),
        (TimeForm::Ms, "\"1523342130000\"", Some(1_523_342_130_000)),
        (TimeForm::S, "1523342130", Some(1_523_342_130_000)),
        (TimeForm::S, "\"1523342130.25\"", Some(1_523_342_130_250)),
        (TimeForm::S, "9223372036854775807", None),
        (TimeForm::Rfc3339, "\"2018-04-10T06:35:30Z\"", Some(1_523_342_130_000)),
        (TimeForm::Rfc3339, "1523342130", None),
    ] {
        assert_eq!(form.read(serde_json::from_str(json).unwrap()), expected, "{form:?} {json}");
    }
}

proptest! {
    #[test]
    fn no_answer_panics_and_no_row_is_lost(
        head in "[\\PC]{0,20}",
        values in prop::collection::vec(
            prop_oneof![
                Just("null".to_owned()),
                Just("[[]]".to_owned()),
                Just("{\"id\":\"\\ud800\"}".to_owned()),
                any::<i64>().prop_map(|number| format!("{{\"id\":{number}}}")),
                any::<String>().prop_map(|text| json!({ "id": text, "why": {"code": 1} }).to_string()),
                any::<f64>().prop_map(|number| json!(number).to_string()),
            ],
            0..20,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let rows = rows("error_code = '/why/code'\nfailed_at = '/id'");
        let text = format!("{{\"head\":{},\"jobs\":[{}]}}", json!(head), values.join(","));
        let (page, shown) = read(&rows, &text);
        let page = page.unwrap();
        prop_assert_eq!(page.rows, u64::try_from(values.len()).unwrap());
        prop_assert!(page.named == 0 || shown.len() == values.len());
        let mut at = cut.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        drop(read(&rows, text.get(..at).unwrap_or_default()));
        drop(read(&rows, &head));
    }
}
