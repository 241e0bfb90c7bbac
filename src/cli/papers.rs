//! Completions and man pages, made from the commands themselves, and the version.

use std::{io, path::PathBuf};

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use serde_json::json;

use super::{Cli, Output, out};
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

/// A shell whose completions ask `taskbell` itself.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// The environment variable by which the shell asks.
pub(super) const VARIABLE: &str = "TASKBELL_COMPLETE";

/// Where zsh finds the script by its `fpath`, it runs it at the first completion of a session, and
/// expects it to answer that one as well.
const FIRST_IN_ZSH: &str = "
if [[ \"${funcstack[1]}\" = _taskbell ]]; then
    _clap_dynamic_completer_taskbell \"$@\"
fi
";

/// Answers a shell that completes a command, and ends the process; does nothing otherwise.
pub(super) fn complete_if_asked() {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    let mut text = Vec::new();
    // Found by the PATH, so that a script that is installed outlives a binary that moves.
    match shell.write_registration(VARIABLE, "taskbell", "taskbell", "taskbell", &mut text) {
        Ok(()) => {
            let more = if matches!(args.shell, Shell::Zsh) { FIRST_IN_ZSH } else { "" };
            out::text_as_is(&format!("{}{more}", String::from_utf8_lossy(&text)))
        }
        Err(error) => out::fail(&error, None, Exit::Failed),
    }
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let made = std::fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    match made {
        Ok(()) => Exit::Done,
        Err(error) => {
            let place = args.folder.display();
            let error = io::Error::new(error.kind(), format!("cannot write {place}: {error}"));
            out::fail(&error, Some("name a folder that you may write to"), Exit::Failed)
        }
    }
}

pub(super) fn version(output: Output) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    match output {
        Output::Json => out::json(&json!({ "version": version })),
        Output::Table => out::line(&format!("taskbell {version}")),
    }
}
