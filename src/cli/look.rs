//! The nouns: what is on record, asked of the daemon or of the store.

use serde_json::{Value, json};

use super::{Output, out};
use crate::{
    admin::{
        ListQuery, TestKind,
        client::{Client, ClientError},
    },
    config::Config,
    exit::Exit,
    sink,
};

/// `source …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum SourceCommand {
    /// Each source with its last poll, coverage and baseline
    List,
}

/// `sink …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum SinkCommand {
    /// Each sink with what is owed to it
    List,
    /// The kinds of sinks there are
    Kinds,
    /// Send one message that is marked as a test
    Test {
        /// The sink's name
        name: String,
        /// What the message looks like
        #[arg(long, value_enum, default_value_t)]
        kind: TestKind,
    },
}

/// `failure …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum FailureCommand {
    /// Failures in the order of recording
    List(ListArgs),
    /// One failure with its deliveries
    Show {
        /// Its number, or the cloud's task id
        id: String,
    },
    /// What happened to a failure, and whether you were told
    Explain {
        /// Its number, or the cloud's task id
        id: String,
    },
}

/// `delivery …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DeliveryCommand {
    /// Deliveries in the order of opening
    List(ListArgs),
    /// One delivery
    Show {
        /// Its number
        id: u64,
    },
    /// Make pending, held or dead deliveries due now
    Retry {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

/// What a list is narrowed to.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only in this state: open or cleared; pending, held, delivered or dead
    #[arg(long)]
    state: Option<String>,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only to this sink
    #[arg(long)]
    sink: Option<String>,
    /// Only failures that this delivery speaks for
    #[arg(long)]
    delivery: Option<u64>,
    /// Only after this number
    #[arg(long)]
    after: Option<u64>,
    /// At most so many, from 1 to 1000
    #[arg(long)]
    limit: Option<usize>,
}

impl ListArgs {
    fn query(&self) -> ListQuery {
        ListQuery {
            source: self.source.clone(),
            sink: self.sink.clone(),
            state: self.state.clone(),
            delivery: self.delivery,
            after: self.after,
            limit: self.limit,
        }
    }
}

/// Prints an answer: as it is, or as `table` makes it.
fn print(
    answer: Result<Value, ClientError>,
    output: Output,
    table: impl FnOnce(&Value) -> Exit,
) -> Exit {
    match (answer, output) {
        (Ok(value), Output::Json) => out::json(&value),
        (Ok(value), Output::Table) => table(&value),
        (Err(error), _) => out::fail(&error, None, Exit::from(&error)),
    }
}

async fn client(config: &Config) -> Result<Client, ClientError> {
    Client::open(config, "an admin command").await
}

/// A field of a row as a cell. A path is dotted.
fn cell(row: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(row, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// Prints a list with the given heads and fields.
fn list(value: &Value, columns: &[(&str, &str)]) -> Exit {
    let rows: Vec<Vec<String>> = value
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|(_, path)| cell(row, path)).collect())
        .collect();
    let head: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    out::table(&head, &rows)
}

/// Prints one thing, a field a line.
fn show(value: &Value) -> Exit {
    let rows: Vec<Vec<String>> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !matches!(value, Value::Array(items) if items.iter().any(Value::is_object)))
        .map(|(key, _)| vec![key.clone(), cell(value, key)])
        .collect();
    out::table(&["FIELD", "VALUE"], &rows)
}

pub(super) async fn source(config: &Config, command: &SourceCommand, output: Output) -> Exit {
    let SourceCommand::List = command;
    let answer = async { client(config).await?.sources().await }.await;
    print(answer, output, |value| {
        list(
            value,
            &[
                ("NAME", "name"),
                ("KIND", "kind"),
                ("OUTCOME", "outcome"),
                ("STANDING", "standing"),
                ("LAST COMPLETE POLL", "last_complete_at"),
                ("BASELINE", "baseline_at"),
                ("POLLS 24H", "coverage.polls_due"),
                ("COMPLETE", "coverage.polls_complete"),
            ],
        )
    })
}

/// `sink kinds`.
pub(super) fn kinds(output: Output) -> Exit {
    let rows: Value = sink::KINDS
        .iter()
        .map(|kind| json!({ "kind": kind.name, "summary": kind.summary }))
        .collect();
    print(Ok(rows), output, |value| list(value, &[("KIND", "kind"), ("WHAT", "summary")]))
}

pub(super) async fn sink(config: &Config, command: &SinkCommand, output: Output) -> Exit {
    match command {
        SinkCommand::Kinds => kinds(output),
        SinkCommand::List => {
            let answer = async { client(config).await?.sinks().await }.await;
            print(answer, output, |value| {
                list(
                    value,
                    &[
                        ("NAME", "name"),
                        ("CONFIGURED", "configured"),
                        ("PENDING", "pending"),
                        ("HELD", "held"),
                        ("DEAD", "dead"),
                        ("OLDEST PENDING", "oldest_pending_at"),
                    ],
                )
            })
        }
        SinkCommand::Test { name, kind } => {
            let answer = async { client(config).await?.test_sink(name, *kind).await }.await;
            let taken = |value: &Value| value.get("accepted") == Some(&Value::Bool(true));
            let held = answer.as_ref().is_ok_and(taken);
            let printed = print(answer, output, |value| {
                let (answer, ms) = (cell(value, "answer"), cell(value, "latency_ms"));
                out::line(&format!("{name}: {answer} ({ms} ms)"))
            });
            if held { printed } else { printed.max(Exit::Failed) }
        }
    }
}

pub(super) async fn failure(config: &Config, command: &FailureCommand, output: Output) -> Exit {
    match command {
        FailureCommand::List(args) => {
            let answer = async { client(config).await?.failures(&args.query()).await }.await;
            print(answer, output, |value| {
                list(
                    value,
                    &[
                        ("ID", "id"),
                        ("STATE", "state"),
                        ("SOURCE", "source"),
                        ("ACTION", "action"),
                        ("SERVER", "server.name"),
                        ("ERROR", "error_code"),
                        ("FAILED AT", "failed_at"),
                        ("TASK", "task_id"),
                    ],
                )
            })
        }
        FailureCommand::Show { id } => {
            let answer = async { client(config).await?.failure(id).await }.await;
            print(answer, output, show)
        }
        FailureCommand::Explain { id } => {
            let answer = async { client(config).await?.failure(id).await }.await;
            print(answer, output, |value| {
                let steps = value.get("steps").and_then(Value::as_array).into_iter().flatten();
                let steps = steps.map(|step| {
                    let at = step.get("at").and_then(Value::as_str).unwrap_or("now");
                    format!("  {at:<24}  {}\n", cell(step, "what"))
                });
                let conclusion = cell(value, "conclusion");
                out::text_as_is(&format!("{}{conclusion}\n", steps.collect::<String>()))
            })
        }
    }
}

pub(super) async fn delivery(config: &Config, command: &DeliveryCommand, output: Output) -> Exit {
    match command {
        DeliveryCommand::List(args) => {
            let answer = async { client(config).await?.deliveries(&args.query()).await }.await;
            print(answer, output, |value| {
                list(
                    value,
                    &[
                        ("ID", "id"),
                        ("STATE", "state"),
                        ("SINK", "sink"),
                        ("TYPE", "type"),
                        ("FAILURES", "failures"),
                        ("ATTEMPTS", "attempts"),
                        ("NEXT TRY", "due_at"),
                        ("LAST ANSWER", "last_attempt.answer"),
                    ],
                )
            })
        }
        DeliveryCommand::Show { id } => {
            let answer = async { client(config).await?.delivery(*id).await }.await;
            print(answer, output, show)
        }
        DeliveryCommand::Retry { ids } => {
            let client = match client(config).await {
                Ok(client) => client,
                Err(error) => return out::fail(&error, None, Exit::from(&error)),
            };
            let mut exit = Exit::Done;
            for id in ids {
                exit = exit.max(print(client.retry(*id).await, output, |value| {
                    let running = value.get("running") == Some(&Value::Bool(true));
                    let when = if running { "now" } else { "at the next `run` or `once`" };
                    out::line(&format!("delivery {id} is due; it is tried {when}"))
                }));
            }
            exit
        }
    }
}

/// `plan`.
pub(super) async fn plan(config: &Config, output: Output) -> Exit {
    let answer = async { client(config).await?.plan().await }.await;
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
        lines.push(format!(
            "{} to {} by route {} at {} ({})",
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
    lines.join("\n") + "\n"
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
