//! Sharing between processors.
//!
//! The kernel runs with interrupts off and takes them only in user mode and in the idle loop, so
//! an interrupt handler never finds a lock held by what it interrupted, and no lock here saves or
//! restores the interrupt flag.
//!
//! [`checker`] finds out where that does not hold, and locks that are waited for in vain.
//!
//! - [`SpinLock`]: for what is held for a few instructions.
//! - [`Mutex`]: for what is held across a wait for a device; sleeps.
//! - [`Once`]: written once, at boot.
//! - [`CpuLocal`]: one value a processor.
//! - [`AtomicRef`]: a reference that changes.
//! - [`Pool`]: objects that are made once, used again and never given back.

#![expect(unsafe_code, reason = "locks hand out references to what they guard")]

pub(crate) mod checker;
mod local;
mod mutex;
mod once;
mod pool;
mod reference;
mod spin;

pub use local::CpuLocal;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use pool::Pool;
pub use reference::AtomicRef;
pub use spin::{SpinGuard, SpinLock};
