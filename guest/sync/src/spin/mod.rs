//! Locks whose waiters spin (Anderson, "The Performance of Spin Lock Alternatives for Shared-Memory
//! Multiprocessors", 1990; Mellor-Crummey and Scott, 1991).
//!
//! Three things are asked of one: little latency when it is free, little delay from a release to the next
//! holder, and little contention, which is traffic on the memory bus while many wait.
//!
//! | lock | an acquisition writes | waiters read | order |
//! |---|---|---|---|
//! | [`TestAndSet`] | once for every look | | none |
//! | [`TestFirst`] | once for every release seen | the lock | none |
//! | [`StaticDelay`], [`DynamicDelay`] | less often | the lock | none |
//! | [`Ticket`] | once | the lock | first come, first served |
//! | [`ArrayQueue`], [`Mcs`] | once | a word each | first come, first served |

mod array;
#[cfg(test)]
mod conformance;
mod dynamic_delay;
mod mcs;
mod spinner;
mod static_delay;
mod test_and_set;
mod test_first;
mod ticket;

pub use array::ArrayQueue;
pub use dynamic_delay::DynamicDelay;
pub use mcs::Mcs;
pub use spinner::{Spinner, Traffic};
pub use static_delay::StaticDelay;
pub use test_and_set::TestAndSet;
pub use test_first::TestFirst;
pub use ticket::Ticket;

/// A lock whose waiters spin. A [`Spinner`] holds one lock at a time.
pub trait SpinLock: Sync {
    /// Waits for the lock.
    fn lock(&self, me: &mut Spinner);
    /// Gives it back.
    fn unlock(&self, me: &mut Spinner);
}

/// One lock of every kind.
#[derive(Default)]
pub struct Locks {
    test_and_set: TestAndSet,
    test_first: TestFirst,
    static_delay: StaticDelay,
    dynamic_delay: DynamicDelay,
    ticket: Ticket,
    array: ArrayQueue,
    mcs: Mcs,
}

/// Their names.
pub const NAMES: [&str; 7] = [
    "test-and-set",
    "test-first",
    "static-delay",
    "dynamic-delay",
    "ticket",
    "array-queue",
    "mcs",
];

impl Locks {
    /// That of the name, which is one of [`NAMES`].
    pub fn by_name(&self, name: &str) -> Option<&dyn SpinLock> {
        let all: [&dyn SpinLock; 7] = [
            &self.test_and_set,
            &self.test_first,
            &self.static_delay,
            &self.dynamic_delay,
            &self.ticket,
            &self.array,
            &self.mcs,
        ];
        let index = NAMES.iter().position(|other| *other == name)?;
        Some(all[index])
    }
}
