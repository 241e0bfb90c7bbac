//! Mistakes in the options of the kinds over HTTP, named by their keys.

use super::try_build;

#[test]
fn wrong_options_are_named_by_their_key() {
    let retired = "url: is of an Office 365 connector, which are shut; make a workflow that posts \
                   to a channel when a webhook request is received, and give its URL";
    let smn = "project_id = 'p'\naccess_key = 'a'\nsecret_key = 's'";
    for (kind, table, expected) in [
        ("wecom", "", "url: is required"),
        ("wecom", "url = 'ftp://h'", "url: must begin with https:// or http://"),
        ("teams", "url = 'https://x.webhook.office.com/webhookb2/s3cret'", retired),
        ("feishu", "", "url: is required, or token"),
        ("slack", "token = 't'", "channel: is required with token"),
        (
            "telegram",
            "token = 'a/b'\nchat_id = '1'",
            "token: must be digits, `:`, letters, `_` and `-`",
        ),
        ("ntfy", "topic = 'a/b'", "topic: must be 1 to 64 letters, digits, `_` and `-`"),
        (
            "pushover",
            "token = 't'\nuser_key = 'u'\npriority = 2",
            "priority: must be between -2 and 1",
        ),
        (
            "pagerduty",
            "routing_key = 'k'\nseverity = 'bad'",
            "severity: unknown variant `bad`, expected one of `critical`, `error`, `warning`, `info`",
        ),
        ("alertmanager", "url = 'http://h'\nusername = 'u'", "password: is required with username"),
        ("alertmanager", "url = 'http://h'\npassword = 'p'", "username: is required with password"),
        (
            "alertmanager",
            "url = 'http://h'\nlabels = { 'a-b' = 'x' }",
            "labels.a-b: must be letters, digits and `_`, and not begin with a digit",
        ),
        ("smn", &format!("{smn}\ntopic_urn = 'urn:smn:x'"), "region: is required, or endpoint"),
        (
            "smn",
            &format!("{smn}\ntopic_urn = 'alerts'\nregion = 'r'"),
            "topic_urn: must begin with urn:smn:",
        ),
        (
            "gotify",
            "url = 'http://192.168.0.1'\ntoken = 't'\nallow_private = false",
            "url: the host has only private addresses, and allow_private is false",
        ),
        (
            "gotify",
            "url = 'http://h'\ntoken = 't'\nca_file = '/nonexistent'",
            "ca_file: cannot read /nonexistent: No such file or directory (os error 2)",
        ),
    ] {
        let table = format!("name = 'a'\nkind = '{kind}'\n{table}");
        let error = try_build(&table).expect_err(&table);
        assert_eq!(error.to_string(), expected, "{table}");
    }
}
