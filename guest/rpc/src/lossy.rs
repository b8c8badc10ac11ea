//! [`Lossy`]: a transport that does badly what another does well.

use alloc::vec::Vec;

use crate::transport::{Fault, Transport};

/// What goes wrong with messages that are sent, each in so many of a thousand cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// They are lost.
    pub lost_permille: u64,
    /// They are sent twice.
    pub doubled_permille: u64,
    /// Other seeds have other messages lost.
    pub seed: u64,
}

/// A transport that loses and duplicates what it sends.
pub struct Lossy<T> {
    inner: T,
    faults: Faults,
    random: u64,
    lost: u64,
    doubled: u64,
}

impl<T> Lossy<T> {
    /// One that sends over `inner`.
    pub fn new(inner: T, faults: Faults) -> Self {
        Self {
            inner,
            faults,
            random: faults.seed.wrapping_mul(2).wrapping_add(1),
            lost: 0,
            doubled: 0,
        }
    }

    /// What it sends over.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Messages that were lost, and those that were sent twice.
    pub fn faults(&self) -> (u64, u64) {
        (self.lost, self.doubled)
    }

    /// Whether it happens this time.
    fn happens(&mut self, permille: u64) -> bool {
        // Marsaglia, Xorshift RNGs, 2003, with the multiplier of Vigna's xorshift64*, 2016.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let number = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        number % 1000 < permille
    }
}

impl<T: Transport> Transport for Lossy<T> {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        if self.happens(self.faults.lost_permille) {
            self.lost += 1;
            return Ok(());
        }
        self.inner.send(message)?;
        if self.happens(self.faults.doubled_permille) {
            self.doubled += 1;
            self.inner.send(message)?;
        }
        Ok(())
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault> {
        self.inner.receive(message, deadline_ns)
    }

    fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }
}
