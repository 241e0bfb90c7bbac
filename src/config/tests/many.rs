//! Tables that stand for many sources, and the budget that those share.

use super::*;
use crate::http::{HostLimit, Rate};

/// The names of the sources, each with the options that its table filled in.
fn sources(keys: &str) -> Vec<String> {
    let text = edited(KIND, &format!("{KIND}{keys}\n"));
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let show = |source: &Source| {
        let word = |key: &str| source.options.get(key).and_then(toml::Value::as_str);
        let words: Vec<_> = ["region", "project_id"].into_iter().filter_map(word).collect();
        format!("{} {}", source.name, words.join(" "))
    };
    config.sources.iter().map(show).collect()
}

#[test]
fn a_table_stands_for_each_region_and_project() {
    assert_eq!(sources("regions = ['r-1', 'r-2']"), ["prod.r-1 r-1", "prod.r-2 r-2"]);
    assert_eq!(sources("projects = ['p1', 'p2']"), ["prod.p1 p1", "prod.p2 p2"]);
    assert_eq!(sources("region = 'r'\nprojects = ['p1']"), ["prod.p1 r p1"]);
    assert_eq!(
        sources("regions = ['r-1', 'r-2']\nprojects = ['p1', 'p2']"),
        ["prod.r-1.p1 r-1 p1", "prod.r-1.p2 r-1 p2", "prod.r-2.p1 r-2 p1", "prod.r-2.p2 r-2 p2"]
    );
    assert_eq!(
        sources("projects = { r-2 = ['p3'], r-1 = ['p1', 'p2'] }"),
        ["prod.r-1.p1 r-1 p1", "prod.r-1.p2 r-1 p2", "prod.r-2.p3 r-2 p3"]
    );
    assert_eq!(sources("interval = '2m'"), ["prod "]);
}

#[test]
fn what_a_table_cannot_stand_for_is_named_by_its_key() {
    for (keys, expected) in [
        ("regions = []", "c.toml:4: source.prod.regions: must name at least one"),
        ("regions = ['a', 'a']", "c.toml:4: source.prod.regions[1]: `a` is named twice"),
        (
            "projects = ['a.b']",
            "c.toml:4: source.prod.projects[0]: must be an id of letters, digits, `_` and `-`",
        ),
        ("projects = { r = [] }", "c.toml:4: source.prod.projects.r: must name at least one"),
        (
            "regions = ['r']\nregion = 'x'",
            "c.toml:5: source.prod.region: `regions` says it; leave one of them out",
        ),
        (
            "projects = { r = ['p'] }\nregion = 'x'",
            "c.toml:5: source.prod.region: `projects` says it; leave one of them out",
        ),
        (
            "projects = ['p']\nproject_id = 'x'",
            "c.toml:5: source.prod.project_id: `projects` says it; leave one of them out",
        ),
        (
            "projects = { r = ['p'] }\nregions = ['r']",
            "c.toml:5: source.prod.regions: has no effect beside `projects` by region; leave it out",
        ),
        (
            "projects = 'p'",
            "c.toml:4: source.prod.projects: a list of project ids, or a table with such a list \
             for each region",
        ),
    ] {
        check(KIND, &format!("{KIND}{keys}\n"), &[expected]);
    }
    let long = "x".repeat(62);
    let expected = format!(
        "c.toml:2: source.prod.name: stands for `prod.{long}`, which is longer than a name can be \
         (64); shorten this one by 3"
    );
    check(KIND, &format!("{KIND}regions = ['{long}']\n"), &[&expected]);
    let many: Vec<String> = (0..2001).map(|nth| format!("'p{nth}'")).collect();
    let expected = "c.toml:1: source.prod: stands for 2001 sources; at most 2000 are allowed";
    check(KIND, &format!("{KIND}projects = [{}]\n", many.join(", ")), &[expected]);
}

#[test]
fn names_are_unique_among_all_that_tables_stand_for() {
    let other = format!("{KIND}regions = ['a', 'b']\n[[source]]\nname = 'prod.b'\nkind = 'fake'\n");
    let expected = "c.toml:6: source.prod.b.name: stands for `prod.b`, which is taken by another \
                    source in line 2";
    check(KIND, &other, &[expected]);
}

#[test]
fn a_mistake_of_a_table_is_told_once() {
    let text = edited(KIND, &format!("{KIND}regions = ['a', 'b']\npage_size = 'x'\n"));
    let config = parse(&text).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let error = config
        .build_sources(&clock, &Clients::default(), &source::Standings::default())
        .unwrap_err();
    let [problem] = error.problems() else { panic!("one problem: {error}") };
    assert!(problem.to_string().starts_with("c.toml:5: source.prod.page_size: "), "{problem}");
}

#[test]
fn a_host_is_asked_as_often_as_the_config_says() {
    let limit = |keys: &str| parse(&edited("", &format!("[worker]\n{keys}"))).unwrap();
    let rate = |count, per| HostLimit::Every(Rate { count, per: Duration::from_secs(per) });
    assert_eq!(limit("").worker.host_limit, HostLimit::Auto);
    assert_eq!(limit("host_limit = '200/1m'").worker.host_limit, rate(200, 60));
    assert_eq!(limit("host_limit = '10/1s'").worker.host_limit, rate(10, 1));
    assert_eq!(limit("host_limit = 'auto'").worker.host_limit, HostLimit::Auto);
    assert_eq!(limit("host_limit = 'none'").worker.host_limit, HostLimit::None);
    for (value, expected) in [
        ("0/1s", "must be 1 to 1000 requests in a time, \"auto\" or \"none\""),
        ("5/0s", "must be between 1s and 1h"),
        (
            "5",
            "invalid value: string \"5\", expected so many requests in a time, such as \"10/1s\", \
             \"auto\" or \"none\"",
        ),
    ] {
        let line = format!("[worker]\nhost_limit = \"{value}\"");
        check("", &line, &[&format!("c.toml:12: worker.host_limit: {expected}")]);
    }
}
