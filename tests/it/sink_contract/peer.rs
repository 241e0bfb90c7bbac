//! Mail against a server that is not ours, aiosmtpd, where it is installed. Elsewhere our own
//! receiver stands in, so that the cases are always tried.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use taskbell::{
    receiver::{SmtpAnswers, SmtpReceiver, SmtpTls},
    sink::{Receipt, Sink, SinkError},
};

use super::{ANYWHERE, build, examples, others, send, send_to, tls, word};

const PROGRAM: &str = include_str!("aiosmtpd.py");

/// No server takes longer to start, or to say what it took.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is to behave.
#[derive(Clone, Copy)]
struct Wish {
    /// `off`, `starttls` or `implicit`.
    tls: &'static str,
    /// Recipients that are refused, with the answer.
    refused: &'static [(&'static str, &'static str)],
    /// The answer to the whole mail; empty: the connection is broken instead.
    end: &'static str,
    login: Option<(&'static str, &'static str)>,
}

const USUAL: Wish = Wish { tls: "off", refused: &[], end: "250 2.0.0 accepted", login: None };

/// A mail that a server accepted.
struct Mail {
    to: Vec<String>,
    raw: Vec<u8>,
}

enum Peer {
    Other { child: Child, port: u16, lines: mpsc::Receiver<String>, _input: ChildStdin },
    Own(SmtpReceiver),
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Self::Other { child, .. } = self {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn other_is_installed() -> bool {
    others::runs("python3", &["-c", "import aiosmtpd"])
}

impl Peer {
    async fn start(wish: Wish, stage: &tls::Stage) -> Self {
        if other_is_installed() {
            return Self::other(wish, stage);
        }
        others::not_tried("mail, with the server aiosmtpd, which is not installed; ours stands in");
        Self::own(wish, stage).await
    }

    fn other(wish: Wish, stage: &tls::Stage) -> Self {
        let recipients: Value =
            wish.refused.iter().map(|(to, answer)| ((*to).to_owned(), json!(answer))).collect();
        let wish = json!({
            "tls": wish.tls,
            "cert": stage.file("localhost.pem"),
            "key": stage.file("localhost.key"),
            "recipients": recipients,
            "end": wish.end,
            "login": wish.login.map(|(user, password)| [user, password]),
        });
        let mut child = Command::new("python3")
            .args(["-W", "ignore", "-c", PROGRAM, &wish.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let input = child.stdin.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let port = lines.recv_timeout(PATIENCE).unwrap().parse().unwrap();
        Self::Other { child, port, lines, _input: input }
    }

    async fn own(wish: Wish, stage: &tls::Stage) -> Self {
        let tls = match wish.tls {
            "starttls" => SmtpTls::StartTls(Arc::clone(&stage.server)),
            "implicit" => SmtpTls::Implicit(Arc::clone(&stage.server)),
            _ => SmtpTls::Off,
        };
        let receiver = SmtpReceiver::start_tls(ANYWHERE, tls).await.unwrap();
        let owned = |(one, two): (&str, &str)| (one.to_owned(), two.to_owned());
        receiver.set_answers(SmtpAnswers {
            recipients: wish.refused.iter().copied().map(owned).collect(),
            end: wish.end.to_owned(),
            login: wish.login.map(owned),
            ..SmtpAnswers::default()
        });
        Self::Own(receiver)
    }

    fn port(&self) -> u16 {
        match self {
            Self::Other { port, .. } => *port,
            Self::Own(receiver) => receiver.address().port(),
        }
    }

    /// Mails that it accepted beside the one that was looked at.
    fn mails_left(&self) -> usize {
        match self {
            Self::Other { lines, .. } => lines.try_iter().count(),
            Self::Own(receiver) => receiver.received().len() - 1,
        }
    }

    /// The one mail that it accepted.
    fn mail(&self) -> Mail {
        match self {
            Self::Other { lines, .. } => {
                let line = lines.recv_timeout(PATIENCE).unwrap();
                let mail: Value = serde_json::from_str(&line).unwrap();
                let to = mail["to"].as_array().unwrap().iter();
                let raw = STANDARD.decode(mail["raw"].as_str().unwrap()).unwrap();
                Mail { to: to.map(|to| to.as_str().unwrap().to_owned()).collect(), raw }
            }
            Self::Own(receiver) => {
                let mail = receiver.received().pop().unwrap();
                Mail { to: mail.to, raw: mail.raw }
            }
        }
    }
}

/// Sends the usual notice to three people.
async fn attempt(wish: Wish, login: &str) -> (Peer, Box<dyn Sink>, Result<Receipt, SinkError>) {
    let stage = tls::Stage::new();
    let peer = Peer::start(wish, &stage).await;
    let scheme = match wish.tls {
        "starttls" => "smtp+starttls",
        "implicit" => "smtps",
        _ => "smtp",
    };
    let sink = build(&format!(
        "name = 'a'\nkind = 'email'\nsmtp = '{scheme}://localhost:{}'\n\
         from = 'taskbell <taskbell@example.com>'\n\
         to = ['a@example.com', 'b@example.com', 'c@example.com']\n{login}\n{}",
        peer.port(),
        stage.ca_file()
    ));
    let result = send(&*sink, &examples::one()).await;
    (peer, sink, result)
}

#[tokio::test]
async fn a_mail_arrives_by_each_kind_of_security() {
    for tls in ["off", "starttls", "implicit"] {
        let (peer, sink, result) = attempt(Wish { tls, ..USUAL }, "").await;
        assert_eq!(word(&result), "taken", "{tls}: {result:?}");
        let mail = peer.mail();
        assert_eq!(mail.to, ["a@example.com", "b@example.com", "c@example.com"], "{tls}");
        assert_eq!(mail.raw, sink.render(&examples::one()), "{tls}");
    }
}

#[tokio::test]
async fn only_who_may_log_in_does() {
    let password = |text: &str| format!("username = 'user'\npassword = '{text}'");
    let token =
        |text: &str| format!("auth = {{ kind = 'xoauth2', username = 'user', token = '{text}' }}");
    for tls in ["starttls", "implicit"] {
        let wish = Wish { tls, login: Some(("user", "pa55word")), ..USUAL };
        for (login, expected) in [
            (password("pa55word"), "taken"),
            (password("other-pa55word"), "suspect"),
            (token("pa55word"), "taken"),
            (token("other-pa55word"), "suspect"),
            (String::new(), "suspect"),
        ] {
            if login.is_empty() && !other_is_installed() {
                // Ours does not insist.
                continue;
            }
            let (_peer, sink, result) = attempt(wish, &login).await;
            assert_eq!(word(&result), expected, "{tls} {login}: {result:?}");
            let shown = format!("{sink:?} {result:?}");
            assert!(!shown.contains("pa55word"), "{shown}");
        }
    }
}

#[tokio::test]
async fn refusals_of_the_mail_and_of_everybody_are_told_apart_from_silence() {
    const LATER: &str = "450 4.2.1 later";
    for (wish, expected, uncertain) in [
        (Wish { end: "451 4.3.0 later", ..USUAL }, "retry", false),
        (Wish { end: "554 5.6.0 no", ..USUAL }, "suspect", false),
        (
            Wish {
                refused: &[
                    ("a@example.com", LATER),
                    ("b@example.com", LATER),
                    ("c@example.com", LATER),
                ],
                ..USUAL
            },
            "retry",
            false,
        ),
        (Wish { end: "", ..USUAL }, "retry", true),
    ] {
        let (_peer, _sink, result) = attempt(wish, "").await;
        assert_eq!(word(&result), expected, "{}: {result:?}", wish.end);
        assert_eq!(result.unwrap_err().uncertain, uncertain, "{}", wish.end);
    }
}

#[tokio::test]
async fn one_refused_recipient_of_three_is_owed_and_the_others_are_told() {
    let wish = Wish { refused: &[("b@example.com", "550 5.1.1 no such user")], ..USUAL };
    let (peer, sink, result) = attempt(wish, "").await;
    let Ok(Receipt::Part { owed, error, .. }) = result else { panic!("{result:?}") };
    assert_eq!(owed, ["b@example.com"]);
    assert!(error.contains("550"), "{error}");
    assert_eq!(peer.mail().to, ["a@example.com", "c@example.com"]);
    // Tried again alone: refused again, and the others get no second mail.
    let again = send_to(&*sink, &examples::one(), Some(&owed)).await;
    assert_eq!(word(&again), "suspect", "{again:?}");
    assert!(again.unwrap_err().to_string().contains("550"));
    assert_eq!(peer.mails_left(), 0);
}
