//! Chromium, headless, told what to do through its two pipes.
//!
//! It reads its debugging protocol from descriptor 3 and writes to 4, JSON between zeros. A shell
//! puts our pipes there, so neither a driver nor a socket is needed.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{Mutex as AsyncMutex, oneshot},
    task::JoinSet,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

type Waiting = Arc<Mutex<Vec<(u64, oneshot::Sender<Value>)>>>;
type Happened = Arc<Mutex<Vec<Value>>>;

pub(crate) struct Chromium {
    pipe: Arc<AsyncMutex<(u64, ChildStdin)>>,
    waiting: Waiting,
    happened: Happened,
    _child: Child,
    _reader: JoinSet<()>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it, if it is installed.
    pub(crate) async fn start() -> Option<Self> {
        let found = Command::new("sh").args(["-c", "command -v chromium"]).output().await;
        if !found.is_ok_and(|found| found.status.success()) {
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let script = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
             --hide-scrollbars --no-first-run --user-data-dir='{}' --remote-debugging-pipe \
             3<&0 4>&1 </dev/null >/dev/null 2>&1",
            profile.path().display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (waiting, happened) = (Waiting::default(), Happened::default());
        let mut reader = JoinSet::new();
        let (waiters, events) = (Arc::clone(&waiting), Arc::clone(&happened));
        reader.spawn(async move {
            let mut stdout = BufReader::new(stdout);
            let mut message = Vec::new();
            while stdout.read_until(0, &mut message).await.is_ok_and(|read| 0 < read) {
                message.pop();
                let value: Value = serde_json::from_slice(&message).unwrap_or_default();
                message.clear();
                let Some(id) = value["id"].as_u64() else {
                    events.lock().unwrap().push(value);
                    continue;
                };
                let mut waiters = waiters.lock().unwrap();
                if let Some(at) = waiters.iter().position(|(waiting, _)| *waiting == id) {
                    drop(waiters.remove(at).1.send(value));
                }
            }
        });
        let pipe = Arc::new(AsyncMutex::new((0, stdin)));
        Some(Self { pipe, waiting, happened, _child: child, _reader: reader, _profile: profile })
    }

    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let (sender, answer) = oneshot::channel();
        {
            let mut pipe = self.pipe.lock().await;
            pipe.0 += 1;
            let mut message = json!({ "id": pipe.0, "method": method, "params": params });
            if let Some(session) = session {
                message["sessionId"] = json!(session);
            }
            self.waiting.lock().unwrap().push((pipe.0, sender));
            pipe.1.write_all(format!("{message}\0").as_bytes()).await.unwrap();
        }
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {method}")).unwrap();
        assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// An empty tab.
    pub(crate) async fn tab(&self) -> Tab<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let params = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", params).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let tab = Tab { browser: self, session };
        for domain in ["Page", "Runtime", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab
    }
}

pub(crate) struct Tab<'a> {
    browser: &'a Chromium,
    session: String,
}

impl Tab<'_> {
    async fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session), method, params).await
    }

    fn loads(&self) -> usize {
        let happened = self.browser.happened.lock().unwrap();
        happened.iter().filter(|event| event["method"] == "Page.loadEventFired").count()
    }

    async fn loaded(&self, before: usize) {
        let waiting = async {
            while self.loads() <= before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "the page does not load");
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) async fn go(&self, url: &str) {
        let before = self.loads();
        self.call("Page.navigate", json!({ "url": url })).await;
        self.loaded(before).await;
    }

    /// What a script comes to.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params).await;
        assert!(result.get("exceptionDetails").is_none(), "{}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Clicks what leads to another page.
    pub(crate) async fn click(&self, selector: &str) {
        let before = self.loads();
        let selector = json!(selector);
        let found =
            format!("(e => e ? (e.click(), true) : false)(document.querySelector({selector}))");
        assert_eq!(self.eval(&found).await, true, "{selector} is not there");
        self.loaded(before).await;
    }

    /// Sets the width and the theme.
    pub(crate) async fn screen(&self, width: u32, theme: &str) {
        let height = if width < 500 { 844 } else { width * 9 / 16 };
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", params).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Writes what is seen to a file.
    pub(crate) async fn shoot(&self, path: &Path) {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.call("Page.captureScreenshot", params).await;
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What the browser complained about.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let happened = self.browser.happened.lock().unwrap();
        let bad = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        happened.iter().filter(bad).map(|event| event["params"].to_string()).collect()
    }
}
