//! `taskbell init`: by flags and by being asked, against the simulated cloud and a real receiver.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::stage::{PROJECT, Stage};

const ACCESS_KEY: &str = "SIMULATOR0ACCESSKEY0";
const SECRET_KEY: &str = "simulator-secret-key-not-a-real-one";

/// A folder that a config is written into, beside a cloud and a chat.
struct Desk {
    stage: Stage,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let desk = Self { stage: Stage::new("").await, folder: tempfile::tempdir().unwrap() };
        fs::write(desk.path("ak"), ACCESS_KEY).unwrap();
        fs::write(desk.path("sk"), format!("{SECRET_KEY}\n")).unwrap();
        fs::write(desk.path("hook"), desk.hook()).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("conf/config.toml")
    }

    fn hook(&self) -> String {
        format!("http://{}/hook", self.stage.chat.address())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskbell"));
        command.arg("--config").arg(self.config()).args(args).stdin(Stdio::null());
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Every flag that is needed, and then some.
    async fn init(&self, more: &[&str]) -> Output {
        let endpoint = format!("source.endpoint={}", self.stage.cloud.url());
        let secret = |key: &str, file: &str| format!("{key}={}", self.path(file).display());
        let (ak, sk) =
            (secret("source.auth.access_key", "ak"), secret("source.auth.secret_key", "sk"));
        let url = secret("sink.url", "hook");
        let mut args = vec!["init", "--non-interactive", "--auth", "aksk"];
        args.extend(["--project-id", PROJECT, "--set", &endpoint, "--set", "source.name=prod"]);
        args.extend(["--secret", &ak, "--secret", &sk, "--sink", "webhook", "--secret", &url]);
        args.extend(more);
        self.run(&args).await
    }
}

fn text(output: &Output) -> String {
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{stdout}{stderr}")
}

#[track_caller]
fn ended(output: &Output, code: i32, said: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in said {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(!text.contains(SECRET_KEY), "{text}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn flags_alone_write_a_config_that_works() {
    let desk = Desk::new().await;
    ended(&desk.init(&["--send-test"]).await, 0, &["3 of 3 rows", "webhook: accepted"]);
    assert_eq!(desk.stage.chat.received().len(), 1, "the test");
    let config = fs::read_to_string(desk.config()).unwrap();
    assert!(!config.contains(SECRET_KEY) && !config.contains(&desk.hook()), "{config}");
    for (file, content) in [
        ("conf/credentials/prod-access-key", ACCESS_KEY.to_owned()),
        ("conf/credentials/prod-secret-key", SECRET_KEY.to_owned()),
        ("conf/credentials/webhook-url", desk.hook()),
    ] {
        assert_eq!(fs::read_to_string(desk.path(file)).unwrap(), content);
        assert_eq!(mode(&desk.path(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&desk.path("conf/credentials")), 0o700);
    ended(&desk.run(&["check", "--deny-warnings"]).await, 0, &["ok: 1 source, 1 sink"]);
    ended(&desk.run(&["once"]).await, 0, &["1 notice delivered"]);
    ended(&desk.init(&[]).await, 1, &["config.toml exists already", "--force"]);
    ended(&desk.init(&["--force"]).await, 0, &["written: "]);
}

#[tokio::test]
async fn what_does_not_work_is_not_written() {
    let desk = Desk::new().await;
    fs::write(desk.path("sk"), "another-key").unwrap();
    ended(&desk.init(&[]).await, 77, &["auth", "Check the key", "nothing was written"]);
    assert!(!desk.config().exists() && !desk.path("conf").exists());
    ended(&desk.init(&["--no-test"]).await, 0, &["written: "]);
    assert!(desk.config().exists());
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let desk = Desk::new().await;
    let bare = ["init", "--non-interactive", "--source", "kps"];
    let with = async |more: &[&str]| desk.run(&[&bare[..], more].concat()).await;
    // Without questions the kind of the source has a default, too.
    ended(&desk.run(&bare[..2]).await, 2, &["source.auth.kind", "sink.kind (--sink KIND)"]);
    ended(&with(&[]).await, 2, &["source.auth.kind", "sink.kind (--sink KIND)", "--set KEY=VALUE"]);
    ended(
        &with(&["--auth", "aksk", "--sink", "email"]).await,
        2,
        &["source.auth.access_key", "sink.smtp", "sink.from", "sink.to"],
    );
    ended(&with(&["--auth", "akks", "--sink", "slack"]).await, 2, &["`akks` is none of", "aksk"]);
    ended(
        &with(&["--set", "source.regoin=x"]).await,
        2,
        &["source.regoin", "did you mean `region`"],
    );
    ended(&with(&["--set", "source.auth.secret_key=x"]).await, 2, &["is a secret", "--secret"]);
    ended(&with(&["--secret", "source.region=/etc/hostname"]).await, 2, &["is no secret"]);
    ended(&with(&["--secret", "sink.url=/absent"]).await, 2, &["sink.url", "cannot read /absent"]);
    ended(&with(&["--secret", "sink.url=env:TASKBELL_NOT_SET"]).await, 2, &["is not set"]);
    ended(&with(&["--set", "region=x"]).await, 2, &["must begin with `source.` or `sink.`"]);
    assert!(!desk.config().exists());
}

#[tokio::test]
async fn a_unit_gets_its_secrets_as_credentials() {
    let desk = Desk::new().await;
    let units = desk.path("units");
    let output = desk.init(&["--systemd", "--unit-dir", units.to_str().unwrap()]).await;
    ended(&output, 0, &["systemctl enable --now taskbell", "CREDENTIALS_DIRECTORY="]);
    let drop_in = fs::read_to_string(units.join("taskbell.service.d/init.conf")).unwrap();
    let url = desk.path("conf/credentials/webhook-url");
    assert!(drop_in.contains(&format!("LoadCredential=webhook-url:{}", url.display())));
    assert!(drop_in.contains(&format!("--config {}", desk.config().display())), "{drop_in}");
    let mut check = desk.command(&["check"]);
    check.env("CREDENTIALS_DIRECTORY", desk.path("conf/credentials"));
    let output = tokio::task::spawn_blocking(move || check.output().unwrap()).await.unwrap();
    ended(&output, 0, &["ok: 1 source, 1 sink"]);
    ended(&desk.run(&["check"]).await, 78, &["$CREDENTIALS_DIRECTORY is not set"]);
}

#[tokio::test]
async fn the_service_can_read_its_config_whatever_the_umask() {
    let desk = Desk::new().await;
    let units = desk.path("units");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_taskbell"), "init"]);
    command.arg("--config").arg(desk.config()).args(["--non-interactive", "--no-test"]);
    command.args(["--auth", "token", "--project-id", PROJECT, "--region", "cn-north-4"]);
    command.arg("--secret").arg(format!("source.auth.token={}", desk.path("ak").display()));
    command.arg("--secret").arg(format!("sink.url={}", desk.path("hook").display()));
    command.args(["--sink", "webhook", "--systemd", "--unit-dir"]).arg(&units);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    ended(&output, 0, &["written: "]);
    for (path, expected) in [
        (desk.path("conf"), 0o755),
        (desk.config(), 0o644),
        (units.join("taskbell.service.d"), 0o755),
        (units.join("taskbell.service.d/init.conf"), 0o644),
        (desk.path("conf/credentials"), 0o700),
        (desk.path("conf/credentials/webhook-url"), 0o600),
    ] {
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

/// The command that the guide shows, against another cloud and another chat.
#[tokio::test]
async fn the_guide_shows_flags_that_are_enough() {
    let desk = Desk::new().await;
    let page = include_str!("../../docs/guide/first-alert.md");
    let (_, shown) = page.split_once("$ taskbell init --non-interactive").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let line = shown
        .replace("\\\n", " ")
        .replace("/root/slack-url", desk.path("hook").to_str().unwrap())
        .replace("--send-test", "--no-test");
    let mut command = desk.command(&["init", "--non-interactive"]);
    command.args(line.split_whitespace());
    command.env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    ended(&output, 0, &["written: "]);
}

/// Answers questions on a terminal until the command ends. Gives back all that was on the screen.
fn converse(mut command: Command, answers: &BTreeMap<&str, String>) -> (Option<i32>, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let open = || {
        // O_NOCTTY: it must not become the terminal of the tests.
        let flags = i32::try_from(OpenptFlags::NOCTTY.bits()).unwrap();
        File::options().read(true).write(true).custom_flags(flags).open(&name).unwrap()
    };
    command.stdin(open()).stderr(open()).stdout(open());
    let mut child = command.spawn().unwrap();
    // Its copies of the terminal would keep it open.
    drop(command);
    let mut terminal = File::from(master);
    let mut screen = String::new();
    let mut answered = 0;
    let mut bytes = [0; 1024];
    // The end of a terminal that nobody holds any more is an error.
    while let Ok(count) = terminal.read(&mut bytes) {
        screen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        let new = screen.get(answered..).unwrap_or_default();
        let open = new.rsplit('\n').next().unwrap_or_default();
        // Explanations are indented; a part of one may look like a question.
        let asks = open.ends_with(": ") || open.ends_with("[Y/n] ");
        if asks && !open.starts_with(' ') {
            let known = answers.iter().find(|(question, _)| open.starts_with(**question));
            let answer = known.map_or("", |(_, answer)| answer.as_str());
            answered = screen.len();
            writeln!(terminal, "{answer}").unwrap();
        }
    }
    (child.wait().unwrap().code(), screen)
}

#[tokio::test]
async fn questions_on_a_terminal_hide_what_is_secret() {
    let desk = Desk::new().await;
    let endpoint = format!("source.endpoint={}", desk.stage.cloud.url());
    let command = desk.command(&["init", "--source", "kps", "--set", &endpoint]);
    let answers = BTreeMap::from([
        ("source.project_id", PROJECT.to_owned()),
        ("source.auth.kind", "aksk".to_owned()),
        ("source.auth.access_key", ACCESS_KEY.to_owned()),
        ("source.auth.secret_key", SECRET_KEY.to_owned()),
        ("sink [", "webhook".to_owned()),
        ("sink.url", desk.hook()),
        ("Send a message", "y".to_owned()),
    ]);
    let told = tokio::task::spawn_blocking(move || converse(command, &answers)).await.unwrap();
    let (code, screen) = told;
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(SECRET_KEY) && !screen.contains("/hook"), "{screen}");
    assert!(screen.contains("webhook: accepted") && screen.contains("written: "), "{screen}");
    assert_eq!(desk.stage.chat.received().len(), 1);
    ended(&desk.run(&["check", "--online"]).await, 0, &["3 of 3 rows"]);
}

#[tokio::test]
async fn a_pipe_that_ends_says_what_was_asked() {
    let desk = Desk::new().await;
    ended(&desk.run(&["init", "--source", "kps"]).await, 1, &["the input ended before source."]);
    assert!(!desk.config().exists());
}
