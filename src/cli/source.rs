//! `source` and `baseline`: how well the lists are seen, and what stood at first.

use serde_json::Value;

use super::{
    Output, complete,
    look::{ask, cell, is_running, print},
    out,
};
use crate::{admin::ask::Ask, config::Config, exit::Exit};

/// `source …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum SourceCommand {
    /// List each source with its last poll, coverage and baseline
    List,
}

/// `baseline …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum BaselineCommand {
    /// Show when each source was first seen whole, and how many failures stand
    Show {
        /// Only this source
        #[arg(add = complete::sources())]
        name: Option<String>,
    },
    /// Begin anew: what the next complete poll finds and nobody knows yet stood already
    Reset {
        /// The source's name
        #[arg(add = complete::sources())]
        name: String,
        /// Do it: what fails until the next complete poll may then not be told
        #[arg(long)]
        yes: bool,
    },
}

/// So many seconds in one or two units: `42s`, `5m`, `3h20m`, `12d`.
fn short(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours}h"),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d"),
    }
}

fn age(row: &Value, key: &str) -> String {
    row.get(key).and_then(Value::as_i64).map_or_else(|| "-".to_owned(), short)
}

/// A source as a row.
fn row(row: &Value) -> Vec<String> {
    let polls = match row.get("coverage").filter(|coverage| coverage.is_object()) {
        None => "-".to_owned(),
        Some(figures) => {
            format!("{}/{}", cell(figures, "polls_complete"), cell(figures, "polls_due"))
        }
    };
    let gap = row.pointer("/coverage/longest_gap_seconds").and_then(Value::as_i64);
    vec![
        cell(row, "name"),
        cell(row, "kind"),
        cell(row, "region"),
        cell(row, "project_id"),
        age(row, "last_poll_seconds_ago"),
        age(row, "last_complete_seconds_ago"),
        polls,
        gap.map_or_else(|| "-".to_owned(), short),
        age(row, "baseline_seconds_ago"),
        cell(row, "standing"),
        cell(row, "state"),
    ]
}

/// What is wrong with a source, and what to do, below the table.
fn trouble(row: &Value) -> Option<String> {
    let class = row.get("class").and_then(Value::as_str)?;
    let since = match row.get("blind_since").and_then(Value::as_str) {
        Some(since) => format!("blind since {since}, "),
        None => String::new(),
    };
    let (name, detail, advice) = (cell(row, "name"), cell(row, "detail"), cell(row, "advice"));
    Some(format!("{name}: {since}{class}: {detail}. {advice}"))
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) async fn source(config: &Config, command: &SourceCommand, output: Output) -> Exit {
    let SourceCommand::List = command;
    let answer = ask(config, Ask::Sources).await;
    print(answer, output, |value| {
        const HEAD: [&str; 11] = [
            "NAME", "KIND", "REGION", "PROJECT", "POLL", "WHOLE", "24H", "GAP", "BASELINE", "OPEN",
            "STATE",
        ];
        let cells: Vec<Vec<String>> = rows(value).map(row).collect();
        let mut exit = out::table(&HEAD, &cells);
        for line in rows(value).filter_map(trouble) {
            exit = exit.max(out::line(&line));
        }
        exit
    })
}

pub(super) async fn baseline(config: &Config, command: &BaselineCommand, output: Output) -> Exit {
    match command {
        BaselineCommand::Show { name } => {
            let answer = ask(config, Ask::Sources).await.map(|mut value| {
                if let (Some(name), Some(all)) = (name, value.as_array_mut()) {
                    all.retain(|row| row.get("name").and_then(Value::as_str) == Some(name));
                }
                value
            });
            if let (Some(name), Ok(Value::Array(found))) = (name, &answer)
                && found.is_empty()
            {
                let unknown = std::io::Error::other(format!("there is no source `{name}`"));
                return out::fail(&unknown, None, Exit::Failed);
            }
            print(answer, output, |value| {
                super::list::list(
                    value,
                    &[
                        ("NAME", "name"),
                        ("BASELINE", "baseline_at"),
                        ("FIRST POLL", "first_poll_at"),
                        ("OPEN", "standing"),
                    ],
                )
            })
        }
        BaselineCommand::Reset { name, yes: false } => {
            let unsure = std::io::Error::other(format!(
                "what fails between now and the next complete poll of `{name}` may not be told"
            ));
            let help = "say --yes to do it all the same";
            out::fail(&unsure, Some(help), Exit::Usage)
        }
        BaselineCommand::Reset { name, yes: true } => {
            let answer = ask(config, Ask::ResetBaseline(name.clone())).await;
            print(answer, output, |value| {
                let when = if is_running(value) { "next" } else { "next `run` or `once`'s" };
                out::line(&format!(
                    "{name} has no baseline; the {when} complete poll sets one, as `first_run` says"
                ))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (12_000, "3h20m"),
            (86_400, "1d"),
            (9_000_000, "104d"),
        ] {
            assert_eq!(short(seconds), expected);
        }
    }
}
