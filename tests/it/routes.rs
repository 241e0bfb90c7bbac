//! Trees of routes against the answers of Alertmanager's own amtool, version 0.25.
//!
//! A tree of Alertmanager has one route around all others, which takes what none of them takes.
//! Each line of `route-trees.jsonl` holds such a tree in our words: one route at the top, without
//! conditions and to the sink `root`. Labels are our fields. Every other route that names a sink
//! names one of its own, so that it does not matter that a sink is told once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use serde_json::{Value, json};
use taskbell::{
    config::Config,
    decide::route::{NO_LABELS, Subject},
};

pub(crate) const TREES: &str = include_str!("../vectors/route-trees.jsonl");

/// The sink of the route around all others.
const ROOT: &str = "root";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// As in the config.
    pub(crate) routes: Vec<Value>,
    /// Fields and their values; the others are empty.
    pub(crate) subject: BTreeMap<String, String>,
    /// In the order of the answer.
    pub(crate) sinks: Vec<String>,
}

/// All that the key `to` of these routes names.
pub(crate) fn named(routes: &[Value]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for route in routes {
        let to = route.get("to").and_then(Value::as_array).into_iter().flatten();
        names.extend(to.filter_map(Value::as_str));
        names.extend(named(within(route)));
    }
    names
}

fn within(route: &Value) -> &[Value] {
    route.get("route").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A config with these routes.
pub(crate) fn config(routes: &[Value]) -> String {
    let sink = |name| json!({ "name": name, "kind": "webhook" });
    let file = json!({
        "source": [{ "name": "any", "kind": "kps" }],
        "sink": named(routes).into_iter().map(sink).collect::<Vec<_>>(),
        "route": routes,
    });
    toml::to_string(&file).unwrap()
}

/// The sinks that a config with these routes selects.
fn selected(routes: &[Value], subject: &BTreeMap<String, String>) -> Vec<String> {
    let text = config(routes);
    let config =
        Config::parse(&text, Path::new("c.toml")).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let field = |name: &str| subject.get(name).map_or("", String::as_str);
    let labels = subject
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("labels.")?.to_owned(), value.clone())))
        .collect();
    let subject = Subject {
        own_labels: &NO_LABELS,
        source: field("source"),
        project: field("project"),
        region: field("region"),
        action: field("action"),
        operate_type: field("operate_type"),
        error_code: field("error_code"),
        error_message: field("error_message"),
        server_name: field("server_name"),
        keypair: field("keypair"),
        labels: &labels,
    };
    config.routes.select(&subject).iter().map(|to| to.sink.to_string()).collect()
}

#[test]
fn trees_are_walked_as_by_alertmanager() {
    let mut cases = 0;
    for line in TREES.lines() {
        let Case { routes, subject, sinks } = serde_json::from_str(line).unwrap();
        assert_eq!(selected(&routes, &subject), sinks, "{line}");
        cases += 1;
    }
    assert!(300 <= cases);
}

#[test]
fn the_top_of_the_file_is_walked_like_any_other_level() {
    for line in TREES.lines() {
        let Case { routes, subject, sinks } = serde_json::from_str(line).unwrap();
        let [root] = routes.as_slice() else { panic!("one route at the top") };
        // Around these there is no route that could take what is left; one behind them can. When
        // all that took the failure continue, that one takes it as well.
        let mut top = within(root).to_vec();
        for route in &mut top {
            // At the top, `to` must not be left out.
            route.as_object_mut().unwrap().entry("to").or_insert_with(|| root["to"].clone());
        }
        top.push(json!({ "to": [ROOT] }));
        let mut actual = selected(&top, &subject);
        if 1 < actual.len() && !sinks.iter().any(|sink| sink == ROOT) {
            actual.retain(|sink| sink != ROOT);
        }
        assert_eq!(actual, sinks, "{line}");
    }
}
