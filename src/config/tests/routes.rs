//! Routes within routes: what they inherit, and what cannot be meant.

use super::*;
use crate::decide::route::{Field, Routes};

/// The routes of [`GOOD`] with `routes` in their place.
#[track_caller]
fn routes(routes: &str) -> Routes {
    let text = edited("[[route]]\nto = [\"ops\"]\n", routes);
    parse(&text).unwrap_or_else(|error| panic!("{error}")).routes
}

/// Each route as `depth, sinks, grouped by, wait, most`.
#[track_caller]
fn inherits(text: &str, expected: &[&str]) {
    let routes = routes(text);
    let each = routes.0.iter().map(|route| {
        let to: Vec<_> = route.to.iter().map(Name::as_str).collect();
        let by: Vec<_> = route.group.by.iter().map(Field::to_string).collect();
        let (wait, most) = (route.group.wait.as_secs(), route.group.max_items);
        format!("{} [{}] by {} {wait}s {most}", route.depth, to.join(","), by.join(","))
    });
    assert_eq!(each.collect::<Vec<_>>(), expected, "{text}");
}

/// A route at the top and `levels` within one another.
fn nested(levels: usize) -> String {
    let header = |depth: usize| format!("[[{}]]\n", vec!["route"; depth].join("."));
    let deeper: String = (2..=levels + 1).map(header).collect();
    format!("[[route]]\nto = []\n{deeper}")
}

#[test]
fn a_route_takes_over_what_it_leaves_out() {
    inherits(
        "[[route]]\nto = ['ops']\n[[route.route]]\n[[route]]\nto = []\n",
        &["0 [ops] by source 30s 100", "1 [ops] by source 30s 100", "0 [] by source 30s 100"],
    );
    inherits(
        "[[route]]\nto = ['ops']\ngroup = { by = ['action'], wait = '5s', max_items = 7 }\n\
         [[route.route]]\nto = []\ngroup = { wait = '0s' }\n\
         [[route.route.route]]\ngroup = { by = [] }\n\
         [[route.route]]\ngroup = { max_items = 1 }\n",
        &[
            "0 [ops] by action 5s 7",
            "1 [] by action 0s 7",
            "2 [] by  0s 7",
            "1 [ops] by action 5s 1",
        ],
    );
    inherits(
        "[[route]]\nto = ['ops']\nroute = [{ to = [], route = [{}] }, { match = [] }]\n",
        &[
            "0 [ops] by source 30s 100",
            "1 [] by source 30s 100",
            "2 [] by source 30s 100",
            "1 [ops] by source 30s 100",
        ],
    );
}

#[test]
fn each_mistake_within_a_route_is_named_by_its_place() {
    for (lines, expected) in [
        (
            "contineu = true",
            "c.toml:12: route[0].route[0].contineu: is not a known key; did you mean `continue`?",
        ),
        (
            "match = [\n  'actoin = bind']",
            "c.toml:13: route[0].route[0].match[0]: character 1: `actoin` is not a field; did you \
             mean `action`?",
        ),
        (
            "to = ['opps']",
            "c.toml:12: route[0].route[0].to[0]: `opps` is not a sink; did you mean `ops`?",
        ),
        (
            "group = { wait = '2h' }",
            "c.toml:12: route[0].route[0].group.wait: must be between 0s and 1h",
        ),
        (
            "route = 5",
            "c.toml:12: route[0].route[0].route: must be a list of tables, each written \
             [[route.route.route]] in double brackets",
        ),
        (
            "[[route.route.route]]\nto = 'ops'",
            "c.toml:13: route[0].route[0].route[0].to: invalid type: string \"ops\", expected a \
             list",
        ),
    ] {
        check(TO, &format!("{TO}[[route.route]]\n{lines}\n"), &[expected]);
    }
    check(
        TO,
        &format!("{TO}[route.route]\nto = []\n"),
        &["c.toml:11: route[0].route: must be a list of tables, each written [[route.route]] in \
           double brackets"],
    );
}

#[test]
fn what_is_wrong_with_a_route_is_not_held_against_those_within_it() {
    check(
        TO,
        "to = 5\n[[route.route]]\n[[route.route]]\nto = [5]\n",
        &[
            "c.toml:10: route[0].to: invalid type: integer `5`, expected a list",
            "c.toml:13: route[0].route[1].to[0]: invalid type: integer `5`, expected a string",
        ],
    );
    check(TO, "[[route.route]]\nto = ['ops']\n", &["c.toml:9: route[0].to: is required"]);
}

#[test]
fn the_depth_and_the_number_of_routes_are_bounded() {
    assert_eq!(routes(&nested(Routes::DEPTH_MAX - 1)).0.len(), Routes::DEPTH_MAX);
    let seven = "route[0].".repeat(7);
    for levels in [Routes::DEPTH_MAX, Routes::DEPTH_MAX + 3] {
        check(
            "[[route]]\nto = [\"ops\"]\n",
            &nested(levels),
            &[&format!("c.toml:18: {seven}route[0].route: is nested deeper than 8 levels")],
        );
    }
    let many = |count: usize| format!("[[route]]\nto = []\n{}", "[[route.route]]\n".repeat(count));
    assert_eq!(routes(&many(Routes::COUNT_MAX - 1)).0.len(), Routes::COUNT_MAX);
    check(
        "[[route]]\nto = [\"ops\"]\n",
        &format!("{}[[route]]\nto = 5\n", many(Routes::COUNT_MAX + 7)),
        &["c.toml:1010: route[0].route[999]: is one too many: there can be at most 1000 routes"],
    );
}

#[test]
fn a_route_within_another_does_not_take_what_that_one_refuses() {
    check(
        TO,
        "to = ['ops']\nmatch = ['action = bind']\n[[route.route]]\n",
        &["c.toml:9: route[0]: the last route must have no `match`, or a failure that no route \
           takes would reach nobody; add a [[route]] with only `to` (`to = []` drops the rest on \
           purpose)"],
    );
    warns(TO, "to = ['ops']\n[[route.route]]\nmatch = ['action = bind']\n", &[]);
}

#[test]
fn routes_without_effect_draw_a_warning_at_every_level() {
    const CHILD: &str = "[[route.route]]\n";
    warns(
        TO,
        &format!("{TO}{CHILD}{CHILD}[[route.route.route]]\n{CHILD}"),
        &[
            "c.toml:12: route[0].route[1]: is never reached: route[0].route[0] takes every failure",
            "c.toml:14: route[0].route[2]: is never reached: route[0].route[0] takes every failure",
        ],
    );
    warns(
        TO,
        &format!("{TO}{CHILD}continue = true\n{CHILD}continue = true\n"),
        &["c.toml:14: route[0].route[1].continue: has no effect: there is no route behind it"],
    );
    // It keeps the failure from the route around it.
    warns(TO, &format!("{TO}{CHILD}to = []\ncontinue = true\n{CHILD}"), &[]);
    // What is told within it is told.
    let told = "[[route]]\nto = []\ncontinue = true\n[[route.route]]\nto = ['ops']\n\
                match = ['action = bind']\n[[route]]";
    warns("[[route]]", told, &[]);
    warns(
        TO,
        &format!("{TO}{CHILD}match = ['source = prdo']\n"),
        &["c.toml:12: route[0].route[0].match[0]: holds for no source in this file"],
    );
}
