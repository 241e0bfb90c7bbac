//! One process at a time.
//!
//! sled takes a lock of its own, but its error says neither whose it is nor that it is one. Ours
//! is taken first and says who holds it. The kernel lets go of it when the process ends, however
//! it ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::StoreError;

/// The bits of a mode that are for the group and for everybody.
const OTHERS: u32 = 0o077;

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
    /// cannot be made or written, or is open to other users: the record names servers and tells
    /// what receivers answered, and who can write there can forge what was told.
    pub fn take(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        let cannot = |what: &str, error| {
            StoreError::unreadable(format!("cannot {what} {}", folder.display()), error)
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot("make the folder", error))?;
        let mode = fs::metadata(folder).map_err(|error| cannot("look at", error))?.mode() & 0o777;
        if mode & OTHERS != 0 {
            let folder = folder.display();
            let what = format!(
                "the folder {folder} is open to other users (mode {mode:o}): close it with \
                 `chmod 700 {folder}`, or name a folder in it as store.path"
            );
            return Err(StoreError::Unreadable { what, cause: None });
        }
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_can_open_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o755, 0o710, 0o702] {
            fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).unwrap();
            let error = StoreLock::take(folder.path(), "`taskbell run`").unwrap_err().to_string();
            assert!(
                error.contains(&format!("(mode {mode:o}): close it with `chmod 700 ")),
                "{error}"
            );
        }
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert!(StoreLock::take(folder.path(), "`taskbell run`").is_ok());
    }

    #[test]
    fn the_second_one_is_told_who_holds_the_store() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let first = StoreLock::take(folder.path(), "`taskbell run`").unwrap();
        let error = StoreLock::take(folder.path(), "`taskbell once`").unwrap_err().to_string();
        assert!(error.contains("is held by `taskbell run` (pid "), "{error}");
        drop(first);
        assert!(StoreLock::take(folder.path(), "`taskbell once`").is_ok());
    }
}
