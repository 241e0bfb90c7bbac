//! Who we are to the cloud: every kind of `auth` against the simulator, over real sockets.
//!
//! The clock is in the test's hand, and the simulator's is the same one.

mod again;
mod refused;
mod renewed;
mod shared;
mod way;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use taskbell::{
    clock::Clock,
    config::Config,
    decide::sift::Sift,
    http::Clients,
    sim::{On, Scenario, Simulator},
    source::{Finding, Source, SourceError, Standings},
};

use crate::stage::{PROJECT, Stage};

/// Time as the test sets it, in seconds from the start.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct Cloud {
    sim: Simulator,
    hand: Hand,
}

const KEYS: &str = "kind = 'aksk', access_key = 'SIMULATOR0ACCESSKEY0', \
                    secret_key = 'simulator-secret-key-not-a-real-one'";

const PASSWORD: &str = "kind = 'password', domain = 'simulator', user = 'simulator', \
                        password = 'simulator-password'";

fn agency(base: &str) -> String {
    format!(
        "kind = 'agency', domain = 'simulator-other', agency = 'simulator-agency', \
         base = {{ {base} }}"
    )
}

impl Cloud {
    /// A cloud like the scenario, with three failures in each project.
    async fn new(scenario: &str) -> Self {
        let mut scenario = Scenario::parse(scenario).unwrap();
        for project in &mut scenario.projects {
            project.generate.count = 3;
        }
        let hand = Hand::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sim = Simulator::start(scenario, any, Arc::new(hand.clone())).await.unwrap();
        Self { sim, hand }
    }

    fn metadata(&self) -> String {
        format!("kind = 'metadata', endpoint = '{}'", self.sim.url())
    }

    /// A source of the region, with these further keys.
    fn source(&self, auth: &str, keys: &str) -> Box<dyn Source> {
        let url = self.sim.url();
        self.source_at(auth, &format!("endpoint = '{url}'\niam_endpoint = '{url}'\n{keys}"))
    }

    fn source_at(&self, auth: &str, keys: &str) -> Box<dyn Source> {
        let text = format!(
            "[[source]]\nname = 'prod'\nkind = 'kps'\nregion = 'cn-north-4'\n{keys}\n\
             auth = {{ {auth} }}\n\
             [[sink]]\nname = 'log'\nkind = 'file'\npath = '/dev/null'\n\
             [[route]]\nto = ['log']\n"
        );
        let config = Config::parse(&text, Path::new("test.toml")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.hand.clone());
        config.build_sources(&clock, &Clients::default(), &Standings::default()).unwrap().remove(0)
    }

    /// The sources of tables, each with its kind, its key for projects and its `auth`.
    fn sources(&self, tables: &[(&str, &str, &str)]) -> Vec<Box<dyn Source>> {
        let url = self.sim.url();
        let table = |(nth, (kind, keys, auth)): (usize, &(&str, &str, &str))| {
            format!(
                "[[source]]\nname = 's{nth}'\nkind = '{kind}'\nregion = 'cn-north-4'\n\
                 endpoint = '{url}'\niam_endpoint = '{url}'\n{keys}\nauth = {{ {auth} }}\n"
            )
        };
        let tables: String = tables.iter().enumerate().map(table).collect();
        let text = format!(
            "{tables}[[sink]]\nname = 'log'\nkind = 'file'\npath = '/dev/null'\n\
             [[route]]\nto = ['log']\n"
        );
        let config = Config::parse(&text, Path::new("test.toml")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.hand.clone());
        config.build_sources(&clock, &Clients::default(), &Standings::default()).unwrap()
    }

    /// Requests of a kind that were answered.
    fn count(&self, on: On) -> u64 {
        self.sim.counts().get(&on).copied().unwrap_or_default()
    }

    /// Answers of this status so far.
    fn answered(&self, status: u16) -> usize {
        self.sim.requests().iter().filter(|request| request.status == status).count()
    }
}

/// `projects = […]` of the first so many that the simulator makes of the reference one.
fn projects(count: u128) -> String {
    let first = u128::from_str_radix(PROJECT, 16).unwrap();
    let ids: Vec<_> = (0..count).map(|nth| format!("{:032x}", first + nth)).collect();
    format!("projects = {ids:?}")
}

/// Waits for all at the same time.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in waiting.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = one.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if waiting.iter().any(|(_, done)| done.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

/// How many failures a walk found.
async fn walk(source: &dyn Source) -> Result<u64, SourceError> {
    let mut sift = Sift::new(Arc::default());
    sift.begin_walk();
    source.walk(&mut sift).await?;
    Ok(sift.distinct())
}

/// The class and the words of a walk's failure.
async fn refusal(source: &dyn Source) -> String {
    let error = walk(source).await.unwrap_err();
    format!("{}: {}", error.class.as_str(), taskbell::http::Chain(&error))
}

fn profile(folder: &Path) -> String {
    let file = folder.join("credentials");
    let text = "[basic]\nak = SIMULATOR0ACCESSKEY0\nsk = simulator-secret-key-not-a-real-one\n";
    std::fs::write(&file, text).unwrap();
    format!("kind = 'profile', file = '{}'", file.display())
}

#[tokio::test]
async fn every_kind_reads_the_list_of_a_project_that_is_named_or_looked_up() {
    let temporary = "[[access_key]]\nkey = 'AKtemporary'\nsecret = 'sk'\nsecurity_token = 'st'\n\
                     [[access_key]]\nkey = 'SIMULATOR0ACCESSKEY0'\n\
                     secret = 'simulator-secret-key-not-a-real-one'";
    let cloud = Cloud::new(temporary).await;
    let folder = tempfile::tempdir().unwrap();
    for auth in [
        KEYS.to_owned(),
        "kind = 'aksk', access_key = 'AKtemporary', secret_key = 'sk', security_token = 'st'"
            .to_owned(),
        "kind = 'token', token = 'simulator-token'".to_owned(),
        PASSWORD.to_owned(),
        cloud.metadata(),
        profile(folder.path()),
        agency(KEYS),
        agency(PASSWORD),
        agency(&cloud.metadata()),
    ] {
        let named = cloud.source(&auth, &format!("project_id = '{PROJECT}'"));
        assert_eq!(walk(&*named).await.unwrap(), 3, "{auth}");
        let looked_up = cloud.source(&auth, "");
        assert_eq!(looked_up.info().project_id, "", "{auth}");
        assert_eq!(walk(&*looked_up).await.unwrap(), 3, "{auth}");
        assert_eq!(looked_up.info().project_id, PROJECT, "{auth}");
        for source in [&named, &looked_up] {
            let bad: Vec<_> = source.examine().await.into_iter().filter(Finding::is_bad).collect();
            assert!(bad.is_empty(), "{auth}: {bad:?}");
        }
    }
    let refused = cloud.sim.requests().into_iter().filter(|request| 400 <= request.status);
    let refused: Vec<_> = refused.filter(|request| request.path != "/").collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_metadata_service_of_the_first_version_is_asked_without_a_token() {
    let cloud = Cloud::new("[metadata]\nversion = 'v1'").await;
    let source = cloud.source(&cloud.metadata(), "");
    assert_eq!(walk(&*source).await.unwrap(), 3);
    assert_eq!(cloud.answered(405), 1);
}

/// The chain looks at this host's environment, so it is the binary that runs it.
#[tokio::test]
async fn the_default_is_the_environment_then_the_profile_then_the_metadata_service() {
    let stage = Stage::of(Scenario::demo(), "", "").await;
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let line = text.lines().find(|line| line.trim().starts_with("auth =")).unwrap();
    let auth =
        format!("auth = {{ kind = 'default', metadata_endpoint = '{}' }}", stage.cloud.url());
    std::fs::write(stage.config(), text.replace(line, &auth)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let run = async |pairs: &[(&str, &str)]| {
        let mut command = stage.command(&["check", "--online", "-o", "json"]);
        for name in ["AK", "SK", "SECURITY_TOKEN", "PROJECT_ID", "CREDENTIALS_FILE"] {
            command.env_remove(format!("HUAWEICLOUD_SDK_{name}"));
        }
        command.env("HOME", home.path()).envs(pairs.iter().copied());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let identity = |output: &std::process::Output| {
        let lines: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = lines.as_array().unwrap().clone();
        let line = lines.into_iter().find(|line| line["step"] == "identity").unwrap();
        format!("{:?} {}", output.status.code(), line["detail"].as_str().unwrap())
    };
    // Nothing but the agency of the host.
    assert_eq!(identity(&run(&[]).await), "Some(0) a temporary access key");
    // A profile goes before it, a wrong one too.
    let folder = home.path().join(".huaweicloud");
    std::fs::create_dir(&folder).unwrap();
    profile(&folder);
    assert_eq!(identity(&run(&[]).await), "Some(0) an access key");
    std::fs::write(folder.join("credentials"), "ak: s3cret\n").unwrap();
    let output = run(&[]).await;
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{shown}");
    assert!(shown.contains("credentials: line 1: must be `key = value`"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    // The environment goes before both.
    let (ak, sk) = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK");
    let good = [(ak, "SIMULATOR0ACCESSKEY0"), (sk, "simulator-secret-key-not-a-real-one")];
    assert_eq!(identity(&run(&good).await), "Some(0) an access key");
    let output = run(&good[..1]).await;
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{shown}");
    assert!(shown.contains("HUAWEICLOUD_SDK_AK is set, but HUAWEICLOUD_SDK_SK is not"), "{shown}");
}
