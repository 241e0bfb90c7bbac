//! What lies beside the store, and who may have put it there.
//!
//! The marker and the checkpoint lie in the folder that holds the store's, which may be open to
//! others, as `/tmp` is. A checkpoint decides what is taken as told when the store is lost, so one
//! that somebody else put there is refused, and so is a folder in which anybody can put one in the
//! place of ours. A folder that a group can write in is that group's matter: on many systems each
//! user is a group.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::StoreError;

/// Everybody may write.
const OTHERS_WRITE: u32 = 0o002;

/// Only its owner may take away what is in it.
const STICKY: u32 = 0o1000;

/// `path` with `ending` behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// The copy of the whole store in `folder`.
pub(super) fn checkpoint(folder: &Path) -> PathBuf {
    beside(folder, ".checkpoint")
}

/// The names of the sources that have a baseline.
pub(super) fn marker(folder: &Path) -> PathBuf {
    beside(folder, ".marker")
}

/// Refuses a place in which others can forge what was told. The store's own folder is there, and
/// closed to others.
pub(super) fn check(folder: &Path) -> Result<(), StoreError> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let mode = look(parent)?.map_or(0, |found| found.mode());
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        let (parent, mode) = (parent.display(), mode & 0o7777);
        return Err(refused(format!(
            "everybody can write in {parent}, beside the store (mode {mode:o}): close it with \
             `chmod o-w {parent}`, or name another place as store.path"
        )));
    }
    let owner = look(folder)?.map(|found| found.uid());
    for path in [checkpoint(folder), marker(folder)] {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot_look(&path, error)),
        };
        let path = path.display();
        if !found.is_file() {
            return Err(refused(format!("{path} is no plain file: move it away")));
        }
        // Root looks at the stores of others, and leaves files of its own there.
        let ours = rustix::process::geteuid().as_raw();
        let uid = found.uid();
        if uid != ours && uid != 0 && Some(uid) != owner {
            return Err(refused(format!(
                "{path} belongs to another user (uid {uid}), who may have put it there: move it \
                 away, or give it to the owner of the store if you trust it"
            )));
        }
    }
    Ok(())
}

fn look(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_look(path, error)),
    }
}

fn cannot_look(path: &Path, error: io::Error) -> StoreError {
    StoreError::unreadable(format!("cannot look at {}", path.display()), error)
}

fn refused(what: String) -> StoreError {
    StoreError::Unreadable { what, cause: None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn store() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        fs::create_dir(&folder).unwrap();
        (parent, folder)
    }

    #[test]
    fn a_place_that_everybody_can_write_in_is_refused_unless_it_is_sticky() {
        let (parent, folder) = store();
        for (mode, good) in [
            (0o700, true),
            (0o755, true),
            (0o775, true),
            (0o777, false),
            (0o702, false),
            (0o1777, true),
        ] {
            fs::set_permissions(parent.path(), fs::Permissions::from_mode(mode)).unwrap();
            let checked = check(&folder).map_err(|error| error.to_string());
            assert_eq!(checked.is_ok(), good, "{mode:o}: {checked:?}");
            let said = checked.err().unwrap_or_default();
            assert!(good || said.contains(&format!("(mode {mode:o}): close it with `chmod o-w")));
        }
    }

    #[test]
    fn a_link_or_a_folder_in_the_place_of_a_file_is_refused() {
        let (parent, folder) = store();
        fs::write(parent.path().join("real"), "").unwrap();
        symlink(parent.path().join("real"), checkpoint(&folder)).unwrap();
        let error = check(&folder).unwrap_err().to_string();
        assert!(error.contains("store.checkpoint is no plain file"), "{error}");
        fs::remove_file(checkpoint(&folder)).unwrap();
        fs::create_dir(marker(&folder)).unwrap();
        let error = check(&folder).unwrap_err().to_string();
        assert!(error.contains("store.marker is no plain file"), "{error}");
    }

    #[test]
    fn what_another_user_put_there_is_refused() {
        let (_parent, folder) = store();
        for path in [checkpoint(&folder), marker(&folder)] {
            fs::write(&path, "").unwrap();
            assert!(check(&folder).is_ok(), "our own");
            if chown(&path, Some(12_345), None).is_err() {
                println!("DID NOT RUN: only root can give files away");
                return;
            }
            let error = check(&folder).unwrap_err().to_string();
            assert!(error.contains("belongs to another user (uid 12345)"), "{error}");
            fs::remove_file(&path).unwrap();
        }
        // Root looks at the store of a service.
        fs::write(checkpoint(&folder), "").unwrap();
        for path in [&folder, &checkpoint(&folder)] {
            chown(path, Some(12_345), None).unwrap();
        }
        assert!(check(&folder).is_ok(), "that of the store's owner");
    }
}
