//! Silences and the dead: what an operator changes while it runs.

use std::time::Duration;

use serde_json::Value;

use super::{
    Output, complete,
    list::{Page, list},
    look::{ask, cell, is_running, print, user},
    out,
};
use crate::{
    admin::{
        ListQuery,
        ask::Ask,
        operate::{DeadQuery, NewSilence},
    },
    config::Config,
    exit::Exit,
    silence::OnExpire,
};

/// `silence …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum SilenceCommand {
    /// Hold what matches until a time; what still stands then is told as one notice
    Add {
        /// Conditions as in routes, such as `server_name =~ "web-.*"`; all must hold
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<String>,
        /// How long, such as 2h
        #[arg(long = "for", value_name = "TIME", value_parser = out::length)]
        length: Duration,
        /// Why, for those who wonder
        #[arg(long, value_name = "TEXT")]
        comment: String,
        /// Who wants it [default: you]
        #[arg(long, value_name = "WHO")]
        author: Option<String>,
        /// Tell nothing of what was held, ever
        #[arg(long)]
        drop: bool,
    },
    /// List all silences, ended ones included
    List,
    /// End a silence now
    Expire {
        /// Its number
        #[arg(add = complete::silences())]
        id: u64,
    },
}

pub(super) async fn silence(config: &Config, command: &SilenceCommand, output: Output) -> Exit {
    match command {
        SilenceCommand::Add { matchers, length, comment, author, drop } => {
            let new = NewSilence {
                matchers: matchers.clone(),
                // A part of a second is a second: 0 would be none.
                seconds: length.as_secs() + u64::from(0 < length.subsec_nanos()),
                author: author.clone().unwrap_or_else(user),
                comment: comment.clone(),
                on_expire: if *drop { OnExpire::Drop } else { OnExpire::Digest },
            };
            print(ask(config, Ask::AddSilence(new)).await, output, |value| {
                let (id, until) = (cell(value, "id"), cell(value, "ends_at"));
                out::line(&format!("silence {id} holds until {until}"))
            })
        }
        SilenceCommand::List => print(ask(config, Ask::Silences).await, output, |value| {
            list(
                value,
                &[
                    ("ID", "id"),
                    ("STATE", "state"),
                    ("MATCHERS", "matchers"),
                    ("ENDS AT", "ends_at"),
                    ("AUTHOR", "author"),
                    ("COMMENT", "comment"),
                    ("THEN", "on_expire"),
                ],
            )
        }),
        SilenceCommand::Expire { id } => {
            print(ask(config, Ask::ExpireSilence(*id)).await, output, |value| {
                let then = match (cell(value, "on_expire").as_str(), is_running(value)) {
                    ("drop", _) => "nobody is told of what it held",
                    (_, true) => "what it held and still stands is told now",
                    (_, false) => {
                        "what it held and still stands is told by the next `run` or `once`"
                    }
                };
                out::line(&format!("silence {id} has ended; {then}"))
            })
        }
    }
}

/// `dead …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DeadCommand {
    /// List deliveries that were given up
    List {
        /// Only to this sink
        #[arg(long, value_name = "NAME", add = complete::sinks())]
        sink: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Make dead deliveries due again, under the ids that they had
    Replay(DeadArgs),
    /// End dead deliveries without telling anybody
    Purge {
        #[command(flatten)]
        which: DeadArgs,
        /// Really: what is purged cannot be replayed
        #[arg(long)]
        yes: bool,
    },
}

/// Which of the dead.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeadArgs {
    /// Only to this sink
    #[arg(long, value_name = "NAME", add = complete::sinks())]
    sink: Option<String>,
    /// Only those that died within this time, such as 2h
    #[arg(long, value_name = "TIME", value_parser = out::length)]
    since: Option<Duration>,
    /// Change nothing; say how many
    #[arg(long)]
    dry_run: bool,
}

impl DeadArgs {
    fn query(&self) -> DeadQuery {
        DeadQuery {
            sink: self.sink.clone(),
            since_seconds: self.since.map(|since| since.as_secs()),
            dry_run: self.dry_run,
        }
    }
}

pub(super) async fn dead(config: &Config, command: &DeadCommand, output: Output) -> Exit {
    let count = |value: &Value, key: &str| {
        let ids = value.get(key).and_then(Value::as_array);
        out::count(ids.map(Vec::len).unwrap_or_default(), "delivery", "deliveries")
    };
    match command {
        DeadCommand::List { sink, page } => {
            let state = Some("dead".to_owned());
            let query = ListQuery { state, sink: sink.clone(), ..page.query() };
            print(ask(config, Ask::Deliveries(query)).await, output, |value| {
                page.list(
                    value,
                    &[
                        ("ID", "id"),
                        ("SINK", "sink"),
                        ("TYPE", "type"),
                        ("FAILURES", "failures"),
                        ("ATTEMPTS", "attempts"),
                        ("DIED AT", "settled_at"),
                        ("LAST ANSWER", "last_attempt.answer"),
                    ],
                )
            })
        }
        DeadCommand::Replay(args) => {
            print(ask(config, Ask::ReplayDead(args.query())).await, output, |value| {
                out::line(&if args.dry_run {
                    format!("{} would be due again", count(value, "would_replay"))
                } else {
                    let when =
                        if is_running(value) { "now" } else { "by the next `run` or `once`" };
                    format!("{} due again, tried {when}", count(value, "replayed"))
                })
            })
        }
        DeadCommand::Purge { which, yes } if *yes || which.dry_run => {
            print(ask(config, Ask::PurgeDead(which.query())).await, output, |value| {
                out::line(&if which.dry_run {
                    format!("{} would end; nobody would be told", count(value, "would_purge"))
                } else {
                    format!("{} ended; nobody is told", count(value, "purged"))
                })
            })
        }
        DeadCommand::Purge { .. } => {
            let unsure = std::io::Error::other("this ends deliveries for good");
            out::fail(&unsure, Some("say --yes, or look first with --dry-run"), Exit::Usage)
        }
    }
}
