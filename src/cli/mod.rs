//! The command line: what can be asked for, and how the answer is printed.
//!
//! Standard output is data, standard error is logs and errors.

use std::{io::ErrorKind, path::PathBuf};

use clap::{ArgAction, Parser, Subcommand, ValueEnum, ValueHint};
use tracing::Level;

use crate::{
    config::{Config, ConfigError},
    exit::Exit,
    telemetry::{self, Color, LogFormat, Logging},
};

mod check;
mod complete;
mod demo;
mod doctor;
mod findings;
mod harden;
mod hush;
mod init;
mod last_words;
mod list;
mod look;
mod once;
mod out;
mod papers;
mod plan;
mod route;
mod run;
pub mod simulate;
mod source;
mod state;
mod table;
mod template;
mod verify;
mod wait;

#[cfg(fuzzing)]
pub use verify::fuzz as fuzz_verify;

/// What `taskbell --help` ends with.
const AFTER_HELP: &str = "\
Begin with `taskbell demo`, which needs nothing, and `taskbell init`, which writes a config.

Exit codes: 0 done · 1 something else failed, or a check did not hold · 2 wrong usage · 10 new
failures were told (`once --detailed-exitcode`) · 69 a source unreachable or incomplete · 73 another
process holds the store · 74 the store unreadable or not durable · 75 deliveries pending · 77
credentials refused · 78 config invalid.

Environment: TASKBELL_CONFIG names the config file; TASKBELL_LOG=taskbell=debug,hyper=info chooses
what is logged; NO_COLOR takes the colours off; HTTPS_PROXY, HTTP_PROXY and NO_PROXY are obeyed.";

/// Tells people about failed cloud tasks, and keeps trying until they were told.
#[derive(Debug, Parser)]
#[command(name = "taskbell", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// The config file [default: `$TASKBELL_CONFIG`, ./config.toml, /etc/taskbell/config.toml]
    #[arg(short, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// How answers are printed
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Output,
    /// Log more; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Log less; twice for nothing
    #[arg(short, long, global = true, action = ArgAction::Count)]
    quiet: u8,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Whether log lines have colours
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Output {
    /// Tables and sentences, for people
    #[default]
    Table,
    /// JSON, for programs: names stay, new ones may come
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole way on loopback: no config, no network, no secrets
    Demo(demo::Args),
    /// Write a first config: asks for a source and a sink and tries both
    Init(init::Args),
    /// Poll and tell until stopped: the daemon
    Run,
    /// Poll every source once, tell, and end: for cron and timers
    Once(once::Args),
    /// Poll now and print what would be told to whom; write and send nothing
    Plan(plan::PlanArgs),
    /// Check the config; with --online, also each source and each sink
    Check(check::Args),
    /// Look at everything that has to be right: host, store, sources, sinks
    Doctor,
    /// Run a simulated cloud, for rehearsals
    Simulate(simulate::Args),
    /// See the lists that are watched
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// See or renew what stood when each source was first seen
    #[command(subcommand)]
    Baseline(source::BaselineCommand),
    /// See, test and revive the places that are told
    #[command(subcommand)]
    Sink(look::SinkCommand),
    /// See which failures go where
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// See, explain and acknowledge failures
    #[command(subcommand)]
    Failure(look::FailureCommand),
    /// See, retry and cancel deliveries
    #[command(subcommand)]
    Delivery(look::DeliveryCommand),
    /// Try templates of your own
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// See, replay and purge deliveries that were given up
    #[command(subcommand)]
    Dead(hush::DeadCommand),
    /// Hold for a while what nobody wants to hear
    #[command(subcommand)]
    Silence(hush::SilenceCommand),
    /// Check the record itself
    #[command(subcommand)]
    State(state::StateCommand),
    /// Compare with another config
    #[command(subcommand)]
    Config(plan::ConfigCommand),
    /// Check a signed webhook: headers and body on standard input
    Verify(verify::Args),
    /// Print the completions for a shell; they ask the running daemon for ids
    Completions(papers::CompletionsArgs),
    /// Write the man pages into a folder
    Man(papers::ManArgs),
    /// Print the JSON Schema of the config
    Schema,
    /// Print the version
    Version,
}

/// Answers a shell that completes a command line, and ends the process; does nothing if none asks.
/// To be called before the command line is read.
pub fn complete_if_asked() {
    papers::complete_if_asked();
}

/// Runs a command.
#[must_use]
pub fn main(cli: Cli) -> Exit {
    let Cli { global, command } = cli;
    let default = match command {
        Command::Run | Command::Simulate(_) => Level::INFO,
        _ => Level::WARN,
    };
    let logging = Logging {
        format: global.log_format,
        level: telemetry::level(default, global.verbose, global.quiet),
        color: global.color,
    };
    if let Err(error) = telemetry::init(logging) {
        return out::fail(&error, None, Exit::Failed);
    }
    // Two threads: one can wait for the network while the other signs and parses.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(async { Box::pin(dispatch(global, command)).await });
            // What still blocks (a name being resolved) does not hold up the end.
            runtime.shutdown_background();
            exit
        }
        Err(error) => out::fail(&error, None, Exit::Failed),
    }
}

async fn dispatch(global: Global, command: Command) -> Exit {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Simulate(args) => {
            let clock = std::sync::Arc::new(crate::clock::SystemClock);
            match simulate::run(args, clock).await {
                Ok(()) => Exit::Done,
                Err(error) => out::fail(&error, None, Exit::Failed),
            }
        }
        Command::Init(args) => {
            Box::pin(init::run(global.config.as_deref(), args, global.output)).await
        }
        Command::Verify(args) => verify::run(&args, global.output),
        Command::Template(command) => template::run(&command),
        Command::Completions(args) => papers::completions(&args),
        Command::Man(args) => papers::man(&args),
        Command::Schema => out::json(&crate::config::schema()),
        Command::Version => papers::version(global.output),
        Command::Sink(look::SinkCommand::Kinds) => look::kinds(global.output),
        Command::Doctor => {
            harden::harden();
            let config = Config::load(global.config.as_deref());
            Box::pin(doctor::run(config.as_ref(), global.output)).await
        }
        command => {
            harden::harden();
            match Config::load(global.config.as_deref()) {
                Ok(config) => with_config(&global, &config, command).await,
                Err(error) => out::fail(&error, help(&error), Exit::ConfigInvalid),
            }
        }
    }
}

/// What to do about a config that cannot be had.
fn help(error: &ConfigError) -> Option<&'static str> {
    const NOTHING: &str = "`taskbell init` writes one, `taskbell demo` needs none";
    match error {
        ConfigError::NotFound { .. } => Some(NOTHING),
        ConfigError::Unreadable { cause, .. } => match cause.kind() {
            ErrorKind::NotFound => Some(NOTHING),
            ErrorKind::PermissionDenied => Some(
                "ask as root; the service has a user of its own: `chmod a+r` the file, and keep \
                 secrets in files of theirs",
            ),
            _ => None,
        },
        ConfigError::Invalid(_) => None,
    }
}

async fn with_config(global: &Global, config: &Config, command: Command) -> Exit {
    let output = global.output;
    match command {
        Command::Run => run::run(config, global.config.as_deref()).await,
        Command::Once(args) => once::run(config, &args, output).await,
        Command::Check(args) => check::run(config, &args, output).await,
        Command::Plan(args) => plan::plan(config, &args, output).await,
        Command::Dead(command) => hush::dead(config, &command, output).await,
        Command::Silence(command) => hush::silence(config, &command, output).await,
        Command::State(command) => state::state(config, &command, output).await,
        Command::Config(command) => plan::config(config, &command, output).await,
        Command::Source(command) => source::source(config, &command, output).await,
        Command::Baseline(command) => source::baseline(config, &command, output).await,
        Command::Sink(command) => look::sink(config, &command, output).await,
        Command::Route(command) => route::run(config, &command, output).await,
        Command::Failure(command) => look::failure(config, &command, output).await,
        Command::Delivery(command) => look::delivery(config, &command, output).await,
        // The others do without a config.
        _ => Exit::Done,
    }
}
