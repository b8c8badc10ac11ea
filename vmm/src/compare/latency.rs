//! [`Latency`]: how long single operations took, of all runs of a path together.

use abi::latency::{Buckets, PREFIX};
use serde::Serialize;
use std::collections::BTreeMap;

/// Operations that took about as long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Bucket {
    /// The least time, in nanoseconds.
    pub(super) from_ns: u64,
    /// The least time of the next bucket.
    pub(super) to_ns: u64,
    /// How many.
    pub(super) operations: u64,
}

/// Percentiles of single operations, and what they come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Latency {
    /// Half of the operations took at most that.
    pub(super) p50_ns: f64,
    /// Of ten, nine did.
    pub(super) p90_ns: f64,
    /// Of a hundred, 99 did.
    pub(super) p99_ns: f64,
    /// Those with operations, shortest first.
    pub(super) buckets: Vec<Bucket>,
}

/// The bucket that a metric of the guest is the count of.
fn bucket(metric: &str) -> Option<usize> {
    let number = metric.strip_prefix(PREFIX)?.parse().ok()?;
    (number < Buckets::COUNT).then_some(number)
}

/// Whether a metric is the count of a bucket.
pub(super) fn is_bucket(metric: &str) -> bool {
    bucket(metric).is_some()
}

impl Latency {
    /// Merges the buckets among the metrics of several runs, if there are any.
    pub(super) fn of<'a>(runs: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> Option<Self> {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for (metric, count) in runs.flatten() {
            if let Some(bucket) = bucket(metric) {
                let sum = counts.entry(bucket).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        counts.retain(|_, count| *count > 0);
        let buckets: Vec<Bucket> = counts
            .into_iter()
            .map(|(bucket, operations)| Bucket {
                from_ns: Buckets::floor(bucket),
                to_ns: match bucket + 1 {
                    Buckets::COUNT => u64::MAX,
                    next => Buckets::floor(next),
                },
                operations,
            })
            .collect();
        Some(Self {
            p50_ns: percentile(&buckets, 0.50)?,
            p90_ns: percentile(&buckets, 0.90)?,
            p99_ns: percentile(&buckets, 0.99)?,
            buckets,
        })
    }
}

/// The time within which that part of the operations was done, as if those of a bucket were spread
/// evenly over it.
fn percentile(buckets: &[Bucket], part: f64) -> Option<f64> {
    let all: f64 = buckets.iter().map(|bucket| bucket.operations as f64).sum();
    let mut left = all * part;
    for bucket in buckets {
        let here = bucket.operations as f64;
        if left <= here {
            let width = (bucket.to_ns - bucket.from_ns) as f64;
            return Some(bucket.from_ns as f64 + width * left / here);
        }
        left -= here;
    }
    buckets.last().map(|bucket| bucket.to_ns as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(buckets: &[(usize, u64)]) -> BTreeMap<String, u64> {
        let buckets = buckets.iter();
        let mut metrics: BTreeMap<_, _> = buckets
            .map(|(bucket, count)| (format!("{PREFIX}{bucket}"), *count))
            .collect();
        metrics.insert("operations".to_owned(), 1000);
        metrics
    }

    #[test]
    fn runs_are_merged_and_percentiles_lie_in_their_buckets() {
        let near = Buckets::of(1000);
        let far = Buckets::of(50_000);
        let runs = [run(&[(near, 50)]), run(&[(near, 45), (far, 5)])];
        let latency = Latency::of(runs.iter()).unwrap();
        let [first, last] = latency.buckets[..] else {
            panic!("{latency:?}");
        };
        assert_eq!((first.operations, last.operations), (95, 5));
        assert!((896.0..1024.0).contains(&latency.p50_ns), "{latency:?}");
        assert!(latency.p50_ns < latency.p90_ns && latency.p90_ns <= 1024.0);
        let far = last.from_ns as f64..last.to_ns as f64;
        assert!(far.contains(&latency.p99_ns) && far.contains(&50_000.0));
    }

    #[test]
    fn buckets_that_there_are_not_count_nothing() {
        assert_eq!(Latency::of([run(&[])].iter()), None);
        assert_eq!(
            Latency::of([run(&[(Buckets::COUNT, 1), (usize::MAX, 1), (3, 0)])].iter()),
            None
        );
        let last = [
            run(&[(Buckets::COUNT - 1, u64::MAX)]),
            run(&[(Buckets::COUNT - 1, u64::MAX)]),
        ];
        let latency = Latency::of(last.iter()).unwrap();
        assert!(latency.p99_ns <= u64::MAX as f64);
    }
}
