//! Sleeping for a word of memory.

use core::sync::atomic::AtomicU32;

/// How a thread sleeps: the kernel's futexes in the guest.
pub trait Park {
    /// Sleeps while `word` is `expected`, until woken: whether [`Self::wake`] has counted this thread. May
    /// also return for no reason at all.
    fn wait(word: &AtomicU32, expected: u32) -> bool;
    /// Wakes up to `count` threads that sleep for `word`; how many.
    fn wake(word: &AtomicU32, count: u32) -> u32;
}
