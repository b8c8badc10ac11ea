//! Locks and their like over futexes: no system call unless a thread has to sleep. The algorithms are
//! those of the crate `sync`; here are the futexes, and values behind the locks.
//!
//! What lies in memory that processes have in common ([`crate::lab::Common`]) works between them, too.
#![expect(unsafe_code, reason = "a lock hands out its value by reference")]

mod monitor;
mod mutex;
pub mod rw;
mod turn;

use core::sync::atomic::AtomicU32;

use crate::sys::{self, FOREVER};

pub use monitor::{Inside, Monitor};
pub use mutex::{Mutex, MutexGuard};
pub use turn::Turn;

/// Sleeping by the kernel's futexes.
pub struct Futex;

impl sync::Park for Futex {
    fn wait(word: &AtomicU32, expected: u32) -> bool {
        sys::futex_wait(word, expected, FOREVER).is_ok()
    }

    fn wake(word: &AtomicU32, count: u32) -> u32 {
        // It only fails if the address is bad, which it is not.
        sys::futex_wake(word, count.into()).unwrap_or(0) as u32
    }
}

/// See [`sync::Condvar`].
pub type Condvar = sync::Condvar<Futex>;
/// See [`sync::Semaphore`].
pub type Semaphore = sync::Semaphore<Futex>;
/// See [`sync::Barrier`].
pub type Barrier = sync::Barrier<Futex>;
/// See [`sync::Rendezvous`].
pub type Rendezvous = sync::Rendezvous<Futex>;
