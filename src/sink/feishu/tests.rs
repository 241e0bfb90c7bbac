use super::*;

const VECTORS: &str = include_str!("../../../tests/vectors/chat-signing.jsonl");

#[test]
fn signatures_are_those_of_the_vendors_own_code() {
    let mut rows = 0;
    for line in VECTORS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["service"] != "feishu" {
            continue;
        }
        let secret = Secret::new(row["secret"].as_str().unwrap().to_owned());
        let actual = sign(&secret, &row["timestamp_s"].to_string());
        assert_eq!(actual, row["sign_base64"], "{line}");
        assert_ne!(actual, row["must_not_equal_dingtalk_style"], "{line}");
        rows += 1;
    }
    assert_eq!(rows, 20);
}

#[test]
fn an_address_is_given_once() {
    for (table, expected) in [
        ("", "url: is required, or token"),
        ("url = 'https://h/x'\ntoken = 't'", "token: stands in the url already"),
        (
            "token = { env = 'TASKBELL_UNSET' }",
            "token: environment variable TASKBELL_UNSET is not set",
        ),
    ] {
        let options: Options = options::parse(table.parse().unwrap()).unwrap();
        assert_eq!(options.url().unwrap_err().to_string(), expected, "{table}");
    }
    let table = "token = 'abc'\nregion = 'lark'".parse().unwrap();
    let (_, url) = options::parse::<Options>(table).unwrap().url().unwrap();
    assert_eq!(url.expose(), "https://open.larksuite.com/open-apis/bot/v2/hook/abc");
}
