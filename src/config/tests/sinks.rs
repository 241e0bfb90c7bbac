//! How much a sink is told, and who is told in its place.

use super::*;
use crate::{
    config::raw::RawLimit,
    decide::rules::{Limit, StormRule},
};

/// What a sink of this kind with these lines has as its limit and its storm.
#[track_caller]
fn rules(kind: &str, text: &str, expected: &str) {
    let config = parse(&edited(SINK_KIND, &format!("name = \"ops\"\nkind = \"{kind}\"\n{text}\n")));
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    let SinkRules { limit, storm, .. } = &config.sinks[0].rules;
    let limit = limit.map_or("-".to_owned(), |Limit { count, per }| format!("{count}/{per:?}"));
    let storm = storm.map_or("-".to_owned(), |StormRule { threshold, update }| {
        format!("{threshold}/{update:?}")
    });
    assert_eq!(format!("{limit} {storm}"), expected, "{kind}: {text}");
}

/// Sinks with these fallbacks, one a word and each written `name:fallback,fallback`.
fn fallbacks(sinks: &str) -> String {
    let tables = sinks.split(' ').map(|sink| {
        let (name, to) = sink.split_once(':').unwrap();
        let to: Vec<_> = to.split(',').filter(|to| !to.is_empty()).collect();
        format!("[[sink]]\nname = \"{name}\"\nkind = \"fake\"\nfallback = {to:?}\n")
    });
    tables.collect()
}

#[test]
fn what_people_read_has_storms_and_the_limit_of_its_kind() {
    for (kind, text, expected) in [
        ("fake", "", "- -"),
        ("chat", "", "5/60s 50/900s"),
        ("chat", "limit = \"none\"\nstorm = false", "- -"),
        ("chat", "limit = \"\"", "- 50/900s"),
        ("chat", "limit = \"1/1d\"\nstorm = { threshold = 1 }", "1/86400s 1/900s"),
        ("chat", "storm = { update = \"1s\" }", "5/60s 50/1s"),
        ("fake", "storm = true", "- 50/900s"),
        ("fake", "storm = {}", "- 50/900s"),
        ("fake", "limit = \"1000/1h30m\"", "1000/5400s -"),
    ] {
        rules(kind, text, expected);
    }
}

#[test]
fn what_keeps_something_open_is_told_what_cleared() {
    for (kind, text, expected) in [
        ("fake", "", false),
        ("chat", "", false),
        ("pager", "", true),
        ("pager", "cleared = false", false),
        ("fake", "cleared = true", true),
    ] {
        let table = format!("name = \"ops\"\nkind = \"{kind}\"\n{text}\n");
        let config = parse(&edited(SINK_KIND, &table)).unwrap();
        assert_eq!(config.sinks[0].rules.cleared, expected, "{kind}: {text}");
    }
}

#[test]
fn each_mistake_in_a_limit_or_a_storm_is_named() {
    const LIMIT: &str = "so many notices in a time, such as \"10/10m\", or \"none\"";
    let range = "must be between 1 and 1000 notices in 1s to 1d".to_owned();
    let shape = |text: &str| format!("invalid value: string \"{text}\", expected {LIMIT}");
    for (value, problem) in [
        ("\"0/10m\"", range.clone()),
        ("\"1001/10m\"", range.clone()),
        ("\"10/10ms\"", range.clone()),
        ("\"10/2d\"", range),
        ("\"10\"", shape("10")),
        ("\"10/10\"", shape("10/10")),
        ("\"-1/10m\"", shape("-1/10m")),
        ("\"off\"", shape("off")),
        ("10", format!("invalid type: integer `10`, expected {LIMIT}")),
    ] {
        check(
            SINK_KIND,
            &format!("{SINK_KIND}limit = {value}\n"),
            &[&format!("c.toml:8: sink.ops.limit: {problem}")],
        );
    }
    for (value, key, problem) in [
        ("{ threshold = 0 }", ".threshold", "must be between 1 and 100000"),
        ("{ threshold = 100001 }", ".threshold", "must be between 1 and 100000"),
        ("{ update = \"999ms\" }", ".update", "must be between 1s and 1d"),
        ("{ update = \"2d\" }", ".update", "must be between 1s and 1d"),
        ("{ treshold = 5 }", ".treshold", "is not a known key; did you mean `threshold`?"),
        (
            "{ threshold = \"5\" }",
            ".threshold",
            "invalid type: string \"5\", expected a whole number",
        ),
        (
            "\"off\"",
            "",
            "invalid type: string \"off\", expected true, false or { threshold = 50, update = \
             \"15m\" }",
        ),
    ] {
        check(
            SINK_KIND,
            &format!("{SINK_KIND}storm = {value}\n"),
            &[&format!("c.toml:8: sink.ops.storm{key}: {problem}")],
        );
    }
}

#[test]
fn each_mistake_in_a_fallback_is_named() {
    for (line, problem) in [
        ("fallback = [\"opps\"]", "fallback[0]: `opps` is not a sink; did you mean `ops`?"),
        ("fallback = [\"ops\"]", "fallback[0]: is the sink itself; name another one"),
        ("fallback = \"mail\"", "fallback: invalid type: string \"mail\", expected a list"),
        ("fallback_after = \"0s\"", "fallback_after: must be between 1s and 1d"),
        ("fallback_after = \"25h\"", "fallback_after: must be between 1s and 1d"),
    ] {
        check(
            SINK_KIND,
            &format!("{SINK_KIND}{line}\n"),
            &[&format!("c.toml:8: sink.ops.{problem}")],
        );
    }
    check(
        "[[sink]]",
        &format!("{}[[sink]]", fallbacks("a:ops,ops")),
        &["c.toml:8: sink.a.fallback[1]: `ops` is listed already"],
    );
}

#[test]
fn fallbacks_in_a_circle_are_refused_with_the_circle() {
    for (sinks, expected) in [
        ("a:b b:a", &["c.toml:8: sink.a.fallback: leads back to where it began: a -> b -> a"][..]),
        (
            "a:b b:c c:d d:b",
            &["c.toml:12: sink.b.fallback: leads back to where it began: b -> c -> d -> b"],
        ),
        (
            "a:b,c b:d c:a d:ops e:f f:e",
            &[
                "c.toml:8: sink.a.fallback: leads back to where it began: a -> c -> a",
                "c.toml:24: sink.e.fallback: leads back to where it began: e -> f -> e",
            ],
        ),
    ] {
        check("[[sink]]", &format!("{}[[sink]]", fallbacks(sinks)), expected);
    }
    for good in ["a:b,c b:d c:d d:ops", "a:b b:ops c:b"] {
        let text = edited("[[sink]]", &format!("{}[[sink]]", fallbacks(good)));
        assert!(parse(&text).is_ok(), "{good}");
    }
}

#[test]
fn a_sink_that_only_a_fallback_names_is_told_something() {
    warns(
        "[[sink]]",
        &format!("{}[[sink]]", fallbacks("a:b b:")),
        &["c.toml:5: sink.a: is never told anything: no route and no fallback names it"],
    );
}

#[test]
fn the_limit_of_each_kind_can_be_read_and_is_in_range() {
    for kind in sink::KINDS {
        let Some(text) = kind.limit else { continue };
        let limit = RawLimit::parse(text).and_then(|RawLimit(limit)| limit);
        let limit = limit.unwrap_or_else(|| panic!("{}: {text}", kind.name));
        assert!((1..=Limit::COUNT_MAX).contains(&limit.count), "{}: {text}", kind.name);
        assert!((1..=86_400).contains(&limit.per.as_secs()), "{}: {text}", kind.name);
    }
}

/// What each kind does unless the config says otherwise: operators rely on it.
#[test]
fn the_defaults_of_each_kind_are_as_decided() {
    let people = |limit| (sink::Reader::People, limit, false);
    let programs = |cleared| (sink::Reader::Programs, None, cleared);
    for kind in sink::KINDS {
        let expected = match kind.name {
            "slack" | "teams" | "mattermost" | "rocketchat" | "pushover" => people(Some("10/10m")),
            "googlechat" | "ntfy" | "gotify" | "smn" => people(Some("30/10m")),
            "discord" => people(Some("25/1m")),
            "telegram" => people(Some("15/1m")),
            "feishu" => people(Some("90/1m")),
            "dingtalk" | "wecom" => people(Some("18/1m")),
            "email" => people(None),
            // A failure that is folded into a storm has no incident that could be resolved.
            "pagerduty" | "alertmanager" => programs(true),
            _ => programs(false),
        };
        assert_eq!((kind.reader, kind.limit, kind.cleared), expected, "{}", kind.name);
    }
}
