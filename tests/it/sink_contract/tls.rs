//! Certificates: the right one, the wrong name, an unknown issuer.

use std::{path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use taskbell::{
    clock::FixedClock,
    receiver::{SmtpAnswers, SmtpReceiver, SmtpTls, WebhookReceiver},
};
use tempfile::TempDir;

use super::{ANYWHERE, build, examples, now, send, try_build, word};

/// An authority of our own, and from it certificates for `localhost` and for a client.
pub(super) struct Stage {
    folder: TempDir,
    pub(super) server: Arc<ServerConfig>,
    /// The same, and wants to see a certificate of the authority's.
    pub(super) mutual: Arc<ServerConfig>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: String| {
            std::fs::write(folder.path().join(name), pem).unwrap();
        };
        write("ca.pem", issuer.pem());
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
            (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        };
        let (certificate, key) = issue("localhost");
        issue("client");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .unwrap()
        };
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let wants = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let mutual = builder().with_client_cert_verifier(wants.build().unwrap());
        let mutual = mutual.with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap();
        let server = builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        Self { folder, server: Arc::new(server.unwrap()), mutual: Arc::new(mutual) }
    }

    /// A file of the authority (`ca`), the server (`localhost`) or the client.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn ca_file(&self) -> String {
        format!("ca_file = '{}'", self.file("ca.pem").display())
    }

    pub(super) fn client_files(&self) -> String {
        let (cert, key) = (self.file("client.pem"), self.file("client.key"));
        format!("client_cert = '{}'\nclient_key = '{}'", cert.display(), key.display())
    }
}

/// Host, whether the authority is trusted, and the verdict.
pub(super) const CASES: [(&str, bool, &str); 3] =
    [("localhost", true, "taken"), ("127.0.0.1", true, "suspect"), ("localhost", false, "suspect")];

#[tokio::test]
async fn a_webhook_goes_only_to_a_host_with_a_good_certificate() {
    let stage = Stage::new();
    let clock = Arc::new(FixedClock(now()));
    let tls = Arc::clone(&stage.server);
    let receiver = WebhookReceiver::start_tls(ANYWHERE, Vec::new(), clock, tls).await.unwrap();
    let port = receiver.address().port();
    for (host, trusted, expected) in CASES {
        let ca_file = if trusted { stage.ca_file() } else { String::new() };
        let table =
            format!("name = 'a'\nkind = 'webhook'\nurl = 'https://{host}:{port}/'\n{ca_file}");
        let result = send(&*build(&table), &examples::one()).await;
        assert_eq!(word(&result), expected, "{host} {trusted} {result:?}");
    }
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_wants_our_certificate_gets_it() {
    let stage = Stage::new();
    let clock = Arc::new(FixedClock(now()));
    let tls = Arc::clone(&stage.mutual);
    let receiver = WebhookReceiver::start_tls(ANYWHERE, Vec::new(), clock, tls).await.unwrap();
    let url = format!("https://localhost:{}/", receiver.address().port());
    for (identity, taken) in [(stage.client_files(), true), (String::new(), false)] {
        let table =
            format!("name = 'a'\nkind = 'webhook'\nurl = '{url}'\n{}\n{identity}", stage.ca_file());
        let result = send(&*build(&table), &examples::one()).await;
        assert_eq!(result.is_ok(), taken, "{result:?}");
    }
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_certificate_and_its_key_go_together() {
    let stage = Stage::new();
    let file = |name: &str| stage.file(name).display().to_string();
    let (cert, key) = (file("client.pem"), file("client.key"));
    let one = |option: &str, file: &str| format!("{option} = '{file}'\n");
    let both = |cert: &str, key: &str| one("client_cert", cert) + &one("client_key", key);
    for (url, files, expected) in [
        ("https://h", one("client_cert", &cert), "client_key: is required with client_cert"),
        ("https://h", one("client_key", &key), "client_cert: is required with client_key"),
        ("http://h", both(&cert, &key), "client_cert: is for https:// only"),
        ("https://h", both(&key, &key), &format!("client_cert: {key} holds no PEM certificate")),
        ("https://h", both(&cert, &cert), &format!("client_key: {cert} holds no PEM private key")),
    ] {
        let table = format!("name = 'a'\nkind = 'webhook'\nurl = '{url}'\n{files}");
        assert_eq!(try_build(&table).unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn mail_goes_only_to_a_host_with_a_good_certificate() {
    let stage = Stage::new();
    for (scheme, tls) in [
        ("smtps", SmtpTls::Implicit(Arc::clone(&stage.server))),
        ("smtp+starttls", SmtpTls::StartTls(Arc::clone(&stage.server))),
    ] {
        let receiver = SmtpReceiver::start_tls(ANYWHERE, tls).await.unwrap();
        let login = Some(("user".to_owned(), "pa55word".to_owned()));
        receiver.set_answers(SmtpAnswers { login, ..SmtpAnswers::default() });
        let port = receiver.address().port();
        for (host, trusted, expected) in CASES {
            let ca_file = if trusted { stage.ca_file() } else { String::new() };
            let sink = build(&format!(
                "name = 'a'\nkind = 'email'\nsmtp = '{scheme}://{host}:{port}'\n\
                 from = 'a@example.com'\nto = ['b@example.com']\n\
                 username = 'user'\npassword = 'pa55word'\n{ca_file}"
            ));
            let result = send(&*sink, &examples::one()).await;
            assert_eq!(word(&result), expected, "{scheme} {host} {trusted} {result:?}");
            assert_eq!(sink.probe().await.is_ok(), expected == "taken", "{scheme} {host}");
        }
        assert_eq!(receiver.received().len(), 1, "{scheme}");
    }
}

#[tokio::test]
async fn starttls_that_is_not_offered_fails_closed() {
    let stage = Stage::new();
    let tls = SmtpTls::StartTls(Arc::clone(&stage.server));
    let receiver = SmtpReceiver::start_tls(ANYWHERE, tls).await.unwrap();
    receiver.set_answers(SmtpAnswers { offer_starttls: false, ..SmtpAnswers::default() });
    let sink = build(&format!(
        "name = 'a'\nkind = 'email'\nsmtp = 'smtp+starttls://localhost:{}'\n\
         from = 'a@example.com'\nto = ['b@example.com']\n{}",
        receiver.address().port(),
        stage.ca_file()
    ));
    let error = send(&*sink, &examples::one()).await.expect_err("there is no TLS");
    assert!(error.to_string().ends_with("does not offer STARTTLS"), "{error}");
    assert_eq!(error.verdict.as_str(), "suspect");
    assert_eq!(receiver.received(), []);
}
