//! Syslog against receivers by TCP, TLS, UDP and on this host.

use std::{future::Future, time::Duration};

use regex::Regex;
use taskbell::{notice::Notice, sink::Sink};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket, UnixDatagram},
};
use tokio_rustls::TlsAcceptor;

use super::{ANYWHERE, build, examples, golden, kinds, send, tls, try_build, word};

fn sink(address: &str, more: &str) -> Box<dyn Sink> {
    build(&format!(
        "name = 'a'\nkind = 'syslog'\naddress = '{address}'\nhostname = 'monitor'\n{more}"
    ))
}

fn notices() -> Vec<(&'static str, Notice)> {
    examples::all().into_iter().chain(kinds::all()).collect()
}

/// Takes octet-counted messages apart as RFC 6587 says.
fn messages(mut body: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let space = body.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&body[..space]).unwrap().parse().unwrap();
        let (message, rest) = body[space + 1..].split_at(length);
        all.push(String::from_utf8(message.to_vec()).unwrap());
        body = rest;
    }
    all
}

#[test]
fn messages_are_as_reviewed() {
    for (name, address) in [("rfc5424", "tcp://h"), ("local", "unix:///dev/log")] {
        let sink = sink(address, "");
        let each = notices().into_iter().map(|(case, notice)| {
            let lines = messages(&sink.render(&notice)).join("\n");
            format!("== {case}\n{lines}\n")
        });
        golden::check(&format!("syslog/{name}.txt"), each.collect::<String>().as_bytes());
    }
}

#[test]
fn every_message_keeps_to_the_grammar_and_the_size_of_its_way() {
    let name = r#"[^\x00-\x20\x7f=\]"]{1,32}"#;
    let value = r#"(?:[^"\\\]\x00-\x1f]|\\["\\\]])*"#;
    let grammar = Regex::new(&format!(
        "^<([0-9]{{1,3}})>1 2026-11-23T10:00:05\\.000Z monitor taskbell - [a-z.]{{1,32}} \
         \\[taskbell@32473(?: {name}=\"{value}\")*\\] (\u{FEFF}?)([^\\x00-\\x1f]+)$"
    ))
    .unwrap();
    for (address, bytes_max) in [("tcp://h", 8192), ("udp://h", 1232)] {
        let sink = sink(address, "facility = 'local7'");
        let big = notices().into_iter().chain([("big", examples::many(100))]);
        for (case, notice) in big {
            let all = messages(&sink.render(&notice));
            let own = usize::from(notice.failures.is_empty() || notice.omitted() > 0);
            assert_eq!(all.len(), notice.failures.len() + own, "{case}");
            for message in all {
                assert!(message.len() <= bytes_max, "{case}: {} bytes", message.len());
                let parts = grammar.captures(&message).unwrap_or_else(|| panic!("{message}"));
                let priority: u16 = parts[1].parse().unwrap();
                assert_eq!(priority / 8, 23, "{case}");
                // The mark says that what follows is more than ASCII.
                assert_eq!(parts[2].is_empty(), parts[3].is_ascii(), "{case}: {message}");
                assert!(message.contains(&format!("id=\"{}\"", notice.id)), "{case}");
            }
        }
    }
}

/// Reads what one client sends until it ends its side.
async fn take(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut body = Vec::new();
    stream.read_to_end(&mut body).await.unwrap();
    body
}

/// Sends `notice` while `receive` waits for it.
async fn deliver<T>(sink: &dyn Sink, notice: &Notice, receive: impl Future<Output = T>) -> T {
    let (result, received) = tokio::join!(send(sink, notice), receive);
    assert_eq!(word(&result), "taken", "{result:?}");
    received
}

#[tokio::test]
async fn by_tcp_the_counted_messages_arrive_and_the_receiver_ends_it() {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let sink = sink(&format!("tcp://{}", listener.local_addr().unwrap()), "");
    for (case, notice) in notices() {
        let received =
            deliver(&*sink, &notice, async { take(listener.accept().await.unwrap().0).await });
        assert_eq!(received.await, sink.render(&notice), "{case}");
    }
    let (probe, _) = tokio::join!(sink.probe(), listener.accept());
    probe.unwrap();
}

#[tokio::test]
async fn a_receiver_that_resets_is_tried_again_and_one_that_lingers_has_it() {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let sink = sink(&format!("tcp://{}", listener.local_addr().unwrap()), "");
    let notice = examples::one();
    let reset = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        // What is not read when a connection is closed resets it.
    };
    let (result, ()) = tokio::join!(send(&*sink, &notice), reset);
    assert_eq!(word(&result), "retry", "{result:?}");
    assert!(result.is_err_and(|error| error.uncertain), "it may have been read");
    let linger = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut body = Vec::new();
        stream.read_to_end(&mut body).await.unwrap();
        drop(stream.write_all(&[b'x'; 4096]).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        body
    };
    assert_eq!(deliver(&*sink, &notice, linger).await, sink.render(&notice));
}

#[tokio::test]
async fn by_tls_only_a_host_with_a_good_certificate_is_told() {
    let stage = tls::Stage::new();
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(stage.server.clone());
    let notice = examples::one();
    for (host, trusted, expected) in tls::CASES {
        let ca_file = if trusted { stage.ca_file() } else { String::new() };
        let sink = sink(&format!("tls://{host}:{port}"), &ca_file);
        let receive = async {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).await {
                Ok(stream) => take(stream).await,
                Err(_) => Vec::new(),
            }
        };
        let (result, received) = tokio::join!(send(&*sink, &notice), receive);
        assert_eq!(word(&result), expected, "{host} {trusted} {result:?}");
        assert_eq!(received == sink.render(&notice), expected == "taken", "{host} {trusted}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_our_certificate_gets_it() {
    let stage = tls::Stage::new();
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = format!("tls://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = TlsAcceptor::from(stage.mutual.clone());
    let notice = examples::one();
    for (identity, expected) in [(stage.client_files(), "taken"), (String::new(), "suspect")] {
        let sink = sink(&address, &format!("{}\n{identity}", stage.ca_file()));
        let receive = async {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).await {
                Ok(stream) => take(stream).await,
                Err(_) => Vec::new(),
            }
        };
        let (result, received) = tokio::join!(send(&*sink, &notice), receive);
        assert_eq!(word(&result), expected, "{result:?}");
        assert_eq!(received == sink.render(&notice), expected == "taken");
    }
}

#[tokio::test]
async fn by_udp_each_message_is_a_datagram_and_a_closed_port_is_noticed() {
    let receiver = UdpSocket::bind(ANYWHERE).await.unwrap();
    let sink = sink(&format!("udp://{}", receiver.local_addr().unwrap()), "");
    sink.probe().await.unwrap();
    for (case, notice) in notices() {
        send(&*sink, &notice).await.unwrap();
        for expected in messages(&sink.render(&notice)) {
            let mut buffer = [0; 4096];
            let length = receiver.recv(&mut buffer).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected, "{case}");
        }
    }
    drop(receiver);
    let result = send(&*sink, &examples::one()).await;
    assert_eq!(word(&result), "retry", "{result:?}");
}

#[tokio::test]
async fn the_daemon_of_this_host_gets_the_short_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sink = sink(&format!("unix://{}", path.display()), "app_name = 'bell'");
    let notice = examples::one();
    assert_eq!(word(&send(&*sink, &notice).await), "retry", "the daemon is away");
    let daemon = UnixDatagram::bind(&path).unwrap();
    sink.probe().await.unwrap();
    let mut buffer = [0; 8192];
    let receive = daemon.recv(&mut buffer);
    let length = deliver(&*sink, &notice, receive).await.unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]);
    assert!(text.starts_with("<27>bell: prod-beijing: reset failed on web-01"), "{text}");
    drop(daemon);
    assert_eq!(word(&send(&*sink, &notice).await), "retry", "nobody reads any more");
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let forms = "address: must be tcp://host, tls://host or udp://host, with :port if it is not \
                 the usual one, or unix:///path";
    let name = "app_name: must be 1 to 48 printable ASCII characters without a space";
    for (table, expected) in [
        ("", "address: is required"),
        ("address = 'h'", forms),
        ("address = 'http://h'", forms),
        ("address = 'tcp://h/path'", forms),
        ("address = 'tcp://u@h'", forms),
        ("address = 'unix://dev/log'", forms),
        ("address = 'tcp://h'\napp_name = 'a b'", name),
        ("address = 'tcp://h'\napp_name = ''", name),
        (
            "address = 'tcp://h'\nhostname = 'ü'",
            "hostname: must be 1 to 255 printable ASCII characters without a space",
        ),
        ("address = 'tcp://h'\nca_file = '/x'", "ca_file: is for tls:// addresses only"),
        ("address = 'tls://h'\nclient_key = '/x'", "client_cert: is required with client_key"),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'syslog'\n{table}")).expect_err(table);
        assert_eq!(error.to_string(), expected, "{table}");
    }
    let error = try_build("name='a'\nkind='syslog'\naddress='tcp://h'\nfacility='kern'");
    assert!(error.unwrap_err().to_string().starts_with("facility: unknown variant `kern`"));
    for address in ["tcp://[::1]:10514", "udp://127.0.0.1", "tls://log.example.com", "unix:///x"] {
        sink(address, "");
    }
}
