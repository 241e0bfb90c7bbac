//! Mail against a receiver that takes, refuses and falls silent.

use std::{collections::BTreeMap, time::Duration};

use taskbell::{
    delivery::Verdict,
    receiver::{SmtpAnswers, SmtpReceiver},
    sink::{Receipt, Sink, SinkError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::{ANYWHERE, build, examples, send, send_to, try_build, word};

const TO: &str = "to = ['a@example.com', 'Bé <b@example.com>', 'c@example.com']";

async fn receiver() -> SmtpReceiver {
    SmtpReceiver::start(ANYWHERE).await.unwrap()
}

fn table(address: &str, more: &str) -> String {
    format!(
        "name = 'a'\nkind = 'email'\nsmtp = 'smtp://{address}'\n\
         from = 'taskbell <taskbell@example.com>'\n{more}"
    )
}

fn sink(receiver: &SmtpReceiver, more: &str) -> Box<dyn Sink> {
    build(&table(&receiver.address().to_string(), more))
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_rendered() {
    let receiver = receiver().await;
    let mut watch = receiver.subscribe();
    let sink = sink(&receiver, TO);
    for (case, notice) in examples::all() {
        assert_eq!(word(&send(&*sink, &notice).await), "taken", "{case}");
        let mail = watch.recv().await.unwrap();
        assert_eq!(mail.from, "taskbell@example.com");
        assert_eq!(mail.to, ["a@example.com", "b@example.com", "c@example.com"]);
        assert_eq!(mail.raw, sink.render(&notice), "{case}");
        let id = format!("<{}@example.com>", notice.id);
        assert_eq!(mail.header("message-id"), Some(id.as_str()), "{case}");
    }
}

#[tokio::test]
async fn no_text_however_hostile_adds_a_header_or_breaks_a_line() {
    let receiver = receiver().await;
    let sink = sink(&receiver, TO);
    for (case, notice) in [("hostile", examples::hostile()), ("many", examples::many(100))] {
        let raw = sink.render(&notice);
        assert!(raw.is_ascii(), "{case}");
        for line in String::from_utf8(raw).unwrap().split("\r\n") {
            assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{case}: {line:?}");
        }
        send(&*sink, &notice).await.unwrap();
        let mail = receiver.received().pop().unwrap();
        let names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
        let expected = "From Subject Date Message-ID To In-Reply-To References Auto-Submitted \
                        X-Auto-Response-Suppress List-Id MIME-Version Content-Type";
        assert_eq!(names.join(" "), expected, "{case}");
        assert!(!mail.header("subject").unwrap().contains("=?"), "{case}");
    }
}

/// Sends one mail to a server that answers so.
async fn attempt(answers: SmtpAnswers) -> Result<Receipt, SinkError> {
    let receiver = receiver().await;
    receiver.set_answers(answers);
    let result = send(&*sink(&receiver, TO), &examples::one()).await;
    let arrived = receiver.received().len();
    assert_eq!(result.is_ok(), arrived == 1, "{result:?}");
    result
}

#[tokio::test]
async fn the_code_of_each_step_decides() {
    for (code, expected) in [
        ("421 4.3.2 closing", "retry"),
        ("450 4.2.1 later", "retry"),
        ("452 4.2.2 full", "retry"),
        ("530 5.7.0 log in first", "suspect"),
        ("550 5.7.1 no", "suspect"),
        ("554 5.5.0 no", "suspect"),
    ] {
        let code = code.to_owned();
        let usual = SmtpAnswers::default;
        for answers in [
            SmtpAnswers { greeting: code.clone(), ..usual() },
            SmtpAnswers { mail: code.clone(), ..usual() },
            SmtpAnswers { rcpt: code.clone(), ..usual() },
            SmtpAnswers { data: Some(code.clone()), ..usual() },
            SmtpAnswers { end: code.clone(), ..usual() },
        ] {
            let shown = format!("{answers:?}");
            let result = attempt(answers).await;
            assert_eq!(word(&result), expected, "{shown}");
            let error = result.expect_err("is refused");
            assert!(error.to_string().contains(&code) && !error.uncertain, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_broken_behind_the_mail_is_worth_another_try() {
    let result = attempt(SmtpAnswers { end: String::new(), ..SmtpAnswers::default() }).await;
    assert_eq!(word(&result), "retry");
    assert!(result.expect_err("nobody knows").uncertain);
    let end = "451 4.3.0 local error".to_owned();
    let result = attempt(SmtpAnswers { end, ..SmtpAnswers::default() }).await;
    assert!(!result.expect_err("the server said so").uncertain);
}

#[tokio::test]
async fn only_the_refused_recipients_are_owed_afterwards() {
    const NOW: &str = "450 4.2.1 later";
    const NEVER: &str = "550 5.1.1 no such user";
    for (refusals, owed, time_helps) in [
        (&[("b@example.com", NEVER)][..], &["b@example.com"][..], false),
        (&[("b@example.com", NOW)], &["b@example.com"], true),
        (
            &[("a@example.com", NEVER), ("c@example.com", NOW)],
            &["a@example.com", "c@example.com"],
            true,
        ),
    ] {
        let refusals = refusals.iter().map(|(to, no)| ((*to).to_owned(), (*no).to_owned()));
        let recipients: BTreeMap<String, String> = refusals.collect();
        let receipt = attempt(SmtpAnswers { recipients, ..SmtpAnswers::default() }).await.unwrap();
        let Receipt::Part { owed: actual, error, verdict } = receipt else { panic!("{receipt:?}") };
        assert_eq!(actual, owed);
        assert_eq!(verdict != Verdict::Suspect, time_helps, "{owed:?}");
        assert!(error.contains("refused a recipient: "), "{error}");
    }
}

#[tokio::test]
async fn a_recipient_that_was_told_is_not_mailed_again() {
    let receiver = receiver().await;
    let (sink, notice) = (sink(&receiver, TO), examples::one());
    let owed = ["b@example.com".to_owned()];
    assert_eq!(send_to(&*sink, &notice, Some(&owed)).await.unwrap(), Receipt::Whole);
    assert_eq!(receiver.received()[0].to, owed);
}

#[tokio::test]
async fn mails_share_a_connection_until_one_goes_wrong() {
    let receiver = receiver().await;
    let (sink, notice) = (sink(&receiver, TO), examples::one());
    for _ in 0..5 {
        send(&*sink, &notice).await.unwrap();
    }
    assert_eq!((receiver.received().len(), receiver.connections()), (5, 1));
    receiver.set_answers(SmtpAnswers { mail: "451 later".to_owned(), ..SmtpAnswers::default() });
    send(&*sink, &notice).await.expect_err("is refused");
    receiver.set_answers(SmtpAnswers::default());
    send(&*sink, &notice).await.unwrap();
    assert_eq!((receiver.received().len(), receiver.connections()), (6, 2));
}

#[tokio::test]
async fn a_send_that_is_dropped_leaves_no_half_used_connection() {
    let receiver = receiver().await;
    let (sink, notice) = (sink(&receiver, TO), examples::one());
    send(&*sink, &notice).await.unwrap();
    let delay = Duration::from_secs(3600);
    receiver.set_answers(SmtpAnswers { delay, ..SmtpAnswers::default() });
    let sending = send(&*sink, &notice);
    tokio::time::timeout(Duration::from_millis(200), sending).await.expect_err("it waits");
    receiver.set_answers(SmtpAnswers::default());
    send(&*sink, &notice).await.unwrap();
    assert_eq!((receiver.received().len(), receiver.connections()), (2, 2));
}

#[tokio::test]
async fn logging_in_needs_the_right_password_and_never_shows_it() {
    let receiver = receiver().await;
    let login = Some(("user".to_owned(), "pa55word".to_owned()));
    receiver.set_answers(SmtpAnswers { login, ..SmtpAnswers::default() });
    for (password, expected) in [("pa55word", "taken"), ("pa55word2", "suspect")] {
        let sink = sink(&receiver, &format!("{TO}\nusername = 'user'\npassword = '{password}'"));
        let result = send(&*sink, &examples::one()).await;
        assert_eq!(word(&result), expected, "{result:?}");
        assert!(!format!("{sink:?} {result:?}").contains("pa55word"), "{sink:?} {result:?}");
        assert_eq!(sink.probe().await.is_ok(), expected == "taken");
    }
    receiver.set_answers(SmtpAnswers::default());
    let sink = sink(&receiver, &format!("{TO}\nusername = 'user'\npassword = 'pa55word'"));
    assert_eq!(word(&send(&*sink, &examples::one()).await), "suspect");
}

#[tokio::test]
async fn a_refusal_that_repeats_the_password_is_cleaned() {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let echo = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hi\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"250-hi\r\n250 AUTH PLAIN\r\n").await.unwrap();
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let answer = format!("535 wrong: {} (user, pa55word)\r\n", line.trim_end());
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    };
    let sink = build(&table(&address, &format!("{TO}\nusername = 'user'\npassword = 'pa55word'")));
    let notice = examples::one();
    tokio::select! {
        () = echo => (),
        result = send(&*sink, &notice) => {
            let expected = format!(
                "{address} refused the log-in: 535 wrong: AUTH PLAIN [secret] (user, [secret])"
            );
            assert_eq!(result.expect_err("is refused").to_string(), expected);
        }
    }
}

#[tokio::test]
async fn a_server_that_talks_without_end_is_left() {
    for opening in ["", "220 hi\r\n250-"] {
        let listener = TcpListener::bind(ANYWHERE).await.unwrap();
        let sink = build(&table(&listener.local_addr().unwrap().to_string(), TO));
        let flood = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(opening.as_bytes()).await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            std::future::pending::<()>().await;
        };
        let notice = examples::one();
        tokio::select! {
            () = flood => (),
            result = send(&*sink, &notice) => assert_eq!(word(&result), "retry", "{result:?}"),
        }
    }
}

#[tokio::test]
async fn words_in_the_clear_behind_starttls_are_not_taken_for_the_servers() {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    let inject = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        for answer in ["220 hi\r\n", "250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n"] {
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.read_line(&mut line).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let sink = build(&format!(
        "name = 'a'\nkind = 'email'\nsmtp = 'smtp+starttls://{address}'\n\
         from = 'a@example.com'\n{TO}"
    ));
    let notice = examples::one();
    tokio::select! {
        () = inject => (),
        result = send(&*sink, &notice) => {
            let error = result.expect_err("is refused");
            assert!(error.to_string().ends_with("went on in the clear after STARTTLS"), "{error}");
            assert_eq!(error.verdict, Verdict::Suspect);
        }
    }
}

#[test]
fn wrong_options_are_named_by_their_key() {
    let forms = "smtp: must be smtps://host, smtp+starttls://host or smtp://host, \
                 with :port if it is not the usual one";
    let clear = "smtp: smtp:// is in the clear and allowed to this host only; use smtps:// or \
                 smtp+starttls://, or set insecure = true";
    let break_ = "to[0]: must not hold a line break or another control character";
    let address = "to[0]: is not a mail address; write ops@example.com or Name <ops@example.com>";
    let ascii = "to[0]: must be an address in plain ASCII; write a domain's xn-- form";
    let base = "smtp = 'smtps://m.example'\nfrom = 'a@example.com'\nto = ['b@example.com']\n";
    let with = |smtp: &str| base.replace("smtps://m.example", smtp);
    let to = |text: &str| base.replace("'b@example.com'", text);
    for (table, expected) in [
        (with("http://h"), forms),
        (with("smtps://h/path"), forms),
        (with("smtps://"), forms),
        (with("smtps://u:p@h"), "smtp: must not hold a user; use the keys username and password"),
        (with("smtp://mail.example"), clear),
        (with("smtp://192.0.2.1"), clear),
        (
            with("smtp://mail.example") + "insecure = true\nusername = 'u'\npassword = 'p'",
            "password: is not sent in the clear; use smtps://",
        ),
        (format!("{base}username = 'u'"), "password: is required with username"),
        (format!("{base}password = 'p'"), "username: is required with password"),
        (
            format!(
                "{base}username = 'u'\nauth = {{ kind = 'xoauth2', username = 'u', token = 't' }}"
            ),
            "auth: excludes username and password; leave out one of them",
        ),
        (
            format!(
                "{base}auth = {{ kind = 'xoauth2', username = 'u', token = {{ env = 'UNSET_X' }} }}"
            ),
            "auth.token: environment variable UNSET_X is not set",
        ),
        (to(""), "to: must list 1 to 50 addresses"),
        (to(&"'b@example.com',".repeat(51)), "to: must list 1 to 50 addresses"),
        (to("\"b@example.com\\r\\nBcc: c@example.com\""), break_),
        (to("\"b\\u0000@example.com\""), break_),
        (to("'bé@example.com'"), ascii),
        (to("'\"b c\"@example.com'"), address),
        (to("'nobody'"), address),
        (
            format!("{base}hello_name = 'a b'"),
            "hello_name: must be a host name such as ops.example.com",
        ),
    ] {
        let error = try_build(&format!("name = 'a'\nkind = 'email'\n{table}")).expect_err(&table);
        assert_eq!(error.to_string(), expected, "{table}");
    }
    for smtp in ["smtp://localhost", "smtp://127.0.0.9:2525", "smtp://[::1]:25", "smtps://[::1]"] {
        build(&format!("name = 'a'\nkind = 'email'\n{}", with(smtp)));
    }
}
