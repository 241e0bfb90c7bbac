//! The store as a whole: what it holds, whether it is whole, and its way from host to host.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueHint;
use serde_json::{Value, json};

use super::{
    Output,
    list::list,
    look::{ask, ask_long, cell, print, show},
    out, wait,
};
use crate::{
    admin::{ask::Ask, client::ClientError},
    app,
    config::Config,
    exit::Exit,
    progress::Meter,
    store::{self, StoreError},
};

/// `state …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum StateCommand {
    /// Show where the store is, what it takes, and its newest copy
    Info,
    /// Read every record, and add up what came of all failures; exit 1 if something is wrong
    Verify,
    /// Copy the store to one file
    Export {
        /// A file that is not there yet
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Fill an empty store from such a file; no daemon may run
    Import {
        /// What `state export` wrote
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Write the store's files anew, without what is no longer needed
    Compact,
}

pub(super) async fn state(config: &Config, command: &StateCommand, output: Output) -> Exit {
    match command {
        StateCommand::Info => print(ask(config, Ask::StateInfo).await, output, show),
        StateCommand::Verify => verify(config, output).await,
        StateCommand::Export { file } => export(config, file, output).await,
        StateCommand::Import { file } => import(config, file, output).await,
        StateCommand::Compact => {
            print(ask_long(config, "compacting", Ask::Compact).await, output, |value| {
                let bytes = |key| bytes(value.get(key));
                out::line(&format!("from {} to {}", bytes("before_bytes"), bytes("after_bytes")))
            })
        }
    }
}

async fn verify(config: &Config, output: Output) -> Exit {
    let asked = async {
        let records = ask_long(config, "reading", Ask::Inspect).await?;
        let sinks = ask(config, Ask::Account).await?;
        Ok::<_, ClientError>(json!({ "records": records, "sinks": sinks }))
    };
    let answer = asked.await;
    let sound = answer.as_ref().is_ok_and(|value| {
        let lost = |row: &Value| row.get("lost").and_then(Value::as_i64) != Some(0);
        let rows = value.get("sinks").and_then(Value::as_array).into_iter().flatten();
        problems(value).is_empty() && !rows.into_iter().any(lost)
    });
    let failed = answer.is_err();
    let printed = print(answer, output, |value| {
        let sinks = value.get("sinks").unwrap_or(&Value::Null);
        let shown = match sinks.as_array().map(Vec::as_slice) {
            // Nothing was told to anybody yet.
            Some([]) => Exit::Done,
            Some([one]) => show(one),
            _ => list(
                sinks,
                &[
                    ("SINK", "sink"),
                    ("ROUTED", "routed"),
                    ("TOLD", "told_singly"),
                    ("IN DIGESTS", "told_in_digest"),
                    ("SUPPRESSED", "suppressed"),
                    ("MERGED", "merged"),
                    ("WAITING", "waiting_for_company"),
                    ("PENDING", "pending"),
                    ("HELD", "held"),
                    ("DEAD", "dead"),
                    ("LOST", "lost"),
                ],
            ),
        };
        let entries = cell(value, "records.entries");
        let problems = problems(value);
        let said = match problems.as_slice() {
            [] => out::line(&format!("read {entries} entries of the store; nothing is wrong")),
            _ => out::line(&format!("wrong in the store:\n  {}", problems.join("\n  "))),
        };
        shown.max(said)
    });
    if sound || failed { printed } else { printed.max(Exit::Failed) }
}

fn problems(value: &Value) -> Vec<&str> {
    let problems = value.pointer("/records/problems").and_then(Value::as_array);
    problems.into_iter().flatten().filter_map(Value::as_str).collect()
}

async fn export(config: &Config, file: &Path, output: Output) -> Exit {
    if file.exists() {
        let there = format!("{} is there already", file.display());
        let there = io::Error::new(io::ErrorKind::AlreadyExists, there);
        return out::fail(&there, Some("name a file that is not there yet"), Exit::Usage);
    }
    let answer = match ask_long(config, "copying", Ask::Checkpoint).await {
        Ok(answer) => answer,
        Err(error) => return out::fail(&error, None, Exit::from(&error)),
    };
    let from = answer.get("path").and_then(Value::as_str).unwrap_or_default();
    if let Err(error) = copy(Path::new(from), file) {
        let error =
            io::Error::new(error.kind(), format!("cannot write {}: {error}", file.display()));
        return out::fail(&error, Some(&format!("the copy is in {from}")), Exit::Failed);
    }
    // What was read back is what was written, not what should have been.
    let meter = Arc::new(Meter::default());
    let checked = {
        let (file, meter) = (file.to_owned(), Arc::clone(&meter));
        tokio::task::spawn_blocking(move || store::check_archive(&file, &meter))
    };
    let checked = wait::following("checking the copy", async || meter.now(), checked).await;
    match checked.unwrap_or(Err(StoreError::Closed)) {
        Ok(archived) => {
            let mut value = answer;
            if let Some(value) = value.as_object_mut() {
                value.insert("path".to_owned(), json!(file));
            }
            print(Ok(value), output, |_| {
                let size = bytes(Some(&json!(archived.bytes)));
                let count = archived.entries;
                out::line(&format!("{}: {count} entries, {size}, checked", file.display()))
            })
        }
        Err(error) => out::fail(&error, None, Exit::from(&error)),
    }
}

/// Copies a file, readable by its owner alone, and has it on disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = fs::File::open(from)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut from, &mut file)?;
    file.sync_all()
}

async fn import(config: &Config, file: &Path, output: Output) -> Exit {
    let meter = Arc::new(Meter::default());
    // A name that is mistyped says nothing about the store.
    if let Err(error) = fs::File::open(file) {
        let error =
            io::Error::new(error.kind(), format!("cannot open {}: {error}", file.display()));
        return out::fail(&error, Some("name what `taskbell state export` wrote"), Exit::Failed);
    }
    let importing = app::import_store(config, file, Arc::clone(&meter));
    match wait::following("importing", async || meter.now(), importing).await {
        Ok(archived) => {
            let value = json!({
                "entries": archived.entries,
                "bytes": archived.bytes,
                "made_at": archived.made_at,
            });
            print(Ok(value), output, |_| {
                let (count, made_at) = (archived.entries, archived.made_at);
                out::line(&format!(
                    "{count} entries of {made_at}; what was told since then may be told again, \
                     under the same ids"
                ))
            })
        }
        Err(error) => out::fail(&error, None, Exit::from(&error)),
    }
}

/// A number of bytes for people.
fn bytes(value: Option<&Value>) -> String {
    let bytes = value.and_then(Value::as_u64).unwrap_or_default();
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}
