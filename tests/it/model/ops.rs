//! What can happen, as a line of words.

use std::{fmt, str::FromStr};

use proptest::prelude::*;

/// One thing that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// A poll lists these of the eight tasks; a partial one may have missed some.
    Poll { listed: u8, complete: bool },
    /// Somebody looks whether the source is seen.
    Watch,
    /// These of the eight tasks run, as a list says that may have been cut.
    Running { listed: u8, complete: bool },
    /// The listed tasks of the next poll failed again, later.
    Refail { which: u8 },
    /// Time passes, or the clock is set back.
    Clock { seconds: i32 },
    /// Groups close whose time has come; in one-shot mode all of them.
    Dispatch { close_all: bool },
    /// A sink makes its attempts.
    Drain { sink: u8 },
    /// How a sink answers from now on.
    Answers { sink: u8, how: How },
    /// A silence over all tasks of an action.
    Silence { action: u8, minutes: u8, drop: bool },
    /// Ends the newest silence.
    Expire,
    /// Acknowledges a task's failure.
    Ack { task: u8 },
    /// The operator retries all that is not done.
    Retry,
    /// The operator says that a sink is back.
    Revive { sink: u8 },
    /// The config changes.
    Reload { variant: u8 },
    /// The process is killed.
    Crash,
    /// The disk fails after so many commits; the process is killed when it notices.
    DiskFails { commits: u8 },
}

/// How a sink answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum How {
    Accepts,
    Busy,
    Refuses,
    Gone,
    /// Takes the notice, and its answer is lost.
    Mute,
}

const HOWS: [(&str, How); 5] = [
    ("accepts", How::Accepts),
    ("busy", How::Busy),
    ("refuses", How::Refuses),
    ("gone", How::Gone),
    ("mute", How::Mute),
];

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let how = prop::sample::select(HOWS.map(|(_, how)| how).to_vec());
    let sink = 0_u8..3;
    prop_oneof![
        6 => (any::<u8>(), prop::bool::weighted(0.8))
            .prop_map(|(listed, complete)| Op::Poll { listed, complete }),
        1 => Just(Op::Watch),
        2 => (any::<u8>(), prop::bool::weighted(0.8))
            .prop_map(|(listed, complete)| Op::Running { listed, complete }),
        1 => any::<u8>().prop_map(|which| Op::Refail { which }),
        4 => prop_oneof![4 => 1..120_i32, 2 => 120..8_000_i32, 1 => -4_000..0_i32]
            .prop_map(|seconds| Op::Clock { seconds }),
        5 => prop::bool::weighted(0.3).prop_map(|close_all| Op::Dispatch { close_all }),
        6 => sink.clone().prop_map(|sink| Op::Drain { sink }),
        4 => (sink.clone(), how).prop_map(|(sink, how)| Op::Answers { sink, how }),
        2 => (0_u8..3, 1_u8..90, any::<bool>())
            .prop_map(|(action, minutes, drop)| Op::Silence { action, minutes, drop }),
        1 => Just(Op::Expire),
        1 => (0_u8..8).prop_map(|task| Op::Ack { task }),
        1 => Just(Op::Retry),
        1 => sink.prop_map(|sink| Op::Revive { sink }),
        1 => (0_u8..4).prop_map(|variant| Op::Reload { variant }),
        1 => Just(Op::Crash),
        1 => (0_u8..4).prop_map(|commits| Op::DiskFails { commits }),
    ]
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll { listed, complete } => write!(f, "poll {listed} {complete}"),
            Self::Watch => f.write_str("watch"),
            Self::Running { listed, complete } => write!(f, "running {listed} {complete}"),
            Self::Refail { which } => write!(f, "refail {which}"),
            Self::Clock { seconds } => write!(f, "clock {seconds}"),
            Self::Dispatch { close_all } => write!(f, "dispatch {close_all}"),
            Self::Drain { sink } => write!(f, "drain {sink}"),
            Self::Answers { sink, how } => {
                let word = HOWS.iter().find(|(_, known)| known == how).unwrap().0;
                write!(f, "answers {sink} {word}")
            }
            Self::Silence { action, minutes, drop } => {
                write!(f, "silence {action} {minutes} {drop}")
            }
            Self::Expire => f.write_str("expire"),
            Self::Ack { task } => write!(f, "ack {task}"),
            Self::Retry => f.write_str("retry"),
            Self::Revive { sink } => write!(f, "revive {sink}"),
            Self::Reload { variant } => write!(f, "reload {variant}"),
            Self::Crash => f.write_str("crash"),
            Self::DiskFails { commits } => write!(f, "disk-fails {commits}"),
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let number =
            |at: usize| words[at].parse::<u8>().map_err(|error| format!("{line}: {error}"));
        let flag = |at: usize| words[at] == "true";
        Ok(match words[0] {
            "poll" => Self::Poll { listed: number(1)?, complete: flag(2) },
            "watch" => Self::Watch,
            "running" => Self::Running { listed: number(1)?, complete: flag(2) },
            "refail" => Self::Refail { which: number(1)? },
            "clock" => Self::Clock { seconds: words[1].parse().unwrap() },
            "dispatch" => Self::Dispatch { close_all: flag(1) },
            "drain" => Self::Drain { sink: number(1)? },
            "answers" => {
                let how = HOWS.iter().find(|(word, _)| *word == words[2]).unwrap().1;
                Self::Answers { sink: number(1)?, how }
            }
            "silence" => Self::Silence { action: number(1)?, minutes: number(2)?, drop: flag(3) },
            "expire" => Self::Expire,
            "ack" => Self::Ack { task: number(1)? },
            "retry" => Self::Retry,
            "revive" => Self::Revive { sink: number(1)? },
            "reload" => Self::Reload { variant: number(1)? },
            "crash" => Self::Crash,
            "disk-fails" => Self::DiskFails { commits: number(1)? },
            _ => return Err(format!("{line}: no such thing happens")),
        })
    }
}
