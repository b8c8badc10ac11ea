//! Algorithms that let threads wait for each other, as plain atomics: the guest's programs use them over
//! futexes, in threads and in processes that share memory, the kernel spins on the same locks, and the
//! host tests them with real threads.
//!
//! - [`spin`]: locks whose waiters spin, behind one trait, a file each.
//! - [`Word`] is a number that threads sleep for, by a [`Park`]; of it are made [`Mutex`], [`Condvar`],
//!   [`Semaphore`], [`Barrier`], [`Rendezvous`], and the reader-writer locks in [`rw`].
//! - [`Rcu`]: readers that never wait.
//! - [`deadlock`]: who may have what, so that nobody waits for ever; a file a policy.
//!
//! Nothing here holds a value or a pointer, so all of it is safe code and works at whatever address it
//! is mapped; `user::sync` puts values behind these locks.
#![cfg_attr(not(test), no_std)]

mod barrier;
mod condvar;
#[cfg(test)]
mod conformance;
pub mod deadlock;
mod mutex;
mod padded;
mod park;
mod rcu;
mod rendezvous;
pub mod rw;
mod semaphore;
pub mod spin;
#[cfg(test)]
mod testing;
mod word;

pub use barrier::Barrier;
pub use condvar::Condvar;
pub use mutex::Mutex;
pub use padded::Padded;
pub use park::Park;
pub use rcu::Rcu;
pub use rendezvous::Rendezvous;
pub use semaphore::Semaphore;
pub use word::Word;

/// Most threads that one queueing lock or [`Rcu`] knows apart; they are numbered from 0.
pub const MAX_THREADS: usize = 64;
