use super::*;

#[test]
fn a_webhook_or_a_bot_but_not_both() {
    for (table, expected) in [
        ("", "url: is required, or token and channel"),
        ("url = 'https://h/'\ntoken = 't'", "token: is not needed with url"),
        ("url = 'https://h/'\nchannel = 'C1'", "channel: goes with token, not with url"),
        ("url = 'https://h/'\nbase_url = 'x'", "base_url: goes with token, not with url"),
        ("token = 'xoxb-1'", "channel: is required with token"),
        ("url = 'https://h/'\nfollow_up = 'edit'", "follow_up: goes with token, not with url"),
        ("token = \"a\\nb\"\nchannel = 'C1'", "token: must be one line of plain characters"),
    ] {
        let options: Options = options::parse(table.parse().unwrap()).unwrap();
        assert_eq!(way(&options).err().unwrap().to_string(), expected, "{table}");
    }
    let table = "token = 'xoxb-s3cret'\nchannel = 'C1'".parse().unwrap();
    let ((_, url), bot) = way(&options::parse(table).unwrap()).unwrap();
    assert_eq!(url.expose(), "https://slack.com/api/chat.postMessage");
    assert!(!format!("{bot:?}").contains("s3cret"));
}
