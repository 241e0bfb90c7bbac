//! How a story is written.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::Deserialize;
use taskbell::{
    options::Period,
    sim::{Fault, SimTask},
};

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeline {
    pub(super) title: String,
    /// Each is a webhook receiver; `{name}` in the config is its address.
    #[serde(default = "chat")]
    pub(super) receivers: Vec<String>,
    /// What every clock of the story shows at its start. Left out: the time of the day.
    pub(super) starts_at: Option<Timestamp>,
    /// Tasks that are listed before the first poll.
    #[serde(default)]
    pub(super) standing: usize,
    /// Keys of the source beside those in [`super::world`].
    #[serde(default = "calm")]
    pub(super) source: String,
    /// Sinks and routes. The rest is in [`super::world`].
    pub(super) config: String,
    /// Until then nothing more may arrive than what is expected.
    pub(super) end: Period,
    #[serde(default, rename = "step")]
    pub(super) steps: Vec<Step>,
    #[serde(default, rename = "expect")]
    pub(super) expects: Vec<Expect>,
    /// Commands to be run when all that is expected has arrived.
    #[serde(default)]
    pub(super) finally: Vec<Run>,
}

/// How well it is seen depends on how busy this machine is, and most stories are not about that.
fn calm() -> String {
    "blind_after = 10000".to_owned()
}

fn chat() -> Vec<String> {
    vec!["chat".to_owned()]
}

/// Something that happens. Of one step, in this order.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// Not before then, counted from the first poll.
    pub(super) at: Option<Period>,
    /// And not before this has arrived.
    pub(super) until: Option<Until>,
    /// What receivers answer from now on: a status, `429 2s` with a `Retry-After`, `slow 1s`,
    /// `hang`, `reset`.
    pub(super) answer: BTreeMap<String, String>,
    /// Tasks with these ids fail.
    pub(super) fail: Vec<String>,
    /// So many tasks fail: `burst-1`, `burst-2`, …
    pub(super) burst: usize,
    /// What they all have in common.
    pub(super) task: SimTask,
    /// Tasks that are not listed any more.
    pub(super) clear: Vec<String>,
    /// Tasks that fail again.
    pub(super) refail: Vec<String>,
    /// Tasks that run, for an hour by now.
    pub(super) running: Vec<String>,
    /// Running tasks that end.
    pub(super) ended: Vec<String>,
    /// What goes wrong in the cloud from now on.
    pub(super) fault: Option<Fault>,
    /// Nothing goes wrong in the cloud any more.
    pub(super) calm: bool,
    /// SIGKILL.
    pub(super) kill: bool,
    /// The daemon is started.
    pub(super) start: bool,
    /// The config is changed to this, and SIGHUP.
    pub(super) reload: Option<String>,
    /// A command is run to its end.
    pub(super) run: Option<Run>,
}

/// What a step waits for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Until {
    pub(super) to: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Requests of that type, whatever they were answered.
    #[serde(default = "one")]
    pub(super) requests: usize,
}

fn one() -> usize {
    1
}

/// A command and its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) exit: i32,
    /// Texts that standard output or error must contain, and with a `!` before it must not.
    #[serde(default)]
    pub(super) says: Vec<String>,
    /// Whether it is run again and again until the answer is as it should be.
    #[serde(default)]
    pub(super) eventually: bool,
}

/// A notice that must arrive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) to: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// These tasks and no others, in any order.
    pub(super) tasks: Option<Vec<String>>,
    /// Of them, these have cleared.
    pub(super) cleared: Option<Vec<String>>,
    /// How many failures it speaks for.
    pub(super) total: Option<u64>,
    pub(super) reason: Option<String>,
    /// Accepted in this time, counted from the first poll.
    pub(super) between: [Period; 2],
    /// Requests it took, the accepted one included: at least so many.
    #[serde(default = "one")]
    pub(super) attempts: usize,
    /// Least time from its first request to the second.
    pub(super) first_gap: Option<Period>,
    /// So many notices like this: at least, and at most.
    #[serde(default = "once")]
    pub(super) count: [usize; 2],
    /// Whether it may come before what is expected before it at the same receiver.
    #[serde(default)]
    pub(super) any_order: bool,
}

fn once() -> [usize; 2] {
    [1, 1]
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, kind, between: [from, until], .. } = self;
        write!(f, "{to} <- {kind}")?;
        if let Some(tasks) = &self.tasks {
            write!(f, " {tasks:?}")?;
        }
        if let Some(cleared) = &self.cleared {
            write!(f, " cleared {cleared:?}")?;
        }
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, " between {from} and {until}")?;
        if self.count != once() {
            write!(f, ", {} to {} times", self.count[0], self.count[1])?;
        }
        Ok(())
    }
}
