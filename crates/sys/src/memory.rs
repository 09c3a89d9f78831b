//! Memory that a process which lives long has no use for.

/// Gives what the allocator keeps for later back to the kernel (malloc_trim(3)).
#[allow(unsafe_code, reason = "the C library's own call")]
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it takes a plain number, and locks what it touches.
    unsafe { libc::malloc_trim(0) };
}

/// This C library gives it back by itself.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
