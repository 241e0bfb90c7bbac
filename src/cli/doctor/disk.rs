//! Where the store is: whether it can be written, whether that lasts, and whether there is room.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use rustix::fs::{statfs, statvfs};

use crate::{
    cli::findings::{Findings, Line, Mark},
    clock::{Clock as _, SystemClock},
    exit::Exit,
    http::Chain,
    store::{self, Access, StoreError, StoreLock},
};

const MIB: u64 = 1024 * 1024;

/// Below this, the next burst of failures may not fit.
const FREE_MIN: u64 = 64 * MIB;

/// Below this, somebody should look after it. A store of 100,000 failures takes about 100 MiB.
const FREE_LOW: u64 = 1024 * MIB;

/// Fewer free inodes than this are as good as none.
const INODES_MIN: u64 = 100;

/// Flushes that are timed.
const FLUSHES: usize = 5;

/// A poll that finds something waits for one flush or a few; beyond this, it shows.
const FLUSH_MS_ODD: u128 = 200;

/// Kinds of file system, by the kernel's magic number, that a store should not be on.
const UNSUITABLE: [(u32, &str, &str); 6] = [
    (0x0102_1994, "tmpfs", "is gone after a reboot"),
    (0x8584_58F6, "ramfs", "is gone after a reboot"),
    (0x794C_7630, "overlayfs", "is gone with the container, unless it is a volume"),
    (0x0000_6969, "NFS", "may not keep locks and flushes"),
    (0xFE53_4D42, "SMB", "may not keep locks and flushes"),
    (0xFF53_4D42, "CIFS", "may not keep locks and flushes"),
];

/// Looks at the store's folder and what it is on.
pub(super) async fn examine(folder: &Path, findings: &mut Findings) {
    let nearest = folder.ancestors().map(or_here).find(|path| fs::metadata(path).is_ok());
    let base = match nearest {
        Some(base) if base.is_dir() => base,
        other => {
            let detail = match other {
                Some(file) => format!("{} is no folder", file.display()),
                None => format!("nothing on the way to {} can be looked at", folder.display()),
            };
            let line = Line::new(("store", "folder"), Mark::Failed, detail, "Correct store.path.");
            return findings.push(line, Exit::StoreUnusable);
        }
    };
    holder(folder, findings);
    kind(base, findings);
    space(base, findings);
    durable(folder, base, findings).await;
}

/// The ancestor of a relative path that has none is the working directory.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Who holds the store, and who may look into it.
fn holder(folder: &Path, findings: &mut Findings) {
    let shown = folder.display();
    let Ok(metadata) = fs::metadata(folder) else {
        let line = Line::good(("store", "folder"), format!("{shown} will be made"));
        return findings.push(line, Exit::Done);
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let line = Line::new(
            ("store", "folder"),
            Mark::Warning,
            format!("everybody on this host can look into {shown} (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        );
        findings.push(line, Exit::Done);
    }
    // A folder without a lock was never a store, and is left as it is.
    if !folder.join("lock").exists() {
        let line = Line::good(("store", "folder"), format!("{shown} holds no store yet"));
        return findings.push(line, Exit::Done);
    }
    let line = match StoreLock::take(folder, "`taskbell doctor`") {
        Ok(_lock) => Line::good(("store", "lock"), format!("{shown} is free")),
        Err(StoreError::Held { by, .. }) => {
            Line::good(("store", "lock"), format!("{shown} is held by {by}"))
        }
        Err(error) => Line::new(
            ("store", "lock"),
            Mark::Failed,
            Chain(&error).to_string(),
            "Let the user that runs taskbell own the folder.",
        ),
    };
    findings.push(line, Exit::StoreUnusable);
}

fn kind(base: &Path, findings: &mut Findings) {
    let Ok(found) = statfs(base) else { return };
    // The magic number has 32 bits, in a field whose width and sign depend on the platform.
    let magic = u64::try_from(found.f_type).unwrap_or_default() & 0xFFFF_FFFF;
    let unsuitable = UNSUITABLE.iter().find(|(number, ..)| u64::from(*number) == magic);
    if let Some((_, name, why)) = unsuitable {
        let detail = format!("{} is on {name}, which {why}", base.display());
        let advice = "Put store.path on a disk of this host.";
        findings.push(Line::new(("store", "medium"), Mark::Warning, detail, advice), Exit::Done);
    }
}

fn space(base: &Path, findings: &mut Findings) {
    let found = match statvfs(base) {
        Ok(found) => found,
        Err(error) => {
            let line = Line::new(("store", "space"), Mark::Warning, error.to_string(), "");
            return findings.push(line, Exit::Done);
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let detail = format!("{} MiB are free for {}", free / MIB, base.display());
    let advice = "Make room, or put store.path elsewhere.";
    // Some file systems count no inodes at all.
    let inodes = found.f_files == 0 || INODES_MIN <= found.f_favail;
    let line = match free {
        _ if !inodes => {
            let detail = format!("no more files fit in {}", base.display());
            Line::new(("store", "space"), Mark::Failed, detail, advice)
        }
        ..FREE_MIN => Line::new(("store", "space"), Mark::Failed, detail, advice),
        FREE_MIN..FREE_LOW => Line::new(("store", "space"), Mark::Warning, detail, advice),
        _ => Line::good(("store", "space"), detail),
    };
    findings.push(line, Exit::StoreUnusable);
}

/// Makes a store beside the real one, since that may be in use, and sees that it is durable.
async fn durable(folder: &Path, base: &Path, findings: &mut Findings) {
    let beside = match folder.file_name().map(OsStr::to_string_lossy) {
        // The folder that is there, or the one that it will be made in.
        Some(name) if folder != base => base.join(format!(".{name}-doctor-{}", std::process::id())),
        _ => base.join(format!(".doctor-{}", std::process::id())),
    };
    let failed = |error: &dyn std::error::Error, advice: &str| {
        Line::new(("store", "flush"), Mark::Failed, error.to_string(), advice)
    };
    if let Err(error) = fs::create_dir(&beside) {
        let detail = format!("cannot write in {}: {error}", base.display());
        let advice = "Let the user that runs taskbell own the folder.";
        let line = Line::new(("store", "flush"), Mark::Failed, detail, advice);
        return findings.push(line, Exit::StoreUnusable);
    }
    // A folder deeper, since a store has files beside its folder, too.
    let access = Access {
        folder: &beside.join("store"),
        holder: "`taskbell doctor`",
        repair: false,
        now: SystemClock.now(),
    };
    let line = match store::open_sled(access).await {
        Err(error) => failed(&error, "Put store.path on a disk of this host."),
        Ok(store) => {
            drop(store);
            match flush_ms(&beside.join("flush")) {
                Err(error) => failed(&error, "Put store.path on a disk of this host."),
                Ok(ms) if FLUSH_MS_ODD <= ms => Line::new(
                    ("store", "flush"),
                    Mark::Warning,
                    format!("reaches the disk, but takes {ms} ms"),
                    "Put store.path on a faster or less busy disk.",
                ),
                Ok(ms) => Line::good(("store", "flush"), format!("reaches the disk in {ms} ms")),
            }
        }
    };
    findings.push(line, Exit::StoreUnusable);
    if let Err(error) = fs::remove_dir_all(&beside) {
        let detail = format!("cannot remove {}: {error}", beside.display());
        let line = Line::new(("store", "flush"), Mark::Warning, detail, "Remove it by hand.");
        findings.push(line, Exit::Done);
    }
}

/// The slowest of a few flushes.
fn flush_ms(path: &PathBuf) -> io::Result<u128> {
    let mut file = File::create(path)?;
    let mut slowest = 0;
    for _ in 0..FLUSHES {
        let begun = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        slowest = slowest.max(begun.elapsed().as_millis());
    }
    Ok(slowest)
}
