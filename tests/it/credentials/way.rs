//! The way to the cloud: proxies, and certificates of one's own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{Cloud, KEYS, refusal, walk};

/// A forward proxy: `CONNECT`, and plain HTTP in its absolute form.
struct Proxy {
    address: String,
    /// The first lines of all requests.
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&log), answer));
            }
        });
        Self { address, asked, _task: task }
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>, answer: Option<&'static str>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    log.lock().unwrap().push(line.clone());
    if let Some(answer) = answer {
        stream.write_all(answer.as_bytes()).await.unwrap();
        return;
    }
    let target = line.split(' ').nth(1).unwrap();
    let host = target.strip_prefix("http://").unwrap_or(target);
    let (host, _) = host.split_once('/').unwrap_or((host, ""));
    let mut upstream = TcpStream::connect(host).await.unwrap();
    if line.starts_with("CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        let origin_form = head.replacen(&format!("http://{host}"), "", 1);
        upstream.write_all(origin_form.as_bytes()).await.unwrap();
    }
    drop(copy_bidirectional(&mut stream, &mut upstream).await);
}

/// Speaks TLS as `localhost` and hands everything on to `to`. Returns its port.
async fn tls_front(to: std::net::SocketAddr, folder: &std::path::Path) -> (u16, JoinSet<()>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut upstream = TcpStream::connect(to).await.unwrap();
                drop(copy_bidirectional(&mut stream, &mut upstream).await);
            });
        }
    });
    (port, task)
}

#[tokio::test]
async fn a_signature_survives_a_proxy() {
    let cloud = Cloud::new("").await;
    let proxy = Proxy::start(None).await;
    let source = cloud.source(KEYS, &format!("proxy = '{}'", proxy.address));
    assert_eq!(walk(&*source).await.unwrap(), 3);
    let asked = proxy.asked.lock().unwrap().clone();
    let url = cloud.sim.url();
    assert!(asked[0].starts_with(&format!("GET {url}/v3/projects?name=cn-north-4")), "{asked:?}");
}

#[tokio::test]
async fn a_signature_survives_a_tunnel_to_a_certificate_of_our_own() {
    let cloud = Cloud::new("").await;
    let folder = tempfile::tempdir().unwrap();
    let (port, _front) = tls_front(cloud.sim.address(), folder.path()).await;
    let proxy = Proxy::start(None).await;
    let ca = folder.path().join("ca.pem");
    let url = format!("https://localhost:{port}");
    let places = format!("endpoint = '{url}'\niam_endpoint = '{url}'");
    let keys = format!("{places}\nca_file = '{}'\nproxy = '{}'", ca.display(), proxy.address);
    assert_eq!(walk(&*cloud.source_at(KEYS, &keys)).await.unwrap(), 3);
    let asked = proxy.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|line| *line == format!("CONNECT localhost:{port} HTTP/1.1")));
    // Without our authority, nothing is sent.
    let before = cloud.sim.requests().len();
    let shown = refusal(&*cloud.source_at(KEYS, &places)).await;
    assert!(shown.starts_with("tls: no answer from https://localhost"), "{shown}");
    assert_eq!(cloud.sim.requests().len(), before);
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_told_from_the_cloud() {
    let cloud = Cloud::new("").await;
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let proxy = Proxy::start(Some(answer)).await;
    let keys = format!("project_id = 'p1'\nproxy = '{}'", proxy.address);
    let shown = refusal(&*cloud.source(KEYS, &keys)).await;
    assert!(shown.starts_with("network: "), "{shown}");
    assert_eq!(cloud.sim.requests().len(), 0);
}

#[tokio::test]
async fn the_metadata_service_is_asked_without_the_proxy() {
    let cloud = Cloud::new("").await;
    let proxy = Proxy::start(None).await;
    let source = cloud.source(&cloud.metadata(), &format!("proxy = '{}'", proxy.address));
    assert_eq!(walk(&*source).await.unwrap(), 3);
    let asked = proxy.asked.lock().unwrap().clone();
    assert!(!asked.iter().any(|line| line.contains("securitykey")), "{asked:?}");
}

#[tokio::test]
async fn an_endpoint_is_reached_in_spite_of_its_first_broken_connection() {
    // A server that closes its first connection unanswered.
    let cloud = Cloud::new("").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, count) = (cloud.sim.address(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                continue;
            }
            let mut upstream = TcpStream::connect(to).await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut upstream).await);
        }
    });
    let keys = format!("endpoint = 'http://{address}'\nproject_id = '{}'", crate::stage::PROJECT);
    assert_eq!(walk(&*cloud.source_at(KEYS, &keys)).await.unwrap(), 3);
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
