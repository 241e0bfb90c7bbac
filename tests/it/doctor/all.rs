//! One set-up in which everything is wrong that can be.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rcgen::KeyPair;
use serde_json::Value;
use taskbell::{receiver::SmtpReceiver, sim::Scenario};

use super::{Stage, lines, tls};

/// A project for each fault.
const CLOUD: &str = r#"
[[project]]
id = "00000000000000000000000000000001"
[[project]]
id = "00000000000000000000000000000002"
name = "sub-2"
[[project]]
id = "00000000000000000000000000000003"
name = "sub-3"
[[project]]
id = "00000000000000000000000000000004"
name = "sub-4"
[[project]]
id = "00000000000000000000000000000005"
name = "sub-5"
[[project]]
id = "00000000000000000000000000000006"
name = "sub-6"

[[access_key]]
key = "GOODKEY0000000000000"
secret = "good-secret"
[[access_key]]
key = "SHYKEY00000000000000"
secret = "shy-secret"
projects = []
[[token]]
value = "old-token"
expires_in = "0s"

[[fault]]
project = "00000000000000000000000000000002"
status = 403
error_code = "KPS.9004"
[[fault]]
project = "00000000000000000000000000000003"
status = 429
[[fault]]
project = "00000000000000000000000000000004"
html = 200
[[fault]]
project = "00000000000000000000000000000005"
status = 404
error_code = "APIGW.0101"
[[fault]]
project = "00000000000000000000000000000006"
status = 503
"#;

const GOOD: &str =
    "{ kind = 'aksk', access_key = 'GOODKEY0000000000000', secret_key = 'good-secret' }";

/// Name, what else its table says, the step that fails, and its class.
fn sources(cloud: &str) -> Vec<(&'static str, String, &'static str, &'static str)> {
    let at = |project: u32, auth: &str| {
        format!("endpoint = '{cloud}'\nproject_id = '{project:032}'\nauth = {auth}")
    };
    let looking_up = |region: &str, auth: &str| {
        format!(
            "endpoint = '{cloud}'\niam_endpoint = '{cloud}'\nregion = '{region}'\nauth = {auth}"
        )
    };
    let elsewhere =
        |endpoint: &str| format!("endpoint = '{endpoint}'\nproject_id = '1'\nauth = {GOOD}");
    let key = "{ kind = 'aksk', access_key = 'GOODKEY0000000000000', secret_key = 'b4d-secret' }";
    let shy = "{ kind = 'aksk', access_key = 'SHYKEY00000000000000', secret_key = 'shy-secret' }";
    let login = "{ kind = 'password', domain = 'simulator', user = 'simulator', password = 'b4d' }";
    let agency = format!("{{ kind = 'agency', domain = 'd', agency = 'a', base = {GOOD} }}");
    let metadata = "{ kind = 'metadata', endpoint = 'http://127.0.0.1:9' }";
    let other = format!("{}\nproject_id = '{:032}'", looking_up("cn-north-4", GOOD), 77);
    vec![
        ("frozen", at(2, GOOD), "list", "account_frozen"),
        ("throttled", at(3, GOOD), "list", "throttled"),
        ("portal", at(4, GOOD), "list", "schema"),
        ("not-there", at(5, GOOD), "list", "not_in_region"),
        ("busy", at(6, GOOD), "list", "upstream"),
        ("no-right", at(1, shy), "list", "permission"),
        ("old-token", at(1, "{ kind = 'token', token = 'old-token' }"), "list", "auth"),
        ("wrong-key", at(1, key), "list", "auth"),
        ("wrong-login", looking_up("cn-north-4", login), "identity", "auth"),
        ("wrong-agency", looking_up("cn-north-4", &agency), "identity", "permission"),
        ("no-ecs", at(1, metadata), "identity", "network"),
        ("wrong-project", other, "list", "not_in_region"),
        ("wrong-region", looking_up("cn-nroth-4", GOOD), "project", "not_in_region"),
        ("nobody", elsewhere("https://127.0.0.1:9"), "reach", "network"),
        ("no-name", elsewhere("https://kms.invalid"), "dns", "dns"),
    ]
}

#[tokio::test]
async fn a_doctor_names_each_of_all_faults_at_once() {
    let stage = Stage::of(Scenario::parse(CLOUD).unwrap(), "", "").await;
    let expired = tls::receiver(|key: &KeyPair| {
        tls::params("localhost", "expired", (-10, -3)).self_signed(key)
    })
    .await;
    let expired = expired.address().port();
    // It offers no STARTTLS.
    let mail = SmtpReceiver::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mail = mail.address().port();
    let folder = stage.config().parent().unwrap().to_owned();
    let shown = folder.display();
    fs::create_dir(folder.join("open")).unwrap();
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    // What a store would be known by.
    fs::write(folder.join("open/lock"), "").unwrap();
    fs::write(folder.join("program"), "").unwrap();

    let mut all = sources(&stage.cloud.url());
    let endpoint = format!("https://localhost:{expired}");
    let ended = format!("endpoint = '{endpoint}'\nproject_id = '1'\nauth = {GOOD}");
    all.push(("ended", ended, "reach", "tls"));
    let sinks = [
        ("away", "kind = 'webhook'\nurl = 'http://127.0.0.1:9/'".to_owned()),
        ("ended-too", format!("kind = 'webhook'\nurl = 'https://localhost:{expired}/'")),
        (
            "clear",
            format!(
                "kind = 'email'\nsmtp = 'smtp+starttls://localhost:{mail}'\nfrom = 'a@example.com'\n\
             to = ['b@example.com']"
            ),
        ),
        ("no-folder", format!("kind = 'file'\npath = '{shown}/none/out'")),
        ("no-program", format!("kind = 'exec'\ncommand = ['{shown}/program']")),
        ("no-syslog", "kind = 'syslog'\naddress = 'tcp://127.0.0.1:9'".to_owned()),
    ];
    let tables = |what, all: Vec<(&str, String)>| -> String {
        all.into_iter()
            .map(|(name, rest)| format!("[[{what}]]\nname = '{name}'\n{rest}\n"))
            .collect()
    };
    let kps = all.iter().map(|(name, rest, ..)| (*name, format!("kind = 'kps'\n{rest}"))).collect();
    let names: Vec<&str> = sinks.iter().map(|(name, _)| *name).collect();
    let text = format!(
        "[store]\npath = '{shown}/open'\n{}{}[[route]]\nto = {names:?}\n[status]\nlisten = ''\n",
        tables("source", kps),
        tables("sink", sinks.to_vec()),
    );
    fs::write(stage.config(), text).unwrap();

    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 80; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_taskbell"), "-c"]);
    command.arg(stage.config()).args(["doctor", "-o", "json"]);
    command.env("TASKBELL_CLOCK_SHIFT", "120000");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(74), "the store is the most serious: {output:?}");
    let (found, _) = lines(&output);
    let find = |what: &str, name: &str, step: &str| -> &Value {
        let one = |line: &&Value| {
            line["what"] == what
                && line["name"] == name
                && (step.is_empty() || line["step"] == step)
        };
        found.iter().find(one).unwrap_or_else(|| panic!("no {what} {name} {step}: {found:#?}"))
    };
    for (name, _, step, class) in &all {
        let line = find("source", name, step);
        assert_eq!(
            (&line["verdict"], &line["class"]),
            (&"failed".into(), &(*class).into()),
            "{line}"
        );
        assert!(!line["advice"].as_str().unwrap().is_empty(), "{line}");
    }
    for (name, words) in [
        ("portal", "it is a web page"),
        ("old-token", "the token has expired"),
        ("wrong-project", "but the project of region cn-north-4 is 0000"),
        ("frozen", "the account is frozen"),
        ("wrong-agency", "Agent Operator"),
    ] {
        let of = |line: &&Value| line["name"] == name && line["verdict"] == "failed";
        let line = found.iter().find(of).unwrap();
        assert!(line["detail"].as_str().unwrap().contains(words), "{line}");
    }
    let region = find("source", "wrong-region", "region");
    assert!(region["detail"].as_str().unwrap().contains("did you mean cn-north-4?"), "{region}");
    for name in names {
        assert_eq!(find("sink", name, "reach")["verdict"], "failed", "{found:#?}");
    }
    let chain = find("tls", "localhost", "chain");
    assert!(chain["detail"].as_str().unwrap().contains("CN=expired has ended"), "{chain}");
    assert_eq!(find("store", "", "folder")["verdict"], "failed");
    assert_eq!(find("host", "", "limits")["verdict"], "warning");
    assert_eq!(find("source", "frozen", "clock")["verdict"], "warning");
    let shown = String::from_utf8_lossy(&output.stdout);
    for secret in ["good-secret", "b4d", "shy-secret"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
