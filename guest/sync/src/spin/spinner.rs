//! A thread that takes spin locks.

use core::hint;

/// What a thread has done to the memory that a lock is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Writes, read-modify-writes among them: each takes the cache line away from all others.
    pub writes: u64,
    /// Reads while waiting: from the own cache, until somebody writes.
    pub reads: u64,
}

/// A thread's part in taking spin locks, one at a time.
pub struct Spinner {
    /// Its number, below [`crate::MAX_THREADS`], which no other thread of the lock has.
    pub number: usize,
    /// What its locks have done to memory.
    pub traffic: Traffic,
    /// A queueing lock's place for it.
    pub(super) place: usize,
    random: u32,
    looks: u32,
    patience: u32,
    give_way: fn(),
}

impl Spinner {
    /// Thread `number`, which calls `give_way` after every `patience` looks at a lock that it waits for:
    /// who holds it, or stands before it in the queue, may be without a processor.
    pub fn new(number: usize, patience: u32, give_way: fn()) -> Self {
        Self {
            number,
            traffic: Traffic::default(),
            place: 0,
            random: number as u32 * 2 + 1,
            looks: 0,
            patience,
            give_way,
        }
    }

    /// Notes a write to the lock.
    pub(super) fn wrote(&mut self) {
        self.traffic.writes += 1;
    }

    /// Notes a look at a lock that is taken.
    pub(super) fn waits(&mut self) {
        self.traffic.reads += 1;
        self.rest();
    }

    /// Lets time pass between two looks.
    pub(super) fn rest(&mut self) {
        hint::spin_loop();
        self.looks += 1;
        if self.looks >= self.patience {
            self.looks = 0;
            (self.give_way)();
        }
    }

    /// Lets more time pass.
    pub(super) fn delay(&mut self, rounds: u32) {
        (0..rounds).for_each(|_| hint::spin_loop());
    }

    /// A number below `bound`, a power of two (xorshift, Marsaglia 2003).
    pub(super) fn random(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random & (bound - 1)
    }
}
