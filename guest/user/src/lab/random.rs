//! Numbers by lot, the same for the same seed.

use alloc::vec::Vec;

/// A generator: xorshift64* (Vigna, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One that begins with `seed`.
    pub fn new(seed: u64) -> Self {
        // It never leaves zero, and small seeds are alike at first.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn next_word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is below 2^32; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (((self.next_word() >> 32) * end as u64) >> 32) as usize
    }
}

/// Numbers below some end of which number n, from 1 up, is drawn with a weight of 1/n (Zipf's law).
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Sums of weights, in units of 2^-20.
    sums: Vec<u64>,
}

const UNIT: u64 = 1 << 20;

impl Zipf {
    /// Numbers below `end`, the lowest most often.
    pub fn new(end: usize) -> Self {
        let mut sum = 0;
        let sums = (1..=end as u64).map(|number| {
            sum += UNIT / number;
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// Draws one.
    pub fn draw(&self, random: &mut Random) -> usize {
        let all = self.sums.last().copied().unwrap_or(0);
        let lot = random.below(all as usize) as u64;
        self.sums.partition_point(|sum| *sum <= lot)
    }
}
