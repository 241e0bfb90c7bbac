//! The `taskbell` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    taskbell::cli::complete_if_asked();
    taskbell::cli::main(taskbell::cli::Cli::parse()).into()
}
