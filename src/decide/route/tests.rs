use jiff::Timestamp;

use super::*;
use crate::task::Row;

fn failure() -> Failure {
    let row = Row {
        task_id: Some("t-1".into()),
        operate_type: Some("FAILED_RESET".into()),
        error_message: Some("Update public key error".into()),
        server_name: Some("web-01".into()),
        labels: vec![("dag", "billing".into()), ("zone", "own".into())],
        ..Row::default()
    };
    Failure::example(1, &row, Timestamp::UNIX_EPOCH)
}

fn with_subject<T>(f: impl FnOnce(&Subject<'_>) -> T) -> T {
    let failure = failure();
    let info = SourceInfo {
        name: Name::parse("prod").unwrap(),
        kind: "kps".into(),
        region: "cn-north-4".into(),
        project_id: "p-1".into(),
    };
    let labels: BTreeMap<String, String> = [("team", "platform"), ("zone", "source")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    f(&Subject::of(&failure, &info, &labels))
}

#[track_caller]
fn matches(raw: &str, expected: bool) {
    let matcher = Matcher::parse(raw).unwrap_or_else(|error| panic!("{raw}: {error}"));
    assert_eq!(with_subject(|subject| matcher.matches(subject)), expected, "{raw}");
    let again = Matcher::parse(&matcher.to_string()).unwrap();
    assert_eq!(again.to_string(), matcher.to_string(), "{raw}");
    assert_eq!(with_subject(|subject| again.matches(subject)), expected, "{raw} printed");
}

#[track_caller]
fn refused(raw: &str, expected: &str) {
    assert_eq!(Matcher::parse(raw).unwrap_err().to_string(), expected, "{raw}");
}

/// Routes written as `condition, condition -> sink sink +`, where `+` means `continue` and two
/// spaces in front mean one level deeper.
fn routes(rules: &[&str]) -> Routes {
    let route = |rule: &&str| {
        let (conditions, to) = rule.split_once("->").unwrap();
        let conditions = conditions.split(',').filter(|text| !text.trim().is_empty());
        Route {
            depth: (rule.len() - rule.trim_start().len()) / 2,
            matchers: conditions.map(|text| Matcher::parse(text).unwrap()).collect(),
            to: to
                .split_whitespace()
                .filter(|word| *word != "+")
                .map(|word| Name::parse(word).unwrap())
                .collect(),
            continues: to.contains('+'),
            ..Route::default()
        }
    };
    Routes(rules.iter().map(route).collect())
}

#[track_caller]
fn check(rules: &[&str], selected: &str, tried: &str) {
    let routes = routes(rules);
    let actual = with_subject(|subject| routes.select(subject));
    let actual: Vec<_> = actual.iter().map(|to| format!("{}@{}", to.sink, to.route)).collect();
    assert_eq!(actual.join(" "), selected, "{rules:?}");
    let words = |tried: &Tried<'_>| match tried {
        Tried::Matched => "yes".to_owned(),
        Tried::Passed => "passed".to_owned(),
        Tried::Refused(matcher) => format!("no({matcher})"),
        Tried::NotReached => "-".to_owned(),
    };
    let actual: Vec<_> =
        with_subject(|subject| routes.explain(subject).iter().map(words).collect());
    assert_eq!(actual.join(" "), tried, "{rules:?}");
}

#[test]
fn each_operator_compares_whole_values() {
    matches("action = reset", true);
    matches("action = \"reset\"", true);
    matches("action=bind", false);
    matches("action != reset", false);
    matches("action != bind", true);
    matches("action =~ \"reset|replace\"", true);
    matches("action =~ res.*", true);
    matches("server_name =~ web", false);
    matches("server_name =~ eb-0", false);
    matches("server_name !~ \"web-.*\"", false);
    matches("server_name !~ web", true);
    matches("error_message = \"Update public key error\"", true);
    matches("error_message =~ \"(?i)update .*\"", true);
}

#[test]
fn every_field_can_be_matched() {
    for raw in [
        "source = prod",
        "project = p-1",
        "region = cn-north-4",
        "action = reset",
        "error_code = \"\"",
        "error_message =~ .+",
        "server_name = web-01",
        "keypair = \"\"",
        "labels.team = platform",
    ] {
        matches(raw, true);
    }
}

#[test]
fn an_absent_value_is_the_empty_string() {
    matches("error_code = \"\"", true);
    matches("error_code != \"\"", false);
    matches("error_code =~ \"KPS.*\"", false);
    matches("error_code =~ \"(KPS.*)?\"", true);
    matches("error_code !~ \"KPS.*\"", true);
    matches("labels.owner = \"\"", true);
    matches("labels.owner != alice", true);
}

#[test]
fn between_quotes_only_three_escapes_are_special() {
    for (raw, value) in [
        (r#"keypair = "a\"b""#, "a\"b"),
        (r#"keypair = "a\\b""#, r"a\b"),
        (r#"keypair = "a\nb""#, "a\nb"),
        (r#"keypair =~ "k\d+\.pem""#, "k42.pem"),
        (r"keypair =~ k\d+", "k42"),
        (r#"  keypair="名 字"  "#, "名 字"),
    ] {
        assert!(Matcher::parse(raw).unwrap().holds_for(value), "{raw}");
    }
}

#[test]
fn each_mistake_is_named_with_its_position() {
    refused(
        "",
        "character 1: expected a field: one of source, project, region, action, operate_type, \
         error_code, error_message, server_name, keypair and labels.<name>",
    );
    refused(" actoin = reset", "character 2: `actoin` is not a field; did you mean `action`?");
    refused(
        "zzz = 1",
        "character 1: `zzz` is not a field; fields are source, project, region, action, \
         operate_type, error_code, error_message, server_name, keypair and labels.<name>",
    );
    refused(
        "labels. = x",
        "character 1: the name of a label must be 1 to 64 characters, each a letter, a digit, \
         `.`, `_` or `-`",
    );
    refused("action", "character 7: expected one of =, !=, =~, !~");
    refused("action reset", "character 8: expected one of =, !=, =~, !~");
    refused("action == reset", "character 8: expected one of =, !=, =~, !~");
    refused("action ~ reset", "character 8: expected one of =, !=, =~, !~");
    refused("action =", "character 9: expected a value; write \"\" for an empty one");
    refused("keypair = \"abc", "character 15: expected a closing \"");
    refused("keypair = 'abc'", "character 11: put the whole value in double quotes");
    refused("keypair = a\"b\"", "character 12: put the whole value in double quotes");
    refused(
        "keypair = a, region = b",
        "character 14: expected the end; write each condition as a string of its own",
    );
    refused("action = rset", "character 10: `rset` is not an action; did you mean `reset`?");
    refused(
        "action =~ \"zzz\"",
        "character 11: `zzz` is not an action; actions are reset, replace, unbind, bind, other",
    );
    refused(&format!("keypair = {}", "x".repeat(5000)), "character 1: is longer than 4096 bytes");
}

#[test]
fn a_wrong_or_huge_expression_is_refused() {
    refused("keypair =~ \"a(\"", "character 12: the regular expression is wrong: unclosed group");
    refused(
        "keypair =~ \"a)|(b\"",
        "character 12: the regular expression is wrong: unopened group",
    );
    refused(
        "keypair =~ \"(?x)a # b\"",
        "character 12: the regular expression is wrong: unclosed group",
    );
    for ordinary in [r"[\w.-]{1,64}", r"(?i)(web|db|cache)-\d{1,3}\.\w+", ".*北京.*"] {
        matches(&format!("keypair !~ \"{ordinary}\""), true);
    }
    for bomb in ["((a{100}){100}){100}", r"\w{1000}", "(.{1000}){1000}"] {
        refused(
            &format!("keypair =~ \"{bomb}\""),
            "character 12: the regular expression is too large; shorten its repetitions",
        );
    }
}

#[test]
fn the_first_route_that_matches_takes_the_failure() {
    check(
        &["action = bind -> a", "action = reset -> b", "-> c"],
        "b@2",
        "no(action = \"bind\") yes -",
    );
    check(&["-> a", "-> b"], "a@1", "yes -");
    check(&["action = bind -> a"], "", "no(action = \"bind\")");
    check(&[], "", "");
}

#[test]
fn a_route_that_continues_lets_the_next_ones_match_too() {
    check(&["-> a +", "action = bind -> b +", "-> c"], "a@1 c@3", "yes no(action = \"bind\") yes");
    check(&["-> a +", "source = prod -> b", "-> c"], "a@1 b@2", "yes yes -");
}

#[test]
fn all_conditions_of_a_route_must_hold() {
    check(
        &["action = reset, source = test -> a", "action = reset, source = prod -> b"],
        "b@2",
        "no(source = \"test\") yes",
    );
}

#[test]
fn a_sink_of_two_routes_is_told_once_by_the_first() {
    check(&["-> a b +", "-> b c"], "a@1 b@1 c@2", "yes yes");
}

#[test]
fn a_route_to_nobody_takes_the_failure_all_the_same() {
    check(&["action = reset ->", "-> a"], "", "yes -");
}

#[test]
fn a_route_hands_the_failure_to_those_within_it() {
    let tree =
        ["action = reset -> a", "  keypair = k -> b", "  server_name =~ web-.* -> c", "-> d"];
    check(&tree, "c@3", "passed no(keypair = \"k\") yes -");
    check(
        &["action = bind -> a", "  -> b", "    -> c", "-> d"],
        "d@4",
        "no(action = \"bind\") - - yes",
    );
    check(&["-> a", "  -> b", "    -> c", "  -> d"], "c@3", "passed passed yes -");
}

#[test]
fn a_route_keeps_what_none_within_it_takes() {
    check(
        &["action = reset -> a", "  action = bind -> b", "  region = x -> c", "-> d"],
        "a@1",
        "yes no(action = \"bind\") no(region = \"x\") -",
    );
    check(
        &["-> a", "  -> b", "    region = x -> c", "  -> d"],
        "b@2",
        "passed yes no(region = \"x\") -",
    );
}

#[test]
fn a_route_that_continues_lets_its_next_siblings_match_and_no_others() {
    check(&["-> a", "  -> b +", "  -> c +", "  -> d"], "b@2 c@3 d@4", "passed yes yes yes");
    check(&["-> a", "  -> b +", "-> c"], "b@2", "passed yes -");
    check(&["-> a +", "  -> b", "  -> c", "-> d"], "b@2 d@4", "passed yes - yes");
    check(&["-> a", "  -> b +", "  region = x -> c"], "b@2", "passed yes no(region = \"x\")");
}

#[test]
fn a_sink_is_told_once_by_the_first_route_of_the_whole_tree() {
    check(&["-> a +", "  -> b c", "-> c a b d"], "b@2 c@2 a@3 d@3", "passed yes yes");
}

#[test]
fn a_route_to_nobody_keeps_the_failure_from_the_one_around_it() {
    check(&["-> a", "  action = reset ->", "-> b"], "", "passed yes -");
    check(&["-> a", "  -> +", "  -> b"], "b@3", "passed yes yes");
}

#[test]
fn siblings_are_told_apart_from_what_lies_within_them() {
    let routes = routes(&["-> a", "  -> b", "    -> c", "  -> d", "-> e"]);
    let numbers = |siblings: Siblings<'_>| siblings.map(|one| one.number()).collect::<Vec<_>>();
    assert_eq!(numbers(routes.top()), [1, 5]);
    let first = routes.top().next().unwrap();
    assert_eq!(numbers(first.within.clone()), [2, 4]);
    assert_eq!(numbers(first.within.clone().next().unwrap().within), [3]);
    assert_eq!(numbers(routes.top().nth(1).unwrap().within), [0; 0]);
}

#[test]
fn a_group_is_of_one_source_whatever_it_is_grouped_by() {
    let key = |by: &[&str]| {
        let by = by.iter().map(|field| Field::parse(field).unwrap()).collect();
        with_subject(|subject| Group { by, ..Group::default() }.key(subject).join("/"))
    };
    assert_eq!(key(&[]), "prod");
    assert_eq!(key(&["source"]), "prod");
    assert_eq!(key(&["action", "source", "labels.team", "keypair"]), "prod/reset/platform/");
}
