//! The config as files: the reference file, reading, and the schema.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
};

use serde_json::Value;
use taskbell::{
    clock::{Clock, SystemClock},
    config::{self, Config, ConfigError},
    decide::rules::SinkRules,
    delivery::Remind,
    http::Clients,
    source,
};

const REFERENCE: &str = include_str!("../../config.toml");

/// Only what is required of every kind of source and sink.
const MINIMAL: &str = r#"
    [[source]]
    name = "simulator"
    kind = "kps"
    [[sink]]
    name = "oncall"
    kind = "webhook"
    [[sink]]
    name = "ops-mail"
    kind = "email"
    [[route]]
    to = ["oncall", "ops-mail"]
"#;

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("config.toml")).unwrap_or_else(|error| panic!("{error}"))
}

/// The reference file with the keys and tables on that are shown but off.
fn all_on() -> String {
    let on = |line: &str| {
        let key = line.strip_prefix('#').and_then(|line| line.split_once(" = "));
        let is_key = |key: &str| key != "key" && key.chars().all(|c| c == '_' || c.is_alphabetic());
        let shown = key.is_some_and(|(key, _)| is_key(key)) || line.starts_with("#[[");
        if shown { line.replacen('#', "", 1) } else { line.to_owned() }
    };
    REFERENCE.lines().map(on).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_record_that_depends_on_the_folder_of_a_command_draws_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let wanders = |path: &str| {
        let text = format!("[store]\n{path}\n{MINIMAL}");
        fs::write(&file, text).unwrap();
        Config::load(Some(&file))
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let said = wanders("path = \"record\"");
    assert_eq!(said.len(), 1, "{said:?}");
    let place =
        format!("{}:2: store.path: `record` counts from where a command is run", file.display());
    assert!(said[0].starts_with(&place), "{said:?}");
    assert!(
        said[0].contains(&std::env::current_dir().unwrap().join("record").display().to_string())
    );
    // The default is no whole path either.
    assert!(wanders("")[0].contains("`taskbell-data`"));
    assert_eq!(wanders("path = \"/var/lib/taskbell/store\""), Vec::<String>::new());
    // Beside the config, for whoever stays there, it is where it seems to be.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let here = Config::load(Some(&here)).unwrap();
    assert!(here.warnings.iter().all(|warning| warning.key != "store.path"), "{here:?}");
}

#[test]
fn a_token_that_cannot_be_used_is_found_by_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let check = |token: &str| {
        let text = format!(
            "[store]\npath = \"{}\"\n[status]\ntoken = {token}\n[[source]]\nname = \"a\"\n\
             kind = \"kps\"\nendpoint = \"http://127.0.0.1:1\"\n\
             project_id = \"0123456789abcdef0123456789abcdef\"\n\
             auth = {{ kind = \"token\", token = \"x\" }}\n[[sink]]\nname = \"b\"\nkind = \"file\"\n\
             path = \"b\"\n[[route]]\nto = [\"b\"]\n",
            folder.path().join("store").display()
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_taskbell"));
        let output = check.arg("-c").arg(&file).arg("check").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check("\"0123456789abcdef\""), (Some(0), String::new()));
    let place = format!("{}:4: status.token: ", file.display());
    for (token, expected) in [
        ("\"short\"", "must have 16 characters or more"),
        ("{ file = \"/absent\" }", "cannot read /absent"),
    ] {
        let (code, said) = check(token);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(&format!("{place}{expected}")), "{said}");
    }
}

#[test]
fn the_reference_file_shows_the_defaults() {
    let minimal = parse(MINIMAL);
    for text in [REFERENCE, &all_on()] {
        let shown = parse(text);
        assert_eq!(shown.warnings, []);
        assert_eq!(shown.store, minimal.store);
        assert_eq!(shown.retry, minimal.retry);
        assert_eq!(shown.worker, minimal.worker);
        let listen = |config: &Config| config.status.as_ref().map(|status| status.listen);
        assert_eq!(listen(&shown), listen(&minimal));
        for source in &shown.sources {
            let default = minimal.sources.first().unwrap();
            assert_eq!(source.interval, default.interval);
            assert_eq!(source.timeout, default.timeout);
            assert_eq!(source.first_run, default.first_run);
        }
        for (sink, default) in shown.sinks.iter().zip(&minimal.sinks) {
            assert_eq!(sink.kind.name, default.kind.name);
            assert_eq!(sink.timeout, default.timeout);
            assert_eq!(sink.concurrency, default.concurrency);
            // The example of a fallback is not the default.
            let fallback = sink.rules.fallback.clone();
            assert_eq!(sink.rules, SinkRules { fallback, ..default.rules.clone() });
            assert_eq!(sink.text.language, default.text.language);
            assert_eq!(sink.text.zone, default.text.zone);
        }
        for route in &shown.routes.0 {
            assert_eq!(route.group, minimal.routes.0.first().unwrap().group);
        }
    }
    let on = parse(&all_on());
    assert_eq!(on.windows.len(), 1);
    let last = on.routes.0.last().unwrap();
    assert_eq!((last.mute.len(), last.digest.is_some()), (1, true));
    assert_eq!(last.remind, Some(Remind::default()));
}

#[test]
fn the_reference_file_shows_every_key_and_every_kind() {
    let schema = config::schema();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &mut keys);
    for some in ["store", "retention", "source", "first_run", "since", "threshold", "match"] {
        assert!(keys.contains(some), "the schema lacks {some}");
    }
    let tables =
        ["store", "source", "sink", "route", "mute", "delivery", "worker", "status", "hints"];
    let shown: BTreeSet<_> = REFERENCE
        .split(|c: char| !(c == '_' || c == '=' || c.is_alphabetic()))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .windows(2)
        .filter(|pair| pair.get(1) == Some(&"="))
        .filter_map(|pair| pair.first().copied())
        .collect();
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| !tables.contains(&key.as_str()) && !shown.contains(key.as_str()))
        .collect();
    assert!(missing.is_empty(), "config.toml does not show {missing:?}");
    let kinds = source::KINDS.iter().map(|kind| kind.name);
    for kind in kinds.chain(taskbell::sink::KINDS.iter().map(|kind| kind.name)) {
        assert!(REFERENCE.contains(&format!("kind = \"{kind}\"")), "{kind}");
    }
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            fields.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => (),
    }
}

#[test]
fn the_schema_has_one_alternative_for_each_kind_and_no_loose_ends() {
    let schema = config::schema();
    assert_eq!(schema.pointer("/additionalProperties"), Some(&Value::Bool(false)));
    assert_eq!(schema.pointer("/required").unwrap().as_array().unwrap().len(), 3);
    for (table, kinds) in [("Source", source::KINDS.len()), ("Sink", taskbell::sink::KINDS.len())] {
        let each = schema.pointer(&format!("/$defs/{table}/oneOf")).unwrap().as_array().unwrap();
        assert_eq!(each.len(), kinds);
        for one in each {
            assert!(one.pointer("/properties/kind/const").is_some());
            assert!(one.pointer("/properties/timeout").is_some());
        }
    }
    let top = schema.pointer("/properties/route/items/required/0");
    assert_eq!(top, Some(&Value::from("to")), "a route within another may leave it out");
    let mut targets = BTreeSet::new();
    collect_refs(&schema, &mut targets);
    assert!(!targets.is_empty());
    for target in targets {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

fn collect_refs(schema: &Value, targets: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                targets.insert(target.clone());
            }
            fields.values().for_each(|value| collect_refs(value, targets));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_refs(item, targets)),
        _ => (),
    }
}

#[test]
fn what_a_source_is_can_be_said_without_building_it() {
    let cloud =
        REFERENCE.replace("\nendpoint = ", "\n#endpoint = ").replacen("\n#region", "\nregion", 1);
    for text in [REFERENCE, &cloud] {
        let config = parse(text);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let built = config
            .build_sources(&clock, &Clients::default(), &source::Standings::default())
            .unwrap();
        assert_eq!(built.len(), config.sources.len());
        for (built, written) in built.iter().zip(&config.sources) {
            assert_eq!(*built.info(), written.info());
        }
    }
}

/// Loads a file with this content, and gives the error with the file's name cut short.
#[track_caller]
fn refusal(content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, content).unwrap();
    shown(&Config::load(Some(&file)).unwrap_err(), &file)
}

fn shown(error: &ConfigError, file: &Path) -> String {
    let text = taskbell::http::Chain(error).to_string();
    text.replace(&file.display().to_string(), "config.toml")
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("absent.toml");
    assert_eq!(
        shown(&Config::load(Some(&file)).unwrap_err(), &file),
        "config.toml: cannot be read: No such file or directory (os error 2)"
    );
    assert_eq!(
        shown(&Config::load(Some(folder.path())).unwrap_err(), folder.path()),
        "config.toml: cannot be read: Is a directory (os error 21)"
    );
}

#[test]
fn a_file_that_is_not_text_or_far_too_long_is_refused() {
    assert_eq!(
        refusal(b"[store]\npath = \"\xff\"\n"),
        "config.toml:2: is not UTF-8 text; save the file as UTF-8"
    );
    assert_eq!(
        refusal(&vec![b'#'; 5 * 1024 * 1024]),
        "config.toml: is longer than a config can be (4 MiB)"
    );
    assert_eq!(refusal(b"[store"), "config.toml:1:7: is not TOML: unclosed table, expected `]`");
}

#[test]
fn only_secrets_that_others_can_read_draw_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let elsewhere = format!("path = \"{}\"", folder.path().join("store").display());
    fs::write(&file, REFERENCE.replace("path = \"taskbell-data\"", &elsewhere)).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{mode:o}: {:?}", config.warnings);
    }
}

#[test]
fn what_only_one_kind_can_do_is_refused_by_the_others_with_the_reason() {
    for kind in ["sdrs", "json"] {
        for keys in ["verify_cleared = true", "stuck_after = '30m'", "cleanup = { after = '7d' }"] {
            let text = MINIMAL.replace("kind = \"kps\"", &format!("kind = \"{kind}\"\n{keys}"));
            let error = Config::parse(&text, Path::new("config.toml")).unwrap_err().to_string();
            let key = keys.split(' ').next().unwrap();
            let expected = format!(
                "source.simulator.{key}: has no effect: only a source of kind `kps` has it, not one \
                 of `{kind}`"
            );
            assert!(error.contains(&expected), "{error}");
        }
    }
}
