//! Completions and man pages, made from the commands themselves.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, out};
use crate::exit::Exit;

/// `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder; made if need be
    folder: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "taskbell", &mut text);
    out::text_as_is(&String::from_utf8_lossy(&text))
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let made = std::fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    match made {
        Ok(()) => Exit::Done,
        Err(error) => out::fail(&error, None, Exit::Failed),
    }
}
