//! What a good config means, and what is odd about one.

use super::*;
use crate::{
    config::{check::adapters, raw},
    decide::rules::{Limit, StormRule},
};

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.warnings, []);
    let day = 24 * 3600;
    assert_eq!(config.store.path, Path::new("taskbell-data"));
    assert_eq!(config.store.retention.as_secs(), 90 * day);
    let [source] = config.sources.as_slice() else { panic!("one source") };
    assert_eq!((source.name.as_str(), source.kind.name), ("prod", "fake"));
    assert_eq!((source.interval.as_secs(), source.timeout.as_secs()), (60, 30));
    assert_eq!(source.first_run, FirstRun::Summary);
    assert!(source.labels.is_empty() && source.options.is_empty());
    let [sink] = config.sinks.as_slice() else { panic!("one sink") };
    assert_eq!((sink.timeout.as_secs(), sink.concurrency), (15, 8));
    assert_eq!(sink.rules, SinkRules::default());
    assert_eq!(config.retry, RetryPolicy::default());
    assert_eq!(config.worker.poll_concurrency, 16);
    assert_eq!(config.worker.shutdown_grace.as_secs(), 20);
    let [route] = config.routes.0.as_slice() else { panic!("one route") };
    assert!(route.takes_all() && !route.continues);
    assert_eq!(route.group, crate::decide::route::Group::default());
}

#[test]
fn every_key_arrives() {
    let text = r#"
        worker = { poll_concurrency = 1, shutdown_grace = "0s" }
        store = { kind = "sled", path = "/var/lib/x", retention = "1d" }
        delivery = { max_age = "1h", slow_lane = "1m", retry_after_max = "0s", backoff = ["1s"] }
        [[source]]
        name = "a.b"
        kind = "fake"
        interval = "10s"
        first_run = { since = "24h" }
        labels = { team = "x" }
        page_size = 5
        [[sink]]
        name = "s"
        kind = "fake"
        timeout = "2m"
        concurrency = 1
        cleared = true
        limit = "10/10m"
        storm = { threshold = 5, update = "1m" }
        fallback = ["t"]
        fallback_after = "1h"
        secret = ["x"]
        [[sink]]
        name = "t"
        kind = "fake"
        [[route]]
        match = ['labels.team = x']
        to = ["s"]
        group = { by = ["action"], wait = "0s", max_items = 1 }
        continue = true
        [[route]]
        to = []
    "#;
    let config = parse(text).unwrap();
    assert_eq!(lines(&config.warnings), [""; 0]);
    let (source, sink) = (&config.sources[0], &config.sinks[0]);
    assert_eq!(source.timeout.as_secs(), 10, "as short as the interval");
    assert_eq!(source.first_run, FirstRun::Since(Duration::from_secs(24 * 3600)));
    assert_eq!(source.labels["team"], "x");
    assert_eq!(source.options.keys().collect::<Vec<_>>(), ["page_size"]);
    assert_eq!(sink.options.keys().collect::<Vec<_>>(), ["secret"]);
    assert_eq!((sink.timeout.as_secs(), sink.concurrency), (120, 1));
    let rules = SinkRules {
        cleared: true,
        limit: Some(Limit { count: 10, per: Duration::from_secs(600) }),
        storm: Some(StormRule { threshold: 5, update: Duration::from_secs(60) }),
        fallback: vec![Name::parse("t").unwrap()],
        fallback_after: Duration::from_secs(3600),
        keeps_open: false,
    };
    assert_eq!(sink.rules, rules);
    assert_eq!(config.retry.backoff, [Duration::from_secs(1)]);
    assert_eq!(config.retry.max_age.as_secs(), 3600);
    assert_eq!(config.routes.0.len(), 2);
    assert!(config.routes.0[0].continues && config.routes.0[1].to.is_empty());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    assert_eq!(
        config
            .build_sources(&clock, &Clients::default(), &source::Standings::default())
            .unwrap()
            .len(),
        1
    );
    assert_eq!(config.build_sinks(&Clients::default()).unwrap().len(), 2);
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_do_no_harm() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert!(parse(&text).is_ok());
    let error = parse(&text.replace("\"fake\"", "\"x\"")).unwrap_err();
    assert_eq!(error.problems()[0].line, Some(3));
}

#[test]
fn routes_without_effect_draw_a_warning() {
    warns(
        "",
        "continue = true",
        &["c.toml:11: route[0].continue: has no effect: there is no route behind it"],
    );
    warns(
        "[[route]]",
        "[[route]]\nto = []\n[[route]]",
        &["c.toml:11: route[1]: is never reached: route[0] takes every failure"],
    );
    warns(
        "[[route]]",
        "[[route]]\nto = []\ncontinue = true\n[[route]]",
        &["c.toml:9: route[0]: has no effect: it tells nobody and continues"],
    );
    warns(
        "[\"ops\"]",
        "[]",
        &["c.toml:5: sink.ops: is never told anything: no route and no fallback names it"],
    );
}

#[test]
fn a_condition_that_holds_for_no_source_draws_a_warning() {
    for (condition, holds) in [
        ("source = prod", true),
        ("source = prdo", false),
        ("source =~ \"prod|test\"", true),
        ("source != prod", false),
        ("labels.team = x", false),
        ("labels.team != x", true),
        ("action = bind", true),
        ("region = nowhere", true),
    ] {
        let expected = "c.toml:11: route[0].match[0]: holds for no source in this file";
        let expected: &[&str] = if holds { &[] } else { &[expected] };
        warns(
            "[[route]]",
            &format!("[[route]]\nto = []\nmatch = ['{condition}']\n[[route]]"),
            expected,
        );
    }
}

#[test]
fn secrets_in_a_file_that_others_can_read_draw_a_warning() {
    let text = edited(
        "kind = \"fake\"\n",
        "kind = \"fake\"\nurl = \"http://127.0.0.1:1/x\"\nsecret = [{ file = \"/s\" }, \"x\"]\n\
         auth = { token = \"x\" }\n",
    );
    let config = parse(&text).unwrap();
    let shown = |mode| secrets::exposed(&config, mode).map(|warning| warning.to_string());
    assert_eq!(shown(0o100_600), None);
    assert_eq!(
        shown(0o100_640).unwrap(),
        "c.toml:5: others can read this file (mode 0640) and secrets stand in it: \
         source.prod.secret, source.prod.auth.token; chmod 600 it, or write { env = \"NAME\" }, \
         { file = \"/path\" } or { credential = \"name\" } instead"
    );
    let harmless = edited("kind = \"fake\"\n", "kind = \"fake\"\nurl = { env = \"U\" }\n");
    assert_eq!(secrets::exposed(&parse(&harmless).unwrap(), 0o644), None);
    let several = edited(
        "kind = \"fake\"\n",
        "kind = \"fake\"\nprojects = [\"a\", \"b\"]\nsecret = \"x\"\nauth = { token = \"x\" }\n",
    );
    let shown = secrets::exposed(&parse(&several).unwrap(), 0o640).unwrap().to_string();
    assert_eq!(shown.matches(".auth.token").count(), 1, "{shown}");
}

#[test]
fn a_file_is_searched_in_the_documented_order() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
    let places = [first.clone(), second.clone()];
    let found = |given: Option<&str>, variable: Option<&str>| {
        search_in(given.map(Path::new), variable.map(str::to_owned), &places)
    };
    let missing = found(None, None).unwrap_err().to_string();
    assert_eq!(
        missing,
        format!(
            "no config file: neither {} nor {} exists; name one with --config or TASKBELL_CONFIG",
            first.display(),
            second.display()
        )
    );
    std::fs::write(&second, "").unwrap();
    assert_eq!(found(None, None).unwrap(), second);
    std::fs::write(&first, "").unwrap();
    assert_eq!(found(None, None).unwrap(), first);
    assert_eq!(found(None, Some("")).unwrap(), first, "an empty variable names nothing");
    assert_eq!(found(None, Some("v")).unwrap(), Path::new("v"));
    assert_eq!(found(Some("g"), Some("v")).unwrap(), Path::new("g"));
}

#[test]
fn the_lists_of_shared_keys_are_those_of_the_structs() {
    for (schema, keys) in [
        (schemars::schema_for!(raw::RawFile), check::FILE_KEYS),
        (schemars::schema_for!(raw::RawSource), adapters::SOURCE_KEYS),
        (schemars::schema_for!(raw::RawSink), adapters::SINK_KEYS),
    ] {
        let expected = keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(schema::closed_keys(&schema), Some(expected));
    }
}
