//! Questions on standard error, answers on standard input: a terminal or a pipe.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use super::{
    InitError,
    answers::Answer,
    form::{Key, Spelling},
};
use crate::{cli::out, options, secret::Secret};

/// Longest answer; a token of the cloud has some KiB.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Whoever answers, if anybody may be asked.
#[derive(Debug)]
pub(super) struct Terminal {
    asks: bool,
}

impl Terminal {
    pub(super) fn new(asks: bool) -> Self {
        Self { asks }
    }

    /// Whether anybody is asked.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Yes or no; Enter is yes, and so is no without anybody to ask.
    pub(super) async fn yes(&mut self, question: &str) -> Result<bool, InitError> {
        if !self.asks {
            return Ok(false);
        }
        loop {
            match line(question, &format!("{question} [Y/n] "), false)
                .await?
                .trim()
                .to_lowercase()
                .as_str()
            {
                "" | "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => out::note("  y or n, please"),
            }
        }
    }

    /// One of several words. Enter takes `default`, or the first.
    pub(super) async fn choose(
        &mut self,
        what: &str,
        known: &[&str],
        default: Option<&str>,
    ) -> Result<String, InitError> {
        let default = default.or(known.first().copied()).unwrap_or_default();
        out::note(&format!("  one of {}", known.join(", ")));
        loop {
            let answer = line(what, &format!("{what} [{default}]: "), false).await?;
            let answer = answer.trim();
            if answer.is_empty() {
                return Ok(default.to_owned());
            }
            if known.contains(&answer) {
                return Ok(answer.to_owned());
            }
            let near = options::nearest(known, answer);
            let guess = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            out::note(&format!("  that is none of them{guess}"));
        }
    }

    /// A key's value. `None`: left out, as an optional one may be.
    pub(super) async fn ask(&mut self, path: &str, key: &Key) -> Result<Option<Answer>, InitError> {
        out::note(&format!("  {}", key.about));
        let secret = key.form == Spelling::Secret;
        loop {
            let hint = match (key.form, key.required) {
                (_, false) => " (Enter: none)",
                (Spelling::List, true) => " (commas between)",
                (_, true) => "",
            };
            let answer = line(path, &format!("{path}{hint}: "), secret).await?;
            let answer = answer.trim();
            match (answer.is_empty(), key.required) {
                (true, false) => return Ok(None),
                (true, true) => out::note("  it is required"),
                (false, _) if secret => {
                    return Ok(Some(Answer::Secret(Secret::new(answer.to_owned()))));
                }
                (false, _) => return Ok(Some(Answer::Plain(answer.to_owned()))),
            }
        }
    }

    /// A secret from the next line of standard input, whether or not anybody is asked.
    pub(super) async fn secret(&mut self, key: &str) -> Result<Secret, InitError> {
        let prompt = if io::stdin().is_terminal() { format!("{key}: ") } else { String::new() };
        let text = line(key, &prompt, true).await?;
        let text = text.trim();
        if text.is_empty() {
            return Err(InitError::Key { key: key.to_owned(), problem: "is empty".to_owned() });
        }
        Ok(Secret::new(text.to_owned()))
    }
}

/// The next line; `hidden` shows nothing of it. The wait can be dropped: the read goes on in its
/// thread, which ends with the process.
async fn line(what: &str, prompt: &str, hidden: bool) -> Result<Zeroizing<String>, InitError> {
    let failed = |cause| InitError::Input { what: what.to_owned(), cause };
    let quiet = if hidden { Quiet::new() } else { None };
    out::prompt(prompt);
    let read = tokio::task::spawn_blocking(|| {
        let mut text = Zeroizing::new(String::new());
        let mut stdin = io::stdin().lock().take(LINE_BYTES_MAX);
        stdin.read_line(&mut text).map(|bytes| (bytes, text))
    });
    let (bytes, text) = read.await.map_err(io::Error::other).map_err(failed)?.map_err(failed)?;
    if quiet.is_some() || bytes == 0 {
        // The line break that was not shown, or that nobody typed.
        out::note("");
    }
    if bytes == 0 {
        return Err(InitError::Ended(what.to_owned()));
    }
    Ok(text)
}

/// A terminal that does not show what is typed, until it is dropped.
struct Quiet(Termios);

impl Quiet {
    /// `None`: standard input is no terminal.
    fn new() -> Option<Self> {
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that went away has nothing to be put right.
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
