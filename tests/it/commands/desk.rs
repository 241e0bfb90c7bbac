//! Where the operator sits: a store in which something happened, and a daemon or none.

use std::{
    fs,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use taskbell::receiver::HttpAnswer;

use crate::stage::Stage;

pub(crate) struct Desk {
    pub(crate) stage: Stage,
    /// The task that chat and mail were told of.
    pub(crate) told: String,
    /// The task that only mail was told of; its delivery to chat is dead.
    pub(crate) untold: String,
    daemon: Option<Child>,
}

impl Desk {
    /// Chat would take everything by now.
    pub(crate) async fn new(running: bool) -> Self {
        let stage = Stage::new("wait = \"0s\", max_items = 1").await;
        let text = fs::read_to_string(stage.config()).unwrap();
        fs::write(stage.config(), text.replace("[delivery]", "[delivery]\nmax_age = \"1s\""))
            .unwrap();
        stage.run(&["once"]).await;
        let told = stage.fail("web-1");
        stage.run(&["once"]).await;
        let untold = stage.fail("db-1");
        stage.chat.set_answer(HttpAnswer::status(500));
        let mut desk = Self { stage, told, untold, daemon: None };
        while desk.json(&["dead", "list"]).await.as_array().unwrap().is_empty() {
            desk.stage.run(&["once"]).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        desk.stage.chat.set_answer(HttpAnswer::status(204));
        if running {
            let mut command = desk.stage.command(&["run"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            desk.daemon = Some(command.spawn().unwrap());
            let socket = desk.stage.store().join("control.sock");
            desk.stage.see("the control socket", |_| socket.exists()).await;
        }
        desk
    }

    pub(crate) fn running(&self) -> bool {
        self.daemon.is_some()
    }

    /// The answer of a command that must succeed without a word beside it.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let output = self.stage.run(args).await;
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same for programs.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let args = [&["-o", "json"], args].concat();
        serde_json::from_str(&self.ok(&args).await).unwrap()
    }

    /// What a command says that must fail, without an answer.
    pub(crate) async fn refused(&self, exit: i32, args: &[&str]) -> String {
        let output = self.stage.run(args).await;
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Has done what is due, or waits until the daemon did it.
    pub(crate) async fn work(&self, what: &str, done: impl Fn(&Stage) -> bool) {
        if !self.running() {
            self.stage.run(&["once"]).await;
        }
        self.stage.see(what, done).await;
    }

    /// The number of the dead delivery.
    pub(crate) async fn dead(&self) -> String {
        let dead = self.json(&["dead", "list"]).await;
        assert_eq!(dead.as_array().unwrap().len(), 1);
        dead[0]["id"].to_string()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // Both fail only if it has ended by itself.
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}
