//! The events of a notice. Without the routing key, which is put in when they are sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind, thread_id},
    render::{Brief, Pair, Tone, Words},
    text,
};

/// Longest summary, in bytes to be safe; the service counts characters.
const SUMMARY_BYTES_MAX: usize = 1024;

/// Most failures that are listed in an event that is about many. A reader of an incident has the
/// command to list them.
const LINES_MAX: usize = 100;

/// Longest message in such a list.
const LINE_MESSAGE_BYTES_MAX: usize = 200;

/// How bad a failure is.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The worst.
    Critical,
    /// The default.
    #[default]
    Error,
    /// Something to look at.
    Warning,
    /// For information.
    Info,
}

impl Severity {
    fn of(self, tone: Tone) -> Self {
        match tone {
            Tone::Bad => self,
            Tone::Warning => Self::Warning,
            Tone::Good | Tone::Calm => Self::Info,
        }
    }
}

/// Puts notices into events.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) severity: Severity,
    pub(super) words: &'a Words,
}

impl Teller<'_> {
    /// The events of `notice`, never none.
    pub(super) fn events(self, notice: &Notice) -> Vec<Value> {
        let singly = match notice.kind {
            NoticeKind::TaskFailed
            | NoticeKind::TaskCleared
            | NoticeKind::TaskReminder
            | NoticeKind::TaskStuck => true,
            NoticeKind::Digest => notice.omitted() == 0,
            _ => false,
        };
        let mut events = Vec::new();
        if singly {
            let shell = Notice { failures: Vec::new(), ..notice.clone() };
            events.extend(notice.failures.iter().flat_map(|failure| self.one(&shell, failure)));
        }
        if events.is_empty() || (singly && notice.omitted() > 0) {
            events.push(self.whole(notice));
        }
        events
    }

    /// The events about one failure of a notice, which is `shell` without them. One that cleared
    /// before it could be told gets its incident, and the end of it.
    fn one(self, shell: &Notice, failure: &Failure) -> Vec<Value> {
        let key = format!("taskbell-{}", thread_id(failure));
        let end = resolve(&key);
        match (shell.kind, failure.cleared_at) {
            (NoticeKind::TaskCleared, _) => vec![end],
            (_, Some(_)) => vec![self.trigger(shell, failure, &key), end],
            (_, None) => vec![self.trigger(shell, failure, &key)],
        }
    }

    fn trigger(self, shell: &Notice, failure: &Failure, key: &str) -> Value {
        let kind =
            if shell.kind == NoticeKind::Digest { NoticeKind::TaskFailed } else { shell.kind };
        let alone = Notice { kind, ..shell.about(failure) };
        let brief = self.words.brief(&alone);
        let mut details = if brief.items.is_empty() {
            // In words of the operator's own.
            about(&brief)
        } else {
            brief.items.into_iter().flat_map(|item| item.facts).map(detail).collect()
        };
        details.insert("Source".to_owned(), failure.source.as_str().into());
        let at = failure.task.failed_at.unwrap_or(failure.first_seen_at);
        json!({
            "event_action": "trigger",
            "dedup_key": key,
            "client": "taskbell",
            "payload": {
                "summary": text::clean(&brief.headline, SUMMARY_BYTES_MAX),
                "source": failure.source,
                "severity": self.severity.of(brief.tone),
                "timestamp": at,
                "component": failure.task.text.server_name.as_deref().map(|name| text::clean(name, 256)),
                "group": failure.source,
                "class": failure.task.action,
                "custom_details": details,
            },
        })
    }

    /// One event about all that the notice says.
    fn whole(self, notice: &Notice) -> Value {
        let key = whole_key(notice);
        if notice.kind == NoticeKind::SourceSighted {
            return resolve(&key);
        }
        let brief = self.words.brief(notice);
        let mut details = about(&brief);
        let lines =
            brief.items.iter().take(LINES_MAX).map(|item| item.line(LINE_MESSAGE_BYTES_MAX));
        let lines: Vec<String> = lines.collect();
        let more: Vec<String> = brief.rest(lines.len()).into_iter().chain(brief.more).collect();
        if !lines.is_empty() {
            details.insert("Failures".to_owned(), lines.into());
        }
        if !more.is_empty() {
            details.insert("More".to_owned(), more.join(" ").into());
        }
        json!({
            "event_action": "trigger",
            "dedup_key": key,
            "client": "taskbell",
            "payload": {
                "summary": text::clean(&brief.headline, SUMMARY_BYTES_MAX),
                "source": notice.subject(),
                "severity": self.severity.of(brief.tone),
                "timestamp": notice.created_at,
                "group": notice.subject(),
                "class": notice.kind.as_str(),
                "custom_details": details,
            },
        })
    }
}

/// What is said of the notice as a whole, as details.
fn about(brief: &Brief) -> Map<String, Value> {
    let lead = ("About".to_owned(), brief.lead.clone());
    brief.notes.iter().cloned().chain([lead]).map(detail).collect()
}

fn detail((label, value): Pair) -> (String, Value) {
    (label, value.into())
}

/// What a notice's incident is named after: what goes on belongs to the incident that it began
/// with.
fn whole_key(notice: &Notice) -> String {
    let sink = notice.trouble.as_ref().and_then(|trouble| trouble.sink.as_ref());
    match notice.kind {
        NoticeKind::SourceBlind | NoticeKind::SourceSighted => {
            format!("taskbell-source-{}", notice.subject())
        }
        NoticeKind::StormOpened | NoticeKind::StormUpdated | NoticeKind::StormClosed => {
            let since = notice.since.map_or(0, jiff::Timestamp::as_second);
            format!("taskbell-storm-{}-{since}", notice.subject())
        }
        NoticeKind::SinkFailing => match sink {
            Some(sink) => format!("taskbell-sink-{sink}"),
            None => notice.id.to_string(),
        },
        _ => notice.id.to_string(),
    }
}

fn resolve(key: &str) -> Value {
    json!({ "event_action": "resolve", "dedup_key": key })
}
