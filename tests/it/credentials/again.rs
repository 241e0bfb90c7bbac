//! What a run knows of the credentials of the runs before it.

use taskbell::sim::{On, Scenario};

use super::{PASSWORD, Stage};

const SECRET: &str = "simulator-secret-key-not-a-real-one";

/// Replaces `auth` in the stage's config.
fn write(stage: &Stage, auth: &str) {
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let line = text.lines().find(|line| line.trim().starts_with("auth =")).unwrap();
    std::fs::write(stage.config(), text.replace(line, &format!("auth = {{ {auth} }}"))).unwrap();
}

fn keys(secret: &str) -> String {
    format!("kind = 'aksk', access_key = 'SIMULATOR0ACCESSKEY0', secret_key = '{secret}'")
}

fn refused(stage: &Stage) -> usize {
    stage.cloud.requests().iter().filter(|request| request.status == 401).count()
}

#[tokio::test]
async fn a_wrong_key_is_not_locked_by_runs_from_cron() {
    let stage = Stage::of(Scenario::demo(), "", "").await;
    write(&stage, &keys("not the secret"));
    for _ in 0..6 {
        let output = stage.run(&["once"]).await;
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(77), "{shown}");
        assert!(!shown.contains("not the secret"), "{shown}");
    }
    // The cloud locks a key at five.
    assert_eq!(refused(&stage), 3);
    let output = stage.run(&["once"]).await;
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("refused 3 times in a row, not asked again before"), "{shown}");
    // Who asks by hand gets the cloud's own answer, and is not counted.
    let output = stage.run(&["check", "--online"]).await;
    assert_eq!(output.status.code(), Some(77));
    assert_eq!(refused(&stage), 4);
    // The right one is another, and goes at once.
    write(&stage, &keys(SECRET));
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_wrong_password_is_tried_seldom_by_runs_from_cron() {
    let stage = Stage::of(Scenario::demo(), "", "").await;
    let url = stage.cloud.url();
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let text =
        text.replace("timeout = \"4s\"", &format!("timeout = \"4s\"\niam_endpoint = '{url}'"));
    std::fs::write(stage.config(), text).unwrap();
    let wrong = PASSWORD.replace("password = '", "password = 'not ");
    assert_ne!(wrong, PASSWORD);
    write(&stage, &wrong);
    let logins = || stage.cloud.counts().get(&On::Iam).copied().unwrap_or_default();
    let mut seen = Vec::new();
    for minute in [0, 0, 1, 2, 3, 7] {
        stage.shift(jiff::SignedDuration::from_secs(minute * 61));
        let output = stage.run(&["once"]).await;
        assert_eq!(output.status.code(), Some(77));
        seen.push(logins());
    }
    // After a minute, then after two, then after four.
    assert_eq!(seen, [1, 1, 2, 2, 3, 4]);
    write(&stage, PASSWORD);
    assert_eq!(stage.run(&["once"]).await.status.code(), Some(0));
}
