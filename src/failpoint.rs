//! Places where a test may have the process killed.
//!
//! `TASKBELL_FAILPOINT=deliver.after_send:3` kills the process with SIGKILL, as a power cut or
//! an impatient supervisor would, when it passes the named place for the third time. Compiled
//! into debug builds only; in a release build [`hit`] is empty.

/// Every place, in the order of a failure's way. Tests kill the process at each of them.
pub const NAMES: &[&str] = &[
    "store.before_open",
    "store.before_migrate",
    "store.after_open",
    "poll.before_record",
    "commit.before",
    "commit.before_flush",
    "sync.before",
    "sync.after",
    "commit.after",
    "poll.after_record",
    "dispatch.before_open",
    "dispatch.after_open",
    "dispatch.before_fold",
    "dispatch.after_fold",
    "deliver.before_render",
    "deliver.before_send",
    "deliver.after_send",
    "deliver.before_settle",
    "deliver.after_settle",
    "reload.before",
    "reload.after",
    "copy.before_rename",
    "copy.after_rename",
    "repair.before_aside",
    "repair.after_aside",
    "swap.before",
    "swap.after",
];

/// Dies here if a test asked for it.
///
/// # Panics
///
/// If the process may not kill itself, which no system forbids.
#[cfg(debug_assertions)]
pub fn hit(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    static WANTED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = crate::options::env("TASKBELL_FAILPOINT")?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), AtomicU32::new(count.parse().ok()?)))
    });
    if let Some((wanted, left)) = wanted
        && wanted == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let killed =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        killed.expect("a process may always kill itself");
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub fn hit(_name: &str) {}
