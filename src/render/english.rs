//! Notices in English.

use std::{fmt::Write as _, time::Duration};

use super::{
    Zone, capital, lower, short,
    speech::{
        Label, Speech, Unit, actions, began, between, cleared_untold, lasted, oldest, operation,
        so_far, units,
    },
};
use crate::{
    failure::{Ending, Failure},
    notice::{Count, Coverage, Notice, NoticeKind},
    task::Action,
};

mod lead;

use lead::{fixed_lead, lead_of_many};

mod counts;

use counts::{failed_tasks, failures, ordinal, standing};

pub(super) struct English;

impl Speech for English {
    fn headline(&self, notice: &Notice) -> String {
        let total = notice.total;
        match (notice.kind, notice.failures.as_slice()) {
            (NoticeKind::TaskFailed, [one]) if total == 1 => {
                let late = if one.cleared_at.is_some() { ", cleared meanwhile" } else { "" };
                self.what_failed(one) + late
            }
            (NoticeKind::TaskFailed | NoticeKind::Digest, _) => {
                failed_tasks(total) + &self.in_brackets(notice)
            }
            (NoticeKind::TaskCleared, [one]) if total == 1 => {
                format!("no longer listed: {}", self.what_failed(one))
            }
            (NoticeKind::TaskCleared, _) => {
                format!("{} no longer listed{}", failures(total), self.in_brackets(notice))
            }
            (NoticeKind::TaskReminder, [one]) if total == 1 => {
                let length = self.duration(between(began(one), notice.created_at));
                format!("still open after {length}: {}", self.what_failed(one))
            }
            (NoticeKind::TaskReminder, _) => {
                let length = self.duration(oldest(notice));
                let verb = if total == 1 { "is" } else { "are" };
                format!("{} {verb} still open, the oldest for {length}", failures(total))
            }
            (NoticeKind::TaskStuck, [one]) if total == 1 => {
                let length = self.duration(between(began(one), notice.created_at));
                format!("still running after {length}: {}", lower(&self.running(one)))
            }
            (NoticeKind::TaskStuck, _) => {
                let length = self.duration(oldest(notice));
                let tasks = if total == 1 { "1 task is" } else { &format!("{total} tasks are") };
                format!("{tasks} still running, the oldest for {length}")
            }
            _ => self.headline_of_whole(notice),
        }
    }

    fn what_failed(&self, failure: &Failure) -> String {
        let mut out = lower(&self.title(failure));
        if let Some(code) = &failure.task.text.error_code {
            let _infallible = write!(out, " ({})", short(code));
        }
        out
    }

    fn about(&self, subject: &str, what: &str) -> String {
        format!("{subject}: {what}")
    }

    fn lead(&self, notice: &Notice, zone: &Zone) -> String {
        match notice.kind {
            NoticeKind::TaskFailed => lead_of_failed(notice, zone),
            NoticeKind::Digest => {
                let since = notice.since.map_or_else(String::new, |since| {
                    format!(" since {}", zone.short(since, notice.created_at))
                });
                match notice.reason.as_str() {
                    "silence_ended" => format!(
                        "Held{since} during a silence that is over now; this is what still stands."
                    ),
                    "window_ended" => format!(
                        "Held{since} during a mute window that is over now; this is what still \
                         stands."
                    ),
                    "outage_ended" => {
                        format!("Could not be delivered{since}; this is all of it in one message.")
                    }
                    _ => format!("What the cloud listed as failed{since}, in one message."),
                }
            }
            NoticeKind::StormClosed => {
                let lasted = lasted(notice).map_or_else(String::new, |length| {
                    format!("It lasted for {}. ", self.duration(length))
                });
                let last = match notice.total {
                    0 => String::new(),
                    total => format!(
                        "Since it was last told, it brought {total} more{}. ",
                        self.in_brackets(notice)
                    ),
                };
                format!("{lasted}{last}What fails from now on is told singly again.")
            }
            NoticeKind::SinkFailing => {
                let blind = match notice.sources.as_ref().map_or(0, |sources| sources.count) {
                    0 => String::new(),
                    1 => " It was not told that a source cannot be seen.".to_owned(),
                    many => format!(" It was not told that {many} sources cannot be seen."),
                };
                let owed = match notice.total {
                    0 => "It is tried again.".to_owned(),
                    1 => "1 failure is owed to it, and it is tried again with it.".to_owned(),
                    total => format!(
                        "{} are owed to it, and it is tried again with them.",
                        failures(total)
                    ),
                };
                format!("You are told because this sink is its fallback.{blind} {owed}")
            }
            NoticeKind::StateLost if let Some(since) = notice.since => format!(
                "The store was damaged, and its copy of {} took its place. What was told after \
                 that may be told again, under the same ids. What was damaged is kept: \
                 `taskbell state info`.",
                zone.short(since, notice.created_at)
            ),
            kind if notice.sources.is_some() => lead_of_many(kind).to_owned(),
            kind => fixed_lead(kind).to_owned(),
        }
    }

    fn title(&self, failure: &Failure) -> String {
        let again = if failure.generation > 1 { " again" } else { "" };
        format!("{} failed{again}{}", what(self, failure), place(failure))
    }

    fn running(&self, failure: &Failure) -> String {
        format!("{}{}", what(self, failure), place(failure))
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Message => "Message",
            Label::ErrorCode => "Error code",
            Label::Advice => "What to do",
            Label::Server => "Server",
            Label::Keypair => "Key pair",
            Label::Operation => "Operation",
            Label::FailedAt => "Failed at",
            Label::StartedAt => "Started at",
            Label::ClearedAt => "No longer seen",
            Label::OpenFor => "Open for",
            Label::RunningFor => "Running for",
            Label::Recurrence => "Recurrence",
            Label::FailedBefore => "Failed before",
            Label::Source => "Source",
            Label::Task => "Task",
            Label::Sink => "Sink",
            Label::Cause => "Cause",
            Label::Detail => "Detail",
            Label::Since => "Since",
            Label::Gap => "Not seen for",
            Label::TopErrors => "Top errors",
            Label::TopServers => "Top servers",
            Label::TopSources => "Sources",
        }
    }

    fn label_columns(&self) -> usize {
        15
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::Other => "task",
            known => known.as_str(),
        }
    }

    fn duration(&self, length: Duration) -> String {
        let each = units(length).into_iter().map(|(count, unit)| match unit {
            Unit::Day => format!("{count} d"),
            Unit::Hour => format!("{count} h"),
            Unit::Minute => format!("{count} min"),
            Unit::Second => format!("{count} s"),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    fn recurrence(&self, nth: u32) -> String {
        format!("{} like it in 24 h", ordinal(nth))
    }

    fn times(&self, count: u32) -> String {
        if count == 1 { "once".to_owned() } else { format!("{count} times") }
    }

    fn not_given(&self) -> &'static str {
        "not given"
    }

    fn cleared_untold(&self, at: &str) -> String {
        format!("{at}, before it could be told")
    }

    fn ended(&self, at: &str, ending: Ending) -> String {
        let ending = match ending {
            Ending::Resolved => "resolved",
            Ending::StillFailed => "still failed, record deleted",
            Ending::Deleted => "record deleted by taskbell",
        };
        format!("{at}: {ending}")
    }

    fn gap(&self, length: &str, from: &str, to: &str) -> String {
        format!("{length}, from {from} to {to}")
    }

    fn for_some(&self, count: Option<usize>) -> String {
        count.map_or_else(|| "For some of them".to_owned(), |count| format!("For {count} of them"))
    }

    fn trouble(&self, class: &str) -> Option<&'static str> {
        Some(match class {
            "auth" => "credentials refused",
            "permission" => "no permission",
            "account_frozen" => "account frozen",
            "not_in_region" => "not offered there",
            "throttled" => "too many requests",
            "clock_skew" => "clocks too far apart",
            "tls" => "TLS failed",
            "dns" => "name not found",
            "network" => "no connection",
            "timeout" => "no answer in time",
            "upstream" => "the cloud has trouble",
            "schema" => "answer not understood",
            "incomplete" => "list incomplete",
            "request" => "request refused",
            "overdue" => "polls do not come to an end",
            "not_running" => "taskbell did not run",
            "retry" => "no success so far",
            "suspect" => "looks like configuration",
            "gone" => "the receiver is gone",
            "dead" => "given up",
            "disk_full" => "the disk is full",
            "not_durable" => "a change did not reach the disk",
            "hung" => "it does not answer",
            "unreadable" => "it cannot be read",
            "damaged" => "it is damaged",
            "newer" => "it was written by a newer version",
            "closed" => "its thread ended",
            _ => return None,
        })
    }

    fn advice(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn classified(&self, words: &str, class: &str) -> String {
        format!("{words} ({class})")
    }

    fn omitted(&self, count: u32, command: &str) -> String {
        match count {
            1 => format!("1 of them is not listed here; `{command}` lists it."),
            _ => format!("{count} of them are not listed here; `{command}` lists them."),
        }
    }

    fn names(&self, names: &[&str], more: u32, command: &str) -> String {
        match (names.join(", "), more) {
            (names, 0) => names,
            (names, more) => format!("{names} and {more} more; `{command}` shows all"),
        }
    }

    fn still_open(&self, count: u32) -> String {
        match count {
            1 => "And 1 other failure is still open.".to_owned(),
            _ => format!("And {count} other failures are still open."),
        }
    }

    fn source_line(&self, name: &str, [kind, region, project]: [&str; 3]) -> String {
        let project = if project.is_empty() { "" } else { &format!("project {project}") };
        let words = [name, kind, region, project].into_iter().filter(|word| !word.is_empty());
        format!("Source {}", words.collect::<Vec<_>>().join(" · "))
    }

    fn coverage(&self, coverage: Coverage) -> String {
        format!(
            "Last 24 h: {} of {} polls complete, longest gap {}",
            coverage.polls_complete,
            coverage.polls_due,
            self.duration(Duration::from_secs(coverage.longest_gap_seconds.into())),
        )
    }

    fn written(&self, at: &str, notice: &Notice) -> String {
        format!("Written {at} by taskbell for {} · {}", notice.sink, notice.id)
    }

    fn zone(&self, name: &str) -> String {
        format!("Times are those of {name}")
    }

    fn actions(&self, counts: &[Count]) -> String {
        let each = counts.iter().map(|one| format!("{} {}", one.count, one.value));
        each.collect::<Vec<_>>().join(", ")
    }

    fn top(&self, counts: &[Count]) -> String {
        let each = counts.iter().map(|one| format!("{} ({})", short(&one.value), one.count));
        each.collect::<Vec<_>>().join(", ")
    }
}

impl English {
    /// The headline of what is about a source, a sink or a storm as a whole.
    fn headline_of_whole(&self, notice: &Notice) -> String {
        let total = notice.total;
        let brackets = self.in_brackets(notice);
        let trouble = notice.trouble.as_ref();
        match notice.kind {
            NoticeKind::SourceWatching => {
                let watched = match &notice.sources {
                    None => "watching".to_owned(),
                    Some(_) => sources(notice) + "are watched",
                };
                format!("{watched}; {}", standing(notice.still_open))
            }
            NoticeKind::StateLost => {
                let of = match &notice.sources {
                    None => String::new(),
                    Some(all) => format!(" of {} sources", all.count),
                };
                let became = if notice.since.is_some() { "is an older copy" } else { "is lost" };
                let standing = standing(notice.still_open);
                format!("the record of what was told{of} {became}; {standing}")
            }
            NoticeKind::Test => format!("test message for {}", notice.sink),
            NoticeKind::StormOpened => format!("storm: {}{brackets}", failed_tasks(total)),
            NoticeKind::StormUpdated => {
                format!("storm goes on: {total} more{brackets}, {} so far", so_far(notice))
            }
            NoticeKind::StormClosed => {
                format!("storm is over: {} in all", failed_tasks(so_far(notice)))
            }
            NoticeKind::SinkFailing => {
                let sink = trouble.and_then(|trouble| trouble.sink.as_ref());
                let sink = sink.map_or("of unknown name", |sink| sink.as_str());
                format!("sink {sink} does not take its notices{}", self.class_in_brackets(notice))
            }
            NoticeKind::SourceBlind => {
                format!("{}cannot be seen{}", sources(notice), self.class_in_brackets(notice))
            }
            NoticeKind::StoreFailed => {
                let why = self.class_in_brackets(notice);
                format!("the store failed{why}; nothing is watched or told")
            }
            NoticeKind::SourceSighted => match lasted(notice) {
                Some(length) => {
                    format!("{}seen again after {}", sources(notice), self.duration(length))
                }
                None => format!("{}seen again", sources(notice)),
            },
            // The others have a headline of their own.
            _ => failed_tasks(total),
        }
    }

    fn in_brackets(&self, notice: &Notice) -> String {
        let counts = actions(notice);
        if counts.is_empty() { String::new() } else { format!(" ({})", self.actions(&counts)) }
    }

    fn class_in_brackets(&self, notice: &Notice) -> String {
        let class = notice.trouble.as_ref().map_or("", |trouble| trouble.class.as_str());
        match self.trouble(class).unwrap_or(class) {
            "" => String::new(),
            words => format!(" ({})", short(words)),
        }
    }
}

/// How many sources it is about, if those are several.
fn sources(notice: &Notice) -> String {
    notice.sources.as_ref().map_or_else(String::new, |all| format!("{} sources ", all.count))
}

fn lead_of_failed(notice: &Notice, zone: &Zone) -> String {
    let late = cleared_untold(notice);
    if let ([one], Some(cleared)) =
        (notice.failures.as_slice(), notice.failures.first().and_then(|one| one.cleared_at))
    {
        let failed = zone.short(began(one), notice.created_at);
        let cleared = zone.short(cleared, notice.created_at);
        return format!(
            "Failed {failed}, cleared {cleared}, delivered late: it went from the cloud's list \
             before you could be told."
        );
    }
    let many = notice.total > 1;
    let lead = match notice.reason.as_str() {
        "refailed" if many => "Tasks that had failed before have failed again.",
        "refailed" => "A task that had failed before has failed again.",
        "reappeared" if many => "Failures that had gone from the list are on it again.",
        "reappeared" => "A failure that had gone from the list is on it again.",
        _ if many => "The cloud lists these tasks as failed.",
        _ => "The cloud lists this task as failed.",
    };
    match late {
        0 => lead.to_owned(),
        1 => format!("{lead} One of them cleared before it could be told."),
        late => format!("{lead} {late} of them cleared before they could be told."),
    }
}

fn what(english: &English, failure: &Failure) -> String {
    let ours = capital(english.action(failure.task.action));
    match operation(failure) {
        Some(own) => format!("{ours} {own}"),
        None => ours,
    }
}

fn place(failure: &Failure) -> String {
    let text = &failure.task.text;
    match (&text.server_name, &text.server_id, &text.keypair) {
        (Some(server), _, _) | (None, Some(server), _) => format!(" on {}", short(server)),
        (None, None, Some(keypair)) => format!(" for key pair {}", short(keypair)),
        (None, None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests;
