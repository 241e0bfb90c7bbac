//! `taskbell demo`.

use crate::exit::Exit;

/// `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// End after the story
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(args: Args) -> Exit {
    drop(args);
    Exit::Failed
}
