//! The nouns: what is on record, asked of the daemon or of the store.

use serde_json::{Value, json};

use super::{
    Output, complete,
    list::{Page, list},
    out, table, wait,
};
use crate::{
    admin::{
        ListQuery, TestKind,
        ask::Ask,
        client::{Client, ClientError},
        operate::NewAck,
    },
    config::Config,
    delivery::DeliveryState,
    exit::Exit,
    options, sink,
};

/// `sink …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum SinkCommand {
    /// List each sink with what is owed to it
    List,
    /// List the kinds of sinks that there are
    Kinds,
    /// Send a test; if it is taken, let what was kept back go
    Probe {
        /// The sink's name
        #[arg(add = complete::sinks())]
        name: String,
        /// Also make the sink's dead deliveries due again
        #[arg(long)]
        resend: bool,
    },
    /// Send one message that is marked as a test
    Test {
        /// The sink's name
        #[arg(add = complete::sinks())]
        name: String,
        /// What the message looks like
        #[arg(long, value_enum, default_value_t)]
        kind: TestKind,
    },
}

/// `failure …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum FailureCommand {
    /// List failures in the order of recording
    List(FailureListArgs),
    /// Show one failure with its deliveries
    Show {
        /// Its number, or the cloud's task id
        #[arg(add = complete::failures())]
        id: String,
    },
    /// Look after a failure: no more reminders of it
    Ack {
        /// Its number, or the cloud's task id
        #[arg(add = complete::failures())]
        id: String,
        /// Who looks after it [default: you]
        #[arg(long, value_name = "WHO")]
        by: Option<String>,
        /// What is being done
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
    },
    /// Take an acknowledgement back
    Unack {
        /// Its number, or the cloud's task id
        #[arg(add = complete::failures())]
        id: String,
    },
    /// Explain what happened to a failure, and whether you were told
    Explain {
        /// Its number, or the cloud's task id
        #[arg(add = complete::failures())]
        id: String,
    },
}

/// `delivery …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DeliveryCommand {
    /// List deliveries in the order of opening
    List(DeliveryListArgs),
    /// Show one delivery
    Show {
        /// Its number
        #[arg(add = complete::deliveries())]
        id: u64,
    },
    /// End deliveries without telling anybody
    Cancel {
        /// Their numbers
        #[arg(required = true, value_name = "ID", add = complete::deliveries())]
        ids: Vec<u64>,
    },
    /// Make pending, held or dead deliveries due now
    Retry {
        /// Their numbers
        #[arg(required = true, value_name = "ID", add = complete::deliveries())]
        ids: Vec<u64>,
    },
}

/// `failure list`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct FailureListArgs {
    /// Only where all of these conditions hold, such as `server_name =~ "web-.*"`
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Only in this state
    #[arg(long, value_parser = ["open", "cleared"])]
    state: Option<String>,
    /// Only of this source
    #[arg(long, value_name = "NAME", add = complete::sources())]
    source: Option<String>,
    /// Only of this action
    #[arg(long, value_parser = ["reset", "replace", "unbind", "bind", "other"])]
    action: Option<String>,
    /// Only with this in the server's name or id
    #[arg(long, value_name = "TEXT")]
    server: Option<String>,
    /// Only with this somewhere in their texts
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those that this delivery speaks for
    #[arg(long, value_name = "ID", add = complete::deliveries())]
    delivery: Option<u64>,
    #[command(flatten)]
    page: Page,
}

/// `delivery list`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeliveryListArgs {
    /// Only in this state
    #[arg(long, value_parser = DeliveryState::NAMES)]
    state: Option<String>,
    /// Only to this sink
    #[arg(long, value_name = "NAME", add = complete::sinks())]
    sink: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// Prints an answer: as it is, or as `table` makes it.
pub(super) fn print(
    answer: Result<Value, ClientError>,
    output: Output,
    table: impl FnOnce(&Value) -> Exit,
) -> Exit {
    match (answer, output) {
        (Ok(value), Output::Json) => out::json(&value),
        (Ok(value), Output::Table) => table(&value),
        (Err(error), _) => out::fail(&error, error.help(), Exit::from(&error)),
    }
}

/// Whoever answers. A record that is made now holds nothing, which surprises whoever is in another
/// folder than the daemon, so it is said.
async fn open(config: &Config) -> Result<Client, ClientError> {
    let path = &config.store.path;
    let new = !path.exists();
    let client = Client::open(config, "an admin command").await?;
    if new {
        let wanders = if path.is_absolute() { "" } else { " (`store.path` counts from here)" };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        out::note(&format!(
            "note: no daemon runs on {}{wanders}, and nothing was there: an empty record was made",
            path.display()
        ));
    }
    Ok(client)
}

/// Asks the daemon, or the store.
pub(super) async fn ask(config: &Config, ask: Ask) -> Result<Value, ClientError> {
    open(config).await?.ask(ask).await
}

/// The same for what takes long: a terminal sees how far it is.
pub(super) async fn ask_long(config: &Config, what: &str, ask: Ask) -> Result<Value, ClientError> {
    let client = wait::showing("opening the store", open(config)).await?;
    wait::following(what, || client.progress(), client.ask(ask)).await
}

/// Who we are, for what is recorded with a name.
pub(super) fn user() -> String {
    options::env("SUDO_USER").or_else(|| options::env("USER")).unwrap_or_else(|| "root".to_owned())
}

/// A field of a row as a cell. A path is dotted.
pub(super) fn cell(row: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(row, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => {
            if let Some(numbers) = items.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>() {
                return table::ranges(&numbers).join(", ");
            }
            let item = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            items.iter().map(item).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// Whether a daemon answered, which does at once what is due.
pub(super) fn is_running(value: &Value) -> bool {
    value.get("running") == Some(&Value::Bool(true))
}

/// Prints one thing, a field a line. Of lists of other things, their numbers.
pub(super) fn show(value: &Value) -> Exit {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (key, field) in value.as_object().into_iter().flatten() {
        match field {
            Value::Object(within) => rows.extend(within.keys().map(|inner| {
                let path = format!("{key}.{inner}");
                let shown = cell(value, &path);
                vec![path, shown]
            })),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let ids: Value = items.iter().filter_map(|item| item.get("id").cloned()).collect();
                if ids.as_array().is_some_and(|ids| !ids.is_empty()) {
                    rows.push(vec![key.clone(), cell(&json!({ "ids": ids }), "ids")]);
                }
            }
            _ => rows.push(vec![key.clone(), cell(value, key)]),
        }
    }
    out::fields(&rows)
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
            let answer = ask(config, Ask::Sinks).await;
            print(answer, output, |value| {
                list(
                    value,
                    &[
                        ("NAME", "name"),
                        ("GATE", "gate"),
                        ("PENDING", "pending"),
                        ("HELD", "held"),
                        ("DEAD", "dead"),
                        ("OLDEST PENDING", "oldest_pending_at"),
                        ("STORM SINCE", "storm_since"),
                        ("LAST ERROR", "last_error"),
                    ],
                )
            })
        }
        SinkCommand::Test { name, kind } => {
            tested(name, ask(config, Ask::TestSink(name.clone(), *kind)).await, output)
        }
        SinkCommand::Probe { name, resend } => {
            tested(name, ask(config, Ask::ProbeSink(name.clone(), *resend)).await, output)
        }
    }
}

/// Prints what a sink said to a test.
pub(super) fn tested(name: &str, answer: Result<Value, ClientError>, output: Output) -> Exit {
    let taken = |value: &Value| value.get("accepted") == Some(&Value::Bool(true));
    let held = answer.as_ref().is_ok_and(taken);
    let printed = print(answer, output, |value| {
        let (answer, ms) = (cell(value, "answer"), cell(value, "latency_ms"));
        let resent = value.get("resent").and_then(Value::as_array).map_or(0, Vec::len);
        let again = match resent {
            0 => String::new(),
            _ => format!("; {} due again", out::count(resent, "dead is", "dead are")),
        };
        out::line(&format!("{name}: {answer} ({ms} ms){again}"))
    });
    if held { printed } else { printed.max(Exit::Failed) }
}

pub(super) async fn failure(config: &Config, command: &FailureCommand, output: Output) -> Exit {
    match command {
        FailureCommand::List(args) => {
            let FailureListArgs { matchers, state, source, action, server, text, delivery, page } =
                args.clone();
            let conditions = (!matchers.is_empty()).then(|| matchers.join("\n"));
            let query = ListQuery {
                source,
                state,
                action,
                server,
                text,
                conditions,
                delivery,
                ..page.query()
            };
            let answer = ask(config, Ask::Failures(query)).await;
            print(answer, output, |value| {
                page.list(
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
        FailureCommand::Ack { id, by, comment } => {
            let by = by.clone().unwrap_or_else(user);
            let ack = NewAck { by: by.clone(), comment: comment.clone() };
            let answer = ask(config, Ask::Acknowledge(id.clone(), Some(ack))).await;
            print(answer, output, |value| {
                out::line(&format!("failure {} is looked after by {by}", cell(value, "id")))
            })
        }
        FailureCommand::Unack { id } => {
            let answer = ask(config, Ask::Acknowledge(id.clone(), None)).await;
            print(answer, output, |value| {
                out::line(&format!("failure {} is no longer acknowledged", cell(value, "id")))
            })
        }
        FailureCommand::Show { id } => {
            let answer = ask(config, Ask::Failure(id.clone())).await;
            print(answer, output, show)
        }
        FailureCommand::Explain { id } => {
            let answer = ask(config, Ask::Failure(id.clone())).await;
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
            let DeliveryListArgs { state, sink, page } = args.clone();
            let query = ListQuery { sink, state, ..page.query() };
            let answer = ask(config, Ask::Deliveries(query)).await;
            print(answer, output, |value| {
                page.list(
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
            let answer = ask(config, Ask::Delivery(*id)).await;
            print(answer, output, show)
        }
        DeliveryCommand::Retry { ids } => {
            let mut exit = Exit::Done;
            for id in ids {
                exit = exit.max(print(ask(config, Ask::Retry(*id)).await, output, |value| {
                    let when =
                        if is_running(value) { "now" } else { "by the next `run` or `once`" };
                    out::line(&format!("delivery {id} is due; it is tried {when}"))
                }));
            }
            exit
        }
        DeliveryCommand::Cancel { ids } => {
            let mut exit = Exit::Done;
            for id in ids {
                exit = exit.max(print(ask(config, Ask::Cancel(*id)).await, output, |_| {
                    out::line(&format!("delivery {id} is cancelled; nobody is told"))
                }));
            }
            exit
        }
    }
}
