//! What would be told: now, and under another config.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueHint;
use serde_json::Value;

use super::{
    Output,
    look::{ask, ask_long, cell, print},
    out, wait,
};
use crate::{
    admin::ask::Ask,
    config::{Config, ConfigError},
    exit::Exit,
    options::Period,
};

/// `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Decide by this config instead, and say what it changes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,
}

/// The text of another config. A wrong one is refused here, under the name of its file; whoever
/// decides by it does not know that name.
fn read(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { file: file.to_owned(), cause };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    Config::parse(&text, file)?;
    Ok(text)
}

/// `plan`.
pub(super) async fn plan(config: &Config, args: &PlanArgs, output: Output) -> Exit {
    let new = match args.against.as_deref().map(read).transpose() {
        Ok(new) => new,
        Err(error) => return out::fail(&error, None, Exit::ConfigInvalid),
    };
    let answer = wait::showing("polling", ask(config, Ask::Plan(new))).await;
    let polls = |value: &Value| value.get("polls").and_then(Value::as_array).cloned();
    let codes = answer.as_ref().ok().and_then(polls).unwrap_or_default();
    let refused = codes.iter().filter_map(|poll| poll.get("exit")?.as_u64()).max();
    let printed = print(answer, output, |value| out::text_as_is(&plan_text(value)));
    printed.max(match refused {
        Some(77) => Exit::CredentialsRefused,
        Some(_) => Exit::SourceUnavailable,
        None => Exit::Done,
    })
}

fn plan_text(plan: &Value) -> String {
    let rows = |key: &str| plan.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut lines: Vec<String> = rows("polls").map(poll_line).collect();
    if rows("notices").next().is_none() {
        lines.push("nothing would be told".to_owned());
    }
    for notice in rows("notices") {
        let field = |key| cell(notice, key);
        let held = match notice.get("held_by") {
            Some(Value::String(by)) => format!(", held by {by}"),
            _ => String::new(),
        };
        lines.push(format!(
            "{} to {} by route {} at {} ({}){held}",
            field("type"),
            field("sink"),
            field("route"),
            field("at"),
            field("reason")
        ));
        let failures = notice.get("failures").and_then(Value::as_array).into_iter().flatten();
        lines.extend(failures.map(|failure| {
            let field = |key| cell(failure, key);
            format!(
                "  {} of {} on {}: {} {}",
                field("action"),
                field("keypair"),
                field("server.name"),
                field("error_code"),
                field("error_message")
            )
        }));
    }
    lines
        .extend(rows("told_to_nobody").map(|one| {
            format!("{} to nobody: {}", cell(one, "failure.task_id"), cell(one, "why"))
        }));
    if plan.get("changes").is_some() {
        lines.extend(change_lines(plan));
    }
    lines.join("\n") + "\n"
}

/// Tasks that a line names.
const TASKS_SHOWN_MAX: usize = 3;

/// The tasks of a change, as far as they fit on a line.
fn about(change: &Value) -> String {
    let tasks = change.get("tasks").and_then(Value::as_array).into_iter().flatten();
    let shown: Vec<&str> = tasks.filter_map(Value::as_str).take(TASKS_SHOWN_MAX).collect();
    let total = change.get("total").and_then(Value::as_u64).unwrap_or_default();
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    match total.saturating_sub(shown.len()) {
        0 if shown.is_empty() => "no single failure".to_owned(),
        0 => shown.join(", "),
        more if shown.is_empty() => out::count(more, "failure", "failures"),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What another config would change, a line each.
fn change_lines(value: &Value) -> Vec<String> {
    let changes = value.get("changes").and_then(Value::as_array);
    let changes = changes.map_or(&[][..], Vec::as_slice);
    if changes.is_empty() {
        return vec!["the new config changes nothing here".to_owned()];
    }
    let line = |change: &Value| {
        let field = |key| cell(change, key);
        let instead = match change.get("was_at") {
            Some(Value::String(_)) => format!(" instead of {}", field("was_at")),
            _ => String::new(),
        };
        format!(
            "{}: {} to {} at {}{instead} about {}",
            field("change"),
            field("type"),
            field("sink"),
            field("at"),
            about(change)
        )
    };
    changes.iter().map(line).collect()
}

/// `config …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what another config would have told differently; exit 1 if anything
    Diff {
        /// The other config
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// How far back, of what was recorded
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = out::length)]
        replay: Duration,
    },
}

/// `config diff`. Exit code 1: there are differences.
pub(super) async fn config(config: &Config, command: &ConfigCommand, output: Output) -> Exit {
    let ConfigCommand::Diff { file, replay } = command;
    let new = match read(file) {
        Ok(new) => new,
        Err(error) => return out::fail(&error, None, Exit::ConfigInvalid),
    };
    let answer = ask_long(config, "replaying", Ask::Diff(new, replay.as_secs())).await;
    let differs = answer.as_ref().is_ok_and(|value| {
        value.get("changes").and_then(Value::as_array).is_some_and(|rows| !rows.is_empty())
    });
    let printed = print(answer, output, |value| {
        let count = |key: &str, one: &str, many: &str| {
            let number = value.get(key).and_then(Value::as_u64).unwrap_or_default();
            out::count(usize::try_from(number).unwrap_or(usize::MAX), one, many)
        };
        let head = format!(
            "{} recorded in the last {}; {} now, {} then",
            count("failures", "failure", "failures"),
            Period(*replay),
            count("notices_now", "notice", "notices"),
            count("notices_then", "notice", "notices")
        );
        let mut lines = vec![head];
        lines.extend(change_lines(value));
        lines.extend(waiting_line(value));
        out::text_as_is(&(lines.join("\n") + "\n"))
    });
    if differs { printed.max(Exit::Failed) } else { printed }
}

/// That something was not compared, since its time is too far away.
fn waiting_line(value: &Value) -> Option<String> {
    let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (now, then) = (count("waiting_now"), count("waiting_then"));
    (0 < now + then)
        .then(|| format!("not compared, since they wait for too long: {now} now, {then} then"))
}

fn poll_line(poll: &Value) -> String {
    let field = |key| cell(poll, key);
    let line = format!(
        "{}: {} new, {} recorded without telling, {} cleared",
        field("source"),
        field("new"),
        field("baseline"),
        field("cleared")
    );
    match poll.get("error") {
        Some(Value::String(error)) => format!("{line}; {}: {error}", field("class")),
        _ => line,
    }
}
