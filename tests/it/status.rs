//! The status server over real sockets: who gets in, what is answered, and in which form.

use std::{fs, process::Child, time::Duration};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::{commands::desk::Desk, stage::Stage};

mod api;
mod events;
mod papers;

/// Of the daemons of these tests.
pub(crate) const TOKEN: &str = "a-token-of-the-tests";

/// A daemon with a status page, and what happened before it began.
pub(crate) struct Watched {
    pub(crate) desk: Desk,
    pub(crate) url: String,
    pub(crate) client: Client,
    daemon: Child,
}

impl Watched {
    /// One failure was told, and one delivery is dead.
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// The same, with more in `[status]`.
    pub(crate) async fn with(more: &str) -> Self {
        let desk = Desk::new(false).await;
        let stage = &desk.stage;
        let text = fs::read_to_string(stage.config()).unwrap();
        let status = format!("listen = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n{more}");
        fs::write(stage.config(), text.replace("listen = \"\"", &status)).unwrap();
        let log = stage.store().with_extension("log");
        let mut command = stage.command(&["run"]);
        let to = fs::File::create(&log).unwrap();
        let daemon = command.stdout(to.try_clone().unwrap()).stderr(to).spawn().unwrap();
        let address = |text: &str| -> Option<String> {
            let (_, rest) = text.split_once("the status page is at ")?;
            Some(rest.split_once("/ ").or(rest.split_once("/\n"))?.0.to_owned())
        };
        let found = |_: &Stage| address(&fs::read_to_string(&log).unwrap()).is_some();
        stage.see("the address of the status page", found).await;
        let url = address(&fs::read_to_string(&log).unwrap()).unwrap();
        taskbell::http::install_crypto();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let watched = Self { desk, url, client, daemon };
        watched.until_ready().await;
        watched
    }

    async fn until_ready(&self) {
        let waiting = async {
            while self.get("/-/ready").send().await.unwrap().status() != StatusCode::OK {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "not ready");
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// An order with the token.
    pub(crate) async fn act(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request =
            self.request(method, path).header("authorization", format!("Bearer {TOKEN}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let value = read(response).await;
        assert!(status.is_success(), "{path}: {value}");
        value
    }

    /// What is at a path, which must be there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        let status = response.status();
        let value = read(response).await;
        assert!(status.is_success(), "{path}: {value}");
        value
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

pub(crate) async fn read(response: reqwest::Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_page_tells_browsers_what_they_must_not_do() {
    let watched = Watched::new().await;
    let response = watched.get("/").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert!(response.headers().get("set-cookie").is_none(), "nobody signed in");
    let page = response.text().await.unwrap();
    assert!(page.len() < 100_000, "{} bytes", page.len());
    // The policy allows no style and no script within the page, nor anything from elsewhere.
    for bad in ["<style", "style=", "onclick", "javascript:", "src=\"http", "href=\"http"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("<html lang=\"en\""));
    let chinese = watched.get("/").header("accept-language", "zh-CN,zh;q=0.9").send().await;
    let chinese = chinese.unwrap().text().await.unwrap();
    assert!(chinese.contains("<html lang=\"zh-CN\"") && chinese.contains("通知渠道"));
}

#[tokio::test]
async fn orders_come_from_whoever_has_the_token_and_from_no_other_site() {
    let watched = Watched::new().await;
    let order = |headers: &[(&str, &str)]| {
        let mut request = watched.request(Method::POST, "/api/v1/sinks/chat/test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async { request.send().await.unwrap() }
    };
    let told = watched.desk.stage.chat.received().len();
    let refused = order(&[]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let wrong = order(&[("authorization", "Bearer a-token-of-the-test")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let foreign = order(&[("origin", "https://evil.example.com")]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let rebound = watched.get("/api/v1/sinks").header("host", "evil.example.com").send().await;
    assert_eq!(rebound.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(watched.desk.stage.chat.received().len(), told, "nothing was sent");
    let answer = watched.act(Method::POST, "/api/v1/sinks/chat/test", None).await;
    assert_eq!(answer["accepted"], true, "{answer}");
    assert_eq!(watched.desk.stage.chat.received().len(), told + 1);
}

#[tokio::test]
async fn a_session_begins_with_the_token_and_gives_orders_by_forms() {
    let watched = Watched::new().await;
    let (url, form) = (&watched.url, "application/x-www-form-urlencoded");
    let post = |path: &str, cookie: &str, body: String| {
        let request = watched.request(Method::POST, path).header("content-type", form);
        request.header("origin", url).header("cookie", cookie).body(body).send()
    };
    let wrong = post("/do/sign-in", "", "token=guess&to=/".to_owned()).await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(wrong.text().await.unwrap().contains("That is not the token."));
    let to = "//evil.example.com".replace('/', "%2F");
    let right = post("/do/sign-in", "", format!("token={TOKEN}&to={to}")).await.unwrap();
    assert_eq!(right.status(), StatusCode::SEE_OTHER);
    assert_eq!(right.headers()["location"], "/", "not to another server");
    let cookie = right.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let id = watched.json(&format!("/api/v1/failures/{}", watched.desk.untold)).await["id"].clone();
    let body = format!("id={id}&by=mei&comment=on+it&back=/failures/{id}");
    let done = post("/do/ack", &cookie, body).await.unwrap();
    assert_eq!(done.headers()["location"], format!("/failures/{id}?done=ack"));
    let page = watched.get(&format!("/failures/{id}?done=ack")).header("cookie", &cookie);
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Looked after by mei") && page.contains("no more reminders"));
    let body = "matchers=server+%3D+x&hours=2&author=mei&comment=x&back=/".to_owned();
    let mistaken = post("/do/silence", &cookie, body).await.unwrap();
    assert_eq!(mistaken.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let said = mistaken.text().await.unwrap();
    assert!(said.contains("`server` is not a field; did you mean `server_name`?"), "{said}");
    let nothing = post("/do/everything", &cookie, String::new()).await.unwrap();
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
}

#[test]
fn what_is_wrong_with_the_status_table_is_named() {
    let parse = |status: &str| {
        let text = include_str!("../../config.toml");
        let text = text.replace("hosts = [] ", "#").replace("listen = \"127.0.0.1:9464\"", status);
        let parsed = taskbell::config::Config::parse(&text, "config.toml".as_ref());
        parsed.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(parse("listen = \"\""), Ok(()));
    assert_eq!(parse("listen = \"[::]:9464\"\ntoken = { env = \"TOKEN\" }"), Ok(()));
    for (status, problem) in [
        ("listen = \"0.0.0.0:9464\"", "status.token: is required"),
        ("listen = \"here\"", "status.listen: must be an address with a port"),
        ("listen = \"[::1]:9464\"\ntokn = \"x\"", "did you mean `token`?"),
        ("hosts = [\"http://x\"]", "status.hosts[0]: must be the name of a host"),
    ] {
        let said = parse(status).unwrap_err();
        assert!(said.contains(problem), "{status}: {said}");
    }
}
