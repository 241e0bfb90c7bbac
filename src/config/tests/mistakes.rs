//! Each kind of mistake, with the words that the operator reads.

use super::*;

/// A [`GOOD`] config with one edit is refused in these words, one for each problem.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let text = edited(from, to);
    match parse(&text) {
        Ok(_) => panic!("is taken: {to}"),
        Err(error) => assert_eq!(lines(error.problems()), expected, "{to}"),
    }
}

const KIND: &str = "kind = \"fake\"\n";
const SINK_KIND: &str = "name = \"ops\"\nkind = \"fake\"\n";
const TO: &str = "to = [\"ops\"]\n";

#[test]
fn an_unknown_key_is_named_at_every_level() {
    check("", "[stoer]", &["c.toml:11: stoer: is not a known key; did you mean `store`?"]);
    check(
        "",
        "[zzz]",
        &["c.toml:11: zzz: is not a known key; known are store, source, sink, route, delivery, \
           worker"],
    );
    for (table, key, near) in [
        ("store", "pahts", "path"),
        ("delivery", "max_aeg", "max_age"),
        ("worker", "shutdown_graec", "shutdown_grace"),
    ] {
        check(
            "",
            &format!("[{table}]\n{key} = 1"),
            &[&format!("c.toml:12: {table}.{key}: is not a known key; did you mean `{near}`?")],
        );
    }
    check(
        KIND,
        "kind = \"fake\"\nintervall = \"60s\"\n",
        &["c.toml:4: source.prod.intervall: is not a known key; did you mean `interval`?"],
    );
    check(
        KIND,
        "kind = \"fake\"\npage_szie = 5\n",
        &["c.toml:4: source.prod.page_szie: is not a known key; did you mean `page_size`?"],
    );
    check(
        SINK_KIND,
        "kind = \"fake\"\nname = \"ops\"\ntimout = \"5s\"\n",
        &["c.toml:8: sink.ops.timout: is not a known key; did you mean `timeout`?"],
    );
    check(
        TO,
        "to = [\"ops\"]\ncontineu = true\n",
        &["c.toml:11: route[0].contineu: is not a known key; did you mean `continue`?"],
    );
    check(
        TO,
        "to = [\"ops\"]\ngroup = { byy = [] }\n",
        &["c.toml:11: route[0].group.byy: is not a known key; did you mean `by`?"],
    );
    check(
        KIND,
        "kind = \"fake\"\nfirst_run = { sicne = \"1h\" }\n",
        &["c.toml:4: source.prod.first_run.sicne: is not a known key; did you mean `since`?"],
    );
}

#[test]
fn keys_of_later_versions_are_not_taken_yet() {
    check(
        SINK_KIND,
        "name = \"ops\"\nkind = \"fake\"\nlimit = \"10/10m\"\n",
        &["c.toml:8: sink.ops.limit: is not a known key; known are name, kind, timeout, \
           concurrency, cleared, auth, page_size, secret, url"],
    );
    check(
        "",
        "[status]\nlisten = \"\"",
        &["c.toml:11: status: is not a known key; known are store, source, sink, route, \
           delivery, worker"],
    );
}

#[test]
fn a_wrong_type_is_named_with_the_right_one() {
    check(
        "",
        "[store]\npath = 5",
        &["c.toml:12: store.path: invalid type: integer `5`, expected a string"],
    );
    check(
        "",
        "[store]\nretention = 90",
        &[
            "c.toml:12: store.retention: invalid type: integer `90`, expected a length of time with \
         its unit, such as \"30s\" or \"1d2h30m\"",
        ],
    );
    check(
        "",
        "[store]\nretention = \"90\"",
        &["c.toml:12: store.retention: invalid value: string \"90\", expected a length of time \
         with its unit, such as \"30s\" or \"1d2h30m\""],
    );
    check(
        "",
        "[worker]\npoll_concurrency = -1",
        &[
            "c.toml:12: worker.poll_concurrency: invalid value: integer `-1`, expected a whole number",
        ],
    );
    check(
        "",
        "[delivery]\nbackoff = [\"5s\", 7]",
        &["c.toml:12: delivery.backoff[1]: invalid type: integer `7`, expected a length of time \
         with its unit, such as \"30s\" or \"1d2h30m\""],
    );
    check(
        TO,
        "to = \"ops\"\n",
        &["c.toml:10: route[0].to: invalid type: string \"ops\", expected a list"],
    );
    check(
        TO,
        "to = [\"ops\"]\ncontinue = \"yes\"\n",
        &["c.toml:11: route[0].continue: invalid type: string \"yes\", expected true or false"],
    );
    check(
        TO,
        "to = [\"ops\"]\ngroup = \"source\"\n",
        &["c.toml:11: route[0].group: invalid type: string \"source\", expected a table"],
    );
    check(
        KIND,
        "kind = \"fake\"\nlabels = { team = 1 }\n",
        &["c.toml:4: source.prod.labels.team: invalid type: integer `1`, expected a string"],
    );
    check(
        KIND,
        "kind = \"fake\"\nfirst_run = \"loud\"\n",
        &[
            "c.toml:4: source.prod.first_run: invalid value: string \"loud\", expected \"summary\", \
         \"silent\", \"notify\" or { since = \"24h\" }",
        ],
    );
    check(
        "[[sink]]",
        "[sink]",
        &["c.toml:5: sink: must be a list of tables, each written [[sink]] in double brackets"],
    );
    check(
        "[[source]]",
        "delivery = 1\n[[source]]",
        &["c.toml:1: delivery: must be a table, written [delivery]"],
    );
}

#[test]
fn a_value_out_of_range_is_named_with_the_range() {
    for (key, value, range) in [
        ("interval", "4s", "5s and 1h"),
        ("interval", "61m", "5s and 1h"),
        ("timeout", "0s", "1s and 10m"),
        ("timeout", "11m", "1s and 10m"),
    ] {
        let interval = if key == "timeout" { "interval = \"1h\"\n" } else { "" };
        let line = if key == "timeout" { 5 } else { 4 };
        check(
            KIND,
            &format!("{KIND}{interval}{key} = \"{value}\"\n"),
            &[&format!("c.toml:{line}: source.prod.{key}: must be between {range}")],
        );
    }
    for (key, value, range) in [
        ("timeout", "\"500ms\"", "1s and 2m"),
        ("timeout", "\"3m\"", "1s and 2m"),
        ("concurrency", "0", "1 and 256"),
        ("concurrency", "257", "1 and 256"),
    ] {
        check(
            SINK_KIND,
            &format!("{SINK_KIND}{key} = {value}\n"),
            &[&format!("c.toml:8: sink.ops.{key}: must be between {range}")],
        );
    }
    for (table, line, key, range) in [
        ("store", "retention = \"1m\"", "retention", "1h and 10years"),
        ("worker", "poll_concurrency = 0", "poll_concurrency", "1 and 256"),
        ("worker", "shutdown_grace = \"6m\"", "shutdown_grace", "0s and 5m"),
        ("delivery", "max_age = \"0s\"", "max_age", "1s and 30days"),
        ("delivery", "slow_lane = \"2d\"", "slow_lane", "100ms and 1day"),
        ("delivery", "retry_after_max = \"2d\"", "retry_after_max", "0s and 1day"),
        ("delivery", "backoff = [\"1s\", \"1ms\"]", "backoff[1]", "100ms and 1day"),
    ] {
        check(
            "",
            &format!("[{table}]\n{line}"),
            &[&format!("c.toml:12: {table}.{key}: must be between {range}")],
        );
    }
    for (group, key, range) in
        [("wait = \"2h\"", "wait", "0s and 1h"), ("max_items = 101", "max_items", "1 and 100")]
    {
        check(
            TO,
            &format!("{TO}group = {{ {group} }}\n"),
            &[&format!("c.toml:11: route[0].group.{key}: must be between {range}")],
        );
    }
    check(
        "",
        "[delivery]\nbackoff = []",
        &["c.toml:12: delivery.backoff: must be a list of 1 to 32 waits"],
    );
    check("", "[store]\npath = \"\"", &["c.toml:12: store.path: must not be empty"]);
}

#[test]
fn what_is_missing_is_named() {
    check("name = \"prod\"\n", "", &["c.toml:1: source[0].name: is required"]);
    check("kind = \"fake\"\n", "", &["c.toml:1: source.prod.kind: is required"]);
    check("name = \"ops\"\n", "", &["c.toml:5: sink[0].name: is required"]);
    check(TO, "", &["c.toml:9: route[0].to: is required"]);
    match parse("") {
        Ok(_) => panic!("is taken"),
        Err(error) => assert_eq!(
            lines(error.problems()),
            [
                "c.toml: source: is required; add at least one [[source]]",
                "c.toml: sink: is required; add at least one [[sink]]",
                "c.toml: route: is required; add at least one [[route]]",
            ]
        ),
    }
}

#[test]
fn names_are_checked_and_kinds_are_known() {
    check(
        "\"prod\"",
        "\"two words\"",
        &[
            "c.toml:2: source[0].name: must be 1 to 64 characters, each a letter, a digit, `.`, `_` \
         or `-`",
        ],
    );
    check(
        "[[sink]]",
        "[[source]]\nkind = \"fake\"\nname = \"prod\"\n[[sink]]",
        &["c.toml:7: source[1].name: `prod` is taken by another source in line 2"],
    );
    check(
        KIND,
        "kind = \"faek\"\n",
        &["c.toml:3: source.prod.kind: `faek` is not a kind; did you mean `fake`?"],
    );
    check(
        SINK_KIND,
        "name = \"ops\"\nkind = \"pigeon\"\n",
        &["c.toml:7: sink.ops.kind: `pigeon` is not a kind; known are fake"],
    );
    check(
        "",
        "[store]\nkind = \"nats\"",
        &["c.toml:12: store.kind: `nats` is not a kind; known are sled"],
    );
    check(
        KIND,
        "kind = \"fake\"\nlabels = { \"two words\" = \"x\" }\n",
        &["c.toml:4: source.prod.labels.two words: the name of a label must be 1 to 64 \
         characters, each a letter, a digit, `.`, `_` or `-`"],
    );
    check(
        KIND,
        "kind = \"fake\"\nlabels = { a = \"x\\ny\" }\n",
        &["c.toml:4: source.prod.labels.a: must be at most 256 bytes without control characters"],
    );
}

#[test]
fn a_source_must_answer_within_its_interval() {
    check(
        KIND,
        "kind = \"fake\"\ninterval = \"20s\"\ntimeout = \"21s\"\n",
        &["c.toml:5: source.prod.timeout: must be at most the interval, 20s"],
    );
}

#[test]
fn conditions_and_sinks_of_routes_are_checked() {
    check(
        TO,
        "to = [\"opps\"]\n",
        &["c.toml:10: route[0].to[0]: `opps` is not a sink; did you mean `ops`?"],
    );
    check(
        TO,
        "to = [\"ops\", \"pager\"]\n",
        &["c.toml:10: route[0].to[1]: `pager` is not a sink; known are ops"],
    );
    check(TO, "to = [\"ops\", \"ops\"]\n", &["c.toml:10: route[0].to[1]: `ops` is listed already"]);
    check(
        "[[route]]",
        "[[route]]\nto = []\nmatch = [\n  'action = reset',\n  'actoin = bind']\n[[route]]",
        &["c.toml:13: route[0].match[1]: character 1: `actoin` is not a field; did you mean \
         `action`?"],
    );
    check(
        "[[route]]",
        "[[route]]\nto = []\nmatch = ['keypair =~ \"a(\"']\n[[route]]",
        &["c.toml:11: route[0].match[0]: character 12: the regular expression is wrong: unclosed \
         group"],
    );
    check(
        TO,
        "to = [\"ops\"]\ngroup = { by = [\"source\", \"sevrer_name\"] }\n",
        &["c.toml:11: route[0].group.by[1]: `sevrer_name` is not a field; did you mean \
         `server_name`?"],
    );
}

#[test]
fn a_failure_that_could_reach_nobody_is_refused() {
    const LEFT_OVER: &str = "the last route must have no `match`, or a failure that no route \
        takes would reach nobody; add a [[route]] with only `to` (`to = []` drops the rest on \
        purpose)";
    check(
        TO,
        "to = [\"ops\"]\nmatch = ['action = reset']\n",
        &[&format!("c.toml:9: route[0]: {LEFT_OVER}")],
    );
    check(
        "[[route]]",
        "[[route]]\nto = []\ncontinue = true\n[[route]]\nmatch = ['action = bind']",
        &[&format!("c.toml:12: route[1]: {LEFT_OVER}")],
    );
    for good in [
        "[[route]]\nto = []\nmatch = ['action = bind']\n[[route]]",
        "[[route]]\nto = ['ops']\ncontinue = true\n[[route]]\nmatch = ['action = bind']",
    ] {
        assert!(parse(&edited("[[route]]", good)).is_ok(), "{good}");
    }
    assert!(parse(&edited(TO, "to = []\n")).is_ok(), "to nobody, on purpose");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    check(
        GOOD,
        "[worker]\npoll_concurrency = 0\n[[source]]\nname = 'a b'\nkind = 'fake'\n\
         interval = 7\ntimeout = 'x'\n[[sink]]\nname = 'ops'\nkind = 'x'\ncleared = 1\n",
        &[
            "c.toml:2: worker.poll_concurrency: must be between 1 and 256",
            "c.toml:4: source[0].name: must be 1 to 64 characters, each a letter, a digit, `.`, \
             `_` or `-`",
            "c.toml:6: source[0].interval: invalid type: integer `7`, expected a length of time \
             with its unit, such as \"30s\" or \"1d2h30m\"",
            "c.toml:7: source[0].timeout: invalid value: string \"x\", expected a length of time \
             with its unit, such as \"30s\" or \"1d2h30m\"",
            "c.toml:10: sink.ops.kind: `x` is not a kind; known are fake",
            "c.toml:11: sink.ops.cleared: invalid type: integer `1`, expected true or false",
            "c.toml: route: is required; add at least one [[route]]",
        ],
    );
}

#[test]
fn a_file_that_is_not_toml_is_placed_but_not_quoted() {
    for (from, to, expected) in [
        (
            KIND,
            "kind = pager\n",
            "c.toml:3:8: is not TOML: string values must be quoted, expected literal string",
        ),
        (
            KIND,
            "kind = \"fa\nke\"\n",
            "c.toml:3:11: is not TOML: invalid basic string, expected `\"`",
        ),
        (KIND, "kind = \"fake\"\nkind = \"x\"\n", "c.toml:4:1: is not TOML: duplicate key"),
        ("[[source]]", "[[source]", "c.toml:1:10: is not TOML: unclosed array table, expected `]`"),
        ("", "[store", "c.toml:11:7: is not TOML: unclosed table, expected `]`"),
    ] {
        check(from, to, &[expected]);
    }
}

#[test]
fn no_message_holds_a_secret() {
    for to in [
        "secret = \"hunter2\"",
        "secret = [\"a\", 77007]",
        "url = 77007",
        "auth = { token = 77007 }",
        "auth = { token = { env = 77007 } }",
        "auth = \"77007\"",
        "url = \"hunter2",
        "auth = { token = \"hunter2\" \"hunter2\" }",
        "auth = { token = hunter2 }",
    ] {
        let text = edited(SINK_KIND, &format!("{SINK_KIND}{to}\n"));
        let error = match parse(&text) {
            Ok(config) => {
                assert!(!format!("{config:?}").contains("hunter2"), "{to}");
                config.build_sinks(&Clients::default()).map(drop).expect_err(to)
            }
            Err(error) => error,
        };
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("c.toml"), "{to}: {shown}");
        // `auth` itself is no secret, but what stands in for its table may be.
        assert!(!shown.contains("hunter2") && !shown.contains("77007"), "{to}: {shown}");
    }
}

#[test]
fn a_kinds_own_complaint_is_placed_like_any_other() {
    let text = edited(KIND, &format!("{KIND}page_size = 70000\nauth = {{\n  tokn = \"x\" }}\n"));
    let config = parse(&text).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let error = config.build_sources(&clock, &Clients::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.toml:4: source.prod.page_size: invalid value: integer `70000`, expected a whole number"
    );
    let text = edited(KIND, &format!("{KIND}auth = {{\n  tokn = \"x\" }}\n"));
    let error = parse(&text).unwrap().build_sources(&clock, &Clients::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.toml:5: source.prod.auth.tokn: is not a known key; did you mean `token`?"
    );
}
