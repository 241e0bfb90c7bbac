//! One set-up in which everything is wrong that can be.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, path::Path};

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
type Planted = (&'static str, String, &'static str, &'static str);

fn sources(cloud: &str) -> Vec<Planted> {
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

/// Six sinks, of which none takes anything.
fn sinks(folder: &Path, expired: u16, mail: u16) -> Vec<(&'static str, String)> {
    let folder = folder.display();
    let starttls = format!("kind = 'email'\nsmtp = 'smtp+starttls://localhost:{mail}'");
    vec![
        ("away", "kind = 'webhook'\nurl = 'http://127.0.0.1:9/'".to_owned()),
        ("ended-too", format!("kind = 'webhook'\nurl = 'https://localhost:{expired}/'")),
        ("clear", starttls + "\nfrom = 'a@example.com'\nto = ['b@example.com']"),
        ("no-folder", format!("kind = 'file'\npath = '{folder}/none/out'")),
        ("no-program", format!("kind = 'exec'\ncommand = ['{folder}/program']")),
        ("no-syslog", "kind = 'syslog'\naddress = 'tcp://127.0.0.1:9'".to_owned()),
    ]
}

fn config(folder: &Path, sources: &[Planted], sinks: &[(&'static str, String)]) -> String {
    let mut text = format!("[status]\nlisten = ''\n[store]\npath = '{}/open'\n", folder.display());
    for (name, rest, ..) in sources {
        writeln!(text, "[[source]]\nname = '{name}'\nkind = 'kps'\n{rest}").unwrap();
    }
    for (name, rest) in sinks {
        writeln!(text, "[[sink]]\nname = '{name}'\n{rest}").unwrap();
    }
    let names: Vec<&str> = sinks.iter().map(|(name, _)| *name).collect();
    text + &format!("[[route]]\nto = {names:?}\n")
}

/// What a doctor found.
struct Found(Vec<Value>);

impl Found {
    fn line(&self, what: &str, name: &str, step: &str) -> &Value {
        let one =
            |line: &&Value| line["what"] == what && line["name"] == name && line["step"] == step;
        let found = self.0.iter().find(one);
        found.unwrap_or_else(|| panic!("no {what} {name} {step}: {:#?}", self.0))
    }

    #[track_caller]
    fn says(&self, (what, name, step): (&str, &str, &str), verdict: &str, words: &str) {
        let line = self.line(what, name, step);
        assert_eq!(line["verdict"], verdict, "{line}");
        assert!(line["detail"].as_str().unwrap().contains(words), "{words}: {line}");
        assert!(!line["advice"].as_str().unwrap().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn a_doctor_names_each_of_all_faults_at_once() {
    let stage = Stage::of(Scenario::parse(CLOUD).unwrap(), "", "").await;
    let ended = |key: &KeyPair| tls::params("localhost", "expired", (-10, -3)).self_signed(key);
    let expired = tls::receiver(ended).await;
    let port = expired.address().port();
    // It offers no STARTTLS.
    let mail = SmtpReceiver::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let folder = stage.config().parent().unwrap().to_owned();
    fs::create_dir(folder.join("open")).unwrap();
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    // What a store would be known by.
    fs::write(folder.join("open/lock"), "").unwrap();
    fs::write(folder.join("program"), "").unwrap();
    let mut sources = sources(&stage.cloud.url());
    let ended = format!("endpoint = 'https://localhost:{port}'\nproject_id = '1'\nauth = {GOOD}");
    sources.push(("ended", ended, "reach", "tls"));
    let sinks = sinks(&folder, port, mail.address().port());
    fs::write(stage.config(), config(&folder, &sources, &sinks)).unwrap();

    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 80; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_taskbell"), "-c"]);
    command.arg(stage.config()).args(["doctor", "-o", "json"]);
    command.env("TASKBELL_CLOCK_SHIFT", "120000");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(74), "the store is the most serious: {output:?}");
    let found = Found(lines(&output).0);
    for (name, _, step, class) in &sources {
        found.says(("source", name, step), "failed", "");
        assert_eq!(found.line("source", name, step)["class"], *class, "{name}");
    }
    for (name, step, words) in [
        ("portal", "list", "it is a web page"),
        ("old-token", "list", "the token has expired"),
        ("wrong-project", "list", "but the project of region cn-north-4 is 0000"),
        ("frozen", "list", "the account is frozen"),
        ("wrong-agency", "identity", "Agent Operator"),
    ] {
        found.says(("source", name, step), "failed", words);
    }
    for (name, _) in &sinks {
        found.says(("sink", name, "reach"), "failed", "");
    }
    found.says(("source", "wrong-region", "region"), "warning", "did you mean cn-north-4?");
    found.says(("source", "frozen", "clock"), "warning", "2m ahead of the cloud's");
    found.says(("tls", "localhost", "chain"), "failed", "CN=expired has ended");
    found.says(("store", "", "folder"), "failed", "others on this host can look into");
    found.says(("host", "", "limits"), "warning", "80 open files are allowed");
    let shown = String::from_utf8_lossy(&output.stdout);
    for secret in ["good-secret", "b4d", "shy-secret"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
