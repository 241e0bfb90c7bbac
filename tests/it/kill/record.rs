//! Kills while the record as a whole is copied, written anew, repaired or moved.

use std::{
    fs,
    process::{ExitStatus, Output},
};

use super::scene::{Kill, Scene, Story};
use crate::store_health::{beside, wreck};

impl Scene {
    /// What failed is on record, told by mail and owed to the chat. Then the record is at work as a
    /// whole, until that kills the process.
    pub(super) async fn record_killed(&self, kill: Kill, story: Story) -> ExitStatus {
        let owed = self.stage.run(&["once"]).await;
        assert_eq!(owed.status.code(), Some(75), "{owed:?}");
        let archive = self.stage.store().with_file_name("archive");
        // Of the last round.
        drop(fs::remove_file(&archive));
        let archive = archive.to_str().unwrap();
        let export = ["state", "export", archive];
        match story {
            Story::Copy => self.killed(kill, &export).await.status,
            Story::Compact => self.killed(kill, &["state", "compact"]).await.status,
            Story::Repair => {
                self.done(&export).await;
                wreck(&self.stage);
                self.killed(kill, &["once"]).await.status
            }
            _ => {
                self.done(&export).await;
                fs::remove_dir_all(self.stage.store()).unwrap();
                for ending in [".marker", ".checkpoint"] {
                    fs::remove_file(beside(&self.stage, ending)).unwrap();
                }
                let import = ["state", "import", archive];
                let status = self.killed(kill, &import).await.status;
                // Whoever sees a command killed gives it again.
                let again = self.stage.run(&import).await;
                let text = String::from_utf8_lossy(&again.stderr);
                let whole = again.status.success() || text.contains("is not empty");
                assert!(whole, "{again:?}");
                status
            }
        }
    }

    async fn done(&self, args: &[&str]) {
        let output = self.stage.run(args).await;
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    async fn killed(&self, kill: Kill, args: &[&str]) -> Output {
        let mut command = self.stage.command(args);
        if let Kill::At(name) = kill {
            command.env("TASKBELL_FAILPOINT", format!("{name}:1"));
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}
