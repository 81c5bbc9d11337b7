//! How freed memory is kept for the next batch.

/// Allocations up to this many bytes come from memory the process holds already: glibc's highest bound.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HELD: i32 = 32 << 20;

/// Freed bytes at an arena's end that stay with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SPARE: i32 = 32 << 20;

/// Tells the allocator to keep some tens of megabytes that were freed. A batch needs about as much as the one before;
/// given back to the system in between, every page of it costs a fault: a tenth of all time on a fast query.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator's settings have no safe name")]
pub fn keep_some() {
    // SAFETY: `mallopt` takes two numbers and a lock; a setting that it does not know it refuses.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, HELD);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, SPARE);
    }
}

/// Other allocators keep memory of themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_some() {}
