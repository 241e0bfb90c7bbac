//! Notices as people read them: a headline, plain text and HTML.
//!
//! Pure, so the same notice gives the same bytes. Every value that a stranger chose is cleaned
//! here once more and bounded: what lands in a mail header or a page must be safe even if it
//! came into the ledger by another door. Times are UTC and say so.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    task::{Action, MESSAGE_BYTES_MAX, NAME_BYTES_MAX},
    text,
};

mod brief;
mod html;

pub use brief::{Brief, Item, LIST_COMMAND, Tone};
pub use html::html;

/// Longest name in a headline. Subjects are cut by every mail client at about this length.
const SHORT_BYTES_MAX: usize = 60;

/// What happened, on one line without a full stop: for subjects and titles.
#[must_use]
pub fn headline(notice: &Notice) -> String {
    let source = notice.subject();
    let total = notice.total;
    match (notice.kind, notice.failures.as_slice()) {
        (NoticeKind::TaskFailed, [one]) => format!("{source}: {}", lower(&what_failed(one))),
        (NoticeKind::TaskFailed, many) => {
            format!("{source}: {} failed tasks{}", many.len(), by_action(many))
        }
        (NoticeKind::TaskCleared, [one]) => {
            format!("{source}: no longer listed: {}", lower(&what_failed(one)))
        }
        (NoticeKind::TaskCleared, many) => {
            format!("{source}: {} failures no longer listed{}", many.len(), by_action(many))
        }
        (NoticeKind::SourceWatching, _) => {
            format!("{source}: watching; {}", standing(notice.still_open))
        }
        (NoticeKind::StateLost, _) => {
            format!(
                "{source}: the record of what was told is lost; {}",
                standing(notice.still_open)
            )
        }
        (NoticeKind::Test, _) => format!("{source}: test message for {}", notice.sink),
        (NoticeKind::TaskReminder, [one]) if total == 1 => {
            format!("{source}: still open: {}", lower(&what_failed(one)))
        }
        (NoticeKind::TaskReminder, _) => format!("{source}: {total} failures are still open"),
        (NoticeKind::TaskStuck, [one]) => {
            format!("{source}: still running: {}", lower(&what_failed(one)))
        }
        (NoticeKind::TaskStuck, _) => format!("{source}: {total} tasks are still running"),
        (NoticeKind::Digest, _) => format!("{source}: {}", failed_tasks(total)),
        (NoticeKind::StormOpened, _) => format!("{source}: storm: {}", failed_tasks(total)),
        (NoticeKind::StormUpdated, _) => format!("{source}: storm goes on: {total} more"),
        (NoticeKind::StormClosed, _) => format!("{source}: storm is over: {total} more"),
        (NoticeKind::SinkFailing, _) => {
            format!("{source}: {} does not take its notices", failing_sink(notice))
        }
        (NoticeKind::SourceBlind, _) => format!("{source}: cannot be seen ({})", class(notice)),
        (NoticeKind::SourceSighted, _) => format!("{source}: seen again"),
    }
}

fn failed_tasks(count: u32) -> String {
    if count == 1 { "1 failed task".to_owned() } else { format!("{count} failed tasks") }
}

fn failing_sink(notice: &Notice) -> String {
    let sink = notice.trouble.as_ref().and_then(|trouble| trouble.sink.as_ref());
    sink.map_or_else(|| "a sink".to_owned(), ToString::to_string)
}

fn class(notice: &Notice) -> &str {
    notice.trouble.as_ref().map_or("", |trouble| trouble.class.as_str())
}

/// The subject of the thread that a notice belongs to, without any prefix.
///
/// The headline, except that a cleared failure keeps the one it was told under: mail clients
/// put together what has the same subject.
#[must_use]
pub fn thread_headline(notice: &Notice) -> String {
    match (notice.kind, notice.failures.as_slice()) {
        (NoticeKind::TaskCleared, [one]) => {
            format!("{}: {}", notice.subject(), lower(&what_failed(one)))
        }
        _ => headline(notice),
    }
}

/// The whole notice as plain text. Lines end in `\n` and are not wrapped.
#[must_use]
pub fn plain(notice: &Notice) -> String {
    let mut out = format!("{}\n\n{}\n", headline(notice), lead(notice));
    let alone = notice.failures.len() == 1;
    for failure in &notice.failures {
        let own_title = if alone { String::new() } else { what_failed(failure) + "\n" };
        let _infallible = write!(out, "\n{own_title}");
        for (label, value) in fields(failure, alone) {
            let _infallible = writeln!(out, "  {label:<15}{value}");
        }
    }
    if let Some(more) = still_open(notice) {
        let _infallible = writeln!(out, "\n{more}");
    }
    // Mail clients take this line, with its space, for the beginning of a signature.
    let _infallible = writeln!(out, "\n-- \n{}", foot(notice).join("\n"));
    out
}

/// "Reset failed on web-01 (KPS.6009)"
fn what_failed(failure: &Failure) -> String {
    let mut out = title(failure);
    if let Some(code) = &failure.task.text.error_code {
        let _infallible = write!(out, " ({})", short(code));
    }
    out
}

/// "Reset failed on web-01"
fn title(failure: &Failure) -> String {
    let text = &failure.task.text;
    let action = match failure.task.action {
        Action::Reset => "Reset",
        Action::Replace => "Replace",
        Action::Unbind => "Unbind",
        Action::Bind => "Bind",
        Action::Other => "Task",
    };
    let again = if failure.generation > 1 { " again" } else { "" };
    let place = match (&text.server_name, &text.server_id, &text.keypair) {
        (Some(server), _, _) | (None, Some(server), _) => format!(" on {}", short(server)),
        (None, None, Some(keypair)) => format!(" for key pair {}", short(keypair)),
        (None, None, None) => String::new(),
    };
    format!("{action} failed{again}{place}")
}

/// The first letter in lower case. Titles begin with one of our own words.
fn lower(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// " (reset 9, bind 3)", in the order of the actions.
fn by_action(failures: &[Failure]) -> String {
    let counts: Vec<String> = Action::ALL
        .into_iter()
        .map(|action| (action, failures.iter().filter(|one| one.task.action == action).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| format!("{} {count}", action.as_str()))
        .collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}

fn standing(count: u32) -> String {
    match count {
        0 => "no failure stands".to_owned(),
        1 => "1 failure stands already".to_owned(),
        _ => format!("{count} failures stand already"),
    }
}

/// One or two sentences under the headline.
fn lead(notice: &Notice) -> &'static str {
    let many = notice.failures.len() > 1;
    match notice.kind {
        NoticeKind::TaskFailed => match notice.reason.as_str() {
            "refailed" if many => "Tasks that had failed before have failed again.",
            "refailed" => "A task that had failed before has failed again.",
            "reappeared" if many => "Failures that had gone from the list are on it again.",
            "reappeared" => "A failure that had gone from the list is on it again.",
            _ if many => "The cloud lists these tasks as failed.",
            _ => "The cloud lists this task as failed.",
        },
        NoticeKind::TaskCleared => {
            "No longer on the cloud's list of failed tasks. \
             That does not have to mean resolved: records can be deleted."
        }
        NoticeKind::SourceWatching => {
            "This list is watched from now on. \
             What stands on it already is not told singly; what fails from now on is."
        }
        NoticeKind::StateLost => {
            "It cannot be said any more which of the failures on the list were told. \
             Look through the list once; what fails from now on is told as usual."
        }
        NoticeKind::Test => "This is a test, asked for by the operator. Nothing failed.",
        NoticeKind::TaskReminder => {
            "Told before, and still on the cloud's list of failed tasks. \
             `taskbell failure ack` ends the reminders."
        }
        NoticeKind::Digest => match notice.reason.as_str() {
            "silence_ended" => "Held during a silence that is over; this is what still stands.",
            "window_ended" => "Held during a mute window that is over; this is what still stands.",
            "outage_ended" => "Could not be delivered for a while; this is all of it.",
            _ => "What the cloud listed as failed since the last digest.",
        },
        NoticeKind::StormOpened => {
            "More than is told singly. What follows is told in updates, and nothing is lost."
        }
        NoticeKind::StormUpdated => "What the storm brought since it was last told.",
        NoticeKind::StormClosed => "What comes from now on is told singly again.",
        NoticeKind::SinkFailing => {
            "You are told because this sink is the fallback. \
             The deliveries are kept and tried again."
        }
        NoticeKind::SourceBlind => "What fails there now is not seen, and told later or never.",
        NoticeKind::SourceSighted => "What failed meanwhile is told now, if it is still listed.",
        NoticeKind::TaskStuck => "Running for longer than such a task should.",
    }
}

/// What is known about a failure, as label and value. What is not known is left out, and so is
/// what the title of a failure that is not `alone` says already.
fn fields(failure: &Failure, alone: bool) -> Vec<(&'static str, String)> {
    let text = &failure.task.text;
    let name =
        |value: &Option<String>| value.as_deref().map(|raw| text::clean(raw, NAME_BYTES_MAX));
    let server = match (name(&text.server_name), name(&text.server_id)) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    };
    let message = text.error_message.as_deref().map(|raw| text::clean(raw, MESSAGE_BYTES_MAX));
    let again = failure.generation > 1;
    [
        ("Message", message),
        ("Error code", name(&text.error_code).filter(|_| alone)),
        ("Server", server),
        ("Key pair", name(&text.keypair)),
        ("Operation", Some(text::clean(&text.operate_type, NAME_BYTES_MAX))),
        ("Failed at", Some(failed_at(failure))),
        ("No longer seen", failure.cleared_at.map(utc)),
        ("Failed before", again.then(|| times(failure.generation.saturating_sub(1)))),
        ("Task", Some(text::clean(&failure.task.id, NAME_BYTES_MAX))),
    ]
    .into_iter()
    .filter_map(|(label, value)| value.filter(|text| !text.is_empty()).map(|value| (label, value)))
    .collect()
}

fn failed_at(failure: &Failure) -> String {
    failure.task.failed_at.map_or_else(|| "not given".to_owned(), utc)
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn still_open(notice: &Notice) -> Option<String> {
    let told = matches!(notice.kind, NoticeKind::TaskFailed | NoticeKind::TaskCleared);
    match notice.still_open {
        count if !told || count == 0 => None,
        1 => Some("And 1 other failure is still open.".to_owned()),
        count => Some(format!("And {count} other failures are still open.")),
    }
}

/// "kps · cn-north-4 · project 0123…", without what is not known.
fn place(notice: &Notice) -> String {
    let Some(source) = &notice.source else { return String::new() };
    let project = Some(&source.project_id).filter(|id| !id.is_empty());
    [
        Some(source.kind.clone()),
        Some(source.region.clone()),
        project.map(|id| format!("project {id}")),
    ]
    .into_iter()
    .flatten()
    .filter(|word| !word.is_empty())
    .map(|word| text::clean(&word, NAME_BYTES_MAX))
    .collect::<Vec<_>>()
    .join(" · ")
}

/// The last lines: which list, how much of it was seen, and who says so.
fn foot(notice: &Notice) -> Vec<String> {
    let coverage = notice.coverage;
    let mut lines = Vec::new();
    if let Some(source) = &notice.source {
        lines.push(format!("Source {} · {}", source.name, place(notice)));
    }
    if coverage.polls_due > 0 {
        let gap = Duration::from_secs(coverage.longest_gap_seconds.into());
        lines.push(format!(
            "Last 24 h: {} of {} polls complete, longest gap {}",
            coverage.polls_complete,
            coverage.polls_due,
            humantime::format_duration(gap),
        ));
    }
    lines.push(format!(
        "Written {} by taskbell for {} · {}",
        utc(notice.created_at),
        notice.sink,
        notice.id
    ));
    lines
}

fn short(raw: &str) -> String {
    text::clean(raw, SHORT_BYTES_MAX)
}
