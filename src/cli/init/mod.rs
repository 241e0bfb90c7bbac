//! `taskbell init`: asks for one source and one sink, tries both, and writes a first config.
//!
//! What is asked follows from the kinds' own schemas, so a new kind needs no word here. Nothing is
//! written before both answered, or the operator wants it anyway. Secrets go into files of their
//! own that nobody else can read; on the way there they are in memory only.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{Output, findings::Findings, out, wait};
use crate::{
    admin::{Admin, TestKind, ask::Ask},
    app,
    config::{Config, ConfigError},
    exit::Exit,
    http::Chain,
    options, source,
    store::{self, Store},
    worker::Worker,
};

mod answers;
mod draft;
mod form;
mod place;
mod terminal;

use answers::{Answers, Given};
use draft::Draft;
use form::Form;
use place::Place;
use terminal::Terminal;

/// Said before the first question.
const INTRODUCTION: &str = "This asks for one source, a list to watch, and one sink, a place to \
    tell, and tries both.\nEnter takes what stands in [brackets]. Ctrl-C ends it; nothing is \
    written before the end.\n";

/// `init`.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Args {
    /// The region of the cloud, such as cn-north-4; short for `--set source.region=…`
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The project's id in that region; short for `--set source.project_id=…`
    #[arg(long, value_name = "ID")]
    project_id: Option<String>,
    /// The kind of the source; without questions `kps`
    #[arg(long, value_name = "KIND", value_parser = form::source_kinds())]
    source: Option<String>,
    /// How to log in to the cloud: the kind of the source's `auth`
    #[arg(long, value_name = "KIND")]
    auth: Option<String>,
    /// The kind of the sink; `taskbell sink kinds` lists them
    #[arg(long, value_name = "KIND", value_parser = form::sink_kinds())]
    sink: Option<String>,
    /// Any other key, such as `sink.channel=C0123456789` or `source.name=prod`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Given::parse)]
    set: Vec<Given>,
    /// Where a secret is now: `sink.url=FILE`, `sink.url=-` for a line of standard input, or
    /// `sink.url=env:NAME` for a variable that `run` will have, too
    #[arg(long = "secret", value_name = "KEY=FILE", value_parser = Given::parse)]
    secrets: Vec<Given>,
    /// Ask nothing; what is missing is an error
    #[arg(long)]
    non_interactive: bool,
    /// Do not try the source and the sink
    #[arg(long)]
    no_test: bool,
    /// Send a message that is marked as a test to the sink
    #[arg(long, conflicts_with = "no_test")]
    send_test: bool,
    /// For the systemd unit: secrets as credentials, and a drop-in that loads them
    #[arg(long)]
    systemd: bool,
    /// Where units and drop-ins are written
    #[arg(long, value_name = "FOLDER", default_value = "/etc/systemd/system")]
    unit_dir: PathBuf,
    /// Write over a config that exists
    #[arg(long)]
    force: bool,
}

/// Why there is no config now.
#[derive(Debug, Error)]
pub(super) enum InitError {
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    #[error("{key}: {problem}")]
    Key { key: String, problem: String },
    #[error("not given: {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("the input ended before {0} was answered")]
    Ended(String),
    #[error("cannot read the answer to {what}")]
    Input {
        what: String,
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the answers make no config")]
    Config(#[from] ConfigError),
    #[error("the store for the test cannot be opened")]
    Store(#[from] store::StoreError),
    #[error("the test did not pass, so nothing was written")]
    Failed(Exit),
    #[error("stopped; nothing was written")]
    Stopped,
}

impl InitError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing(_) | Self::Key { .. } => Exit::Usage,
            Self::Config(_) => Exit::ConfigInvalid,
            Self::Failed(exit) => *exit,
            _ => Exit::Failed,
        }
    }

    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Exists(_) => Some("name another file with --config, or say --force"),
            Self::Missing(_) => Some(
                "give each as --set KEY=VALUE, a secret as --secret KEY=FILE, or leave out \
                 --non-interactive to be asked",
            ),
            Self::Ended(_) => Some("give it as --set KEY=VALUE or --secret KEY=FILE"),
            Self::Failed(_) => Some("--no-test writes the config all the same"),
            _ => None,
        }
    }
}

/// Runs until the config is written, or Ctrl-C.
pub(super) async fn run(config: Option<&Path>, args: Args, output: Output) -> Exit {
    let made = tokio::select! {
        made = Box::pin(make(config, &args, output)) => made,
        _ = tokio::signal::ctrl_c() => Err(InitError::Stopped),
    };
    match made {
        Ok(()) => Exit::Done,
        Err(error) => out::fail(&error, error.help(), error.exit()),
    }
}

async fn make(config: Option<&Path>, args: &Args, output: Output) -> Result<(), InitError> {
    let mut terminal = Terminal::new(!args.non_interactive);
    let mut answers = Answers::default();
    answers.take(args)?;
    answers.take_secrets(args, &mut terminal).await?;
    let systemd = args.systemd
        || (place::can_be_service(config) && terminal.yes("Run it as a systemd service?").await?);
    let place = Place::new(config, systemd, &args.unit_dir);
    if place.config.exists() && !args.force {
        return Err(InitError::Exists(place.config));
    }
    let draft = loop {
        let draft = fill(&mut answers, args, &mut terminal).await?;
        match settle(&draft, &place, args, &mut terminal, output).await? {
            Next::Write => break draft,
            Next::Again => answers.forget(args)?,
        }
    };
    place.write(&draft)?;
    out::note(&place.told(&draft));
    Ok(())
}

/// What follows a test.
enum Next {
    Write,
    Again,
}

/// Asks for what is not answered yet.
async fn fill(
    answers: &mut Answers,
    args: &Args,
    terminal: &mut Terminal,
) -> Result<Draft, InitError> {
    let mut missing = Vec::new();
    let sources = form::source_kinds();
    out::note_if(terminal.asks(), INTRODUCTION);
    let kind = match (&args.source, sources.as_slice()) {
        (Some(kind), _) => kind.clone(),
        (None, [first, ..]) if !terminal.asks() => (*first).to_owned(),
        (None, known) => {
            for kind in source::KINDS {
                out::note(&format!("  {}: {}", kind.name, kind.summary));
            }
            terminal.choose("source", known, answers.kind("source")).await?
        }
    };
    let source = Form::source(&kind);
    answers.set_kind("source", &kind);
    answers.check(&source)?;
    out::note_if(terminal.asks(), &format!("\n[source] {}", source.summary));
    missing.extend(answers.ask(&source, args.auth.as_deref(), terminal).await?);
    let kind = match &args.sink {
        Some(kind) => kind.clone(),
        None if !terminal.asks() => {
            missing.push("sink.kind (--sink KIND)".to_owned());
            return Err(InitError::Missing(missing));
        }
        None => terminal.choose("sink", &form::sink_kinds(), answers.kind("sink")).await?,
    };
    let sink = Form::sink(&kind);
    answers.set_kind("sink", &kind);
    answers.check(&sink)?;
    out::note_if(terminal.asks(), &format!("\n[sink] {}", sink.summary));
    missing.extend(answers.ask(&sink, None, terminal).await?);
    if !missing.is_empty() {
        return Err(InitError::Missing(missing));
    }
    Ok(Draft::new(answers, &source, &sink))
}

/// Tries the draft, and asks what to do if that fails.
async fn settle(
    draft: &Draft,
    place: &Place,
    args: &Args,
    terminal: &mut Terminal,
    output: Output,
) -> Result<Next, InitError> {
    let worker = match build(draft, place).await {
        Err(InitError::Config(error)) if terminal.asks() => {
            out::note(&format!("error: {}", Chain(&error)));
            let again = terminal.yes("Answer again?").await?;
            return if again { Ok(Next::Again) } else { Err(InitError::Config(error)) };
        }
        built => built?,
    };
    if args.no_test {
        return Ok(Next::Write);
    }
    loop {
        let exit = test(&worker, args, terminal, output).await?;
        if exit == Exit::Done {
            return Ok(Next::Write);
        }
        if !terminal.asks() {
            return Err(InitError::Failed(exit));
        }
        out::note(
            "  again: try both again · change: answer anew · write: write it as it is · quit: \
             write nothing",
        );
        match terminal.choose("next", &["again", "change", "write", "quit"], None).await?.as_str() {
            "again" => {}
            "change" => return Ok(Next::Again),
            "write" => return Ok(Next::Write),
            _ => return Err(InitError::Failed(exit)),
        }
    }
}

/// The worker that the config would make, on a store in memory.
async fn build(draft: &Draft, place: &Place) -> Result<Worker, InitError> {
    let config = Config::parse(&draft.for_test(place), &place.config)?;
    let store: Arc<dyn Store> = Arc::new(store::open_memory().await?);
    Ok(app::worker(&config, store, &app::by_hand())?)
}

/// Reads the list once and opens the sink; a message goes out only if that is wanted.
async fn test(
    worker: &Worker,
    args: &Args,
    terminal: &mut Terminal,
    output: Output,
) -> Result<Exit, InitError> {
    out::note_if(terminal.asks(), "\nTrying both; this sends nothing.");
    let mut findings = Findings::new();
    wait::showing("asking", findings.go_online(worker)).await;
    let exit = findings.print(output, None);
    let send = args.send_test
        || (exit == Exit::Done && terminal.yes("Send a message that is marked as a test?").await?);
    let Some(lane) = worker.lanes.first().filter(|_| send && exit == Exit::Done) else {
        return Ok(exit);
    };
    let admin = Admin::of(worker.clone());
    let name = lane.name.to_string();
    let answer = admin.answer(Ask::TestSink(name.clone(), TestKind::Test)).await;
    Ok(super::look::tested(&name, answer.map_err(Into::into), output))
}

/// Whether an environment variable holds anything.
fn is_set(name: &str) -> bool {
    options::env(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
