//! The status page in a browser: what a person sees and does, with Chromium where there is one.
//!
//! Where there is none, the test says so. `.ci/run` installs it.

use std::{fs, path::Path, time::Duration};

use serde_json::json;

use crate::status::{TOKEN, Watched};

mod chromium;

use chromium::{Chromium, Tab};

/// Names that a stranger may give to a server. None of them must do anything.
const HOSTILE: &str = "<img src=x onerror=window.hurt=1>\"'><script>window.hurt=1</script>";

/// Widths of a phone, a laptop and a wall.
const WIDTHS: [u32; 3] = [390, 1280, 1920];

async fn eventually(tab: &Tab<'_>, what: &str, script: &str) {
    let waiting = async {
        while tab.eval(script).await != json!(true) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok();
    let instead = if seen { json!(null) } else { tab.eval("document.body.innerText").await };
    assert!(seen, "not seen: {what}: {instead}");
}

#[tokio::test]
async fn a_person_looks_and_acts() {
    let Some(browser) = Chromium::start().await else {
        println!("chromium is not installed: the page was not tried in a browser");
        return;
    };
    let watched = Watched::new().await;
    let tab = browser.tab().await;
    tab.go(&watched.url).await;
    eventually(
        &tab,
        "the light of the live page",
        "document.querySelector('.live').dataset.on === 'yes'",
    )
    .await;
    assert_eq!(tab.eval("document.querySelectorAll('.failure').length").await, 5);

    // It changes by itself, and a hostile name does nothing.
    watched.desk.stage.fail(HOSTILE);
    eventually(&tab, "the new failure", "document.querySelectorAll('.failure').length === 6").await;
    let name = tab.eval("document.querySelector('.failure .what a').textContent").await;
    assert_eq!(name, HOSTILE);
    assert_eq!(
        tab.eval("window.hurt === undefined && !document.querySelector('main img, main script')")
            .await,
        true
    );

    // The filter.
    tab.go(&format!("{}/failures", watched.url)).await;
    tab.eval("document.querySelector('[name=server]').value = 'db-1'").await;
    tab.click(".filter button").await;
    eventually(&tab, "one failure of db-1", "document.querySelectorAll('.failure').length === 1")
        .await;
    assert_eq!(tab.eval("document.querySelector('.failure .what a').textContent").await, "db-1");

    // Signing in, wrong and right.
    tab.go(&format!("{}/", watched.url)).await;
    tab.click("form[action='/sign-in'] button").await;
    eventually(&tab, "the form", "!!document.querySelector('[name=token]')").await;
    tab.eval("document.querySelector('[name=token]').value = 'a wrong one'").await;
    tab.click("main form button").await;
    eventually(&tab, "the refusal", "!!document.querySelector('[role=alert]')").await;
    tab.eval(&format!("document.querySelector('[name=token]').value = '{TOKEN}'")).await;
    tab.click("main form button").await;
    eventually(&tab, "being in", "!!document.querySelector(\"form[action='/do/sign-out']\")").await;

    acts(&watched, &tab).await;
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe.min.js");
    let rules = fs::read_to_string(rules).ok();
    if rules.is_none() {
        println!("target/axe.min.js is not there: nobody looked for what shuts people out");
    }
    looks(&watched, &tab, rules.as_deref()).await;

    let mut said = tab.complaints();
    // The statuses of the wrong token and of what is not there are no mistakes of the page.
    said.retain(|said| !said.contains("status of 401") && !said.contains("/failures/99999"));
    assert!(said.is_empty(), "the browser complains: {said:?}");
}

/// Silences, acknowledges, retries, tests.
async fn acts(watched: &Watched, tab: &Tab<'_>) {
    tab.eval("document.querySelector('#new-silence').open = true").await;
    tab.eval(
        "for (const [name, value] of Object.entries({matchers: 'server_name = \"web-3\"', \
         author: 'mei', comment: 'moving'})) \
         document.querySelector(`#new-silence [name=${name}]`).value = value",
    )
    .await;
    tab.click("#new-silence form button").await;
    eventually(
        tab,
        "the silence",
        "document.querySelector('.silence code')?.textContent === 'server_name = \"web-3\"'",
    )
    .await;
    assert_eq!(watched.json("/api/v1/silences").await["items"][0]["author"], "mei");

    tab.click(".sink form[action='/do/test'] button").await;
    eventually(
        tab,
        "the test",
        "document.querySelector('h1').textContent.includes('took the test message')",
    )
    .await;

    tab.go(&format!("{}/failures/{}", watched.url, watched.desk.untold)).await;
    tab.eval("document.querySelector('[name=by]').value = 'mei'").await;
    tab.click("form[action='/do/ack'] button").await;
    eventually(
        tab,
        "the acknowledgement",
        "document.body.innerText.includes('Looked after by mei')",
    )
    .await;
    assert_eq!(tab.eval("document.querySelectorAll('.steps li').length > 5").await, true);

    tab.go(&format!("{}/deliveries?state=dead", watched.url)).await;
    tab.click("form[action='/do/retry'] button").await;
    let told = |stage: &crate::stage::Stage| {
        stage.told().iter().any(|(arrival, ids)| {
            ids.contains(&watched.desk.untold) && arrival.answered == Some(204)
        })
    };
    watched.desk.stage.see("the dead one at the chat", told).await;
}

/// At each width and in each theme: nothing is wider than the screen, and nobody is shut out.
async fn looks(watched: &Watched, tab: &Tab<'_>, rules: Option<&str>) {
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screens");
    fs::create_dir_all(&shots).unwrap();
    let id = watched.json(&format!("/api/v1/failures/{}", watched.desk.untold)).await["id"].clone();
    let pages = [
        ("overview", "/".to_owned()),
        ("failures", "/failures".to_owned()),
        ("failure", format!("/failures/{id}")),
        ("deliveries", "/deliveries".to_owned()),
        ("nothing", "/failures/99999".to_owned()),
    ];
    for (name, path) in &pages {
        for theme in ["light", "dark"] {
            for width in WIDTHS {
                tab.screen(width, theme).await;
                tab.go(&format!("{}{path}", watched.url)).await;
                let wide = "document.documentElement.scrollWidth <= window.innerWidth";
                assert_eq!(tab.eval(wide).await, true, "{name} at {width}");
                tab.shoot(&shots.join(format!("{name}-{theme}-{width}.png"))).await;
                let Some(rules) = rules else { continue };
                // The page's policy lets no script in but its own; the browser's owner may.
                tab.eval(&format!("{rules};0")).await;
                let found = tab
                    .eval("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | ')))")
                    .await;
                assert_eq!(found, json!([]), "{name} at {width} in {theme}");
            }
        }
    }
    in_chinese(watched, tab, &shots, &pages).await;
}

/// Each page in Chinese, without a word of ours in English.
async fn in_chinese(watched: &Watched, tab: &Tab<'_>, shots: &Path, pages: &[(&str, String)]) {
    tab.screen(1280, "light").await;
    tab.go(&format!("{}/like?language=zh&to=/", watched.url)).await;
    assert_eq!(tab.eval("document.documentElement.lang").await, "zh-CN");
    for (name, path) in pages {
        tab.go(&format!("{}{path}", watched.url)).await;
        tab.shoot(&shots.join(format!("{name}-zh-1280.png"))).await;
        // What receivers and commands said stays as they said it, and is marked as such.
        let said = tab
            .eval(
                "[...document.querySelectorAll('body [lang=en]')].forEach(one => one.remove()); \
                 document.body.innerText",
            )
            .await;
        let said = said.as_str().unwrap();
        for word in
            ["reset", "recorded", "delivery", "attempt", "You were", "told", "held", "poll "]
        {
            assert!(!said.contains(word), "{word} on {name}: {said}");
        }
    }
}
