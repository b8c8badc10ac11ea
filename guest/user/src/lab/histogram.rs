//! How often something took how long, from several workers at once.

use abi::latency::Buckets;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::check::{Check, Verdict};

/// Counts by nanoseconds, four buckets to a power of two.
pub struct Histogram([AtomicU64; Buckets::COUNT]);

impl Histogram {
    /// Nothing was counted.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Buckets::COUNT])
    }

    /// Counts one that took `ns`.
    pub fn add(&self, ns: u64) {
        self.0[Buckets::of(ns)].fetch_add(1, Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// The time that `percent` of them took at most, to the middle of a bucket; 0 if there are none.
    pub fn percentile_ns(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += count.load(Relaxed);
            seen >= wanted && seen > 0
        });
        bucket.map_or(0, Buckets::middle)
    }

    /// Reports the counts as the series `name`, with columns `column` and `count`.
    pub fn report(&self, check: &Check, name: &str, column: &str) -> Verdict {
        let counts = self.0.iter().map(|count| count.load(Relaxed)).enumerate();
        let rows: Vec<u64> = counts
            .filter(|(_, count)| *count > 0)
            .flat_map(|(bucket, count)| [Buckets::floor(bucket), count])
            .collect();
        check.series(name, &[], &[column, "count"], &rows)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}
