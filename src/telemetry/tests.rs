use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{debug, error, info, info_span, warn};

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `f` runs.
fn written(format: LogFormat, color: bool, level: LevelFilter, f: impl FnOnce()) -> String {
    let sheet = Sheet::default();
    let writer = {
        let sheet = sheet.clone();
        move || sheet.clone()
    };
    let subscriber = subscriber(format, color, filter(level, None).unwrap(), writer);
    tracing::subscriber::with_default(subscriber, f);
    String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap()
}

#[track_caller]
fn check(f: impl FnOnce(), expected: &str) {
    assert_eq!(written(LogFormat::Journald, false, LevelFilter::DEBUG, f), expected);
}

#[test]
fn a_line_for_the_journal_begins_with_its_priority() {
    check(|| error!("a"), "<3>a\n");
    check(|| warn!("a"), "<4>a\n");
    check(|| info!("a"), "<6>a\n");
    check(|| debug!("a"), "<7>a\n");
}

#[test]
fn values_are_safe_to_look_at_and_easy_to_take_apart() {
    check(|| info!(n = 5, ok = true, name = "web-01", "told"), "<6>told n=5 ok=true name=web-01\n");
    check(|| info!(name = "two words", none = ""), "<6>name=\"two words\" none=\"\"\n");
    check(|| info!(name = "a\"b\\c=d"), "<6>name=\"a\\\"b\\\\c=d\"\n");
    check(|| info!(name = "a\n<3>forged"), "<6>name=\"a\\n<3>forged\"\n");
    check(|| info!(name = "\u{1b}[31m\u{9b}x"), "<6>name=\"\\u{1b}[31m\\u{9b}x\"\n");
    check(|| info!(name = "evil\u{202e}txt"), "<6>name=\"evil\\u{202e}txt\"\n");
    check(|| info!("message\n{}", "\u{1b}[2J"), "<6>message\\n\\u{1b}[2J\n");
    check(|| info!(name = "北京"), "<6>name=北京\n");
}

#[test]
fn an_error_is_shown_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("no answer")]
    struct Outer(#[source] io::Error);
    let outer = Outer(io::Error::other("broken pipe"));
    let value: &(dyn std::error::Error + 'static) = &outer;
    check(|| warn!(error = value, "failed"), "<4>failed error=\"no answer: broken pipe\"\n");
}

#[test]
fn spans_come_first_and_are_as_safe() {
    check(
        || info_span!("poll", source = "a\nb").in_scope(|| info!(rows = 3, "done")),
        "<6>poll{source=\"a\\nb\"}: done rows=3\n",
    );
}

#[test]
fn text_has_time_and_level_and_colours_only_when_asked() {
    let plain = written(LogFormat::Text, false, LevelFilter::INFO, || info!(n = 1, "told"));
    assert!(plain.ends_with("  INFO told n=1\n"), "{plain:?}");
    assert!(plain.starts_with("20") && !plain.contains('\u{1b}'), "{plain:?}");
    let coloured = written(LogFormat::Text, true, LevelFilter::INFO, || info!("told"));
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
}

#[test]
fn json_is_one_object_a_line() {
    let text = written(LogFormat::Json, true, LevelFilter::INFO, || {
        info_span!("poll", source = "a\nb").in_scope(|| info!(rows = 3, "done\n"));
    });
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "done\n");
    assert_eq!(line["rows"], 3);
    assert_eq!(line["span"]["source"], "a\nb");
    assert!(line["timestamp"].is_string());
}

#[test]
fn libraries_show_warnings_at_most() {
    let shown = |level| {
        written(LogFormat::Journald, false, level, || {
            info!(target: "hyper", "library info");
            warn!(target: "hyper", "library warning");
            debug!("our debug");
            error!("our error");
        })
    };
    assert_eq!(shown(LevelFilter::DEBUG), "<4>library warning\n<7>our debug\n<3>our error\n");
    assert_eq!(shown(LevelFilter::ERROR), "<3>our error\n");
    assert_eq!(shown(LevelFilter::OFF), "");
}

#[test]
fn the_variable_replaces_the_level() {
    let shows = |variable: &str, target: &str, level: Level| {
        filter(LevelFilter::INFO, Some(variable)).unwrap().would_enable(target, &level)
    };
    assert!(shows("taskbell=debug,hyper=info", "taskbell::worker", Level::DEBUG));
    assert!(shows("taskbell=debug,hyper=info", "hyper", Level::INFO));
    assert!(!shows("taskbell=debug", "hyper", Level::ERROR));
    assert!(shows("debug", "hyper", Level::DEBUG));
    assert!(shows(" ", "taskbell", Level::INFO), "an empty variable says nothing");
    let error = filter(LevelFilter::INFO, Some("taskbell=loud")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TASKBELL_LOG must be like `debug` or `taskbell=debug,hyper=info`"
    );
}

#[test]
fn each_flag_moves_the_level_by_one() {
    for (default, verbose, quiet, expected) in [
        (Level::INFO, 0, 0, LevelFilter::INFO),
        (Level::INFO, 1, 0, LevelFilter::DEBUG),
        (Level::INFO, 9, 0, LevelFilter::TRACE),
        (Level::WARN, 0, 1, LevelFilter::ERROR),
        (Level::WARN, 0, 9, LevelFilter::OFF),
        (Level::WARN, 1, 1, LevelFilter::WARN),
    ] {
        assert_eq!(level(default, verbose, quiet), expected, "{default} -v{verbose} -q{quiet}");
    }
}

#[test]
fn the_journal_gets_every_field_as_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let filter = filter(LevelFilter::INFO, None).unwrap();
    let journal = Journal::open(&path).unwrap();
    let subscriber = tracing_subscriber::registry().with(filter).with(journal);
    tracing::subscriber::with_default(subscriber, || {
        debug!("not shown");
        info_span!("deliver", sink = "chat").in_scope(|| {
            let cause = io::Error::other("no\nPRIORITY=0");
            let cause: &(dyn std::error::Error + 'static) = &cause;
            warn!(error = cause, attempt = 3, "refused");
        });
    });
    let mut bytes = [0; 4096];
    let count = socket.recv(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..count]);
    assert_eq!(
        text,
        "MESSAGE=deliver{sink=chat}: refused error=\"no\\nPRIORITY=0\" attempt=3\nPRIORITY=4\n\
         SYSLOG_IDENTIFIER=taskbell\nTASKBELL_SINK=chat\n\
         TASKBELL_ERROR=no PRIORITY=0\nTASKBELL_ATTEMPT=3\n"
    );
}
