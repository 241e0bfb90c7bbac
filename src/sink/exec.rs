//! A program of the operator's, run once for each notice.
//!
//! The payload of a webhook is on its standard input; `TASKBELL_ID`, `TASKBELL_TYPE` and
//! `TASKBELL_SINK` are in its environment. Equal ids are equal messages. No shell is involved,
//! and nothing of a notice is ever part of the command.
//!
//! | it ends with | means |
//! |---|---|
//! | 0 | taken |
//! | 75 (`EX_TEMPFAIL`) | try again; so does an end by a signal |
//! | anything else | probably configuration; the first line of its standard error is kept |
//!
//! Standard output goes nowhere. The program leads a process group of its own, which is killed
//! when the program has ended and when the attempt is given up: nothing it started outlives it,
//! unless it left the group on purpose.
//!
//! Its environment is empty but for the three above, `PATH`, `HOME`, `LANG`, `TZ` and what
//! `pass_env` names. Everybody on the host can read a program's arguments: a secret belongs into
//! the environment or a file.

use std::{
    io::{self, ErrorKind},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use rustix::{
    fs::{Access, access},
    process::{Pid, Signal, kill_process_group},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, ChildStdin, Command},
    time::timeout,
};

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError,
    http::Redactor,
    payload::{self, Payload},
};
use crate::{
    delivery::Verdict,
    name::Name,
    notice::Notice,
    options::{self, OptionError},
    render::Words,
};

pub(super) const KIND: Kind = Kind {
    name: "exec",
    summary: "A program, with the JSON on its standard input",
    reader: Reader::Programs,
    limit: None,
    cleared: false,
    example: r#"
name = "hook"
kind = "exec"
command = ["/usr/bin/tee", "{folder}/last-notice.json"]
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// Passed on where they are set: without them many programs find nothing or print nothing.
const ALWAYS_PASSED: [&str; 4] = ["HOME", "LANG", "PATH", "TZ"];

/// Begins the names of the variables that are ours to set.
const OWN_PREFIX: &str = "TASKBELL_";

/// Longest command. It is written by hand; a list longer than this is a script.
const ARGUMENTS_MAX: usize = 64;

/// Most variables to pass on. Whoever needs all of them runs a shell that sets them.
const VARIABLES_MAX: usize = 64;

/// How much of standard error is kept: more than one line of it is not shown.
const STDERR_BYTES_MAX: usize = 4 * 1024;

/// How long the pipes may stay open once the program has ended and its group is killed. Only
/// what left the group can still hold them.
const LINGER: Duration = Duration::from_millis(200);

/// `EX_TEMPFAIL` of `sysexits.h`.
const TRY_AGAIN: i32 = 75;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The program's absolute path and its arguments. No shell reads them.
    #[schemars(length(min = 1, max = 64))]
    command: Vec<String>,
    /// Environment variables to pass on, beside `PATH`, `HOME`, `LANG` and `TZ`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pass_env: Vec<String>,
    /// The working directory. Default: that of taskbell.
    working_dir: Option<PathBuf>,
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let Some((program, arguments)) = options.command.split_first() else {
        return Err(OptionError::new("command", "must name a program"));
    };
    if ARGUMENTS_MAX < options.command.len() {
        let problem = format!("must have at most {ARGUMENTS_MAX} parts");
        return Err(OptionError::new("command", problem));
    }
    if options.command.iter().any(|part| part.contains('\0')) {
        return Err(OptionError::new("command", "must not hold a NUL"));
    }
    let program = PathBuf::from(program);
    if !program.is_absolute() {
        let problem =
            "must begin with the absolute path of a program; no shell and no PATH is used";
        return Err(OptionError::new("command[0]", problem));
    }
    let (environment, redactor) = environment(&options.pass_env)?;
    Ok(Box::new(Exec {
        program,
        arguments: arguments.to_vec(),
        environment,
        working_dir: options.working_dir,
        sink: build.name,
        words: build.words,
        redactor,
    }))
}

type Environment = Vec<(String, String)>;

/// What to pass on, and what of it must not be repeated.
fn environment(names: &[String]) -> Result<(Environment, Redactor), OptionError> {
    if VARIABLES_MAX < names.len() {
        let problem = format!("must name at most {VARIABLES_MAX} variables");
        return Err(OptionError::new("pass_env", problem));
    }
    for (nth, name) in names.iter().enumerate() {
        let wrong = |problem| Err(OptionError::new(format!("pass_env[{nth}]"), problem));
        if name.is_empty() || name.contains(['=', '\0']) {
            return wrong("is not the name of a variable");
        }
        if name.starts_with(OWN_PREFIX) {
            return wrong("must not begin with TASKBELL_, which taskbell sets itself");
        }
    }
    let set = |name: &str| options::env(name).map(|value| (name.to_owned(), value));
    let asked: Environment = names.iter().filter_map(|name| set(name)).collect();
    let secrets: Vec<&str> = asked
        .iter()
        .filter(|(name, _)| !ALWAYS_PASSED.contains(&name.as_str()))
        .map(|(_, value)| value.as_str())
        .collect();
    let redactor = Redactor::new(&secrets);
    Ok((ALWAYS_PASSED.iter().filter_map(|name| set(name)).chain(asked).collect(), redactor))
}

struct Exec {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Environment,
    working_dir: Option<PathBuf>,
    sink: Name,
    words: Words,
    redactor: Redactor,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments and environment may hold what they should not.
        f.debug_struct("Exec").field("program", &self.program).finish_non_exhaustive()
    }
}

/// Kills the group of a program that is no longer waited for.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // That nobody is left is what we want. The number cannot have passed to another group
        // in the instant since the program ended: numbers are given out in turn.
        if let Some(leader) = self.0 {
            let _nobody_left = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Exec {
    fn command(&self, parcel: &Parcel<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("TASKBELL_ID", parcel.id.as_str())
            .env("TASKBELL_TYPE", kind_of(parcel.body))
            .env("TASKBELL_SINK", self.sink.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            // The group is killed by its guard; this has the runtime collect the leader.
            .kill_on_drop(true);
        if let Some(folder) = &self.working_dir {
            command.current_dir(folder);
        }
        command
    }

    fn not_run(&self, error: io::Error) -> SinkError {
        let verdict = match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::ArgumentListTooLong => Verdict::Suspect,
            _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
                Verdict::Suspect
            }
            _ => Verdict::Retry { after: None },
        };
        let folder = self.working_dir.as_deref().filter(|folder| !folder.is_dir());
        let what = match folder {
            Some(folder) => format!("cannot work in {}", folder.display()),
            None => format!("cannot run {}", self.program.display()),
        };
        SinkError::new(verdict, what).caused_by(error)
    }

    fn judge(&self, status: ExitStatus, stderr: &[u8]) -> Result<Receipt, SinkError> {
        let (verdict, how) = match (status.code(), status.signal()) {
            (Some(0), _) => return Ok(Receipt::Whole),
            (Some(TRY_AGAIN), _) => {
                (Verdict::Retry { after: None }, format!("ended with {TRY_AGAIN}"))
            }
            (Some(code), _) => (Verdict::Suspect, format!("ended with {code}")),
            (None, signal) => {
                let signal = signal.unwrap_or_default();
                (Verdict::Retry { after: None }, format!("was ended by signal {signal}"))
            }
        };
        let mut what = format!("{} {how}", self.program.display());
        let said = String::from_utf8_lossy(stderr);
        let line = said.lines().map(str::trim).find(|line| !line.is_empty());
        if let Some(line) = line {
            what.push_str(": ");
            what.push_str(&self.redactor.excerpt(line));
        }
        // One that was ended from outside may have done its work before.
        Err(SinkError { uncertain: status.signal().is_some(), ..SinkError::new(verdict, what) })
    }
}

/// The `type` of a payload; empty if the bytes are not ours.
fn kind_of(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_slice(payload).map(|head: Head| head.kind).unwrap_or_default()
}

/// Writes `body` to the program. One that does not read it may still do its work.
async fn feed(stdin: Option<ChildStdin>, body: &[u8]) {
    if let Some(mut stdin) = stdin {
        drop(stdin.write_all(body).await);
    }
}

/// Reads standard error to its end and keeps the beginning: a program must not stand still
/// because nobody reads what it says.
async fn listen(stderr: Option<ChildStderr>, kept: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut chunk = [0; STDERR_BYTES_MAX];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let room = STDERR_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(chunk.iter().take(count.min(room)));
    }
}

/// Waits for the program's end, and for the rest of what it said.
async fn converse(
    child: &mut Child,
    body: &[u8],
    group: Group,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut said = Vec::new();
    let status = {
        let talk = async { tokio::join!(feed(stdin, body), listen(stderr, &mut said)) };
        tokio::pin!(talk);
        tokio::select! {
            status = child.wait() => {
                drop(group);
                // Whatever holds the pipes open now is none of our business.
                drop(timeout(LINGER, talk).await);
                status?
            }
            _ = &mut talk => child.wait().await?,
        }
    };
    Ok((status, said))
}

#[async_trait]
impl Sink for Exec {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        payload::bytes(&Payload::of(notice, &self.words))
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let mut child = self.command(&parcel).spawn().map_err(|error| self.not_run(error))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (status, said) = converse(&mut child, parcel.body, Group(leader))
            .await
            .map_err(|error| self.not_run(error))?;
        self.judge(status, &said)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let found = access(&self.program, Access::EXEC_OK).map_err(io::Error::from);
        found.and_then(|()| is_file(&self.program)).map_err(|error| self.not_run(error))
    }
}

fn is_file(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "is not a program"))
}
