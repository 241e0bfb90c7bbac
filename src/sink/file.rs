//! A file of JSON lines: one notice a line, appended.
//!
//! A line is the payload of a webhook with the notice's `id` in front, so that a reader can drop
//! repeats. The file is opened for each line, by its name: whatever rotates it may rename it at
//! any time, and the next line begins a new one.
//!
//! A line is one `write` to the end of the file. Where a crash or a full disk left half a line,
//! the next one begins with a line break: a reader loses the half line and nothing else. The file
//! is locked from the look at its end to the end of the write: the system lets the first pages of
//! a long line be seen before the last, and that would pass for half a line.
//!
//! A full disk and a table of open files that is full are worth another try; a folder that is
//! absent, or closed to us, is configuration.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use rustix::fs::{Access, OFlags, access};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError,
    payload::{self, Payload},
};
use crate::{
    delivery::Verdict,
    notice::Notice,
    options::{self, OptionError},
    render::Words,
};

pub(super) const KIND: Kind = Kind {
    name: "file",
    summary: "JSON lines, appended to a file",
    reader: Reader::Programs,
    limit: None,
    cleared: false,
    example: r#"
name = "record"
kind = "file"
path = "{folder}/notices.jsonl"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// What a new file allows: lines name servers and key pairs, which are not everybody's business.
const MODE: u32 = 0o600;

/// How long another process may hold the file before the line is tried again later: a line takes
/// milliseconds, and whoever holds the file for longer may hold it for ever.
const LOCK_WAIT: Duration = Duration::from_secs(5);

const LOCK_STEP: Duration = Duration::from_millis(5);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The file. It is made, readable to us alone, when it is absent; its folder is not.
    path: PathBuf,
    /// Whether a line counts as taken only when it is on the disk. Default: true.
    #[serde(default = "yes")]
    fsync: bool,
}

fn yes() -> bool {
    true
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let Options { path, fsync } = options::parse(build.options)?;
    let wrong = |problem: String| OptionError::new("path", problem);
    if path.file_name().is_none() {
        return Err(wrong("must name a file".to_owned()));
    }
    // What is absent, or cannot be looked at, may be there when the first notice is.
    if let Ok(found) = fs::symlink_metadata(&path) {
        let kind = found.file_type();
        let what = match () {
            () if kind.is_file() => None,
            () if kind.is_dir() => Some("is a folder; name a file in it"),
            () if kind.is_symlink() => Some("is a symbolic link; name the file it leads to"),
            () => Some("is not an ordinary file"),
        };
        if let Some(what) = what {
            return Err(wrong(what.to_owned()));
        }
    }
    let place = Arc::new(Place { path, fsync, turn: Mutex::new(()) });
    Ok(Box::new(Lines { place, words: build.words }))
}

#[derive(Debug)]
struct Lines {
    place: Arc<Place>,
    words: Words,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    fsync: bool,
    /// Held from the look at the end of the file to the end of the write.
    turn: Mutex<()>,
}

impl Place {
    fn append(&self, line: &[u8]) -> Result<(), Failed> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut file, is_new) = open(&self.path)?;
        lock(&file)?;
        let mut text = Vec::with_capacity(line.len() + 2);
        if is_torn(&file)? {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
        text.push(b'\n');
        // Once, not until all is written: the rest of a line could land behind somebody else's.
        let written = file.write(&text)?;
        if written < text.len() {
            let error = io::Error::new(ErrorKind::StorageFull, "only part of the line fitted");
            return Err(error.into());
        }
        if self.fsync {
            self.sync(&file, is_new).map_err(|error| Failed { error, uncertain: true })?;
        }
        Ok(())
    }

    fn sync(&self, file: &File, is_new: bool) -> io::Result<()> {
        file.sync_data()?;
        if is_new {
            // Else the name of the file is lost with the power, and the line with it.
            File::open(folder(&self.path))?.sync_all()?;
        }
        Ok(())
    }

    fn reach(&self) -> Result<(), Failed> {
        match fs::symlink_metadata(&self.path) {
            Ok(_) => Ok(open_existing(&self.path).map(drop)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let found = access(folder(&self.path), Access::WRITE_OK | Access::EXEC_OK);
                Ok(found.map_err(io::Error::from)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn failed(&self, failed: Failed) -> SinkError {
        let Failed { error, uncertain } = failed;
        let verdict = match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::FileTooLarge
            | ErrorKind::ReadOnlyFilesystem => Verdict::Suspect,
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Verdict::Suspect
            }
            _ => Verdict::Retry { after: None },
        };
        let what = format!("cannot write to {}", self.path.display());
        SinkError { uncertain, ..SinkError::new(verdict, what).caused_by(error) }
    }
}

/// Why there is no line, or why there may be one all the same.
struct Failed {
    error: io::Error,
    uncertain: bool,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { error, uncertain: false }
    }
}

/// The folder that `path` is in; a bare name is in the working directory.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file, and whether it was not there before.
fn open(path: &Path) -> io::Result<(File, bool)> {
    match open_existing(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Whoever else makes it meanwhile also syncs the folder.
            Ok((writable().create(true).mode(MODE).open(path).and_then(ordinary)?, true))
        }
        other => Ok((other?, false)),
    }
}

fn open_existing(path: &Path) -> io::Result<File> {
    writable().open(path).and_then(ordinary)
}

/// Follows no link, which somebody else could have put there, and does not wait for the reader
/// of a pipe.
fn writable() -> OpenOptions {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(flags);
    options
}

fn ordinary(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "is not an ordinary file"))
}

/// Keeps other processes off the end of the file until it is closed.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_WAIT.as_millis() / LOCK_STEP.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_STEP),
            // Some network file systems have no locks. An empty line is the worst of it.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::WouldBlock, "another process has locked it"))
}

/// Whether the last line has no end.
fn is_torn(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    // Cut short meanwhile, it has no last line at all.
    let read = file.read_at(&mut byte, last)?;
    Ok(read == 1 && byte != *b"\n")
}

#[async_trait]
impl Sink for Lines {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        payload::bytes(&Payload::with_id(notice, &self.words))
    }

    /// Dropped, it leaves the line to be written all the same: a line on its way to the disk
    /// cannot be called back.
    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let (place, line) = (Arc::clone(&self.place), parcel.body.to_vec());
        let written = off_the_runtime(move || place.append(&line)).await;
        written.map(|()| Receipt::Whole).map_err(|error| self.place.failed(error))
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let place = Arc::clone(&self.place);
        off_the_runtime(move || place.reach()).await.map_err(|error| self.place.failed(error))
    }
}

/// Does what may wait for a disk where nothing else has to wait for it.
async fn off_the_runtime(
    work: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Result<(), Failed> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failed { error: io::Error::other(error), uncertain: true }))
}
