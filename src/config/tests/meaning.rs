//! Values that are spelt right and cannot be meant, with the words that the operator reads.

use super::*;

#[test]
fn a_value_out_of_range_is_named_with_the_range() {
    for (key, value, range) in [
        ("interval", "900ms", "1s and 1h"),
        ("interval", "61m", "1s and 1h"),
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
        ("delivery", "max_age = \"0s\"", "max_age", "1s and 30d"),
        ("delivery", "slow_lane = \"2d\"", "slow_lane", "100ms and 1d"),
        ("delivery", "retry_after_max = \"2d\"", "retry_after_max", "0s and 1d"),
        ("delivery", "backoff = [\"1s\", \"1ms\"]", "backoff[1]", "100ms and 1d"),
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
        &["c.toml:7: sink.ops.kind: `pigeon` is not a kind; known are fake, chat, pager"],
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
            "c.toml:10: sink.ops.kind: `x` is not a kind; known are fake, chat, pager",
            "c.toml:11: sink.ops.cleared: invalid type: integer `1`, expected true or false",
            "c.toml: route: is required; add at least one [[route]]",
        ],
    );
}
