//! Keys, types and syntax that are wrong, with the words that the operator reads.

use super::*;

#[test]
fn an_unknown_key_is_named_at_every_level() {
    check("", "[stoer]", &["c.toml:11: stoer: is not a known key; did you mean `store`?"]);
    check(
        "",
        "[zzz]",
        &["c.toml:11: zzz: is not a known key; known are store, source, sink, route, mute, \
           delivery, worker, status, text, template, hints"],
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
        "name = \"ops\"\nkind = \"fake\"\nquota = 1\n",
        &["c.toml:8: sink.ops.quota: is not a known key; known are name, kind, timeout, \
           concurrency, cleared, limit, storm, fallback, fallback_after, language, time_zone, \
           template, auth, page_size, project_id, region, secret, url"],
    );
    check(
        "",
        "[nodes]\nlisten = \"\"",
        &["c.toml:11: nodes: is not a known key; known are store, source, sink, route, \
           mute, delivery, worker, status, text, template, hints"],
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
    let error = config
        .build_sources(&clock, &Clients::default(), &source::Standings::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.toml:4: source.prod.page_size: invalid value: integer `70000`, expected a whole number"
    );
    let text = edited(KIND, &format!("{KIND}auth = {{\n  tokn = \"x\" }}\n"));
    let error = parse(&text)
        .unwrap()
        .build_sources(&clock, &Clients::default(), &source::Standings::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.toml:5: source.prod.auth.tokn: is not a known key; did you mean `token`?"
    );
}
