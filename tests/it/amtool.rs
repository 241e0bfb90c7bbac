//! `route test` and `route show` beside `amtool config routes test` and `show`.
//!
//! The table holds one tree for each thing that routes can do, with the answers. The real binary
//! has to give them always, and so has Alertmanager's own amtool where it is installed, which also
//! answers a part of `route-trees.jsonl`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::routes::{Case, TREES, config, named};

/// One line in so many of the long list: each costs amtool a start.
const EACH: usize = 12;

/// What it is about, routes within the one to `root`, and what is asked: fields, then sinks.
type Tree = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLE: &[Tree] = &[
    ("nothing but the root", "", &[("", "root"), ("action=reset", "root")]),
    (
        "the first that matches",
        r#"[{match=['action = reset'], to=["a"]}, {match=['action =~ "re.*"'], to=["b"]}]"#,
        &[("action=reset", "a"), ("action=replace", "b"), ("action=bind", "root")],
    ),
    (
        "continue",
        r#"[{match=['action = reset'], to=["a"], continue=true}, {match=['keypair = k'], to=["b"]}]"#,
        &[("action=reset keypair=k", "a,b"), ("action=reset", "a"), ("keypair=k", "b")],
    ),
    (
        "continue to the end",
        r#"[{to=["a"], continue=true}, {to=["b"], continue=true}]"#,
        &[("", "a,b")],
    ),
    (
        "what none within takes is left to the one around them",
        r#"[{match=['source = s'], to=["a"], route=[{match=['region = r'], to=["b"]}]}]"#,
        &[("source=s region=r", "b"), ("source=s", "a"), ("region=r", "root")],
    ),
    (
        "continue within, and not around",
        r#"[{match=['source = s'], to=["a"], route=[
            {match=['region =~ "r.*"'], to=["b"], continue=true},
            {match=['region != r1'], to=["c"]}]}, {to=["d"]}]"#,
        &[("source=s region=r1", "b"), ("source=s region=r2", "b,c"), ("source=s", "c"), ("", "d")],
    ),
    (
        "continue around, and not within",
        r#"[{match=['source = s'], to=["a"], continue=true, route=[
            {match=['region = r'], to=["b"]}, {match=['region = r'], to=["c"]}]}, {to=["d"]}]"#,
        &[("source=s region=r", "b,d"), ("source=s", "a,d"), ("region=r", "d")],
    ),
    (
        "where it goes is inherited",
        r#"[{match=['source = s'], to=["a"], route=[{match=['region = r'], route=[
            {match=['action = bind'], to=["b"]}, {match=['action = unbind']}]}]}]"#,
        &[
            ("source=s region=r action=bind", "b"),
            ("source=s region=r action=unbind", "a"),
            ("source=s region=r", "a"),
        ],
    ),
    (
        "a regular expression is about the whole value",
        r#"[{match=['server_name =~ "db"'], to=["a"]}, {match=['server_name =~ "db|web-.*"'], to=["b"]},
            {match=['server_name =~ ".*db"'], to=["c"]}]"#,
        &[
            ("server_name=db", "a"),
            ("server_name=web-1", "b"),
            ("server_name=my-db", "c"),
            ("server_name=db-1", "root"),
        ],
    ),
    (
        "negations",
        r#"[{match=['action != reset', 'error_code !~ "KPS[.]60.*"'], to=["a"]}]"#,
        &[
            ("action=bind", "a"),
            ("action=bind error_code=KPS.6009", "root"),
            ("action=reset error_code=KPS.7", "root"),
            ("error_code=xKPS.6009", "a"),
        ],
    ),
    (
        "what is missing is the empty text",
        r#"[{match=['labels.team = ""'], to=["a"]}, {match=['labels.tier !~ ".+"'], to=["b"]},
            {match=['keypair =~ ".*"', 'keypair != ""'], to=["c"]}]"#,
        &[
            ("", "a"),
            ("labels.team=x", "b"),
            ("labels.team=x labels.tier=gold", "root"),
            ("labels.team=x labels.tier=gold keypair=k", "c"),
        ],
    ),
    (
        "a missing label is not another one",
        r#"[{match=['labels.team != ops'], to=["a"]}, {match=['labels.team !~ "op.*|"'], to=["b"]}]"#,
        &[("", "a"), ("labels.team=dev", "a"), ("labels.team=ops", "root")],
    ),
    (
        "quotes, backslashes and other scripts",
        r#"[{match=['error_message = "say \"no\""'], to=["a"]}, {match=['server_name =~ "北京-\\d"'], to=["b"]},
            {match=['error_message =~ "(?i)timeout.*"'], to=["c"]}]"#,
        &[
            (r#"error_message=say"no""#, "root"),
            (r#"error_message="no""#, "root"),
            ("server_name=北京-1", "b"),
            ("error_message=TimeOut", "c"),
        ],
    ),
    (
        "several conditions about one field",
        r#"[{match=['server_name =~ "web-.*"', 'server_name !~ ".*-test"'], to=["a"]}]"#,
        &[("server_name=web-1", "a"), ("server_name=web-1-test", "root"), ("", "root")],
    ),
];

/// A tree of the table, as in the config.
fn routes(within: &str) -> Vec<Value> {
    let within = if within.is_empty() { "[]" } else { within };
    // A line break may stand in an array of TOML, and in a table on one line it may not.
    let within = within.replace('\n', " ");
    let file: Value = toml::from_str(&format!("route = [{{ to = [\"root\"], route = {within} }}]"))
        .unwrap_or_else(|error| panic!("{error}\n{within}"));
    file["route"].as_array().unwrap().clone()
}

/// The same routes for Alertmanager. Its labels have no dots.
fn of_alertmanager(route: &Value) -> Value {
    let within = route.get("route").and_then(Value::as_array).into_iter().flatten();
    let mut theirs = json!({ "routes": within.map(of_alertmanager).collect::<Vec<_>>() });
    if let Some(conditions) = route.get("match").and_then(Value::as_array) {
        let conditions = conditions.iter().map(|one| label(one.as_str().unwrap()));
        theirs["matchers"] = conditions.collect();
    }
    if let Some(to) = route.get("to") {
        theirs["receiver"] = to[0].clone();
    }
    if let Some(continues) = route.get("continue") {
        theirs["continue"] = continues.clone();
    }
    theirs
}

fn label(text: &str) -> String {
    text.strip_prefix("labels.").map_or_else(|| text.to_owned(), |rest| format!("labels_{rest}"))
}

/// Both configs in a folder.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new(routes: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), config(routes)).unwrap();
        let receivers = named(routes).into_iter().map(|name| json!({ "name": name }));
        let receivers = receivers.collect::<Vec<_>>();
        let theirs = json!({ "route": of_alertmanager(&routes[0]), "receivers": receivers });
        // YAML takes JSON.
        fs::write(folder.path().join("alertmanager.yml"), theirs.to_string()).unwrap();
        Self { folder }
    }

    fn ours(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.arg("--config").arg(self.folder.path().join("config.toml"));
        // What has no project asks nobody for it.
        stdout(&command.current_dir(self.folder.path()).arg("route").args(args).output().unwrap())
    }

    /// Each of the fields as one word.
    fn ours_to(&self, fields: &[String]) -> String {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        self.ours(&[&["test"], fields.as_slice()].concat()).lines().collect::<Vec<_>>().join(",")
    }

    fn theirs(&self, args: &[&str]) -> String {
        let mut command = Command::new("amtool");
        command.args(["config", "routes"]).args(args);
        let file = self.folder.path().join("alertmanager.yml");
        stdout(&command.arg("--config.file").arg(file).output().unwrap())
    }

    fn theirs_to(&self, fields: &[String]) -> String {
        let quoted = |field: &String| {
            let (name, value) = field.split_once('=').unwrap();
            format!("{}={}", label(name), Value::from(value))
        };
        let fields: Vec<String> = fields.iter().map(quoted).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        self.theirs(&[&["test"], fields.as_slice()].concat()).trim().to_owned()
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn words(fields: &str) -> Vec<String> {
    fields.split_whitespace().map(str::to_owned).collect()
}

fn amtool_is_here() -> bool {
    Command::new("amtool").arg("--version").output().is_ok()
}

#[test]
fn each_tree_of_the_table_has_these_answers() {
    assert!(10 <= TABLE.len());
    for (name, within, questions) in TABLE {
        let pair = Pair::new(&routes(within));
        for (fields, sinks) in *questions {
            assert_eq!(pair.ours_to(&words(fields)), *sinks, "{name}: {fields}");
        }
    }
}

#[test]
fn amtool_gives_the_same_answers() {
    if !amtool_is_here() {
        println!("DID NOT RUN: amtool is not installed");
        return;
    }
    for (name, within, questions) in TABLE {
        let pair = Pair::new(&routes(within));
        for (fields, sinks) in *questions {
            assert_eq!(pair.theirs_to(&words(fields)), *sinks, "{name}: {fields}");
        }
    }
    for line in TREES.lines().step_by(EACH) {
        let Case { routes, subject, sinks } = serde_json::from_str(line).unwrap();
        let fields: Vec<String> =
            subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(Pair::new(&routes).theirs_to(&fields), sinks.join(","), "{line}");
    }
}

/// A route as both show it: how deep it lies, how many conditions it has, whether it continues,
/// where to.
type Shown = (usize, usize, bool, String);

fn ours_shown(pair: &Pair) -> Vec<Shown> {
    let rows: Value = serde_json::from_str(&pair.ours(&["show", "-o", "json"])).unwrap();
    let mut depths: BTreeMap<u64, usize> = BTreeMap::new();
    let rows = rows.as_array().unwrap().iter().map(|row| {
        let parent = row["parent"].as_u64();
        let depth = parent.map_or(0, |parent| depths[&parent] + 1);
        depths.insert(row["route"].as_u64().unwrap(), depth);
        let conditions = row["match"].as_array().unwrap().len();
        let to = row["to"][0].as_str().unwrap().to_owned();
        (depth, conditions, row["continue"].as_bool().unwrap(), to)
    });
    rows.collect()
}

fn theirs_shown(pair: &Pair) -> Vec<Shown> {
    let shown = pair.theirs(&["show"]);
    let rows = shown.lines().filter_map(|line| {
        let (before, receiver) = line.split_once("receiver: ")?;
        // "├── " and its like are four wide.
        let depth = before.chars().take_while(|c| " │├└─\u{a0}".contains(*c)).count() / 4 - 1;
        let labels =
            ["action", "error_", "keypair", "labels_", "project", "region", "server_", "source"];
        let conditions = labels
            .iter()
            .flat_map(|label| [format!("{{{label}"), format!(",{label}")])
            .map(|begin| before.matches(&begin).count())
            .sum();
        Some((depth, conditions, before.contains("continue: true"), receiver.trim().to_owned()))
    });
    rows.collect()
}

#[test]
fn amtool_shows_the_same_tree() {
    if !amtool_is_here() {
        println!("DID NOT RUN: amtool is not installed");
        return;
    }
    for (name, within, _) in TABLE {
        let pair = Pair::new(&routes(within));
        assert_eq!(ours_shown(&pair), theirs_shown(&pair), "{name}: {}", pair.theirs(&["show"]));
    }
}

#[test]
fn each_refusal_to_verify_is_the_same() {
    let pair =
        Pair::new(&routes(r#"[{match=['action = reset'], to=["a"], continue=true}, {to=["b"]}]"#));
    let run = |program: &str, args: &[&str], config: &Path| {
        let mut command = Command::new(program);
        command
            .current_dir(pair.folder.path())
            .args(args)
            .arg(config)
            .output()
            .unwrap()
            .status
            .code()
    };
    let amtool = amtool_is_here();
    let (ours, theirs) = (Path::new("config.toml"), Path::new("alertmanager.yml"));
    for (sinks, code) in [("a,b", 0), ("b,a", 1), ("a", 1), ("a,b,c", 1)] {
        let args = ["route", "test", "action=reset", "--verify-sinks", sinks, "--config"];
        let taskbell = env!("CARGO_BIN_EXE_taskbell");
        assert_eq!(run(taskbell, &args, ours), Some(code), "{sinks}");
        if amtool {
            let verify = format!("--verify.receivers={sinks}");
            let args = ["config", "routes", "test", "action=reset", &verify, "--config.file"];
            assert_eq!(run("amtool", &args, theirs), Some(code), "{sinks}");
        }
    }
}
