//! The certificates of the hosts that a doctor looks at, bad ones among them.

use std::{net::SocketAddr, path::Path, sync::Arc};

use jiff::ToSpan as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::Value;
use taskbell::{
    clock::{Clock as _, SystemClock},
    receiver::WebhookReceiver,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Stage, edit, line, lines};

/// What is to be signed for `host`, good from so many days from now on to so many days.
pub(super) fn params(host: &str, common_name: &str, days: (i64, i64)) -> CertificateParams {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let day = |days: i64| {
        let at = SystemClock.now() + (days * 24).hours();
        let at = jiff::tz::TimeZone::UTC.to_datetime(at);
        let (month, day) = (at.month().unsigned_abs(), at.day().unsigned_abs());
        date_time_ymd(at.year().into(), month, day)
    };
    (params.not_before, params.not_after) = (day(days.0), day(days.1));
    params
}

/// A receiver with a certificate that `signed` makes with its key.
pub(super) async fn receiver(
    signed: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
) -> WebhookReceiver {
    let key = KeyPair::generate().unwrap();
    let chain = vec![signed(&key).unwrap().der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let clock = Arc::new(SystemClock);
    WebhookReceiver::start_tls(anywhere, Vec::new(), clock, Arc::new(tls)).await.unwrap()
}

fn sink(name: &str, host: &str, port: u16, ca_file: Option<&Path>) -> String {
    let ca_file = ca_file.map_or(String::new(), |path| format!("ca_file = '{}'", path.display()));
    format!(
        "[[sink]]\nname = '{name}'\nkind = 'webhook'\nurl = 'https://{host}:{port}/'\n{ca_file}\n"
    )
}

#[tokio::test]
async fn each_bad_certificate_is_named_with_its_chain_and_one_that_ends_soon_is_a_warning() {
    let mut ca = params("ca", "Planted Root", (-100, 4000));
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let ca_file = Some(&*ca_file);

    let year = (-10, 365);
    let good = receiver(|key| params("localhost", "good", year).signed_by(key, &ca)).await;
    let soon = receiver(|key| params("localhost", "soon", (-10, 6)).signed_by(key, &ca)).await;
    let ended = receiver(|key| params("localhost", "ended", (-10, -3)).signed_by(key, &ca)).await;
    let early = receiver(|key| params("localhost", "early", (3, 365)).signed_by(key, &ca)).await;
    let own = receiver(|key| params("localhost", "own", year).self_signed(key)).await;
    let other = receiver(|key| params("other.example", "other", year).signed_by(key, &ca)).await;
    let strange = receiver(|key| params("localhost", "strange", year).signed_by(key, &ca)).await;
    let signer = receiver(|key| {
        let mut params = params("localhost", "signer", year);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(key)
    })
    .await;
    let all = [
        ("good", &good, ca_file),
        ("soon", &soon, ca_file),
        ("ended", &ended, ca_file),
        ("early", &early, ca_file),
        ("own", &own, ca_file),
        ("other", &other, ca_file),
        ("strange", &strange, None),
        ("signer", &signer, ca_file),
    ];
    let sinks = all.map(|(name, at, ca)| sink(name, "localhost", at.address().port(), ca));
    let stage = Stage::new("").await;
    edit(&stage, "[[route]]", &format!("{}[[route]]", sinks.concat()));

    let output = stage.run(&["doctor", "-o", "json"]).await;
    let (found, _) = lines(&output);
    let chain = |name: &str| -> &Value {
        let subject = format!("CN={name}");
        let found = found.iter().find(|line| line["chain"][0]["subject"] == *subject);
        found.unwrap_or_else(|| panic!("no certificate of {name}: {found:?}"))
    };
    for (name, verdict, words) in [
        ("good", "ok", "trusted by the root CN=Planted Root of ca_file"),
        ("soon", "warning", "but CN=soon ends in 5 days"),
        ("ended", "failed", "refused: CN=ended has ended"),
        ("early", "failed", "refused: a certificate does not count yet"),
        ("own", "failed", "refused: it is signed by itself"),
        ("signer", "failed", "refused: it is one for signing others (CA:TRUE)"),
        ("other", "failed", "refused: it is for other.example, not for localhost"),
        ("strange", "failed", "refused: nobody here trusts CN=Planted Root, who signed it"),
    ] {
        let line = chain(name);
        assert_eq!((&line["what"], &line["name"]), (&"tls".into(), &"localhost".into()), "{line}");
        assert_eq!(line["verdict"], verdict, "{line}");
        assert!(line["detail"].as_str().unwrap().contains(words), "{line}");
        assert_eq!(line["advice"] == "", verdict == "ok", "{line}");
        // The sink that is behind it fails with it.
        let sink = found.iter().find(|line| line["what"] == "sink" && line["name"] == name);
        let failed = sink.unwrap()["verdict"] == "failed";
        assert_eq!(failed, verdict == "failed", "{sink:?}");
    }
    assert_eq!(chain("own")["chain"][0]["issuer"], "CN=own");
    assert_eq!(chain("ended")["chain"][0]["issuer"], "CN=Planted Root");
    assert!(chain("ended")["chain"][0]["days_left"].as_i64().unwrap() < 0);
    for (_, at, _) in all {
        assert!(at.received().is_empty(), "a doctor says nothing");
    }
    let text = String::from_utf8(stage.run(&["doctor"]).await.stdout).unwrap();
    let first = "      1. CN=good, by CN=Planted Root, until ";
    assert!(text.contains(first) && text.contains("364 days left"), "{text}");
}

#[tokio::test]
async fn the_certificate_of_a_cloud_that_is_refused_is_shown_too() {
    let cloud = receiver(|key| params("localhost", "cloud", (-10, -3)).self_signed(key)).await;
    let stage = Stage::new("").await;
    let address = format!("https://localhost:{}", cloud.address().port());
    edit(&stage, &stage.cloud.url(), &address);
    let output = stage.run(&["doctor", "-o", "json"]).await;
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let (found, _) = lines(&output);
    let reach = line(&found, "source", "reach");
    assert_eq!((&reach["verdict"], &reach["class"]), (&"failed".into(), &"tls".into()), "{reach}");
    assert_eq!(line(&found, "tls", "chain")["chain"][0]["subject"], "CN=cloud");
}

/// A proxy that leads to `to`, whatever it is asked for.
async fn proxy(to: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"CONNECT hook.invalid:443 "), "{head:?}");
            client.write_all(b"HTTP/1.1 200 ok\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            // Whoever only looks hangs up.
            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_sink_behind_a_proxy_is_looked_at_through_it_and_told_nothing() {
    let mut pem = String::new();
    let hook = receiver(|key| {
        let signed = params("hook.invalid", "hook", (-10, 365)).self_signed(key)?;
        pem = signed.pem();
        Ok(signed)
    })
    .await;
    let (proxy, _tasks) = proxy(hook.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let stage = Stage::new("").await;
    let sink = sink("hook", "hook.invalid", 443, Some(&ca_file));
    edit(&stage, "[[route]]", &format!("{sink}[[route]]"));
    let mut command = stage.command(&["doctor", "-o", "json"]);
    command.env("HTTPS_PROXY", format!("http://{proxy}"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (found, _) = lines(&output);
    let reached = found.iter().find(|line| line["name"] == "hook").unwrap();
    assert_eq!(reached["verdict"], "ok", "{reached}");
    let chain = line(&found, "tls", "chain");
    assert_eq!((&chain["name"], &chain["verdict"]), (&"hook.invalid".into(), &"ok".into()));
    assert!(hook.received().is_empty());
}
