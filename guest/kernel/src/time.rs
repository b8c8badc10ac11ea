//! Time since boot.

/// Nanoseconds since the clock was started.
#[inline]
pub fn now_ns() -> u64 {
    crate::arch::clock::now_ns()
}

/// A moment so far away that nothing waits for it.
pub const NEVER: u64 = u64::MAX;

/// The moment `timeout_ns` from now; [`NEVER`] for one that is not reached.
pub fn deadline(timeout_ns: u64) -> u64 {
    now_ns().saturating_add(timeout_ns)
}
