//! The folder for what may be forgotten when the host restarts.
//!
//! It lies where a disk is seldom: in the folder that systemd gives the service, that of the user's
//! session, or shared memory.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::options;

/// The first folder of those that are ours alone and can be written.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    // systemd separates several by colons, and its folder may be a link to where it really is.
    let given = options::env("RUNTIME_DIRECTORY")
        .and_then(|all| all.split(':').next().map(PathBuf::from))
        .or_else(|| options::env("XDG_RUNTIME_DIR").map(PathBuf::from))
        .and_then(|folder| folder.canonicalize().ok());
    let shared = ["/dev/shm", "/tmp"].map(Path::new);
    let own = shared.map(|shared| shared.join(format!("taskbell-{uid}")));
    given.into_iter().chain(own).find(|folder| is_ours(folder, uid))
}

/// Whether `folder` is, by now, a folder that is ours and that nobody else can write in: in a place
/// that all users share, somebody may have put a link under that name.
fn is_ours(folder: &Path, uid: u32) -> bool {
    // If it is there already, what it is decides.
    drop(fs::DirBuilder::new().mode(0o700).create(folder));
    let Ok(found) = fs::symlink_metadata(folder) else { return false };
    let closed = found.mode() & 0o022 == 0;
    let writable = || access(folder, Access::WRITE_OK).is_ok();
    found.is_dir() && found.uid() == uid && closed && writable()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_our_own_is_trusted() {
        let place = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let at = |name: &str| place.path().join(name);
        assert!(is_ours(&at("made"), uid), "it is made");
        assert!(is_ours(&at("made"), uid), "it is used again");
        assert_eq!(fs::metadata(at("made")).unwrap().mode() & 0o777, 0o700);
        assert!(!is_ours(&at("made"), uid + 1), "somebody else's");
        symlink(at("made"), at("link")).unwrap();
        assert!(!is_ours(&at("link"), uid), "a link");
        fs::write(at("file"), "").unwrap();
        assert!(!is_ours(&at("file"), uid), "a file");
        fs::set_permissions(at("made"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_ours(&at("made"), uid), "one that others can write in");
        assert!(!is_ours(&at("none").join("below"), uid), "one that cannot be made");
    }
}
