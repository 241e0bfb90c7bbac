use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::clock::FixedClock;

fn setting(region: &str, project_id: Option<&str>) -> Setting {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(Timestamp::UNIX_EPOCH));
    let clients = Clients::default();
    let url = super::super::region::iam(region);
    Setting {
        iam: url.map(|url| Iam::new(url, clients.clone(), Arc::clone(&clock))),
        clock,
        clients,
        region: region.to_owned(),
        project_id: project_id.map(str::to_owned),
        realm: "myhuaweicloud.com".to_owned(),
        way: Way::default(),
        shelf: Shelf::default(),
    }
}

#[track_caller]
fn refused(table: &str, expected: &str) {
    let error = build(table.parse().unwrap(), &setting("cn-north-4", None)).expect_err(table);
    assert_eq!(error.to_string(), expected, "{table}");
}

const KNOWN: &str = "aksk, token, password, metadata, profile, default, agency";

#[test]
fn each_mistake_is_named_by_its_key() {
    refused("", &format!("auth.kind: is required; known kinds are {KNOWN}"));
    refused("kind = 1", &format!("auth.kind: must be a string, one of {KNOWN}"));
    refused("kind = 'zzz'", &format!("auth.kind: is none of the known kinds, {KNOWN}"));
    refused(
        "kind = 'tokn'",
        &format!("auth.kind: is none of the known kinds, {KNOWN}; did you mean `token`?"),
    );
    refused("kind = 'token'", "auth.token: is required");
    refused("kind = 'token'\ntoken = ''", "auth.token: is empty");
    refused(
        "kind = 'token'\ntoken = \"a\\nb\"",
        "auth.token: must not hold blanks, line breaks or non-ASCII",
    );
    refused(
        "kind = 'aksk'\nacces_key = 'a'\nsecret_key = 'b'",
        "auth.acces_key: is not a known key; did you mean `access_key`?",
    );
    refused(
        "kind = 'aksk'\naccess_key = { env = 'TASKBELL_NOT_SET' }\nsecret_key = 'b'",
        "auth.access_key: environment variable TASKBELL_NOT_SET is not set",
    );
    refused(
        "kind = 'aksk'\naccess_key = 'a'\nsecret_key = { evn = 'B' }",
        "auth.secret_key.evn: is not a known key; known are env, file, credential",
    );
    refused("kind = 'password'\ndomain = 'd'\nuser = 'u'", "auth.password: is required");
    refused("kind = 'password'\ndomain = ''\nuser = 'u'\npassword = 'p'", "auth.domain: is empty");
    refused(
        "kind = 'metadata'\nendpoint = 'http://10.0.0.1'",
        "auth.endpoint: must be https: over http anyone on the way can read what is asked and \
         answered; `insecure = true` allows it all the same",
    );
    refused(
        "kind = 'profile'\nfile = '/does/not/exist'",
        "auth.file: /does/not/exist does not exist",
    );
    refused(
        "kind = 'profile'\nfile = '/'",
        "auth.file: cannot read /: Is a directory (os error 21)",
    );
}

#[test]
fn the_parts_of_an_agency_are_checked_too() {
    let agency = |base: &str| format!("kind = 'agency'\ndomain = 'd'\nagency = 'a'\nbase = {base}");
    refused("kind = 'agency'\ndomain = 'd'\nagency = 'a'", "auth.base: is required");
    refused("kind = 'agency'\ndomain = 'd'\nagency = ''\nbase = {}", "auth.agency: is empty");
    refused(&agency("{}"), &format!("auth.base.kind: is required; known kinds are {KNOWN}"));
    refused(&agency("{ kind = 'agency' }"), "auth.base.kind: must be another kind than agency");
    refused(&agency("{ kind = 'aksk', access_key = 'a' }"), "auth.base.secret_key: is required");
}

#[test]
fn who_is_asked_must_be_known() {
    let nowhere = setting("", Some("p1"));
    let password = "kind = 'password'\ndomain = 'd'\nuser = 'u'\npassword = 'p'";
    let error = build(password.parse().unwrap(), &nowhere).unwrap_err();
    assert_eq!(
        error.to_string(),
        "auth: needs `region` or `iam_endpoint` beside it, to know whom to ask"
    );
    let error = build(password.parse().unwrap(), &setting("", None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "auth: needs `region` or `project_id` beside it, to know the project"
    );
}

#[test]
fn the_schema_describes_every_kind() {
    let schema = serde_json::to_string(&schemars::schema_for!(Auth)).unwrap();
    for kind in KINDS {
        assert!(schema.contains(&format!("{{\"const\":\"{}\"}}", kind.name)), "{schema}");
    }
    assert!(schema.contains("security_token"), "{schema}");
}

#[test]
fn debug_output_shows_no_secret() {
    for table in [
        "kind = 'token'\ntoken = 's3cret'",
        "kind = 'aksk'\naccess_key = 's3cret1'\nsecret_key = 's3cret2'\nsecurity_token = 's3cret3'",
        "kind = 'password'\ndomain = 'd'\nuser = 'u'\npassword = 's3cret'",
        "kind = 'agency'\ndomain = 'd'\nagency = 'a'\nbase = { kind = 'token', token = 's3cret' }",
    ] {
        let credential = build(table.parse().unwrap(), &setting("cn-north-4", None)).unwrap();
        let shown = format!("{credential:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
