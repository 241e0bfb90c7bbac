//! One process at a time.
//!
//! sled takes a lock of its own, but its error says neither whose it is nor that it is one. Ours
//! is taken first and says who holds it. The kernel lets go of it when the process ends, however
//! it ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::StoreError;

/// The lock on a store's folder, held until dropped.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Makes the folder if need be, readable by its owner alone, and takes its lock.
    ///
    /// `holder` says who we are, for the message that the next one gets.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] if another process has it; [`StoreError::Unreadable`] if the folder
    /// cannot be made or written.
    pub fn take(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        let cannot = |what: &str, error| {
            StoreError::unreadable(format!("cannot {what} {}", folder.display()), error)
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot("make the folder", error))?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| cannot("write in", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let by = fs::read_to_string(&path).unwrap_or_default();
                let by = crate::text::clean(by.trim(), 200);
                let by = if by.is_empty() { "another process".to_owned() } else { by };
                return Err(StoreError::Held { path: folder.display().to_string(), by });
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock", error)),
        }
        let text = format!("{holder} (pid {})\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|error| cannot("write in", error))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let first = StoreLock::take(folder.path(), "`taskbell run`").unwrap();
        let error = StoreLock::take(folder.path(), "`taskbell once`").unwrap_err().to_string();
        assert!(error.contains("is held by `taskbell run` (pid "), "{error}");
        drop(first);
        assert!(StoreLock::take(folder.path(), "`taskbell once`").is_ok());
    }
}
