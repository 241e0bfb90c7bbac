//! Makes sled's flush reach the disk.
//!
//! sled 0.34 ends a flush with `sync_file_range`, which hands pages to the device but neither
//! waits for its cache nor writes the file's metadata: measured on a live ext4 image that was cut
//! mid-write, stores did not reopen or had lost acknowledged commits. This binary therefore
//! brings its own `sync_file_range`, which calls `fdatasync`; the linker prefers it to the C
//! library's. With it, every cut reopened with everything acknowledged.
//!
//! Whether a flush really passes through here is measured at the first one, not assumed: [`syncs`]
//! counts. Where it does not (another system, another sled), [`super::sled`] syncs the file itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::failpoint;

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// How often a flush passed through here since the process began.
pub(super) fn syncs() -> u64 {
    SYNCS.load(Ordering::SeqCst)
}

/// Stands in for the C library's function of the same name, with a stronger effect.
///
/// The range and the flags are not looked at: everything that was written goes to the disk.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the only way to make sled's flush durable; see the module's text")]
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(
    fd: libc::c_int,
    _offset: libc::off64_t,
    _bytes: libc::off64_t,
    _flags: libc::c_uint,
) -> libc::c_int {
    failpoint::hit("sync.before");
    // SAFETY: fdatasync takes any number; one that is no open file is answered with EBADF.
    let result = unsafe { libc::fdatasync(fd) };
    if result == 0 {
        SYNCS.fetch_add(1, Ordering::SeqCst);
        failpoint::hit("sync.after");
    }
    result
}
