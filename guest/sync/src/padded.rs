//! A value with a cache line of its own.

use core::ops::Deref;

/// A value that shares no cache line with others, so that who spins on it disturbs nobody else. Two lines
/// of 64 bytes, as processors fetch them in pairs (Intel Optimization Manual, spatial prefetcher).
#[repr(align(128))]
#[derive(Debug, Default)]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
