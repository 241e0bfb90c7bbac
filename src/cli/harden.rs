//! What a process that holds secrets gives up before it reads them.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tracing::debug;

/// No core dump of this process, and no look into its memory by others of the same user.
///
/// Where the system forbids asking for it (a strict filter of system calls), nothing is lost but
/// this: the service files set the same limit from outside.
pub(super) fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        debug!(%error, "core dumps stay as they are");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        debug!(%error, "the process stays open to debuggers of its user");
    }
}
