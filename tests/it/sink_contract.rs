//! What every kind of sink must do, tried on each over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its stage has failed")]

use std::{net::SocketAddr, path::Path, time::Duration};

use jiff::Timestamp;
use taskbell::{
    delivery::Verdict,
    http::{Chain, Clients},
    name::Name,
    notice::Notice,
    options::OptionError,
    render::Words,
    sink::{Build, KINDS, Kind, Parcel, Receipt, Sink, SinkError},
};
use tokio::net::TcpListener;

mod alertmanager;
mod email;
mod examples;
mod follow_up;
mod golden;
mod hostile;
mod kinds;
mod local;
mod occasions;
mod options;
mod others;
mod pagerduty;
mod peer;
mod responses;
mod services;
mod syslog;
mod tls;
mod webhook;
mod webhook_more;
mod wire;
mod words;

/// Any port of this host.
const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn now() -> Timestamp {
    "2026-11-23T10:00:05Z".parse().unwrap()
}

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Builds a sink from a `[[sink]]` table as it stands in a config file.
fn try_build(table: &str) -> Result<Box<dyn Sink>, OptionError> {
    try_build_in(table, &Words::default())
}

fn try_build_in(table: &str, words: &Words) -> Result<Box<dyn Sink>, OptionError> {
    let mut options: toml::Table = table.parse().unwrap();
    let name = Name::parse(options.remove("name").unwrap().as_str().unwrap()).unwrap();
    let kind = kind(options.remove("kind").unwrap().as_str().unwrap());
    (kind.build)(Build { name, options, clients: Clients::default(), words: words.clone() })
}

#[track_caller]
fn build(table: &str) -> Box<dyn Sink> {
    try_build(table).unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// The same, with these words.
#[track_caller]
fn build_in(table: &str, words: &Words) -> Box<dyn Sink> {
    try_build_in(table, words).unwrap_or_else(|error| panic!("{table}: {error}"))
}

fn example(kind: &Kind, endpoint: SocketAddr) -> String {
    example_in(kind, endpoint, Path::new("/nonexistent"))
}

fn example_in(kind: &Kind, endpoint: SocketAddr, folder: &Path) -> String {
    let example = kind.example.replace("{endpoint}", &endpoint.to_string());
    example.replace("{folder}", &folder.display().to_string())
}

/// The kinds that speak to another host.
fn remote() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(|kind| kind.example.contains("{endpoint}"))
}

/// One attempt to send `notice`.
async fn send(sink: &dyn Sink, notice: &Notice) -> Result<Receipt, SinkError> {
    send_to(sink, notice, None).await
}

async fn send_to(
    sink: &dyn Sink,
    notice: &Notice,
    recipients: Option<&[String]>,
) -> Result<Receipt, SinkError> {
    let body = sink.render(notice);
    sink.send(Parcel { id: &notice.id, body: &body, recipients, original: None, now: now() }).await
}

/// A verdict, or `taken`, as a word.
fn word(result: &Result<Receipt, SinkError>) -> &'static str {
    match result {
        Ok(Receipt::Whole | Receipt::Kept(_)) => "taken",
        Ok(Receipt::Part { .. }) => "part",
        Err(error) => error.verdict.as_str(),
    }
}

#[test]
fn each_kind_is_built_from_its_own_example() {
    for kind in KINDS {
        build(&example(kind, ANYWHERE));
        assert!(!kind.summary.is_empty(), "{}", kind.name);
    }
}

#[test]
fn each_kinds_schema_knows_the_keys_of_its_example() {
    for kind in KINDS {
        let schema = serde_json::to_value((kind.schema)()).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{}", kind.name);
        let table: toml::Table = kind.example.parse().unwrap();
        for key in table.keys().filter(|key| !matches!(key.as_str(), "name" | "kind")) {
            assert!(schema["properties"].get(key).is_some(), "{}: {key}", kind.name);
        }
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (kind, typed, meant) in [
        ("webhook", "secrt", "secret"),
        ("email", "replyto", "reply_to"),
        ("file", "fsnc", "fsync"),
        ("exec", "comand", "command"),
        ("syslog", "adress", "address"),
        ("journald", "sockt", "socket"),
    ] {
        let table = format!("{}\n{typed} = 1", example(self::kind(kind), ANYWHERE));
        let error = try_build(&table).expect_err("the key is not known");
        let expected = format!("{typed}: is not a known key; did you mean `{meant}`?");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn each_kind_refuses_a_key_that_it_does_not_know() {
    for kind in KINDS {
        let table = format!("{}\nzzz = 1", example(kind, ANYWHERE));
        let error = try_build(&table).expect_err("the key is not known");
        assert_eq!(error.path, "zzz", "{}: {error}", kind.name);
    }
}

#[test]
fn the_same_notice_gives_the_same_bytes() {
    for kind in KINDS {
        for (case, notice) in occasions::every() {
            let one = build(&example(kind, ANYWHERE)).render(&notice);
            let two = build(&example(kind, ANYWHERE)).render(&notice);
            assert_eq!(one, two, "{} {case}", kind.name);
        }
    }
}

#[tokio::test]
async fn a_closed_port_is_worth_another_try_and_the_error_names_the_host() {
    let closed = TcpListener::bind(ANYWHERE).await.unwrap().local_addr().unwrap();
    for kind in remote() {
        let sink = build(&example(kind, closed));
        let error = send(&*sink, &examples::one()).await.expect_err("nobody listens");
        assert_eq!(error.verdict, Verdict::Retry { after: None }, "{}", kind.name);
        assert!(!error.uncertain, "{}: nothing was sent", kind.name);
        assert!(error.to_string().contains(&closed.to_string()), "{}: {error}", kind.name);
        assert!(Chain(&error).to_string().contains("refused"), "{}", Chain(&error));
        let error = sink.probe().await.expect_err("nobody listens");
        assert_eq!(error.verdict, Verdict::Retry { after: None }, "{}", kind.name);
    }
}

#[tokio::test]
async fn a_connection_broken_without_a_word_is_worth_another_try() {
    for kind in remote() {
        let listener = TcpListener::bind(ANYWHERE).await.unwrap();
        let sink = build(&example(kind, listener.local_addr().unwrap()));
        let hang_up = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_zero_linger().unwrap();
            }
        };
        let notice = examples::one();
        tokio::select! {
            () = hang_up => (),
            result = send(&*sink, &notice) => assert_eq!(word(&result), "retry", "{}", kind.name),
        }
    }
}

#[tokio::test]
async fn a_mute_receiver_is_left_when_the_caller_says_so() {
    for kind in remote() {
        // The system accepts connections on its own; nobody ever reads or writes.
        let mute = TcpListener::bind(ANYWHERE).await.unwrap();
        let sink = build(&example(kind, mute.local_addr().unwrap()));
        let notice = examples::one();
        let sending = send(&*sink, &notice);
        let timed = tokio::time::timeout(Duration::from_millis(200), sending).await;
        assert!(timed.is_err(), "{}", kind.name);
    }
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let closed = TcpListener::bind(ANYWHERE).await.unwrap().local_addr().unwrap();
    let key = "whsec_dGFza2JlbGwtZXhhbXBsZS1zZWNyZXQtMDE=";
    for (table, secrets) in [
        (
            format!(
                "name = 'a'\nkind = 'webhook'\nsecret = '{key}'\n\
                 url = 'http://user:pa55word@{closed}/hooks/s3cret-path?token=s3cret-token'"
            ),
            ["dGFza2JlbGw", "s3cret-path", "s3cret-token", "pa55word", "taskbell-example"],
        ),
        (
            format!(
                "name = 'a'\nkind = 'email'\nsmtp = 'smtp://{closed}'\nfrom = 'a@example.com'\n\
                 to = ['b@example.com']\nusername = 'user'\npassword = 'pa55word'"
            ),
            ["pa55word"; 5],
        ),
    ] {
        let sink = build(&table);
        let error = send(&*sink, &examples::one()).await.expect_err("nobody listens");
        let shown = format!("{sink:?} {error:?} {}", Chain(&error));
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
