use super::{known::MESSAGES, *};

fn of(hints: &Hints, code: Option<&str>, message: Option<&str>) -> String {
    let text = TaskText {
        error_code: code.map(str::to_owned),
        error_message: message.map(str::to_owned),
        ..TaskText::default()
    };
    let hint = hints.of(&text, Language::English);
    hint.map_or_else(
        || "-".to_owned(),
        |hint| {
            let words: Vec<_> = hint.text.split(' ').take(3).collect();
            words.join(" ") + &hint.link.map_or_else(String::new, |link| format!(" {link}"))
        },
    )
}

#[test]
fn a_message_tells_more_than_a_code() {
    let hints = Hints::default();
    for (code, message, expected) in [
        (None, None, "-"),
        (Some("KPS.1234"), Some("whatever"), "-"),
        (Some("KPS.6009"), None, "The server did"),
        (Some("kps.6010"), Some("whatever"), "Check that the"),
        (
            Some("KPS.6009"),
            Some("Update public key error: the server is not stopped."),
            "Only a stopped",
        ),
        (None, Some("The server is not running"), "Binding, replacing and"),
        (None, Some("SSH port of the server cannot be reached"), "Open the SSH"),
        (None, Some("connect to 10.0.0.1 port 22: Connection refused"), "Open the SSH"),
        (None, Some("SSH port cannot be reached; check the security group"), "Allow inbound TCP"),
        (None, Some("The private key is invalid"), "Use the private"),
        (None, Some("私钥错误"), "Use the private"),
        (None, Some("sshd_config was modified"), "The server's SSH"),
        (None, Some("Encrypt private data failed"), "Check that the"),
        (None, Some("Update public key error"), "The key could"),
        (None, Some("服务器不可用，请稍后重试"), "-"),
    ] {
        assert_eq!(of(&hints, code, message), expected, "{code:?} {message:?}");
    }
}

#[test]
fn the_operators_own_come_first_and_codes_before_patterns() {
    let mut hints = Hints::default();
    for (key, text, link) in [
        ("re:key (pair|store)", "Call the vault team.", Some("https://wiki.example/vault")),
        ("KPS.6009", "Ask Ada.", None),
        ("re:public key", "", None),
    ] {
        hints.add(key, text.to_owned(), link.map(str::to_owned)).unwrap();
    }
    for (code, message, expected) in [
        (Some("KPS.6009"), Some("KEY STORE down"), "Ask Ada."),
        (None, Some("KEY STORE down"), "Call the vault https://wiki.example/vault"),
        (Some("KPS.6008"), Some("update public key error"), "-"),
        (Some("KPS.6008"), None, "Check that the"),
    ] {
        assert_eq!(of(&hints, code, message), expected, "{code:?} {message:?}");
    }
}

#[test]
fn what_cannot_be_a_hint_is_refused() {
    let long = "x".repeat(HINT_BYTES_MAX + 1);
    for (key, text, link, expected) in [
        ("", "x", None, "must be an error code or re:<pattern>"),
        ("re:(", "x", None, "is not a pattern"),
        ("a", "two\nlines", None, "must be one line"),
        ("a", long.as_str(), None, "must be one line"),
        ("a", "x", Some("javascript:alert(1)"), "its link must be"),
        ("a", "x", Some("https://a b"), "its link must be"),
        ("a", "x", Some("https://a\"onclick=x"), "its link must be"),
    ] {
        let error = Hints::default().add(key, text.to_owned(), link.map(str::to_owned));
        let error = error.expect_err("is refused");
        assert!(error.starts_with(expected), "{key} {text}: {error}");
    }
}

#[test]
fn what_is_built_in_is_short_and_in_both_languages() {
    let words = MESSAGES.iter().map(|one| one.words).chain(CODES.iter().map(|one| one.words));
    for words in words {
        for language in Language::ALL {
            let text = words.in_language(language);
            assert!(text.len() <= 160 && text.ends_with(['.', '。']), "{text}");
        }
    }
    assert!(
        MESSAGES
            .iter()
            .flat_map(|one| one.any.iter().chain(one.and))
            .all(|word| word.to_lowercase() == **word)
    );
}
