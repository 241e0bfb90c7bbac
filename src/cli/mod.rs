//! The command line: what can be asked for, and how the answer is printed.
//!
//! Standard output is data, standard error is logs and errors.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use tracing::Level;

use crate::{
    config::Config,
    exit::Exit,
    telemetry::{self, Color, LogFormat, Logging},
};

mod check;
mod demo;
mod doctor;
mod findings;
mod harden;
mod hush;
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
mod template;
mod verify;

/// Tells people about failed cloud tasks, and keeps trying until they were told.
#[derive(Debug, Parser)]
#[command(name = "taskbell", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
struct Global {
    /// The config file [default: $`TASKBELL_CONFIG`, ./config.toml, /etc/taskbell/config.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
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
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole thing on loopback: no config, no network, no secrets
    Demo(demo::Args),
    /// Poll, tell, and go on until stopped
    Run,
    /// Poll every source once, tell, and end: for cron and timers
    Once(once::Args),
    /// Poll now and print what would be told to whom; write and send nothing
    Plan(plan::PlanArgs),
    /// Check the config
    Check(check::Args),
    /// Look at everything that has to be right: host, store, sources, sinks
    Doctor,
    /// Run a simulated cloud
    Simulate(simulate::Args),
    /// The lists that are watched
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// What stood when each source was first seen
    #[command(subcommand)]
    Baseline(source::BaselineCommand),
    /// The places that are told
    #[command(subcommand)]
    Sink(look::SinkCommand),
    /// Which failures go where
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// The failures on record
    #[command(subcommand)]
    Failure(look::FailureCommand),
    /// The deliveries on record
    #[command(subcommand)]
    Delivery(look::DeliveryCommand),
    /// The words of your own
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Deliveries that were given up
    #[command(subcommand)]
    Dead(hush::DeadCommand),
    /// What nobody wants to hear for a while
    #[command(subcommand)]
    Silence(hush::SilenceCommand),
    /// The record itself
    #[command(subcommand)]
    State(state::StateCommand),
    /// Other configs
    #[command(subcommand)]
    Config(plan::ConfigCommand),
    /// Check a signed webhook: headers and body on standard input
    Verify(verify::Args),
    /// Print the completions for a shell
    Completions(papers::CompletionsArgs),
    /// Write the man pages into a folder
    Man(papers::ManArgs),
    /// Print the JSON Schema of the config
    Schema,
    /// Print the version
    Version,
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
        Command::Verify(args) => verify::run(&args, global.output),
        Command::Template(command) => template::run(&command),
        Command::Completions(args) => papers::completions(&args),
        Command::Man(args) => papers::man(&args),
        Command::Schema => out::json(&crate::config::schema()),
        Command::Version => out::line(concat!("taskbell ", env!("CARGO_PKG_VERSION"))),
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
                Err(error) => out::fail(&error, None, Exit::ConfigInvalid),
            }
        }
    }
}

async fn with_config(global: &Global, config: &Config, command: Command) -> Exit {
    let output = global.output;
    match command {
        Command::Run => run::run(config, global.config.as_deref()).await,
        Command::Once(args) => once::run(config, &args).await,
        Command::Check(args) => check::run(config, &args, output).await,
        Command::Plan(args) => plan::plan(config, &args, output).await,
        Command::Dead(command) => hush::dead(config, &command, output).await,
        Command::Silence(command) => hush::silence(config, &command, output).await,
        Command::State(command) => state::state(config, &command, output).await,
        Command::Config(command) => plan::config(config, &command, output).await,
        Command::Source(command) => source::source(config, &command, output).await,
        Command::Baseline(command) => source::baseline(config, &command, output).await,
        Command::Sink(command) => look::sink(config, &command, output).await,
        Command::Route(command) => route::run(config, &command, output),
        Command::Failure(command) => look::failure(config, &command, output).await,
        Command::Delivery(command) => look::delivery(config, &command, output).await,
        // The others do without a config.
        _ => Exit::Done,
    }
}
