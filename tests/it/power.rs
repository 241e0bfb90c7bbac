//! Nothing is sent before it is on the disk, and what is on the disk when the power goes is enough.
//!
//! The system calls of the real binary are written down by strace, and a power cut is played on
//! them: of what was written to the store's file, what a sync had finished is there, and of the
//! rest nothing, all, only the last piece, or half of the last piece. The real binary then opens
//! each such store. Where the host lets us mount, the same is done with a real file system whose
//! image is copied while the daemon works.
//!
//! `TASKBELL_POWER_ROUNDS` says how often an image is copied, 3 times if it says nothing; each tenth
//! of it is a record that is cut at every place. Where strace or loop devices are missing, the test
//! says so and ends.

mod image;
mod record;
mod trace;

pub(crate) use image::Mounted;
pub(crate) use trace::is_possible as strace_is_possible;

/// Rounds, unless the environment says otherwise.
fn rounds() -> u32 {
    let asked = taskbell::options::env("TASKBELL_POWER_ROUNDS");
    asked.and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Every id of a notice in `data`.
fn notices(data: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    let found = text.match_indices("tb_").filter_map(|(at, _)| text.get(at..at + 43));
    let is_id = |id: &&str| id.bytes().skip(3).all(|byte| byte.is_ascii_hexdigit());
    found.filter(is_id).map(str::to_owned).collect()
}
