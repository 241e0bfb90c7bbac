//! Free memory goes back to the system.
//!
//! After a burst of thousands of notices the C library's allocator keeps most of the memory that it
//! took, in pieces: measured, 101 MiB of which 25 were in use. A daemon lives for months, so it gives
//! that back now and then.

/// Gives pages that hold nothing back to the system. Takes some milliseconds for a hundred megabytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's allocator has no other way to be asked")]
pub fn give_back() {
    // SAFETY: may be called at any time, from any thread; it changes nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Does nothing: other allocators do it by themselves, or cannot.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
